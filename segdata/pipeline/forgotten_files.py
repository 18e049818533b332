"""Files of a workspace that name or show forgotten samples: versions, interrupted trainings, pages and others."""

from __future__ import annotations

import codecs
import hashlib
import html
import io
import os
import re
import shutil
from collections.abc import Iterator, Sequence, Set
from pathlib import Path, PurePosixPath

import pyarrow as pa
import pyarrow.parquet as pq

from segdata.catalog.forgetting import Traces
from segdata.catalog.forgotten import Pseudonyms
from segdata.catalog.mentions import Mentions
from segdata.catalog.training_sets import SAMPLE_FILES
from segdata.catalog.upkeep import UNFINISHED_NAME
from segdata.catalog.workspace import Workspace
from segdata.errors import StorageError
from segdata.imaging.formats import IMAGE_SUFFIXES
from segdata.storage.files import atomic_write

_TEXTS = (".md", ".json", ".csv", ".txt", ".log")  # not model.toml: a version's id is a hash of it
_PIECE_BYTES, _OVERLAP_BYTES = 1 << 24, 1 << 14  # an id's longest spelling is shorter than the overlap; both are even
_HASHES = ("image_sha256", "alpha_sha256")


def interrupted_trainings(workspace: Workspace, ids: Set[str]) -> list[Path]:
    """The states of interrupted trainings that saw one of the samples, and those that do not tell what they saw."""
    states = sorted(path for path in (workspace.models / ".training").glob("*") if path.is_dir())
    return [state for state in states if (seen := samples_in(state)) is None or seen & ids]


def check_sample_files(workspace: Workspace) -> None:
    """See that the lists of training samples of all versions can be read, before anything is removed.

    Raises:
        StorageError: One can't.
    """
    for folder in workspace.models.glob("[!.]*"):
        for file in (folder / name for name in SAMPLE_FILES):
            if file.is_file():
                _read_samples(file)


def conceal_in_models(workspace: Workspace, traces: Traces, pseudonyms: Pseudonyms) -> None:
    """Replace ids and hashes by keyed values in what each model folder says of its training, and in its texts."""
    mentions = traces.mentions(pseudonyms)
    for file in sorted(workspace.models.rglob("*")):
        if file.name in SAMPLE_FILES:
            _conceal_in_parquet(file, traces.ids, pseudonyms)
        elif file.suffix in _TEXTS and file.is_file():
            data = file.read_bytes()
            if mentions.are_in(data):
                text = data.decode("utf-8", "surrogateescape")
                replaced = mentions.replace_in_cell(text)
                atomic_write(file, replaced.encode("utf-8", "surrogateescape"))


def pages_that_show(workspace: Workspace, ids: Set[str]) -> list[Path]:
    """The report pages with a picture of one of them: each picture's description names its sample."""
    from segdata.report.text import visible

    names = {visible(name) for name in ids}
    pages = []
    for page in sorted(workspace.reports.glob("*/index.html")):
        text = html.unescape(page.read_text(encoding="utf-8", errors="replace"))
        if any(name in text for name in names):
            pages.append(page)
    return pages


def pictures_of_many(workspace: Workspace) -> list[Path]:
    """What shows many samples and does not say which: sheets of composites and mined cases, TensorBoard's pictures.

    All of them, since a sample may have been in another split when they were drawn.
    """
    patterns = ("*/composites.jpg", "*/mined.png", "tensorboard/*")
    return [path for pattern in patterns for path in sorted(workspace.reports.glob(pattern))]


def files_that_name(
    workspace: Workspace, traces: Traces, pseudonyms: Pseudonyms, sources: Sequence[Path]
) -> list[Path]:
    """The other files in the workspace that name or may show one of them, such as exports; the tables apart.

    A file counts if its path or its content names a sample, or if it is one of the sample's files, byte for byte. So
    does a picture with the name of the photo: `segdata predict` gives its masks and cutouts that name.

    Args:
        workspace: where to look.
        traces: of the forgotten samples.
        pseudonyms: of the key of the workspace.
        sources: the roots of the sources, which are their owner's.
    """
    mentions = traces.mentions(pseudonyms)
    photos = {PurePosixPath(name).name for name in (*traces.done, *(row["sample_id"] for row in traces.rows))}

    def counts(file: Path) -> bool:
        place = os.fsencode(file.relative_to(workspace.root))
        if mentions.are_in(place):
            return True
        return _may_show(file, photos) or _names_one(file, mentions, traces.hashes)

    apart = {path.resolve() for path in (*sources, workspace.catalog.root / "tables")}
    return [file for file in files_under(workspace.root, apart) if counts(file)]


def remove_unfinished_files(workspace: Workspace, sources: Sequence[Path]) -> None:
    """Remove what a killed export or prediction left half written, anywhere in the workspace: nobody writes now.

    Args:
        workspace: where to look.
        sources: the roots of the sources, in which segdata writes nothing.
    """
    apart = {path.resolve() for path in (*sources, workspace.catalog.root / "tables")}
    for file in files_under(workspace.root, apart):
        if file.suffix == ".tmp" and UNFINISHED_NAME.fullmatch(file.stem):
            file.unlink(missing_ok=True)


def remove(paths: Sequence[Path]) -> None:
    """Remove files and whole folders; what is gone already is no fault."""
    for path in paths:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def samples_in(folder: Path) -> set[str] | None:
    """The ids in a folder's lists of samples; None where it has none, or one that can't be read."""
    files = [folder / name for name in SAMPLE_FILES if (folder / name).is_file()]
    try:
        lists = [_read_samples(file)["sample_id"].to_pylist() for file in files]
    except StorageError:
        return None
    return {name for names in lists for name in names} if files else None


def _read_samples(file: Path) -> pa.Table:
    try:
        table = pq.read_table(file)
        table.column("sample_id")
    except (OSError, pa.ArrowInvalid, KeyError) as error:
        raise StorageError(
            f"{file}: can't be read ({error}); restore it, or remove the folder of this version"
        ) from error
    return table


def _conceal_in_parquet(file: Path, ids: Set[str], pseudonyms: Pseudonyms) -> None:
    table = _read_samples(file)
    rows = table.to_pylist()
    if not any(row["sample_id"] in ids for row in rows):
        return
    for row in rows:
        if row["sample_id"] in ids:
            hashes = {name: row[name] and pseudonyms.of_bytes(row[name]) for name in _HASHES}
            row.update(hashes, sample_id=pseudonyms.of_sample(row["sample_id"]))
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema).sort_by("sample_id"), buffer)
    atomic_write(file, buffer.getvalue())


def files_under(folder: Path, apart: Set[Path]) -> Iterator[Path]:
    """The files below a folder, sorted; links and the folders `apart` are not entered."""
    for path in sorted(folder.iterdir()):
        if path.is_symlink() or path.resolve() in apart:
            continue
        if path.is_dir():
            yield from files_under(path, apart)
        elif path.is_file():
            yield path


def _may_show(file: Path, photos: Set[str]) -> bool:
    """Whether `segdata predict` gives a file that name for one of the photos, or for a group of several."""
    stem, number = file.stem, re.compile(r"-\d+$")
    if file.suffix.lower() not in IMAGE_SUFFIXES:
        return False
    names = {stem, Path(stem).stem, number.sub("", stem), Path(number.sub("", stem)).stem}
    return stem == "group" or bool(names & photos)


def _names_one(file: Path, mentions: Mentions, hashes: Set[str]) -> bool:
    """Whether a file's content names a sample, or is one of its files, whose SHA-256 are given."""
    try:
        if _is_parquet(file):  # its pages are compressed
            columns = pq.read_table(file).columns
            texts = ("\n".join(map(str, column.to_pylist())) for column in columns if not _is_number(column.type))
            return any(mentions.are_in(text.encode("utf-8", "surrogateescape")) for text in texts)
        return _content_names_one(file, mentions, hashes)
    except (OSError, pa.ArrowInvalid):
        return False
    except MemoryError:  # a table that can't be unpacked whole may name it
        return True


def _is_parquet(file: Path) -> bool:
    with file.open("rb") as opened:
        return opened.read(4) == b"PAR1"


def _content_names_one(file: Path, mentions: Mentions, hashes: Set[str]) -> bool:
    """The same, piece by piece: a file in the workspace may be larger than the memory."""
    digest = hashlib.sha256()
    with file.open("rb") as opened:
        head = opened.read(2)
        # as Excel writes "Unicode text"
        encoding = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}.get(head)
        opened.seek(0)
        before = b""
        while piece := opened.read(_PIECE_BYTES):
            digest.update(piece)
            data = before + piece
            text = data if encoding is None else data.decode(encoding, "replace").encode("utf-8", "replace")
            if mentions.are_in(text):
                return True
            before = data[-_OVERLAP_BYTES:]
    return digest.hexdigest() in hashes


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind))

"""Find what the catalog holds of samples to forget, and remove it from every version of every table.

What is kept are keyed values of the id and of the hashes (`forgotten`), so that an ingest does not take the picture in
again, under whatever name. They also stand in for the sample in `samples`, and wherever else it was named.
"""

from __future__ import annotations

import contextlib
import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from segdata.catalog.annotated import drop_labels, unnamed_labels
from segdata.catalog.forgotten import PLAIN_ROWS, Pseudonyms, read_forgotten
from segdata.catalog.keys import mask_file_sha256
from segdata.catalog.known_leaks import leaks_file
from segdata.catalog.mends import drop_mends, drop_unlisted_mends, mends_of, mends_of_samples
from segdata.catalog.mentions import FREE_TEXT, Mentions
from segdata.catalog.merged_labels import drop_merged
from segdata.catalog.purging import quoted, quoted_in
from segdata.catalog.queries import remove_left_folders
from segdata.catalog.repairs import drop_exported, exported_names_of
from segdata.catalog.schemas import SCHEMAS, rows_to_table
from segdata.catalog.upkeep import UNFINISHED_NAME, unfinished_files
from segdata.catalog.workspace import Workspace
from segdata.errors import UsageError

Row = dict[str, Any]

KEPT_COLUMNS = ("sample_id", "dataset", "kind", "split", "image_sha256", "alpha_sha256")
"""What is left of a forgotten sample in `samples`, with stand-ins for the id and the hashes, beside status and run."""
_MARKED_COLUMNS = (*KEPT_COLUMNS, "alpha_file_sha256", "path", "image_uri", "alpha_uri")
"""What a marked row keeps until the end, so that a call that was cut off can be finished."""
_FILES_OF_SAMPLE = ("sample_id", "image_sha256", "alpha_sha256")
_HASH_COLUMNS = ("image_sha256", "alpha_sha256", "alpha_file_sha256")
_OF_SAMPLES = ("scores", "predictions", "selections", "verdicts")
_REFUSED = ("rejects", "filtered")
_ERASED = ("samples", "appearances", "embeddings", *_REFUSED, *_OF_SAMPLES)
_TEMPORARY_SUFFIX = ".tmp"


@dataclass(frozen=True)
class Traces:
    """What the catalog holds of some samples.

    Attributes:
        rows: their rows of `samples`.
        composites: rows of `samples` that were made of them.
        counts: rows of the other tables, by table.
        foregrounds: files of the cache of foregrounds: these can't be told apart, so that all of them go.
        mended: their labels that somebody mended.
        done: ids that were asked for and forgotten before: no row carries them any more.
        hashes: SHA-256 of all their files that the catalog knows, older ones too; not those that other samples share.
        similar: ids of other samples that contain one of their ids.
        earlier: what their files were before they changed, as far as tables tell: `sample_id` and hashes.
        orphans: SHA-256 of pictures in `appearances` and `embeddings` that no sample has any more: a photo's earlier
            bytes are among them, and nothing else tells whose they were.
    """

    rows: tuple[Row, ...]
    composites: tuple[Row, ...]
    counts: Mapping[str, int]
    foregrounds: int
    mended: int
    done: tuple[str, ...] = ()
    hashes: frozenset[str] = frozenset()
    similar: frozenset[str] = frozenset()
    earlier: tuple[Row, ...] = ()
    orphans: frozenset[str] = frozenset()

    @property
    def pictures(self) -> set[str]:
        """SHA-256 of the pictures whose thumbnails and embeddings are removed."""
        return _hashes((*self.rows, *self.earlier)) | self.orphans

    @property
    def ids(self) -> set[str]:
        """Of the samples and their composites."""
        return {row["sample_id"] for row in (*self.rows, *self.composites)} | set(self.done)

    def mentions(self, pseudonyms: Pseudonyms) -> Mentions:
        """Replaces the ids, the names that exports gave them, the hashes and the places of the files."""
        ids = {name: pseudonyms.of_sample(name) for name in self.ids}
        rows = (*self.rows, *self.composites)
        places = {row[name]: ids[row["sample_id"]] for row in rows for name in ("image_uri", "alpha_uri") if row[name]}
        hashes = {value: pseudonyms.of_bytes(value) for value in self.hashes}
        exported = {name: ids[sample] for sample in ids for name in exported_names_of(sample)}
        return Mentions(exported | places | ids | hashes, self.similar)


def traces_of(workspace: Workspace, sample_ids: Sequence[str]) -> Traces:
    """Find what there is of samples; those that were forgotten already count, so that a cut-off call can be finished.

    Rows that were marked and never finished, by a call that was cut off or by an older segdata, are added.

    Raises:
        UsageError: The catalog has no such sample.
        CatalogError: The key of the workspace is missing.
    """
    catalog = workspace.catalog
    wanted = set(sample_ids)
    rows = catalog.read("samples", where=f"{quoted_in('sample_id', wanted)} OR ({PLAIN_ROWS})").to_pylist()
    missing = sorted(wanted - {row["sample_id"] for row in rows})
    forgotten = read_forgotten(workspace)
    done = tuple(name for name in missing if forgotten.has_sample(name))
    if unknown := [name for name in missing if name not in done]:
        raise UsageError(
            f"forget: no sample {unknown[0]!r}; find its id with: segdata query "
            "\"SELECT sample_id FROM samples WHERE sample_id LIKE '%name%'\""
        )
    rows += _earlier_names(workspace, rows)
    wanted = {row["sample_id"] for row in rows} | set(done)
    composites = [
        row
        for row in catalog.read("samples", where="kind = 'composite'").to_pylist()
        if any(parent["sample_id"] in wanted for parent in row["parents"] or ())
    ]
    ids = wanted | {row["sample_id"] for row in composites}
    where = {name: quoted_in("sample_id", ids) for name in _OF_SAMPLES}
    earlier, orphans = _earlier_files(workspace, rows), _orphans(workspace)
    pictures = _hashes((*rows, *earlier)) | orphans
    where |= {"appearances": quoted_in("image_sha256", pictures), "embeddings": _their_embeddings(pictures)}
    where |= {name: _their_places(workspace, name, ids) for name in _REFUSED}
    counts = {
        name: catalog.query(f"SELECT count(*)::BIGINT AS n FROM {name} WHERE {predicate}")["n"][0].as_py()
        for name, predicate in where.items()
    }
    foregrounds = sum(path.is_file() for path in (catalog.files / "foregrounds").rglob("*"))
    mended = mends_of_samples(catalog, ids, _hashes(rows), _holders(workspace, rows, ids))
    hashes = _all_hashes(workspace, [*rows, *composites], ids, mended)
    similar = _similar_ids(workspace, ids)
    of_files = (tuple(rows), tuple(composites), counts, foregrounds, len(mended))
    return Traces(*of_files, done, hashes, similar, earlier, orphans)


def erase(workspace: Workspace, traces: Traces, pseudonyms: Pseudonyms, run_id: str) -> None:
    """Remove it all from the newest versions: first the marks, which keep it from coming back, then files, then rows.

    If the process is killed, call this again to finish. Nobody else may write to the catalog during the call. `conceal`
    has to follow.
    """
    catalog = workspace.catalog
    marked = [
        {**{column: row[column] for column in _MARKED_COLUMNS}, "status": "forgotten", "run_id": run_id}
        for row in traces.rows
    ]
    catalog.merge("samples", rows_to_table("samples", marked))
    remember(workspace, pseudonyms, (*traces.rows, *traces.earlier), run_id)
    ours = (catalog.files / "composites").resolve()
    for uri in (row[name] for row in (*traces.composites, *traces.rows) for name in ("image_uri", "alpha_uri")):
        path = workspace.resolve(uri) if uri else None
        if path is not None and path.resolve().is_relative_to(ours):
            with contextlib.suppress(FileNotFoundError):
                path.unlink()
    shutil.rmtree(catalog.files / "foregrounds", ignore_errors=True)
    held = _holders(workspace, traces.rows, traces.ids)
    drop_mends(catalog, traces.ids, _hashes(traces.rows), held)
    drop_unlisted_mends(catalog)
    drop_labels(catalog, traces.ids)
    for label in list(unnamed_labels(workspace)):  # of photos that were rejected, or of earlier annotations
        label.unlink(missing_ok=True)
    drop_merged(catalog, traces.ids)
    drop_exported(catalog, traces.ids, _hashes(traces.rows), held)
    leaks_file(catalog).unlink(missing_ok=True)
    for folder in ("overlays", "pictures"):  # of a review: made again by the next one, which leaves these samples out
        shutil.rmtree(workspace.root / "review" / folder, ignore_errors=True)
    _remove_temporary_files(workspace)
    catalog.delete("samples", quoted_in("sample_id", {row["sample_id"] for row in traces.composites}))
    catalog.delete("appearances", quoted_in("image_sha256", traces.pictures))
    catalog.delete("embeddings", _their_embeddings(traces.pictures))
    for name in _REFUSED:
        catalog.delete(name, _their_places(workspace, name, traces.ids))
    for name in _OF_SAMPLES:
        catalog.delete(name, quoted_in("sample_id", traces.ids))


def conceal(workspace: Workspace, traces: Traces, pseudonyms: Pseudonyms, run_id: str) -> None:
    """Replace the ids and hashes by keyed values wherever the tables name them, and remove all older versions.

    The rows of `samples` come last: until then the same call finds its samples by their ids.
    """
    catalog = workspace.catalog
    traces.mentions(pseudonyms).replace_in_tables(catalog)
    rows = [{**concealed(row, pseudonyms), "run_id": run_id} for row in traces.rows]
    catalog.merge("samples", rows_to_table("samples", rows))
    catalog.delete("samples", quoted_in("sample_id", {row["sample_id"] for row in traces.rows}))
    for name in dict.fromkeys((*_ERASED, *FREE_TEXT)):  # all of them: a call that was cut off may have changed some
        catalog.purge(name)


def concealed(row: Mapping[str, Any], pseudonyms: Pseudonyms) -> Row:
    """What is left of a row of `samples`: no name, no place, and stand-ins for the id and the hashes."""
    hashes = {name: row[name] and pseudonyms.of_bytes(row[name]) for name in ("image_sha256", "alpha_sha256")}
    columns = {name: row[name] for name in KEPT_COLUMNS}
    return {**columns, **hashes, "sample_id": pseudonyms.of_sample(row["sample_id"]), "status": "forgotten"}


def remember(workspace: Workspace, pseudonyms: Pseudonyms, rows: Iterable[Mapping[str, Any]], run_id: str) -> None:
    """Note samples in the table `forgotten`: ingest leaves them out from now on.

    Args:
        workspace: whose catalog and key.
        pseudonyms: of the key of the workspace.
        rows: with `sample_id`, `image_sha256` and `alpha_sha256`, and `alpha_uri` where it is known.
        run_id: the run that forgets them.
    """
    notes: dict[tuple[str, str], dict[str, object]] = {}
    for row in rows:
        files = row["image_sha256"], mask_file_sha256(row["alpha_sha256"], row.get("alpha_file_sha256"))
        image, alpha = (sha256 and pseudonyms.of_bytes(sha256) for sha256 in files)
        sample = pseudonyms.of_sample(row["sample_id"])
        names = {
            "sample_hmac": sample,
            "image_hmac": image or "",
            "alpha_hmac": alpha,
            "name_hmacs": pseudonyms.of_names(row["sample_id"], row.get("alpha_uri")),
        }
        notes[sample, image or ""] = {**names, "key_id": pseudonyms.key_id, "at": datetime.now(UTC), "run_id": run_id}
    workspace.catalog.merge("forgotten", rows_to_table("forgotten", list(notes.values())))


def table_of(rows: Sequence[Row]) -> pa.Table:
    """Rows as a table of `samples`."""
    return pa.Table.from_pylist(list(rows), schema=SCHEMAS["samples"])


def _similar_ids(workspace: Workspace, ids: set[str]) -> frozenset[str]:
    """The ids of other samples that contain one of these, such as `people/1-b` for `people/1`."""
    contained = " OR ".join(f"contains(sample_id, {quoted(name)})" for name in sorted(ids)) or "1 = 0"
    names = workspace.catalog.read("samples", ["sample_id"], contained)["sample_id"].to_pylist()
    return frozenset(names) - ids


def _all_hashes(workspace: Workspace, rows: Sequence[Row], ids: set[str], mended: set[str]) -> frozenset[str]:
    """SHA-256 of all files that were ever theirs, as far as tables and mended labels tell, and of no other sample's."""
    catalog = workspace.catalog
    hashes: set[Any] = {row.get(name) for row in rows for name in _HASH_COLUMNS}
    for table in _OF_SAMPLES:
        pairs = catalog.read(table, ["image_sha256", "alpha_sha256"], quoted_in("sample_id", ids))
        hashes |= {value for column in pairs.columns for value in column.to_pylist()}
    for name, mend in mends_of(catalog).items():
        if name in mended:
            hashes |= {mend.replaces, mend.measured, mend.source}
            hashes |= {Path(file).stem for file in mend.files}
    hashes.discard(None)
    shared = " OR ".join(quoted_in(name, hashes) for name in _HASH_COLUMNS)
    others = catalog.read("samples", ["sample_id", *_HASH_COLUMNS], f"status = 'present' AND ({shared})").to_pylist()
    return frozenset(hashes) - {row[name] for row in others if row["sample_id"] not in ids for name in _HASH_COLUMNS}


def _remove_temporary_files(workspace: Workspace) -> None:
    """What a killed command left half written; nobody writes now. Files of other programs are left alone."""
    catalog = workspace.catalog
    folders = (catalog.root / "tables", catalog.files, workspace.models, workspace.reports, workspace.root / "review")
    written = (path for folder in folders for path in folder.rglob(f".*{_TEMPORARY_SUFFIX}"))
    for path in (*workspace.root.glob(f".*{_TEMPORARY_SUFFIX}"), *written):
        if UNFINISHED_NAME.fullmatch(path.name.removesuffix(_TEMPORARY_SUFFIX)):
            path.unlink(missing_ok=True)
    for path in list(unfinished_files(workspace)):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    remove_left_folders()


def _earlier_names(workspace: Workspace, rows: Sequence[Row]) -> list[Row]:
    """What the same bytes were called before their file was renamed: its scores are kept under that name too."""
    gone = f"status = 'gone' AND {quoted_in('image_sha256', _hashes(rows))}"
    known = {row["sample_id"] for row in rows}
    return [row for row in workspace.catalog.read("samples", where=gone).to_pylist() if row["sample_id"] not in known]


def _holders(workspace: Workspace, rows: Sequence[Row], ids: set[str]) -> set[str]:
    """Samples with the same bytes that are not forgotten: their labels stay."""
    same = f"status = 'present' AND {quoted_in('image_sha256', _hashes(rows))}"
    return set(workspace.catalog.read("samples", ["sample_id"], same)["sample_id"].to_pylist()) - ids


def _earlier_files(workspace: Workspace, rows: Sequence[Row]) -> tuple[Row, ...]:
    """The hashes of files that samples had before they changed; not those that another sample has now."""
    catalog = workspace.catalog
    ids = {row["sample_id"] for row in rows}
    known = _hashes(rows)
    earlier: dict[tuple[str, str], Row] = {}
    for table in _OF_SAMPLES:
        for row in catalog.read(table, list(_FILES_OF_SAMPLE), quoted_in("sample_id", ids)).to_pylist():
            if row["image_sha256"] and row["image_sha256"] not in known:
                earlier[row["sample_id"], row["image_sha256"]] = row
    same = f"status = 'present' AND {quoted_in('image_sha256', {image for _, image in earlier})}"
    shared = set(catalog.read("samples", ["image_sha256"], same)["image_sha256"].to_pylist())
    return tuple(row for (_, image), row in sorted(earlier.items()) if image not in shared)


def _orphans(workspace: Workspace) -> frozenset[str]:
    """SHA-256 of pictures with a thumbnail or an embedding that no sample has any more."""
    catalog = workspace.catalog
    samples = set(catalog.read("samples", ["image_sha256"])["image_sha256"].to_pylist())
    pictures = set(catalog.read("appearances", ["image_sha256"])["image_sha256"].to_pylist())
    for column in catalog.read("embeddings", ["image_sha256", "over_sha256"]).columns:
        pictures |= set(column.to_pylist())
    return frozenset(value for value in pictures - samples if value)


def _hashes(rows: Iterable[Row]) -> set[str]:
    return {row["image_sha256"] for row in rows if row["image_sha256"]}


def _their_embeddings(hashes: set[str]) -> str:
    """Of the pictures as they are, and of composites in which they are one or the other parent."""
    return f"({quoted_in('image_sha256', hashes)} OR {quoted_in('over_sha256', hashes)})"


def _their_places(workspace: Workspace, table: str, ids: set[str]) -> str:
    """The rows of `rejects` or `filtered` whose path or detail names one of the samples: a label without its photo too.

    A file that shows nobody of them and only has their name is among these rows as well; the next ingest adds it again.
    """
    names: dict[str, set[str]] = {}
    for sample_id in ids:
        dataset, _, stem = sample_id.partition("/")
        names.setdefault(dataset, set()).add(stem.rpartition("/")[2])
    columns = ["dataset", "path", *(["detail"] if "detail" in SCHEMAS[table].names else [])]
    rows = workspace.catalog.read(table, columns, quoted_in("dataset", set(names))).to_pylist()
    places: dict[str, set[str]] = {}
    for dataset, stems in names.items():
        naming = re.compile(rf"(?<![^\W_])(?:{'|'.join(map(re.escape, sorted(stems)))})(?![^\W_])")
        texts = ((row["path"], f"{row['path']} {row.get('detail')}") for row in rows if row["dataset"] == dataset)
        places[dataset] = {path for path, text in texts if naming.search(text)}
    each = (
        f"({quoted_in('dataset', {name})} AND {quoted_in('path', paths)})" for name, paths in places.items() if paths
    )
    return " OR ".join(each) or "1 = 0"

"""Labels that were mended: kept beside the catalog, since a source is never written, and used in place of the source's.

files/mended/<hash of the mended file>.png     grey, 255 is person; never removed by a later mend, nor by an undo
files/mended/index.json                        sample_id -> the file that counts, and what was there before

A mended label belongs to the bytes of its photograph: it goes with them to another name, and a name that gets another
photograph lets go of it. What a name had to let go of is kept under `<sample_id>#<hash of the photograph>`.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping, Set
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from segdata.catalog.tables import Catalog
from segdata.errors import CatalogError
from segdata.storage.files import alone, atomic_write, sha256_of


@dataclass(frozen=True)
class Mend:
    """A mended label.

    Attributes:
        file: its name under `files/mended`; None where every mend was undone, so that the source's own label counts.
        replaces: SHA-256 of the alpha that was there before, of an earlier mend or of the source.
        earlier: files of earlier mends, the newest last: kept as the label's history.
        measured: SHA-256 of the alpha that versions were measured on before it was mended, until they are measured on
            this one: a command that is killed in between is finished by the next ingest.
        image: SHA-256 of the photograph that it is the label of; None in an index of an older segdata, which counts
            whatever the photograph.
        source: SHA-256 of the source's own alpha, which the first mend replaced; None as above.
        runs: the runs that brought the earlier files and then this one; None for one of an older segdata.
        undone: files that were undone: kept as history too.
    """

    file: str | None
    replaces: str | None
    earlier: tuple[str, ...] = ()
    measured: str | None = None
    image: str | None = None
    source: str | None = None
    runs: tuple[str | None, ...] = ()
    undone: tuple[str, ...] = ()

    def is_of(self, image: str | None) -> bool:
        """Whether it is the label of the photograph with this SHA-256."""
        return self.image is None or self.image == image

    @property
    def alpha(self) -> str | None:
        """SHA-256 of the label that counts."""
        return self.source if self.file is None else self.file.removesuffix(".png")

    @property
    def files(self) -> tuple[str, ...]:
        """All files that are kept for it."""
        return (*self.earlier, *(() if self.file is None else (self.file,)), *self.undone)

    @property
    def run(self) -> str | None:
        """The run that brought the label that counts."""
        return self.runs[-1] if self.file is not None and self.runs else None


@dataclass(frozen=True)
class Undone:
    """What undoing a run restores.

    Attributes:
        restored: sample ids whose label is what it was before.
        later: samples that a later run mended again, and that run: they stay as they are.
    """

    restored: tuple[str, ...]
    later: Mapping[str, str]


def folder_of(catalog: Catalog) -> Path:
    """Where mended labels lie."""
    return catalog.files / "mended"


def mends_of(catalog: Catalog) -> dict[str, Mend]:
    """The mended labels by sample_id.

    Raises:
        CatalogError: Their index is damaged.
    """
    path = folder_of(catalog) / "index.json"
    if not path.is_file():
        return {}
    try:
        rows: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return {name: _mend(row) for name, row in rows.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CatalogError(f"{path}: can't be read ({error}); restore it from a backup, or move it away") from error


def keep_mends(
    catalog: Catalog,
    mended: Mapping[str, bytes],
    of: Mapping[str, tuple[str | None, str | None]],
    run_id: str | None = None,
) -> None:
    """Keep mended labels, whole or not at all; the next ingest of their source uses them.

    Args:
        catalog: beside which they lie.
        mended: PNG by sample_id.
        of: SHA-256 of the photograph and of the alpha that each one replaces.
        run_id: the run that brings them, by which they can be undone.
    """
    for data in mended.values():
        atomic_write(folder_of(catalog) / f"{sha256_of(data)}.png", data)
    with alone(folder_of(catalog)):
        known = mends_of(catalog)
        new = {
            name: _next(known.get(name), f"{sha256_of(data)}.png", of[name], run_id) for name, data in mended.items()
        }
        _write(catalog, _handed_over(known, new))


def undo_mends(catalog: Catalog, run_id: str, dry_run: bool = False) -> Undone:
    """Let the labels count again that were there before a run brought mended ones.

    Args:
        catalog: beside which they lie.
        run_id: the run.
        dry_run: only say which.
    """
    with contextlib.nullcontext() if dry_run else alone(folder_of(catalog)):
        known = mends_of(catalog)
        brought = {name: mend for name, mend in known.items() if run_id in mend.runs}
        restored = {name: _before(mend) for name, mend in brought.items() if mend.run == run_id}
        if restored and not dry_run:
            _write(catalog, {**known, **restored})
    later = {_plain_name(name, mend): str(mend.run) for name, mend in brought.items() if mend.run != run_id}
    return Undone(tuple(sorted({_plain_name(name, mend) for name, mend in restored.items()})), later)


def hand_over(catalog: Catalog, mends: Mapping[str, Mend]) -> None:
    """Make these the mends of samples; one that a name had for another photograph is kept aside."""
    with alone(folder_of(catalog)):
        _write(catalog, _handed_over(mends_of(catalog), mends))


def measured_anew(catalog: Catalog, names: Set[str]) -> None:
    """Note that versions have been measured on the mended labels of samples as they are."""
    with alone(folder_of(catalog)):
        known = mends_of(catalog)
        _write(catalog, {name: replace(mend, measured=None) if name in names else mend for name, mend in known.items()})


def drop_mends(catalog: Catalog, names: Set[str], images: Set[str] = frozenset(), held: Set[str] = frozenset()) -> int:
    """Remove mended labels, files and all, as of samples that are forgotten; how many there were.

    Args:
        catalog: beside which they lie.
        names: sample ids whose labels go.
        images: SHA-256 of photographs whose labels go, under whatever name they were mended.
        held: sample ids that hold the same photograph and stay.
    """
    if not mends_of(catalog):
        return 0
    with alone(folder_of(catalog)):
        known = mends_of(catalog)
        gone = {name: known.pop(name) for name in mends_of_samples(catalog, names, images, held)}
        if gone:
            kept = {file for mend in known.values() for file in mend.files}
            _write(catalog, known)
            for file in {file for mend in gone.values() for file in mend.files} - kept:
                (folder_of(catalog) / file).unlink(missing_ok=True)
    return len(gone)


def drop_unlisted_mends(catalog: Catalog) -> None:
    """Remove labels that the index does not name: a kill came between writing them and the index. Nobody may write."""
    listed_names = {file for mend in mends_of(catalog).values() for file in mend.files}
    for file in folder_of(catalog).glob("*.png"):
        if file.name not in listed_names:
            file.unlink(missing_ok=True)


def mends_of_samples(catalog: Catalog, names: Set[str], images: Set[str], held: Set[str]) -> set[str]:
    """Under which names the index has the mends that `drop_mends` would remove."""
    known = mends_of(catalog)
    return {
        name
        for name, mend in known.items()
        if _plain_name(name, mend) in names or (mend.image in images and name not in held)
    }


def _next(was: Mend | None, file: str, of: tuple[str | None, str | None], run_id: str | None) -> Mend:
    image, alpha = of
    if was is None or not was.is_of(image):
        return Mend(file, alpha, measured=alpha, image=image, source=alpha, runs=(run_id,))
    measured = alpha if was.measured is None else was.measured
    undone = tuple(one for one in was.undone if one != file)
    if was.file in (None, file):  # undone before, or kept again by a command that was killed in between
        runs = (*was.runs[: len(was.earlier)], run_id)
        return Mend(file, alpha, was.earlier, measured, image, was.source, runs, undone)
    assert was.file is not None
    return Mend(file, alpha, (*was.earlier, was.file), measured, image, was.source, (*was.runs, run_id), undone)


def _before(mend: Mend) -> Mend:
    """The mend without its newest file."""
    assert mend.file is not None
    *earlier, file = mend.earlier or (None,)
    names = tuple(name for name in earlier if name is not None)
    return replace(
        mend,
        file=file,
        replaces=mend.replaces if file is None else (names[-1].removesuffix(".png") if names else mend.source),
        earlier=names,
        measured=mend.alpha if mend.measured is None else mend.measured,
        runs=mend.runs[:-1],
        undone=(*(name for name in mend.undone if name != mend.file), mend.file),
    )


def _plain_name(name: str, mend: Mend) -> str:
    """The sample id in a key of the index: one that is kept aside has the photo's hash behind it."""
    return name.removesuffix(f"#{mend.image}")


def _handed_over(known: Mapping[str, Mend], new: Mapping[str, Mend]) -> dict[str, Mend]:
    let_go = {f"{name}#{known[name].image}": known[name] for name in new.keys() & known.keys()}
    aside = {key: mend for key, mend in let_go.items() if not mend.is_of(new[key.rpartition("#")[0]].image)}
    return {**known, **aside, **new}


def _mend(row: Mapping[str, Any]) -> Mend:
    file = None if row["file"] is None else str(row["file"])
    earlier, undone = tuple(row.get("earlier", ())), tuple(row.get("undone", ()))
    brought = len(earlier) + (file is not None)
    runs = (*(None for _ in range(brought)), *row.get("runs", ()))[-brought:] if brought else ()
    measured, image, source = (row.get(name) for name in ("measured", "image", "source"))
    return Mend(file, row["replaces"], earlier, measured, image, source, runs, undone)


def _write(catalog: Catalog, known: Mapping[str, Mend]) -> None:
    text = json.dumps({name: asdict(known[name]) for name in sorted(known)}, indent=1)
    atomic_write(folder_of(catalog) / "index.json", text.encode())

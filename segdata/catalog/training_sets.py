"""What a model is trained on: the training split, accepted hard cases, composites; and what is kept out, and why."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from segdata.catalog import licences as licensing
from segdata.catalog import near_duplicates
from segdata.catalog.forgotten import read_forgotten
from segdata.catalog.keys import COLUMNS, Key, key_of, keys_of
from segdata.catalog.models import all_models
from segdata.catalog.near_duplicates import Duplicate
from segdata.catalog.schemas import SCHEMAS
from segdata.catalog.splits import unit_hash
from segdata.catalog.workspace import Workspace

Row = dict[str, Any]

_log = logging.getLogger(__name__)

SAMPLE_FILES = ("training.parquet", "backgrounds.parquet")
"""What a version's folder, and the state of an interrupted training, say about the samples that were seen."""
_HELD_OUT = ("test", "val")
_KEPT_OUT = frozenset({"label_error", "drop"})
_NOT_HARD = frozenset({"label_error", "drop", "fine"})


@dataclass(frozen=True)
class Mix:
    """In which shares a training set is mixed.

    Attributes:
        hard_share: mined hard cases are at most this share of all portraits, the worst of the newest selection first;
            None for no cap.
        hard_weight: by which a hard case's own weight is multiplied.
        replay: share of the training split, the easy samples, that is shown again beside the hard ones.
        seed: draws that share.
        splits: which are trained on as a whole. With more than `train` there is nothing left to choose a version by.
    """

    hard_share: float | None = None
    hard_weight: float = 1.0
    replay: float = 1.0
    seed: int = 0
    splits: tuple[str, ...] = ("train",)

    @property
    def held_out(self) -> tuple[str, ...]:
        """The splits whose near-duplicates leak."""
        return tuple(split for split in _HELD_OUT if split not in self.splits)


PLAIN = Mix()


@dataclass(frozen=True)
class TrainingSet:
    """The samples of one training.

    Attributes:
        rows: rows of `samples` and their `weight`.
        hard: how many of them are mined hard cases.
        leaks: the near-duplicates of held-out samples that were left out, with what they duplicate.
        unlicensed: how many were left out since their licence, or that of a composite's parent, is not allowed.
        capped: how many accepted hard cases were one too many for the mix.
        held_out: how many held-out portraits all were held against.
    """

    rows: pa.Table
    hard: int
    leaks: tuple[Duplicate, ...]
    unlicensed: int = 0
    capped: int = 0
    held_out: int = 0

    def counts(self) -> dict[str, int]:
        """What a dry run says."""
        return {
            "training_samples": self.rows.num_rows,
            "leaks_removed": len(self.leaks),
            "unlicensed": self.unlicensed,
            "capped": self.capped,
        }


def training_set(
    workspace: Workspace,
    selections: Sequence[str],
    rendered: bool,
    licences: Sequence[str] = (),
    mix: Mix = PLAIN,
) -> TrainingSet:
    """The training split, the accepted hard cases of the selections, and rendered composites if wanted.

    A reviewer's verdict wins over triage. Near-duplicates of test and val are left out, and so are composites with
    such a parent, with a parent that changed, or with one whose label was judged wrong.

    Args:
        workspace: whose catalog is read.
        selections: names of selections, the newest last.
        rendered: whether composites are wanted.
        licences: those allowed, as `licences.is_allowed` takes them; none given allows all.
        mix: how many hard cases and easy samples, and which splits as a whole.

    Raises:
        TooFewSamplesError: There is something to train on, and none of it is under such a licence.
    """
    catalog = workspace.catalog
    samples = catalog.read("samples", where="status = 'present'").to_pylist()
    verdicts = newest_verdicts(catalog.read("verdicts").to_pylist())
    usable = [row for row in samples if verdicts.get(key_of(row)) not in _KEPT_OUT]
    portraits = {row["sample_id"]: row for row in usable if row["kind"] == "portrait"}
    base = _base(workspace, portraits.values(), verdicts, mix)
    wanted = [row for name in reversed(selections) for row in accepted(catalog_selection(workspace, name), verdicts)]
    first: dict[str, Row] = {}
    for row in wanted:
        first.setdefault(row["sample_id"], row)
    hard = [
        portraits[name]
        for name, row in first.items()
        if name in portraits and key_of(portraits[name]) == key_of(row) and portraits[name]["split"] == "pool"
    ]
    added = [row for row in hard if "pool" not in mix.splits]  # where the whole pool is trained on, they are in it
    held_out = _held_out(workspace, mix.held_out)
    leaks = tuple(near_duplicates.find_duplicates(workspace, _table([*base, *added]), held_out))
    leaked = near_duplicates.leaked_ids(leaks)
    base, clean = ([row for row in rows if row["sample_id"] not in leaked] for rows in (base, added))
    added = clean[: _most(len(base), mix.hard_share)]
    found = [*base, *added]
    if rendered:
        parents = {row["sample_id"]: row for row in usable if row["sample_id"] not in leaked}
        found += [row for row in usable if row["kind"] == "composite" and _parents_hold(row, parents)]
    kept = _licensed(found, usable, licences)
    licensing.require_some(kept, (row["licence"] for row in found), licences, "sample to train on")
    names = {row["sample_id"] for row in kept}
    used = {row["sample_id"]: first[row["sample_id"]]["weight"] for row in hard if row["sample_id"] in names}
    table = _weighed(kept, used, mix.hard_weight)
    return TrainingSet(
        rows=table,
        hard=len(used),
        leaks=leaks,
        unlicensed=len(found) - len(kept),
        capped=len(clean) - len(added),
        held_out=held_out.num_rows,
    )


def _base(workspace: Workspace, portraits: Iterable[Row], verdicts: Mapping[Key, str], mix: Mix) -> list[Row]:
    """What is trained on as a whole: the training split or a share of it, and further splits but for suspect labels."""
    base = [row for row in portraits if row["split"] in mix.splits]
    if mix.replay < 1:
        base = [row for row in base if unit_hash("replay", mix.seed, row["sample_id"]) < mix.replay]
    if "pool" not in mix.splits:
        return base
    rows = workspace.catalog.read("selections", where="triage = 'suspect_label'").to_pylist()
    suspects = {key_of(row) for row in rows if verdicts.get(key_of(row)) is None}
    return [row for row in base if key_of(row) not in suspects]


def _most(base: int, hard_share: float | None) -> int | None:
    """How many hard cases fit beside so many others; None for any number.

    >>> _most(30, 0.25), _most(30, None), _most(30, 1.0)
    (10, None, None)
    """
    if hard_share is None or hard_share >= 1:
        return None
    return int(base * hard_share / (1 - hard_share))


def _weighed(kept: list[Row], hard: Mapping[str, float | None], hard_weight: float) -> pa.Table:
    """The rows sorted by id, with their column `weight`: 1, or a hard case's own times what all of them weigh."""
    table = _table(sorted(kept, key=lambda row: str(row["sample_id"])))
    own = {name: (1.0 if weight is None else weight) * hard_weight for name, weight in hard.items()}
    weights = [float(own.get(name, 1.0)) for name in table["sample_id"].to_pylist()]
    return table.append_column("weight", pa.array(weights, pa.float32()))


def _licensed(found: list[Row], known: Iterable[Row], licences: Sequence[str]) -> list[Row]:
    """What may be trained on; a composite by its parents, since its own licence is both of theirs in one text."""
    of = {row["sample_id"]: row["licence"] for row in known}
    return [
        row
        for row in found
        if (
            licensing.parents_allowed(row, of, licences)
            if row["kind"] == "composite"
            else licensing.is_allowed(row["licence"], licences)
        )
    ]


def leaks_into(workspace: Workspace, samples: pa.Table) -> list[Duplicate]:
    """The near-duplicates of test and val portraits among the samples: what the leakage gate takes out."""
    return near_duplicates.find_duplicates(workspace, samples, _held_out(workspace, _HELD_OUT))


def _held_out(workspace: Workspace, splits: Sequence[str]) -> pa.Table:
    listed = ", ".join(f"'{split}'" for split in splits) or "NULL"
    return workspace.catalog.read("samples", where=f"kind = 'portrait' AND split IN ({listed}) AND status = 'present'")


def accepted(selection: Iterable[Row], verdicts: Mapping[Key, str]) -> list[Row]:
    """The rows of a selection to train on: judged hard, or triaged hard and not judged otherwise.

    >>> rows = [{"sample_id": s, "image_sha256": "i", "alpha_sha256": "a", "triage": t}
    ...         for s, t in [("p/1", "hard"), ("p/2", "suspect_label"), ("p/3", "hard")]]
    >>> verdicts = {("p/2", "i", "a"): "hard", ("p/3", "i", "a"): "fine"}
    >>> [row["sample_id"] for row in accepted(rows, verdicts)]
    ['p/1', 'p/2']
    """
    taken = []
    for row in selection:
        verdict = verdicts.get(key_of(row))
        if verdict == "hard" or (row["triage"] == "hard" and verdict not in _NOT_HARD):
            taken.append(row)
    return taken


def newest_verdicts(rows: Iterable[Row]) -> dict[Key, str]:
    """The last word on each sample, as it was when judged: another image or alpha by now is unjudged.

    Whoever said it: of several reviewers the last one counts. A note alone takes nothing back.
    """
    return {key_of(row): row["verdict"] for row in sorted(rows, key=lambda row: row["at"]) if row["verdict"]}


def catalog_selection(workspace: Workspace, name: str) -> list[Row]:
    """The rows of a selection, worst first."""
    quoted = name.replace("'", "''")
    rows = workspace.catalog.read("selections", where=f"selection = '{quoted}'").to_pylist()
    return sorted(rows, key=lambda row: row["rank"])


def selections_of_lineage(workspace: Workspace, model_id: str | None) -> list[str]:
    """The selections that a model and its ancestors were trained on, oldest first: a later round keeps them."""
    models = {row["model_id"]: row for row in all_models(workspace.catalog)}
    names: list[str] = []
    seen: set[str] = set()
    while model_id is not None and model_id in models and model_id not in seen:
        seen.add(model_id)
        model = models[model_id]
        names += [model["selection"]] if model["selection"] else []
        model_id = model["parent_model_id"]
    return names[::-1]


def trained_on(folder: Path) -> pa.Table:
    """The samples that a version was trained on, by id and hash, from its `training.parquet`."""
    return pq.read_table(folder / "training.parquet")


def backgrounds_of(folder: Path) -> pa.Table:
    """The backgrounds that a version saw while it was trained, by id and hash; none where there is no such file."""
    file = folder / "backgrounds.parquet"
    return pq.read_table(file) if file.exists() else pq.read_table(folder / "training.parquet").slice(0, 0)


def ever_trained_on(workspace: Workspace) -> set[str]:
    """The sample_ids that any version was trained on that others are still compared with; lost folders apart.

    A version that was trained on held-out samples as well is the last of its line and compared with none.
    """
    found: set[str] = set()
    for model in all_models(workspace.catalog):
        folder = workspace.resolve(model["uri"])
        if not model["metrics"].get("final") and (folder / "training.parquet").is_file():
            found |= set(trained_on(folder)["sample_id"].to_pylist())
    return found


def minable(workspace: Workspace, folder: Path) -> tuple[pa.Table, int]:
    """The portraits of the pool that a version may be asked about, and how many it may not.

    Left out: what it was trained on (by id, by hash, by near-duplicate), near-duplicates of test and val, and what
    a reviewer judged fine, wrongly labelled, or to be dropped. A version without `training.parquet`, such as a copy of
    its weights and model.toml alone, is asked about the whole pool, and a warning says so.
    """
    catalog, trained = workspace.catalog, _known_training(folder)
    pool = catalog.read("samples", where="kind = 'portrait' AND split = 'pool' AND status = 'present'")
    verdicts = newest_verdicts(catalog.read("verdicts").to_pylist())
    judged = [dict(zip(COLUMNS, key, strict=True)) for key, verdict in verdicts.items() if verdict in _NOT_HARD]
    left = without_trained(workspace, pool, trained)
    left = _without(
        left,
        keys_of(left),
        keys_of(pa.Table.from_pylist(judged, SCHEMAS["samples"].empty_table().select(COLUMNS).schema)),
    )
    known = catalog.read("samples", near_duplicates.COLUMNS, "kind = 'portrait' AND status = 'present'")
    seen = known.filter(pc.is_in(known["sample_id"], value_set=trained["sample_id"]))
    copies = near_duplicates.find_duplicates(workspace, left, seen)
    away = near_duplicates.leaked_ids([*copies, *leaks_into(workspace, left)])
    left = _without(left, left["sample_id"], pa.array(sorted(away), pa.string()))
    return left, pool.num_rows - left.num_rows


def _known_training(folder: Path) -> pa.Table:
    if (folder / "training.parquet").is_file():
        return trained_on(folder)
    _log.warning(
        "%s: training.parquet is missing, so segdata can't leave out what this version was trained on; copy the whole "
        "folder of the version",
        folder,
    )
    columns = ("sample_id", "image_sha256", "alpha_sha256")
    return SCHEMAS["samples"].empty_table().select(columns)


def without_trained(workspace: Workspace, samples: pa.Table, trained: pa.Table) -> pa.Table:
    """The samples that a version was not trained on, neither by id nor by the bytes of the photo.

    Args:
        workspace: whose key recognises the bytes of forgotten samples.
        samples: rows with `sample_id` and `image_sha256`.
        trained: what `trained_on` gives; a forgotten sample is in it by its stand-ins.
    """
    left = _without(samples, samples["sample_id"], trained["sample_id"])
    left = _without(left, left["image_sha256"], trained["image_sha256"])
    hashes = left["image_sha256"].to_pylist()
    stand_ins = read_forgotten(workspace).stand_ins_of(hashes)
    if not stand_ins:
        return left
    values = pa.chunked_array([pa.array([stand_ins.get(value) for value in hashes], pa.string())])
    return _without(left, values, trained["image_sha256"])


def _without(rows: pa.Table, values: pa.ChunkedArray, unwanted: pa.Array | pa.ChunkedArray) -> pa.Table:
    """The rows whose value is none of the unwanted."""
    return rows.filter(pc.invert(pc.is_in(values, value_set=unwanted)))


def _parents_hold(composite: Row, parents: Mapping[str, Row]) -> bool:
    """Whether a composite's parents are as they were when it was made, and its portrait still is for training."""
    for parent in composite["parents"] or []:
        row = parents.get(parent["sample_id"])
        if row is None or (row["image_sha256"], row["alpha_sha256"]) != (
            parent["image_sha256"],
            parent["alpha_sha256"],
        ):
            return False
        if row["kind"] == "portrait" and row["split"] != "train":
            return False
    return bool(composite["parents"])


def _table(rows: list[Row]) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=SCHEMAS["samples"])

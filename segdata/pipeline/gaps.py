"""What a workspace can do without, and what that costs: backgrounds, a test split, a pool."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from segdata.catalog.models import all_models
from segdata.catalog.tables import Catalog

Missing = Literal["backgrounds", "test", "pool"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Gap:
    """A kind of samples that the catalog has none of.

    Attributes:
        what: the kind.
        consequence: what segdata does without them, or can't do.
        remedy: how to get them.
    """

    what: Missing
    consequence: str
    remedy: str

    def __str__(self) -> str:
        return f"{_NAMES[self.what]}: {self.consequence}. {self.remedy}"


def find_gaps(catalog: Catalog) -> list[Gap]:
    """The gaps of a catalog, in the order in which a user meets them; none of an empty catalog."""
    groups = catalog.read("samples", ["kind", "split"], "status = 'present'").group_by(["kind", "split"])
    kinds = {(row["kind"], row["split"]) for row in groups.aggregate([]).to_pylist()}
    if not kinds:
        return []
    there: dict[Missing, bool] = {
        "backgrounds": any(kind == "background" for kind, _ in kinds),
        "test": ("portrait", "test") in kinds,
        "pool": ("portrait", "pool") in kinds,
    }
    return [_GAPS[what](catalog) for what, present in there.items() if not present]


def warn_of_gaps(catalog: Catalog, command: str, wanted: Sequence[Missing]) -> None:
    """Log a warning for each gap that matters to a command."""
    for gap in find_gaps(catalog):
        if gap.what in wanted:
            _log.warning("%s: %s", command, gap)


def _without_backgrounds(_: Catalog) -> Gap:
    return Gap(
        "backgrounds",
        "segdata trains without fusion, and the network sees no photo without a person",
        'Add a source of person-free photos (kind = "background") to the recipe, and run: segdata ingest',
    )


def _without_test(catalog: Catalog) -> Gap:
    consequence = "versions are compared on val, which also chose their epoch, and have no metrics on test"
    if all_models(catalog):
        remedy = "The first version fixes the test split: to have one, begin a new workspace"
    else:
        remedy = 'Before the first training, give a source split = "test" in the recipe, and run: segdata ingest'
    return Gap("test", consequence, remedy)


def _without_pool(_: Catalog) -> Gap:
    return Gap(
        "pool",
        "there is nothing to mine, so segdata finds no new hard cases to retrain with",
        'Give a source split = "pool" in the recipe, and run: segdata ingest; or look for hard cases and wrong labels '
        "among the training samples: segdata mine --folds 3",
    )


_NAMES: dict[Missing, str] = {"backgrounds": "no backgrounds", "test": "no test split", "pool": "no pool"}
_GAPS: dict[Missing, Callable[[Catalog], Gap]] = {
    "backgrounds": _without_backgrounds,
    "test": _without_test,
    "pool": _without_pool,
}

"""What one ingest decided about a whole source, and the next ones keep: its naming scheme, and how it was split."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from segdata.catalog.source_facts import read_fact, write_fact
from segdata.catalog.tables import Catalog
from segdata.ingest.placing import Placement
from segdata.ingest.reading import Reports
from segdata.ingest.recipe import SourceRecipe, SplitFractions
from segdata.ingest.split_lists import read_split_lists
from segdata.records import Naming, NamingReport

_Report = TypeVar("_Report", bound=Reports)


@dataclass(frozen=True)
class NamingCounts:
    """How photos and masks are named, as `ingest --json` says it.

    Attributes:
        image_prefix, image_suffix, mask_prefix, mask_suffix: as `records.Naming`.
        pairs: how many photos this gives a mask.
    """

    image_prefix: str
    image_suffix: str
    mask_prefix: str
    mask_suffix: str
    pairs: int


def report_of(reports: Iterable[Reports], kind: type[_Report]) -> _Report | None:
    """The report of one kind; None if the reader gave none."""
    return next((one for one in reports if isinstance(one, kind)), None)


class KeptDecisions:
    """What earlier ingests decided about a source.

    Args:
        catalog: holds the decisions.
        source: its section of the recipe.
        run_id: of this ingest.

    Attributes:
        source: the same section, with the naming scheme that was chosen before.
    """

    def __init__(self, catalog: Catalog, source: SourceRecipe, run_id: str) -> None:
        self._catalog, self._recipe, self._run_id = catalog, source, run_id
        self.source = source
        self._naming: Naming | None = None
        if source.reader_name == "folder" and source.kind == "portrait" and source.naming is None:
            kept = read_fact(catalog, source.name, "naming", self._decides_naming())
            if kept is not None:
                self._naming = Naming(*kept)
                self.source = source.with_naming(self._naming)

    def placement(self, root: Path) -> Placement:
        """How groups and splits are decided now.

        Args:
            root: of the source, its own links followed.

        Raises:
            SourceError: The recipe asks for lists, and there are none.
        """
        source = self._recipe
        lists = read_split_lists(root, source.name, source.links) if source.split == "lists" else None
        if lists is None and not isinstance(source.split, SplitFractions):
            return Placement()
        is_trained = self._catalog.read("models", ["model_id"]).num_rows > 0
        keeps = is_trained or read_fact(self._catalog, source.name, "split", self._decides_split()) is not None
        return Placement(keeps, is_trained, lists, decides_splits=True)

    def write(self, reports: Iterable[Reports]) -> None:
        """Record what was decided.

        Args:
            reports: of the reader.
        """
        naming = report_of(reports, NamingReport)
        if naming is not None and naming.chosen and naming.pairs and naming.naming != self._naming:
            self._write("naming", list(naming.naming), self._decides_naming())
        if isinstance(self._recipe.split, SplitFractions):
            self._write("split", "dealt", self._decides_split())

    def _write(self, fact: str, value: Any, recipe: dict[str, Any]) -> None:
        write_fact(self._catalog, (self._recipe.name, fact), value, recipe, self._run_id)

    def _decides_naming(self) -> dict[str, Any]:
        return self._recipe.model_dump(mode="json", include={"root", "images", "masks"})

    def _decides_split(self) -> dict[str, Any]:
        return self._recipe.model_dump(mode="json", include={"split", "group"})

"""Where labels that are drawn from annotations are kept during an ingest, and what people should know about them."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

from segdata.catalog.annotated import keep_label, label_file
from segdata.catalog.tables import Catalog
from segdata.ingest.annotations.shapes import SizeHW
from segdata.ingest.reading import Found
from segdata.records import Candidate, Drawing, DrawnLabel, PhotoSet, printable

_MOST_SHOWN = 8


class AnnotatedLabels:
    """The labels of one source that are drawn from annotations.

    Args:
        catalog: beside which they are kept.
        dataset: the name of the source.
    """

    def __init__(self, catalog: Catalog, dataset: str) -> None:
        self._catalog, self._dataset = catalog, dataset
        self._lock = threading.Lock()
        self._others: set[str] = set()
        self._unsupported: set[str] = set()
        self._drawn = self._without_outlines = 0

    def put_in(self, found: Iterable[Found]) -> Iterator[Found]:
        """Candidates with the files of their labels, which are written when they are drawn."""
        for one in found:
            if not isinstance(one, Candidate) or one.drawing is None:
                yield one
                continue
            file = label_file(self._catalog, one.sample_id, one.drawing.digest)
            draw = partial(self._draw_and_keep, Path(file), one.drawing)
            yield one._replace(alpha=file, drawing=Drawing(one.drawing.digest, draw))

    def remarks(self) -> list[PhotoSet]:
        """What the labels that were drawn so far lack; nothing if they lack nothing."""
        remarks = []
        if self._others:
            names = ", ".join(repr(printable(name)) for name in sorted(self._others)[:_MOST_SHOWN])
            remarks.append(f"shapes labelled {names} are no person; person_labels names those that are")
        if self._unsupported:
            kinds = ", ".join(sorted(map(printable, self._unsupported)))
            remarks.append(f"shapes of kind {kinds} can't be drawn and are left out")
        if self._without_outlines:
            remarks.append(f"{self._without_outlines:,} labels are made of boxes, circles, lines or dots alone")
        return [PhotoSet(self._dataset, "annotations", self._drawn, None, "; ".join(remarks))] if remarks else []

    def _draw_and_keep(self, file: Path, drawing: Drawing, size_hw: SizeHW) -> DrawnLabel:
        label = drawing.draw(size_hw)
        with self._lock:
            self._others |= set(label.other_labels)
            self._unsupported |= set(label.unsupported)
            if label.unwanted is None:
                self._drawn += 1
                self._without_outlines += not label.outlines
        if label.unwanted is None:
            keep_label(file, label.png)
        return label

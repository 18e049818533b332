"""Mended labels in place of the source's: each goes with the bytes of its photograph."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from segdata.catalog.mends import Mend, folder_of, hand_over, mends_of
from segdata.catalog.tables import Catalog
from segdata.ingest.known import Known
from segdata.ingest.label_file import Reading
from segdata.ingest.measure import Answer, measure
from segdata.ingest.reading import Found
from segdata.records import Candidate
from segdata.storage.root import Root

Row = dict[str, Any]


class MendedLabels:
    """The mended labels of a catalog, as an ingest of one source uses them.

    Args:
        catalog: beside which they lie.
        samples: what it knows of the source, by sample_id.
        root: of the source.

    Raises:
        CatalogError: The index of mended labels is damaged.
    """

    def __init__(self, catalog: Catalog, samples: Mapping[str, Known], root: Root) -> None:
        self._catalog, self._samples, self._root = catalog, samples, root
        known = mends_of(catalog)
        self._mends = {name: mend for name, mend in known.items() if mend.file is not None}
        self._undone = {name: mend for name, mend in known.items() if mend.file is None}
        self._folder = folder_of(catalog)
        self._sources: dict[str, Candidate] = {}  # path -> the candidate with the source's own label
        # of a photograph that was mended again under another name, the longest history is the newest
        mends = sorted(self._mends.values(), key=lambda mend: len(mend.earlier))
        self._by_bytes = {(mend.image, mend.source): mend for mend in mends if mend.image is not None}

    def put_in(self, found: Iterable[Found]) -> Iterator[Found]:
        """Candidates with their mended labels in place of the source's, as far as the catalog knows their bytes."""
        if not self._mends:
            yield from found
            return
        for one in found:
            mend = self._mends.get(one.sample_id) if isinstance(one, Candidate) else None
            if mend is None or not isinstance(one, Candidate):
                yield one
                continue
            known = self._samples.get(one.sample_id)
            if known is not None and not mend.is_of(known.hashes[0]):
                yield one
                continue
            self._sources[one.path] = one
            yield self._mended(one, mend)

    def measure(self, candidate: Candidate, reading: Reading) -> tuple[Candidate, Answer]:
        """`ingest.measure.measure`, with the label that belongs to the bytes of the photograph.

        Args:
            candidate: as `put_in` gave it.
            reading: how its source wants files read.

        Returns:
            The candidate with the label that was measured, and what came of it.
        """
        answer = measure(candidate, reading, self._root)
        if not self._mends:
            return candidate, answer
        if (source := self._sources.get(candidate.path)) is not None:
            return self._of_its_photograph(candidate, answer, source, reading)
        return self._of_its_bytes(candidate, answer, reading)

    def keep(self, rows: Iterable[Row]) -> None:
        """Note the names that mended labels have come to, before the rows are committed: then a kill costs nothing.

        Args:
            rows: of `samples`, about to be committed.
        """
        if not self._mends:
            return
        by_file = {(mend.image, mend.file): mend for mend in self._by_bytes.values()}
        come = {}
        for row in rows:
            mend = by_file.get((row["image_sha256"], f"{row['alpha_sha256']}.png"))
            if mend is not None and self._mends.get(row["sample_id"]) != mend:
                come[row["sample_id"]] = mend
        if come:
            hand_over(self._catalog, come)

    def _of_its_photograph(
        self, candidate: Candidate, answer: Answer, source: Candidate, reading: Reading
    ) -> tuple[Candidate, Answer]:
        """A mended label does for the photograph that it was made for; another one under its name has its own."""
        mend = self._mends[candidate.sample_id]
        if isinstance(answer, dict) and mend.is_of(answer["image_sha256"]):
            return candidate, answer
        own = measure(source, reading, self._root)
        there = isinstance(own, dict) and not mend.is_of(own["image_sha256"])
        if (
            not isinstance(answer, dict) and not there
        ):  # it is refused for itself, not for the size of another photograph
            return candidate, answer
        return self._of_its_bytes(source, own, reading)

    def _of_its_bytes(self, candidate: Candidate, answer: Answer, reading: Reading) -> tuple[Candidate, Answer]:
        """A photograph and a label that were mended under another name; what is there unmended stays so."""
        if not isinstance(answer, dict):
            return candidate, answer
        files = (answer["image_sha256"], answer["alpha_file_sha256"])
        before = self._samples.get(candidate.sample_id)
        # the label that was mended may have been read in the usual way, and be read in another one now
        mend = self._by_bytes.get((files[0], answer["alpha_sha256"])) or self._by_bytes.get(files)
        undone = self._undone.get(candidate.sample_id)
        if undone is not None and undone.is_of(answer["image_sha256"]):
            return candidate, answer
        if mend is None or (before is not None and before.status == "present" and before.file_hashes == files):
            return candidate, answer
        mended = self._mended(candidate, mend)
        return mended, measure(mended, reading, self._root)

    def _mended(self, candidate: Candidate, mend: Mend) -> Candidate:
        file = f"{self._folder}/{mend.file}"
        plain = candidate._replace(alpha_channel=None, alpha_index=None, drawing=None, more_alphas=())
        return plain._replace(alpha=file, mended=True)

"""What is measured of a candidate: its masks merged, its mended label put in, or a photo of the same name instead."""

from __future__ import annotations

from segdata.ingest.label_file import Reading
from segdata.ingest.measure import Answer, Rotated, measure
from segdata.ingest.mended_labels import MendedLabels
from segdata.ingest.merging import MergedLabels
from segdata.ingest.twins import Twins
from segdata.records import Candidate, Reject
from segdata.storage.root import Root

Failed = tuple[Candidate, Reject]


class Measuring:
    """How the candidates of one source are measured.

    Args:
        labels: mended labels, which are used in place of the source's own.
        merged: labels that are merged from several masks.
        files: the files of the source.
        reading: how the source wants files read.
    """

    def __init__(self, labels: MendedLabels, merged: MergedLabels, files: Root, reading: Reading) -> None:
        self._labels, self._merged, self._files, self._reading = labels, merged, files, reading

    def measure(self, first: Candidate, twins: Twins | None) -> tuple[Candidate, Answer, list[Failed]]:
        """Measure a candidate, or the first of its twins whose photo decodes.

        Args:
            first: the candidate.
            twins: what else there is of it.

        Returns:
            The candidate with the label that was measured, what came of it, and those before it that failed.
        """
        failed: list[Failed] = []
        for one in (first, *(() if twins is None else twins.waiting)):
            candidate, answer = self._measure_one(one)
            if twins is None or not isinstance(answer, Reject):
                return candidate, answer, failed
            photo = one._replace(alpha=None, more_alphas=(), alpha_index=None, kind="background")
            if not isinstance(measure(photo, self._reading, self._files), Reject):  # its label is at fault
                return candidate, answer, failed
            failed.append((candidate, answer))
        return *failed.pop(0), failed

    def _measure_one(self, candidate: Candidate) -> tuple[Candidate, Answer]:
        if not candidate.more_alphas:
            return self._labels.measure(candidate, self._reading)
        merged = self._merged.merge(candidate, self._reading)
        if isinstance(merged, Reject):
            return candidate, merged
        one_mask, (size, mtime_ns) = merged
        measured, answer = self._labels.measure(one_mask, self._reading)
        if isinstance(answer, Rotated):  # to be merged again once its source has decided
            return candidate, answer._replace(candidate=candidate)
        if measured.alpha == one_mask.alpha and isinstance(answer, dict):
            answer |= {"alpha_size": size, "alpha_mtime_ns": mtime_ns}
        return measured, answer

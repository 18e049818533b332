"""Several masks of one photo, merged into the label of a sample: a pixel is person if one of the masks says so."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np

from segdata.catalog.merged_labels import keep_merged, merged_file
from segdata.catalog.tables import Catalog
from segdata.imaging.decode import DecodeError, decode_alpha
from segdata.imaging.encode import encode_png
from segdata.ingest.label_file import Reading
from segdata.records import MAX_FILE_BYTES, Candidate, Reject, RejectReason
from segdata.storage.root import LeavesRootError, Root

AlphaStamps = tuple[int, int]
"""Size in bytes and modification time in ns of all masks of a photo: the sum, and the newest."""


class MergedLabels:
    """The merged labels of one source.

    Args:
        catalog: beside which they are kept.
        root: of the source.
    """

    def __init__(self, catalog: Catalog, root: Root) -> None:
        self._catalog, self._root = catalog, root

    def file_of(self, candidate: Candidate, alpha_reading: str | None) -> str:
        """Where the merged label of a candidate lies, whether it is there or not.

        Args:
            candidate: with several masks.
            alpha_reading: what their values mean, as in the column of that name.
        """
        masks = [os.fspath(mask) for mask in (candidate.alpha or "", *candidate.more_alphas)]
        decided_by: list[object] = [masks, candidate.alpha_channel, candidate.alpha_index]
        if alpha_reading is not None:
            decided_by.append(alpha_reading)
        return str(merged_file(self._catalog, candidate.sample_id, decided_by))

    def merge(self, candidate: Candidate, reading: Reading) -> tuple[Candidate, AlphaStamps] | Reject:
        """The candidate with its merged label, which is written, and the stamps of its masks.

        Args:
            candidate: with several masks.
            reading: how its source wants files read.

        Returns:
            Or why its masks can't be merged.
        """
        merged, sizes, newest = None, 0, 0
        for mask in (candidate.alpha or "", *candidate.more_alphas):
            try:
                if reading.open_question:
                    raise DecodeError("implausible_alpha", reading.open_question)
                data, found = self._read(os.fspath(mask))
                channel, index = candidate.alpha_channel, candidate.alpha_index
                alpha = decode_alpha(data, channel, reading.max_pixels, index, reading.alpha)
            except DecodeError as error:
                return Reject(
                    candidate.dataset, candidate.path, error.reason, f"{Path(mask).name}: {error.detail}", None
                )
            if merged is not None and merged.shape != alpha.shape:
                detail = f"its masks are of {merged.shape} and {alpha.shape} pixels (height, width)"
                return Reject(candidate.dataset, candidate.path, "size_mismatch", detail)
            merged = alpha if merged is None else np.maximum(merged, alpha)
            sizes, newest = sizes + found.st_size, max(newest, found.st_mtime_ns)
        assert merged is not None
        file = self.file_of(candidate, reading.alpha.to_text())
        keep_merged(Path(file), encode_png(merged))
        plain = candidate._replace(alpha_channel=None, alpha_index=None, more_alphas=())
        one_mask = plain._replace(alpha=file, merged=True)
        return one_mask, (sizes, newest)

    def _read(self, path: str) -> tuple[bytes, os.stat_result]:
        inside = self._root.relative(path)
        try:
            if inside is None:
                raise LeavesRootError(path)
            return self._root.read(inside, MAX_FILE_BYTES)
        except LeavesRootError as error:
            raise DecodeError("unsafe_path", str(error.strerror)) from error
        except OSError as error:
            reason: RejectReason = "too_large" if error.errno == errno.EFBIG else "unreadable_alpha"
            raise DecodeError(reason, f"can't be read ({error.strerror})") from error

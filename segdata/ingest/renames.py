"""Files that were renamed: told from new ones by the hashes of their bytes. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from segdata.ingest.known import Known

Hashes = tuple[str | None, str | None]


class Vanished:
    """The samples of a source whose files are not there any more, by the hashes of their bytes.

    A new name whose image and alpha have the bytes of a vanished sample is that sample, renamed. One that vanished
    now is taken before one that is gone for longer, and each is taken once. Bytes that another name still holds did
    not vanish: a copy that lost its original is a sample of its own.

    Args:
        samples: what the catalog knows, by sample_id.
        gone: ids of those that this ingest no longer finds.
        unchanged: ids of those that it finds as they were.
    """

    def __init__(self, samples: Mapping[str, Known], gone: Iterable[str], unchanged: Collection[str]) -> None:
        held = {samples[name].file_hashes for name in unchanged}
        longer = sorted(name for name, row in samples.items() if row.status == "gone")
        self._by_hashes: dict[Hashes, list[Known]] = {}
        for name in [*sorted(gone), *longer]:
            if (hashes := samples[name].file_hashes) not in held:
                self._by_hashes.setdefault(hashes, []).append(samples[name])

    def take(self, sample_id: str, hashes: Hashes) -> Known | None:
        """The vanished sample that a new one continues, if there is one; it is not given again.

        Args:
            sample_id: a name that is new, or that was gone: with its own bytes it comes back, and is no rename,
                unless another name that vanished now carried them meanwhile.
            hashes: of the bytes of its image and alpha.
        """
        waiting = self._by_hashes.get(hashes)
        if not waiting:
            return None
        first = waiting.pop(0)
        return None if first.sample_id == sample_id else first

"""The result of an ingest: what became of each source's files."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace

from segdata.ingest.decisions import NamingCounts
from segdata.ingest.published import SetCounts
from segdata.ingest.source_masks import MaskReport


@dataclass(frozen=True)
class SourceCounts:
    """What became of one source.

    Attributes:
        found: photos, and masks that belong to no photo: added + changed + unchanged + rejected + filtered. A photo and
            its mask count once.
        added, changed, unchanged: samples, by what the catalog knew of them.
        renamed: how many of those added, or back again, have the bytes of one that vanished, and so continue it.
        gone: samples whose files are no longer there, those renamed included.
        rejected: what can't become a sample.
        filtered: what is merely unwanted, by reason.
        decoded: file pairs that were read.
        sets: the sets of the source by name, as far as its reader tells them apart.
        naming: how photos and masks are named, if the reader pairs them by name.
        ignored: leftovers of file systems, such as `@eaDir`, `._*` and `Thumbs.db`; not in `found`.
        other_files: files that are no pictures by their names, by suffix; not in `found`.
        remarks: what a person should know about groups and splits.
        masks: what is decided about its masks, and how its labels are; None of a source without masks.
    """

    found: int
    added: int
    changed: int
    unchanged: int
    renamed: int
    gone: int
    rejected: int
    filtered: dict[str, int]
    decoded: int
    sets: dict[str, SetCounts] = field(default_factory=dict)
    naming: NamingCounts | None = None
    ignored: int = 0
    other_files: dict[str, int] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()
    masks: MaskReport | None = None


@dataclass(frozen=True)
class IngestResult:
    """What became of all sources.

    Attributes:
        sources: by name.
        rejects: how many of these sources are rejected, by reason.
    """

    sources: dict[str, SourceCounts] = field(default_factory=dict)
    rejects: dict[str, int] = field(default_factory=dict)

    @property
    def decoded(self) -> int:
        """File pairs that were read."""
        return sum(source.decoded for source in self.sources.values())

    def without_file_names(self) -> IngestResult:
        """The same for the journal, where no name of a file stays that forgetting would have to find."""
        sources = {
            name: counts if counts.masks is None else replace(counts, masks=replace(counts.masks, trimap_files=()))
            for name, counts in self.sources.items()
        }
        return replace(self, sources=sources)

    def to_json(self) -> dict[str, object]:
        """The keys of `ingest --json`."""
        return {
            "sources": {name: asdict(source) for name, source in self.sources.items()},
            "rejects": dict(sorted(self.rejects.items())),
            "decoded": self.decoded,
        }

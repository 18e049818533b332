"""Labels that a person should look at, counted from the columns of `samples`: empty, full, inverted, trimaps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from segdata.catalog.tables import Catalog

_NAMED = 3  # trimaps are named up to here, and counted beyond
_FEW_SOFT = 0.25  # of the labels
_NOTHING, _EVERYTHING = 0.0005, 0.9995  # of the frame
_FRAME_OF_INVERTED, _FRAME_OF_OTHERS = 0.75, 0.35

_STATISTICS = f"""
    WITH labels AS (
        SELECT *, foreground_fraction < {_NOTHING} AS is_empty, foreground_fraction > {_EVERYTHING} AS is_full,
               median(frame_fraction) OVER (PARTITION BY dataset) AS usual_frame
        FROM samples
        WHERE status = 'present' AND kind = 'portrait' AND foreground_fraction IS NOT NULL
    ), shared AS (
        SELECT dataset, sum(photos)::BIGINT AS photos FROM (
            SELECT dataset, alpha_sha256, count(DISTINCT image_sha256) AS photos
            FROM labels WHERE NOT is_empty AND NOT is_full AND alpha_sha256 <> image_sha256 GROUP BY ALL
        ) WHERE photos > 1 GROUP BY dataset
    )
    SELECT dataset, count(*)::BIGINT AS labels, (count(*) FILTER (is_empty))::BIGINT AS empty,
           (count(*) FILTER (is_full))::BIGINT AS "full",
           (count(*) FILTER (NOT is_full AND usual_frame <= {_FRAME_OF_OTHERS}
                             AND frame_fraction >= {_FRAME_OF_INVERTED}))::BIGINT AS inverted,
           (count(*) FILTER (is_trimap))::BIGINT AS trimaps,
           coalesce(any_value(shared.photos), 0)::BIGINT AS shared,
           (count(*) FILTER (alpha_kind = 'soft' AND NOT coalesce(is_trimap, false)))::BIGINT AS soft,
           list_slice(list(
               CASE WHEN ends_with(image_uri, path)
                    THEN replace(alpha_uri, left(image_uri, length(image_uri) - length(path)), '') ELSE alpha_uri END
               ORDER BY sample_id
           ) FILTER (is_trimap), 1, {_NAMED}) AS trimap_files
    FROM labels LEFT JOIN shared USING (dataset) GROUP BY dataset ORDER BY dataset
"""


def is_empty(foreground_fraction: float) -> bool:
    """Whether a label counts as empty."""
    return foreground_fraction < _NOTHING


def has_empty_label(foreground_fraction: float | None) -> bool:
    """Whether a label says that nobody is there: no composite of it would be true. None: it was not measured."""
    return foreground_fraction is not None and is_empty(foreground_fraction)


def is_full(foreground_fraction: float) -> bool:
    """Whether a label counts as filling the frame."""
    return foreground_fraction > _EVERYTHING


@dataclass(frozen=True)
class LabelStatistics:
    """The labels of one source.

    Attributes:
        labels: how many there are.
        empty: labels without a person.
        full: labels that fill the frame.
        inverted: labels that are person along the frame, unlike the others of the source.
        trimaps: labels with three levels.
        shared: photos whose label is byte-identical with that of another photo; empty and full ones do not count.
        soft: labels with a soft edge.
    """

    labels: int = 0
    empty: int = 0
    full: int = 0
    inverted: int = 0
    trimaps: int = 0
    shared: int = 0
    soft: int = 0

    def to_json(self) -> dict[str, int]:
        """For `--json`."""
        return asdict(self)


def label_statistics(catalog: Catalog) -> dict[str, tuple[LabelStatistics, tuple[str, ...]]]:
    """By dataset: the statistics of its present portraits, and the files of the first few trimaps under its root."""
    names = [field.name for field in fields(LabelStatistics)]
    return {
        row["dataset"]: (LabelStatistics(**{name: row[name] for name in names}), tuple(row["trimap_files"] or ()))
        for row in catalog.query(_STATISTICS).to_pylist()
    }


def label_remarks(statistics: Mapping[str, int], trimap_files: tuple[str, ...] = (), meaning: str = "") -> list[str]:
    """What to say to people; nothing about labels as they should be.

    Args:
        statistics: the keys of `LabelStatistics`.
        trimap_files: their names, where there are few.
        meaning: what the mask values of the source mean, in words: of hard masks, a few soft ones are odd.

    >>> label_remarks({"empty": 4, "full": 1, "inverted": 0, "trimaps": 1, "shared": 0}, ("masks/3.png",))
    ['4 empty labels (no person)', '1 label fills the frame', 'masks/3.png is a trimap']
    """
    count = dict(statistics)
    remarks = []
    if number := count["empty"]:
        remarks.append(f"{number} empty label{_s(number)} (no person)")
    if number := count["full"]:
        remarks.append(f"{number} label{_s(number)} fill{'s' if number == 1 else ''} the frame")
    if number := count["inverted"]:
        remarks.append(f"{number} label{_s(number)} look{'s' if number == 1 else ''} inverted compared with the others")
    if (number := count["trimaps"]) and number == len(trimap_files):
        remarks += [f"{file} is a trimap" for file in trimap_files]
    elif number:
        remarks.append(f"{number} label{_s(number)} {'is a trimap' if number == 1 else 'are trimaps'} (three levels)")
    if number := count["shared"]:
        remarks.append(f"{number} photos share the same label")
    soft, labels = count.get("soft", 0), count.get("labels", 0)
    if "hard masks" in meaning and "soft" not in meaning and 0 < soft < _FEW_SOFT * labels:
        remarks.append(f"{soft} label{_s(soft)} {'has' if soft == 1 else 'have'} a soft edge, unlike the others")
    return remarks


def _s(number: int) -> str:
    return "" if number == 1 else "s"

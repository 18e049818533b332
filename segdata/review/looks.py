"""The fields of our dataset, and how the App shows them: overlays on, in colours for everybody."""

from __future__ import annotations

from typing import Any

from segdata.review import overlays
from segdata.review.cases import FIELDS, SAMPLE_FIELDS, SCORE_FIELDS, SELECTION_FIELDS, VERDICT_FIELDS
from segdata.review.judging import ACT_FIELDS

OVERLAYS = tuple(overlays.NAMES)
OWN_FIELDS = (*FIELDS, "overlay_note", "before", *ACT_FIELDS)
"""All that a sample has of ours, beside its overlays."""
_TEXTS = frozenset({
    *("sample_id", "dataset_name", "kind", "split", "image_sha256", "alpha_sha256", "alpha_kind", "scorer_id"),
    *("failure_mode", "triage", "why", "leak_of", "verdict", "reviewer", "note", "noted_by"),
    *("overlay_note", "before", "acted_by"),
})  # fmt: skip
_COUNTS = frozenset({"hole_count", "rank"})
_INDEXED = ("rank", "verdict", "under_review", "acted_at")
_FIFTYONES = ("created_at", "last_modified_at")
# What the App shows beside each picture from the start; the rest is a click away.
_SHOWN = (*OVERLAYS, "verdict", "failure_mode", "miou")


def declare_fields(dataset: Any) -> None:
    """All fields at once, so that a column of nulls has its type too, and the App can sort and filter by it.

    Those that are there stay: a dataset of an older segdata gets what it lacks.
    """
    import fiftyone as fo

    known = dataset.get_field_schema()
    for name in OVERLAYS:
        if name not in known:
            dataset.add_sample_field(name, fo.EmbeddedDocumentField, embedded_doc_type=fo.Segmentation)
    for name in OWN_FIELDS:
        if name not in known:
            _declare(dataset, name)
    if "sample_id" not in known:
        dataset.create_index("sample_id", unique=True)
        for name in _INDEXED:
            dataset.create_index(name)


def _declare(dataset: Any, name: str) -> None:
    import fiftyone as fo

    if name in _TEXTS:
        dataset.add_sample_field(name, fo.StringField)
    elif name in _COUNTS:
        dataset.add_sample_field(name, fo.IntField)
    elif name in ("disagree", "under_review"):
        dataset.add_sample_field(name, fo.BooleanField)
    elif name == "verdicts":
        dataset.add_sample_field(name, fo.ListField, subfield=fo.StringField)
    elif name in ("reviewed_at", "acted_at"):
        dataset.add_sample_field(name, fo.DateTimeField)
    else:
        dataset.add_sample_field(name, fo.FloatField)


def set_looks(dataset: Any) -> None:
    """Overlays on, in colours for everybody; the sidebar in the order of a reviewer's questions."""
    import fiftyone as fo

    colours = {
        "label": [(1, overlays.LABEL_COLOUR)],
        "prediction": [(1, overlays.PREDICTION_COLOUR)],
        "disagreement": [(overlays.TAKEN, overlays.TAKEN_COLOUR), (overlays.MISSED, overlays.MISSED_COLOUR)],
    }
    dataset.mask_targets = {
        "label": {1: "outline of the label"},
        "prediction": {1: "outline of the prediction"},
        "disagreement": {overlays.TAKEN: "taken, but background", overlays.MISSED: "person, but missed"},
    }
    dataset.app_config.color_scheme = fo.ColorScheme(
        color_by="value",
        opacity=0.85,
        fields=[
            {
                "path": name,
                "fieldColor": targets[0][1],
                "maskTargetsColors": [{"intTarget": value, "color": colour} for value, colour in targets],
            }
            for name, targets in colours.items()
        ],
    )
    group = fo.SidebarGroupDocument
    dataset.app_config.sidebar_groups = [
        group(name="tags", paths=["tags"]),
        group(name="metadata", paths=["metadata.width", "metadata.height"], expanded=False),
        group(name="labels", paths=list(OVERLAYS)),
        group(name="review", paths=list(VERDICT_FIELDS)),
        group(name="why it is here", paths=["failure_mode", *SELECTION_FIELDS, "leak_of"]),
        group(name="scores", paths=[*SCORE_FIELDS, "scorer_id"]),
        group(name="sample", paths=[*SAMPLE_FIELDS, "filepath"], expanded=False),
        group(
            name="other",
            paths=["id", "metadata", "overlay_note", "under_review", "before", *ACT_FIELDS, *_FIFTYONES],
            expanded=False,
        ),
    ]
    dataset.app_config.active_fields = fo.core.odm.ActiveFields(paths=list(_SHOWN))

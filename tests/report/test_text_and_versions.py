"""Numbers and hostile text as a reader sees them; versions in order, and what is compared with what."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from segdata.report.text import count, duration, json_object, percent, signed, visible
from segdata.report.versions import compare, read_versions

DAY = datetime(2026, 3, 1, tzinfo=UTC)


def model(name: str, day: int, miou: float | None = None, **more: Any) -> dict[str, Any]:
    metrics = {"test": {"miou_image": miou, "scorer_id": f"s-{name}"}} if miou is not None else {}
    row = {"model_id": name, "name": name, "created_at": DAY + timedelta(days=day), "metrics": json.dumps(metrics)}
    return row | {"promoted": False, "test_pin": "pin"} | more


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b[31mred", "a⟨U+001B⟩[31mred"),
        ("gnp\u202egpj.exe", "gnp⟨U+202E⟩gpj.exe"),
        ("zero\u200bwidth", "zero⟨U+200B⟩width"),
        ("two\nlines", "two lines"),
        ("\udce9", "⟨U+DCE9⟩"),
        ("Zoë 東京 🙂", "Zoë 東京 🙂"),
        (None, "–"),
    ],
)
def test_invisible_characters_are_spelt_out_and_all_others_left_alone(text: str | None, shown: str) -> None:
    assert visible(text) == shown


def test_what_is_no_number_is_shown_as_missing() -> None:
    assert [show(float("nan")) for show in (signed, percent, duration, count)] == ["–"] * 4
    assert [show("1") for show in (signed, percent, duration, count)] == ["–"] * 4


def test_damaged_json_reads_as_empty() -> None:
    assert json_object('{"a": ') == {}


def test_versions_are_labelled_by_the_time_they_were_made() -> None:
    versions = read_versions([model("late", 2, parent_model_id="early"), model("early", 1)], {})
    assert [(version.label, version.model_id, version.parent) for version in versions] == [
        ("m0", "early", None),
        ("m1", "late", "m0"),
    ]


def test_a_parent_that_is_not_in_the_table_keeps_its_own_name() -> None:
    assert read_versions([model("a", 1, parent_model_id="elsewhere")], {})[0].parent == "elsewhere"


def test_the_selection_counts_what_was_added_else_its_whole_size() -> None:
    added = model("a", 1, selection="s", metrics='{"selected": 7}')
    versions = read_versions([added, model("b", 2, selection="s"), model("c", 3)], {"s": 12})
    assert [version.selected for version in versions] == [7, 12, None]


def test_the_promoted_version_is_compared_with_the_first_one() -> None:
    rows = [model("a", 1, 0.90), model("b", 2, 0.93, promoted=True), model("c", 3, 0.91)]
    comparison = compare(read_versions(rows, {}))
    assert comparison is not None and comparison.first is not None
    assert (comparison.latest.label, comparison.first.label) == ("m1", "m0")
    tile = comparison.headlines[0]
    assert (tile.latest, tile.first, tile.history) == (0.93, 0.90, (0.90, 0.93))
    assert tile.delta == pytest.approx(0.03)


def test_versions_judged_on_another_test_split_are_not_compared() -> None:
    rows = [model("a", 1, 0.99, test_pin="old"), model("b", 2, 0.90), model("c", 3, 0.93, promoted=True)]
    comparison = compare(read_versions(rows, {}))
    assert comparison is not None and comparison.first is not None
    assert (comparison.first.label, comparison.other_pins) == ("m1", ("m0",))


def test_a_single_version_has_nothing_to_be_compared_with() -> None:
    comparison = compare(read_versions([model("a", 1, 0.9, promoted=True)], {}))
    assert comparison is not None
    assert comparison.first is None and comparison.headlines[0].delta is None


def test_metrics_of_a_strange_shape_are_left_out() -> None:
    strange = '{"test": [1], "val": {"miou_image": "high", "hole_recall": null}, "curves": [3, {"epoch": "x"}]}'
    version = read_versions([model("a", 1, metrics=strange)], {})[0]
    assert (version.test, version.val, version.curve) == ({}, {}, ())


def test_a_curve_is_read_in_the_order_of_its_epochs() -> None:
    curves = {"curves": [{"epoch": 2, "train_loss": 0.2, "val_miou": 0.9}, {"epoch": 1, "train_loss": 0.4}]}
    version = read_versions([model("a", 1, metrics=json.dumps(curves))], {})[0]
    assert [(point.epoch, point.train_loss, point.val_miou) for point in version.curve] == [
        (1.0, 0.4, None),
        (2.0, 0.2, 0.9),
    ]

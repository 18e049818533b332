"""Verdicts from a file: what the page saves is read back, and every mistake is located."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from segdata.catalog.schemas import rows_to_table
from segdata.catalog.tables import Catalog
from segdata.catalog.workspace import RunContext, Workspace
from segdata.errors import DataError
from segdata.review.files import FORMAT, read_verdicts
from segdata.review.recipe import ReviewRecipe
from segdata.review.run import import_verdicts

HEAD = "sample_id,image_sha256,alpha_sha256,verdict,reviewer,note,at\r\n"
NINE = "2026-03-01T09:00:00Z"


def written(tmp_path: Path, text: str, name: str = "v.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(text.encode())
    return path


def as_json(tmp_path: Path, *rows: object, **more: object) -> Path:
    return written(tmp_path, json.dumps({"format": FORMAT, "verdicts": list(rows)} | more), "v.json")


def test_json_and_csv_say_the_same(tmp_path: Path) -> None:
    row = {"sample_id": "p/1", "image_sha256": "i", "alpha_sha256": "a", "verdict": "label_error", "reviewer": "ben",
           "note": "hat, and\nhair", "at": NINE}  # fmt: skip
    (first,) = read_verdicts(as_json(tmp_path, row), "kim", {"p/1"}).judgements
    text = "\ufeff" + HEAD + 'p/1,i,a,label_error,ben,"hat, and\nhair",' + NINE + "\r\n"
    (second,) = read_verdicts(written(tmp_path, text), "kim", {"p/1"}).judgements
    assert first == second
    assert (first.reviewer, first.at) == ("ben", datetime(2026, 3, 1, 9, tzinfo=UTC))


def test_a_spreadsheets_semicolons_are_understood_and_an_empty_name_is_the_callers(tmp_path: Path) -> None:
    text = "sample_id;verdict;reviewer;at\np/1;fine;;2026-03-01 09:00:00\n"
    (one,) = read_verdicts(written(tmp_path, text), "kim", {"p/1"}).judgements
    assert (one.verdict, one.reviewer, one.image_sha256) == ("fine", "kim", None)


def test_the_apostrophe_before_a_formula_is_taken_away_again(tmp_path: Path) -> None:
    lines = f"'=cmd(),,,hard,,'+1,{NINE}\r\n'-mine,,,drop,,,{NINE}\r\n"
    found = read_verdicts(written(tmp_path, HEAD + lines), "kim", {"=cmd()", "'-mine"}).judgements
    assert [(one.sample_id, one.note) for one in found] == [("=cmd()", "+1"), ("'-mine", None)]


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({"sample_id": "p/1", "verdict": "great", "at": NINE}, r"verdict 2: verdict 'great'; it is one of hard, label"),
        ({"verdict": "hard", "at": NINE}, r"verdict 2: it names no sample_id"),
        ({"sample_id": "p/1", "verdict": "hard", "at": "today"}, r"verdict 2: at is 'today'; a time like"),
        ({"sample_id": "p/1", "verdict": "hard", "at": "9999-01-01T00:00:00Z"}, r"verdict 2: .* still to come"),
        (
            {"sample_id": "p/1", "verdict": "hard", "at": "0001-01-01T00:00:00+14:00"},
            r"verdict 2: at is .* a time like",
        ),
        (7, r"verdict 2: it is no object; remove it"),
        ({"sample_id": 7, "verdict": "hard", "at": NINE}, r"verdict 2: sample_id is no text"),
        ({"sample_id": "\ud800", "verdict": "hard", "at": NINE}, r"verdict 2: sample_id is no text"),
        ({"sample_id": "p/1", "note": "\udfff", "verdict": "hard", "at": NINE}, r"verdict 2: note is no text"),
    ],
)
def test_a_mistake_is_located_and_costs_no_other_row(tmp_path: Path, row: object, told: str) -> None:
    good = {"sample_id": "p/1", "verdict": "hard", "at": NINE}
    file = read_verdicts(as_json(tmp_path, good, row, good), "kim", set())
    assert [one.sample_id for one in file.judgements] == ["p/1", "p/1"]
    ((name, reason),) = file.refused
    assert re.search(told, reason)
    assert isinstance(name, str)


@pytest.mark.parametrize("at", [None, "", "  "])
def test_a_verdict_without_a_time_gets_the_time_of_the_import(tmp_path: Path, at: str | None) -> None:
    before = datetime.now(UTC)
    rows = [{"sample_id": "p/1", "verdict": "hard", "at": at}, {"sample_id": "p/2", "verdict": "fine", "at": NINE}]
    file = read_verdicts(as_json(tmp_path, *rows), "kim", set())
    assert before <= file.judgements[0].at <= datetime.now(UTC)
    assert file.undated == file.judgements[:1]


def test_a_verdict_without_a_time_is_taken_in_once(tmp_path: Path) -> None:
    context = RunContext(Workspace(tmp_path, Catalog(tmp_path / "catalog")), "run")
    sample = {"sample_id": "p/1", "dataset": "p", "kind": "portrait", "status": "present", "run_id": "r"}
    context.catalog.merge("samples", rows_to_table("samples", [{**sample, "image_sha256": "i", "alpha_sha256": "a"}]))
    row = {"sample_id": "p/1", "image_sha256": "i", "alpha_sha256": "a", "verdict": "hard"}
    path = as_json(tmp_path, row, {"sample_id": "p/1", "verdict": "great"})
    recipe = ReviewRecipe(reviewer="kim")
    first, second = (import_verdicts(context, recipe, path) for _ in range(2))
    assert (first.taken.verdicts, first.taken.known) == ({"hard": 1}, 0)
    assert (second.taken.verdicts, second.taken.known) == ({}, 1)
    assert first.to_json()["refused"] == [
        {
            "sample_id": "p/1",
            "reason": f"{path}: verdict 2: verdict 'great'; it is one of hard, label_error, drop, fine",
        }
    ]
    assert context.catalog.read("verdicts").num_rows == 1


@pytest.mark.parametrize(
    ("text", "name", "told"),
    [
        ("{", "v.json", "not JSON"),
        ("[" * 100_000, "v.json", "not JSON"),
        ('{"verdicts": []}', "v.json", "no file of verdicts"),
        (f'{{"format": "{FORMAT}", "verdicts": 1}}', "v.json", "no list"),
        ("a,b\n1,2\n", "v.csv", "the first line must name the columns"),
        pytest.param("sample_id,verdict," + "a" * 200_000, "v.csv", "line 1: field larger than", id="long header"),
        pytest.param(f"sample_id,verdict\n{'a' * 200_000},hard", "v.csv", "line 2: field larger than", id="long cell"),
    ],
)
def test_another_file_is_refused(tmp_path: Path, text: str, name: str, told: str) -> None:
    with pytest.raises(DataError, match=told):
        read_verdicts(written(tmp_path, text, name), "kim", set())


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere\.json: can't be read"):
        read_verdicts(tmp_path / "nowhere.json", "kim", set())


@pytest.mark.parametrize(
    "text",
    [
        "[" * 200_000,
        '{"format": "segdata verdicts 1", "verdicts": ' + "[" * 200_000,
        '{"format": "segdata verdicts 1", "verdicts": [{"sample_id": NaN}]}',
        '{"format": "segdata verdicts 1", "verdicts": [], "verdicts": []}',
        '{"format": "segdata verdicts 1", "verdicts": [' + "1" * 5000 + "]}",
    ],
)
def test_json_that_no_program_should_have_written_is_refused_with_a_message(tmp_path: Path, text: str) -> None:
    with pytest.raises(DataError, match=r"v\.json: not JSON \(\w.*\); save the page's verdicts again"):
        read_verdicts(written(tmp_path, text, "v.json"), "kim", set())


@pytest.mark.parametrize("name", ["sample_id", "note", "reviewer", "image_sha256"])
def test_half_a_character_is_refused(tmp_path: Path, name: str) -> None:
    row = {"sample_id": "p/1", "verdict": "hard", "at": NINE, name: "\ud800"}
    ((_, reason),) = read_verdicts(as_json(tmp_path, row), "kim", set()).refused
    assert f"verdict 1: {name} is no text" in reason


@pytest.mark.parametrize(
    "text", ["a" * 200_000, '"' + "a" * 200_000, "\0", HEAD + "p/1," + "a" * 200_000, HEAD.replace(",", ",\0")]
)
def test_a_csv_that_can_not_be_read_is_refused_with_a_message(tmp_path: Path, text: str) -> None:
    with pytest.raises(DataError, match=r"v\.csv: \w"):
        read_verdicts(written(tmp_path, text), "kim", set())


def test_a_file_that_says_it_is_huge_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "verdicts.json").open("wb") as file:
        file.truncate(12 << 30)  # sparse: it takes no room on the disk
    with pytest.raises(DataError, match=r"verdicts\.json: can't be read .*at most 67,108,864"):
        read_verdicts(tmp_path / "verdicts.json", "kim", [])

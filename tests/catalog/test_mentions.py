"""Names of forgotten samples are replaced wherever they stand alone, and other names are left as they are."""

from __future__ import annotations

import html
import json
import unicodedata
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segdata.catalog.mentions import Mentions
from segdata.catalog.schemas import rows_to_table
from segdata.catalog.tables import Catalog

ANNA = "people/anna"


@pytest.mark.parametrize(
    ("text", "replaced"),
    [
        ("people/anna", "X"),
        ("people/anna, people/anna", "X, X"),
        ("/data/people/anna_matte.png", "/data/X_matte.png"),
        ("composite/people/anna/0", "Y"),
        ("people/annabel", "people/annabel"),
        ("otherpeople/anna", "otherpeople/anna"),
        ("people/anna2", "people/anna2"),
    ],
)
def test_a_name_is_replaced_where_no_letter_or_digit_touches_it(text: str, replaced: str) -> None:
    mentions = Mentions({ANNA: "X", "composite/people/anna/0": "Y"})
    assert mentions.replace_in_text(text) == replaced
    assert mentions.are_in(text.encode()) == (text != replaced)


@pytest.mark.parametrize("letter", ["é", "ß", "я", "7"])
def test_any_letter_or_digit_continues_a_name_and_quotation_marks_do_not(letter: str) -> None:
    mentions = Mentions({ANNA: "X"})
    for text in (f"{ANNA}{letter}", f"{letter}{ANNA}"):
        assert mentions.replace_in_text(text) == text
        assert not mentions.are_in(text.encode())
    assert mentions.replace_in_text(f"“{ANNA}”") == "“X”"
    assert mentions.are_in(f"“{ANNA}”".encode())


@pytest.mark.parametrize(
    "text", ["和{}是同一个人", "{}は同じ人です", "{}와 같은 사람", "เหมือน{}ค่ะ", "数{}数", "{}𠀀"]
)  # Chinese, Japanese, Korean and Thai: a particle touches the word before it
def test_letters_of_scripts_without_spaces_continue_no_name(text: str) -> None:
    for name in (ANNA, "people/安娜"):
        mentions = Mentions({name: "X"}, {f"{name}娜"})
        assert mentions.replace_in_text(text.format(name)) == text.format("X")
        assert mentions.are_in(text.format(name).encode())
        longer = text.format(f"{name}娜")  # the name of another sample
        assert mentions.replace_in_text(longer) == longer
        assert not mentions.are_in(longer.encode())


@pytest.mark.parametrize(
    "name", ["people/José", "people/o'neil", 'people/"kim"', "people/kim\\lee", "people/a <b> & c"]
)
def test_a_name_is_replaced_in_every_spelling(name: str) -> None:
    mentions = Mentions({name: "X"})
    sql = name.replace("'", "''")
    act = json.dumps({"note": f"same as {name}", "before": json.dumps({"note": f"same as {name}"})})
    texts = {
        "plain": f"{name} is no sample",
        "decomposed": unicodedata.normalize("NFD", name),
        "sql": f"sample_id <> '{sql}'",
        "sql in a recipe": json.dumps({"mine": {"where": f"sample_id <> '{sql}'"}}),
        "json": json.dumps({"before": act}),
        "json in a text": f"it said {act}",
        "toml": f'where = "sample_id <> {json.dumps(sql, ensure_ascii=False)[1:-1]}"',
        "html": f"<b>{html.escape(name)}</b>",
        "uri": f"file:///data/{quote(name)}.png",
        "part of a uri": f"?d={quote(name, safe='')}",
        "part of a uri, in small letters": f"?d={quote(name, safe='').lower()}" if name.islower() else quote(name),
        "json as PHP writes it": json.dumps(name).replace("/", r"\/"),
        "json with a key twice": f'{{"a": {json.dumps(name)}, "a": "b"}}',
    }
    for where, text in texts.items():
        assert mentions.are_in(text.encode()), where
        replaced = mentions.replace_in_cell(text)
        assert "X" in replaced, where
        assert not mentions.are_in(replaced.encode()), where
    nested = json.loads(mentions.replace_in_cell(texts["json"]))["before"]
    assert json.loads(json.loads(nested)["before"]) == {"note": "same as X"}


def test_names_of_other_samples_that_contain_one_stay_as_they_are() -> None:
    mentions = Mentions({ANNA: "X"}, {f"{ANNA}-b", f"composite/{ANNA}-b/0", f"{ANNA}_2"})
    for text in (f"{ANNA}-b.png", f"composite/{ANNA}-b/0", f"/data/{ANNA}_2_matte.png"):
        assert mentions.replace_in_text(text) == text
        assert not mentions.are_in(text.encode())
    assert mentions.replace_in_text(f"{ANNA}-b, {ANNA}, {ANNA}-bc") == f"{ANNA}-b, X, X-bc"
    assert mentions.are_in(f"{ANNA}-b, {ANNA}".encode())
    assert mentions.are_in(f"{ANNA}-bc".encode())


def test_a_name_is_found_as_it_stands_in_json_and_in_html() -> None:
    mentions = Mentions({"people/Zoë & Co": "X"})
    assert mentions.are_in(json.dumps(["people/Zoë & Co"]).encode())
    assert mentions.are_in("<b>people/Zoë &amp; Co</b>".encode())
    assert not mentions.are_in(b"people/Zoe")
    assert (
        mentions.replace_in_cell(json.dumps({"people/Zoë & Co": ["people/Zoë & Co", 1, None]}))
        == '{"X": ["X", 1, null]}'
    )


def test_no_names_are_found_in_nothing() -> None:
    assert Mentions({}).replace_in_text(ANNA) == ANNA
    assert not Mentions({}).are_in(ANNA.encode())


@given(st.text(max_size=20), st.text(max_size=20), st.text("abé/ .'", min_size=1, max_size=6))
def test_what_is_replaced_is_what_is_found(before: str, after: str, name: str) -> None:
    mentions = Mentions({name: "X"})
    text = f"{before}|{name}|{after}"
    assert mentions.are_in(text.encode("utf-8", "surrogatepass"))
    assert f"|{name}|" not in mentions.replace_in_text(text)


def test_tables_are_rewritten_in_one_commit_each_and_other_rows_stay(tmp_path: Path) -> None:
    catalog = Catalog(tmp_path / "catalog")
    rows = [
        {"run_id": "r1", "command": "mine", "error": "people/anna: no", "result": json.dumps({"a": "people/anna"})},
        {"run_id": "r2", "command": "mine", "error": "people/annabel: no", "result": "not json people/anna"},
        {"run_id": "r3", "command": "mine", "error": None, "result": None},
    ]
    catalog.merge("runs", rows_to_table("runs", rows))
    weird = {"dataset": "d", "path": "p.jpg", "reason": "unsafe_path", "detail": r"has the id of people/anna\E.*'x"}
    catalog.merge("rejects", rows_to_table("rejects", [weird]))
    member = {"sample_id": "people/bert", "group_id": "people/anna"}
    catalog.merge("samples", rows_to_table("samples", [member]))
    judged = {"sample_id": "people/bert", "reviewer": "people/anna herself", "tags": ["with people/anna", "b"]}
    catalog.append("verdicts", rows_to_table("verdicts", [judged | {"at": datetime(2026, 1, 1, tzinfo=UTC)}]))
    version = catalog.version("runs")
    assert Mentions({ANNA: "X", r"people/anna\E.*'x": "Y"}).replace_in_tables(catalog) == [
        "samples",
        "rejects",
        "verdicts",
        "runs",
    ]
    assert catalog.read("samples", ["group_id"]).to_pylist() == [{"group_id": "X"}]
    assert catalog.read("verdicts", ["reviewer", "tags"]).to_pylist() == [
        {"reviewer": "X herself", "tags": ["with X", "b"]}
    ]
    assert catalog.version("runs") == version + 1
    found = catalog.read("runs", ["run_id", "error", "result"]).to_pylist()
    assert found == [
        {"run_id": "r1", "error": "X: no", "result": '{"a": "X"}'},
        {"run_id": "r2", "error": "people/annabel: no", "result": "not json X"},
        {"run_id": "r3", "error": None, "result": None},
    ]
    assert catalog.read("rejects").to_pylist()[0]["detail"] == "has the id of Y"
    assert Mentions({"people/nobody": "X"}).replace_in_tables(catalog) == []

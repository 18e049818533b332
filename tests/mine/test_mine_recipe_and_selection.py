"""The predicate: what it may say, what it selects, and in which order."""

import tracemalloc

import numpy as np
import pyarrow as pa
import pytest
from pydantic import ValidationError

from segdata.catalog.keys import COLUMNS
from segdata.catalog.schemas import SAMPLES, SCORES, rows_to_table
from segdata.errors import RecipeError
from segdata.mine.recipe import MineRecipe
from segdata.mine.selection import check_recipe, select_cases, selection_name

DEFAULT = MineRecipe().where


def pair(name, miou, hole_recall=None, **sample):
    return {"sample_id": name, "dataset": "pool", **sample}, {
        "sample_id": name,
        "miou": miou,
        "hole_recall": hole_recall,
    }


CASES = [
    pair("good", 0.95),
    pair("bad", 0.6),
    pair("filled", 0.96, hole_recall=0.1),
    pair("kept", 0.97, hole_recall=0.9),
    pair("worst", 0.2, hole_recall=0.9),
]


def names(where, cases=CASES, **recipe):
    samples, scores = (
        pa.Table.from_pylist(list(rows), schema=schema)
        for rows, schema in zip(zip(*cases, strict=True) if cases else ((), ()), (SAMPLES, SCORES), strict=True)
    )
    return select_cases(samples, scores, MineRecipe(where=where, **recipe))["sample_id"].to_pylist()


def test_the_default_takes_a_low_miou_or_a_filled_hole_worst_first():
    assert DEFAULT == "miou < 0.8 OR hole_recall < 0.5"
    assert names(DEFAULT) == ["worst", "bad", "filled"]


def test_a_null_is_not_matched_either_way():
    assert names("hole_recall < 0.5") == ["filled"]
    assert names("NOT (hole_recall < 0.5)") == ["worst", "kept"]


def test_equal_mious_are_ordered_by_hole_recall_then_by_id():
    cases = [pair("b", 0.5), pair("a", 0.5), pair("d", 0.5, hole_recall=0.9), pair("c", 0.5, hole_recall=0.1)]
    assert names("miou < 0.8", cases) == ["c", "d", "a", "b"]


def test_columns_of_samples_may_be_named_too():
    cases = [pair("a", 0.5, hole_count=1), pair("b", 0.5, hole_count=0)]
    assert names("miou < 0.8 AND hole_count > 0", cases) == ["a"]


def test_the_order_given_changes_nothing():
    assert names(DEFAULT, CASES[::-1]) == names(DEFAULT)


def test_nothing_scored_selects_nothing():
    assert names(DEFAULT, []) == []


@pytest.mark.parametrize(
    ("where", "says"),
    [
        ("miuo < 0.8", "miuo"),
        ("miou < 0.8; DROP TABLE scores", "miou < 0.8; DROP TABLE scores"),
        ("miou <", "not one boolean expression"),
        ("miou", "not true or false for each row"),
        ("avg(miou) < 0.8", "aggregate"),
        ("miou < (SELECT 1)", "subquery"),
        ("EXISTS (FROM read_csv('/etc/passwd'))", "mine.where"),
        ("miou < 0.8) OR (true", "mine.where"),
        ("sample_id IN (SELECT column0 FROM read_csv('/etc/passwd'))", "subquery"),
    ],
)
def test_what_is_no_predicate_is_refused_by_its_key(where, says):
    with pytest.raises(RecipeError) as caught:
        check_recipe(MineRecipe(where=where))
    assert str(caught.value).startswith("mine.where: ")
    assert says in str(caught.value)


def test_an_unknown_column_is_answered_with_the_known_ones():
    with pytest.raises(RecipeError, match=r"the columns are .*miou.*hole_recall.*foreground_fraction"):
        check_recipe(MineRecipe(where="iou < 0.8"))


def test_a_predicate_that_fails_on_a_row_is_refused_too():
    with pytest.raises(RecipeError, match=r"^mine\.where: "):
        names("CAST(sample_id AS INTEGER) > 3")


def test_the_name_follows_from_scorer_and_predicate():
    one, other = MineRecipe(where="miou < 0.8"), MineRecipe(where="miou < 0.7")
    assert selection_name("a" * 16, one) == selection_name("a" * 16, one)
    assert selection_name("a" * 16, one) != selection_name("a" * 16, other)
    assert selection_name("a" * 16, one) != selection_name("b" * 16, one)


@pytest.mark.parametrize(
    "wrong",
    [{"where": "  "}, {"were": "miou < 1"}, {"batch": 0}, {"precision": "int8"}, {"triage": {"suspect_from": 2}}],
)
def test_a_wrong_recipe_is_refused(wrong):
    with pytest.raises(ValidationError):
        MineRecipe.model_validate(wrong)


def test_the_predicate_loses_its_margins():
    assert MineRecipe(where=" miou < 0.8\n").where == "miou < 0.8"


def test_a_quantile_is_a_share_of_all_that_was_scored_whatever_the_predicate():
    assert names("true", quantile=0.4) == ["worst", "bad"]
    assert names("hole_recall < 0.5", quantile=0.4) == []
    assert names("hole_recall < 0.5", quantile=0.6) == []
    assert names("hole_recall < 0.5", quantile=0.8) == ["filled"]


def test_the_smallest_quantile_is_one_case_and_equals_come_along():
    cases = [pair("a", 0.5), pair("b", 0.5), pair("c", 0.9)]
    assert names("true", cases, quantile=0.01) == ["a", "b"]


def test_another_column_orders_and_a_minus_takes_the_largest_first_rows_without_a_value_last():
    assert names("true", by="hole_recall") == ["filled", "worst", "kept", "bad", "good"]
    assert names("true", by="-hole_recall")[:2] == ["worst", "kept"]
    assert names("true", by="hole_recall", quantile=0.3) == ["filled"]


def test_a_column_that_is_none_or_holds_no_numbers_is_refused_with_those_there_are():
    for by in ("moiu", "dataset"):
        with pytest.raises(RecipeError, match=r"mine\.by: .* no column of numbers; these are: .*miou"):
            check_recipe(MineRecipe(by=by))


def test_diverse_without_a_budget_is_refused():
    with pytest.raises(ValidationError, match="nothing to spread without a budget"):
        MineRecipe(diverse=True)


def test_every_part_of_the_choice_changes_the_name():
    recipes = [MineRecipe(), MineRecipe(by="sad"), MineRecipe(quantile=0.1), MineRecipe(budget=5)]
    recipes.append(MineRecipe(budget=5, diverse=True))
    assert len({selection_name("a" * 16, recipe) for recipe in recipes}) == len(recipes)


def test_a_score_of_other_bytes_or_of_no_sample_selects_nothing_and_a_background_without_alpha_is_found():
    keys = [("a", "0", "0"), ("b", "0", None), ("c", "0", "0")]
    samples = [dict(zip(COLUMNS, key, strict=True)) for key in keys]
    scored = [("a", "0", "1"), ("b", "0", None), ("d", "0", "0"), ("c", "0", "0")]
    scores = [{**dict(zip(COLUMNS, key, strict=True)), "miou": 0.5} for key in scored]
    tables = rows_to_table("samples", samples), rows_to_table("scores", scores)
    assert select_cases(*tables, MineRecipe())["sample_id"].to_pylist() == ["b", "c"]


def test_where_both_tables_have_a_column_the_scores_one_counts():
    samples = rows_to_table("samples", [{"sample_id": "a", "status": "present", "run_id": "ingest"}])
    scores = rows_to_table("scores", [{"sample_id": "a", "status": "scored", "run_id": "mine", "miou": 0.1}])
    case = select_cases(samples, scores, MineRecipe(where="status = 'scored'")).to_pylist()[0]
    assert (case["status"], case["run_id"]) == ("scored", "mine")


def test_what_is_not_selected_never_becomes_a_row_in_python():
    count = 20_000
    ids = pa.array([f"pool/{number:05d}" for number in range(count)])
    miou = pa.array(np.where(np.arange(count) % 1000 == 0, 0.5, 0.9), pa.float32())
    tables = [
        pa.table([columns.get(field.name, pa.nulls(count, field.type)) for field in schema], schema=schema)
        for schema, columns in ((SAMPLES, {"sample_id": ids}), (SCORES, {"sample_id": ids, "miou": miou}))
    ]
    tracemalloc.start()
    try:
        assert select_cases(*tables, MineRecipe(quantile=0.5)).num_rows == 20
        assert tracemalloc.get_traced_memory()[1] < 5_000_000  # as dictionaries they take a hundred
    finally:
        tracemalloc.stop()

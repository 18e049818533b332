"""The control: as many images as were mined, drawn from what could have been mined, and from nothing else."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from segdata.catalog.models import all_models, record_model
from segdata.catalog.training_sets import training_set
from segdata.catalog.workspace import RunContext
from segdata.errors import TooFewSamplesError
from segdata.pipeline.control import Eligible, control_set, eligible_for_control
from segdata.pipeline.jobs import Plan
from segdata.pipeline.recipe import Recipe
from tests.catalog.test_training_sets import House, picture


@pytest.fixture
def house(tmp_path: Path) -> House:
    """Two mined, one suspect, one judged to be dropped, one copy of a test image, and four that nobody looked at."""
    house = House(tmp_path)
    for number in range(3):
        house.add(f"p/train/{number}", "train", picture(number))
    for number, name in enumerate(("mined0", "mined1", "suspect", "dropped", *(f"free{n}" for n in range(4)))):
        house.add(f"a/{name}", "pool", picture(10 + number))
    house.add("p/test/0", "test", picture(30))
    house.add("a/leak", "pool", picture(30))
    house.select("new", ("a/mined0", "hard"), ("a/mined1", "hard"), ("a/suspect", "suspect_label"))
    house.judge("a/dropped", "drop")
    folder = tmp_path / "models" / "first"
    folder.mkdir(parents=True)
    pq.write_table(training_set(house.workspace, [], False).rows, folder / "training.parquet")
    row = {"model_id": "first", "name": "first", "uri": "models/first", "promoted": True, "metrics": {}}
    record_model(house.workspace.catalog, row)
    return house


def drawn_from(house: House) -> tuple[Plan, Eligible]:
    (parent,) = all_models(house.workspace.catalog)
    plan = Plan(training_set(house.workspace, ["new"], False), parent, "new", 1)
    return plan, eligible_for_control(RunContext(house.workspace, "retrain"), Recipe(), plan)


def test_it_is_drawn_from_what_could_have_been_mined_and_no_suspects_leaks_or_what_was_judged(house: House) -> None:
    _, eligible = drawn_from(house)
    assert {row["sample_id"] for row in eligible.rows} == {"a/mined0", "a/mined1", *(f"a/free{n}" for n in range(4))}
    assert eligible.new == {"a/mined0", "a/mined1"}


def test_it_has_as_many_images_and_all_else_is_the_same_and_each_seed_draws_anew(house: House) -> None:
    plan, eligible = drawn_from(house)
    recipe = Recipe.model_validate({"retrain": {"hard_weight": 2.5}})
    draws = set()
    for seed in range(6):
        rows = control_set(eligible, plan, recipe.with_seed(seed)).rows
        weights = dict(zip(rows["sample_id"].to_pylist(), rows["weight"].to_pylist(), strict=True))
        pool = frozenset(name for name in weights if name.startswith("a/"))
        assert weights.keys() - pool == {f"p/train/{n}" for n in range(3)}
        assert len(pool) == 2
        assert {weights[name] for name in pool} == {2.5}  # as mined ones weigh
        assert rows.equals(control_set(eligible, plan, recipe.with_seed(seed)).rows)
        draws.add(pool)
    assert len(draws) > 1


def test_a_pool_that_is_too_small_is_told(house: House) -> None:
    seen = [f"'a/{name}'" for name in ("mined1", *(f"free{n}" for n in range(4)))]
    rows = house.workspace.catalog.read("samples", where=f"sample_id IN ({', '.join(seen)})")
    pq.write_table(rows, house.root / "models" / "first" / "training.parquet")  # as if it had seen them: one is left
    with pytest.raises(TooFewSamplesError, match="2 images were mined and only 1 can be drawn instead"):
        drawn_from(house)

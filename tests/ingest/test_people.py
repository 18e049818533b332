"""Which categories are people."""

from __future__ import annotations

import pytest

from segdata.ingest.people import is_person_name, person_test

PEOPLE = [
    "person", " Person", "PERSONS", "persons ", "people", "Human", "human face", "humans", "man", "Women", "boy",
    "girl", "child", "children", "baby", "toddler", "pedestrian", "Pedestrians", "rider", "cyclist", "face", "Head",
    "portrait", "crowd", "standing person", "person_sitting", "person-like", "human--person--individual", "young woman",
    "\uff50\uff45\uff52\uff53\uff4f\uff4e", "traffic person",
]  # fmt: skip
THINGS = [
    "", "bench", "personal computer", "snowman", "humanoid", "manhole", "head of lettuce", "baby stroller",
    "shower head", "clock face", "portrait frame", "outdoor", "football player statue", "chairman", "walrus", "germane",
]  # fmt: skip


@pytest.mark.parametrize("name", PEOPLE)
def test_people_are_recognised_by_name_and_by_supercategory(name: str) -> None:
    is_person = person_test(None)
    assert is_person_name(name)
    assert is_person(name, "outdoor")
    assert is_person("x", name)


@pytest.mark.parametrize("name", THINGS)
def test_things_are_not(name: str) -> None:
    assert not is_person_name(name)
    assert not person_test(None)(name, "outdoor")


def test_the_names_of_a_recipe_override_both() -> None:
    is_person = person_test(["  Goal  Keeper", "rider"])
    assert is_person("goal keeper", "")
    assert is_person("RIDER ", "vehicle")
    assert not is_person("person", "person")
    assert not person_test([])("person", "person")

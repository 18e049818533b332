"""Facts about a source are kept until the recipe changes."""

from __future__ import annotations

from pathlib import Path

from segdata.catalog.source_facts import read_fact, write_fact
from segdata.catalog.tables import Catalog


def test_a_fact_is_kept_until_the_recipe_changes(tmp_path: Path) -> None:
    catalog = Catalog(tmp_path)
    assert read_fact(catalog, "mine", "naming", {"root": "a"}) is None
    write_fact(catalog, ("mine", "naming"), ["", "_mask"], {"root": "a"}, "r1")
    write_fact(catalog, ("other", "naming"), ["x"], {"root": "a"}, "r1")
    assert read_fact(catalog, "mine", "naming", {"root": "a"}) == ["", "_mask"]
    assert read_fact(catalog, "mine", "naming", {"root": "b"}) is None
    assert read_fact(catalog, "mine", "split", {"root": "a"}) is None
    version = catalog.version("sources")
    write_fact(catalog, ("mine", "naming"), ("", "_mask"), {"root": "a"}, "r2")
    assert catalog.version("sources") == version
    write_fact(catalog, ("mine", "naming"), ["y"], {"root": "b"}, "r3")
    assert read_fact(catalog, "mine", "naming", {"root": "a"}) is None
    assert read_fact(catalog, "mine", "naming", {"root": "b"}) == ["y"]

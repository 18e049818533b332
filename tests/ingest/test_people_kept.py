"""Some of the photos annotated with people are remembered, so that people can be learned from them."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from segdata.catalog.tables import Catalog
from segdata.catalog.workspace import RunContext, Workspace
from segdata.ingest import plan
from segdata.ingest.recipe import SourceRecipe
from segdata.ingest.run import run
from segdata.pipeline.backgrounds import photos_of_people
from segdata.pipeline.recipe import Recipe


def _lay_out(root: Path, people: list[str], free: list[str]) -> None:
    (root / "annotations").mkdir(parents=True)
    (root / "val").mkdir()
    images = [{"id": n, "file_name": name} for n, name in enumerate([*people, *free])]
    annotations = [{"image_id": n, "category_id": 1 if n < len(people) else 2} for n in range(len(images))]
    categories = [
        {"id": 1, "name": "person", "supercategory": "person"}, {"id": 2, "name": "bench", "supercategory": "outdoor"}
    ]  # fmt: skip
    told = {"images": images, "annotations": annotations, "categories": categories}
    (root / "annotations" / "instances_val.json").write_text(json.dumps(told))
    for number, name in enumerate([*people, *free]):
        if "missing" not in name:
            cv2.imwrite(str(root / "val" / name), np.full((8, 8, 3), number, np.uint8))


def test_photos_with_people_are_kept_as_filtered_and_counted_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "PEOPLE_KEPT", 3)
    people = [f"p{n}.png" for n in range(5)]
    _lay_out(tmp_path / "coco", [*people, "missing.png"], ["b.png"])
    source = SourceRecipe(name="coco", root="coco")
    context = RunContext(Workspace(tmp_path, Catalog(tmp_path / "catalog")), run_id="r1", workers=1)
    first = run(context, [source]).sources["coco"]
    assert (first.found, first.filtered) == (7, {"has_person": 6})
    kept = context.catalog.read("filtered").to_pylist()
    assert {row["reason"] for row in kept} == {"has_person"}
    assert len(kept) == 3
    assert {row["path"] for row in kept} <= {f"val/{name}" for name in people}

    version = context.catalog.version("filtered")
    again = run(context, [source]).sources["coco"]
    assert (again.decoded, again.filtered) == (0, {"has_person": 6})
    assert context.catalog.version("filtered") == version  # nothing was written again

    files = photos_of_people(context, Recipe(sources=(source,)))
    assert sorted(files) == sorted((tmp_path / "coco" / row["path"]).resolve() for row in kept)
    assert photos_of_people(context, Recipe(sources=())) == []


def test_a_link_out_of_the_source_is_never_followed(tmp_path: Path) -> None:
    _lay_out(tmp_path / "coco", ["p.png", "missing.png"], ["b.png"])
    outside = tmp_path / "secret.png"
    cv2.imwrite(str(outside), np.zeros((8, 8, 3), np.uint8))
    (tmp_path / "coco" / "val" / "missing.png").symlink_to(outside)
    source = SourceRecipe(name="coco", root="coco")
    context = RunContext(Workspace(tmp_path, Catalog(tmp_path / "catalog")), run_id="r1", workers=1)
    run(context, [source])
    assert [path.name for path in photos_of_people(context, Recipe(sources=(source,)))] == ["p.png"]

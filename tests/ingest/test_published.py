"""What was found is compared with the published sizes, set by set."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from segdata.catalog.tables import Catalog
from segdata.catalog.workspace import RunContext, Workspace
from segdata.cli.showing import show_run
from segdata.cli.working import show_ingest
from segdata.ingest.published import PUBLISHED, SetCounts, compare_with_published
from segdata.ingest.readers import READERS
from segdata.ingest.recipe import SourceRecipe
from segdata.ingest.run import run
from segdata.records import PhotoSet
from tests.ingest.test_reader_contract import LAYOUTS, NAMES, build, read_all

SETS = {"portrait2000": "training", "aisegment": "clip_img", "coco": "val2017", "p3m10k": "train"} | {
    "voc": "SegmentationClass"
}


def test_the_published_sizes_are_known() -> None:
    assert PUBLISHED["portrait2000"] == {"training": 1700, "testing": 300}
    assert PUBLISHED["aisegment"] == {"clip_img": 34427}
    assert PUBLISHED["coco"]["val2017"] == 5000
    of_tools = {"supervisely", "labelstudio", "labelme"}
    assert set(PUBLISHED) == READERS.keys() - {"folder"} - of_tools == SETS.keys()


@pytest.mark.parametrize("reader", SETS)
def test_every_reader_of_a_public_data_set_counts_the_photos_of_its_sets(reader: str, tmp_path: Path) -> None:
    build(tmp_path / "tree", LAYOUTS[reader], NAMES)
    sets = [one for one in read_all(reader, (tmp_path / "tree").resolve()) if isinstance(one, PhotoSet)]
    assert {one.name: one.photos for one in sets if one.photos} == {SETS[reader]: len(NAMES)}
    assert {one.name for one in sets} <= PUBLISHED[reader].keys()


def test_a_set_of_unknown_size_is_compared_with_nothing() -> None:
    sets = [PhotoSet("x", "val2017", 3), PhotoSet("x", "mine", 4), PhotoSet("x", "train2017", 0, "no photos")]
    assert compare_with_published("coco", sets) == {
        "val2017": SetCounts(3, 5000),
        "mine": SetCounts(4, None),
        "train2017": SetCounts(0, 118287, "no photos"),
    }


def shown(capsys: pytest.CaptureFixture[str], **sets: dict[str, Any]) -> list[str]:
    counts = dict.fromkeys(("found", "added", "changed", "unchanged", "gone", "rejected", "renamed"), 0)
    rows = {name: {"skipped": None, "remark": None, "published": None, **row} for name, row in sets.items()}
    show_ingest({"sources": {"coco": {**counts, "filtered": {}, "sets": rows}}, "rejects": {}})
    return [line.strip() for line in capsys.readouterr().out.splitlines()[2:]]


def test_the_summary_mentions_a_difference_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys, val2017={"photos": 5000, "published": 5000}, mine={"photos": 3}) == []
    assert shown(
        capsys,
        val2017={"photos": 4952, "published": 5000},
        train2017={"photos": 118287, "published": 118287},
        val2014={"photos": 40505, "published": 40504},
    ) == [
        "coco differs from what is published: val2017 has 4,952 photos instead of 5,000, "
        "val2014 has 40,505 photos instead of 40,504"
    ]


def test_the_summary_mentions_skipped_sets_and_remarks(capsys: pytest.CaptureFixture[str]) -> None:
    lines = shown(
        capsys,
        train2017={"photos": 0, "published": 118287, "skipped": "no photos in train2017/"},
        mine={"photos": 3, "remark": "read by its names"},
    )
    assert lines == ["coco: train2017 skipped: no photos in train2017/", "coco: mine: read by its names"]


def test_the_summary_of_the_loop_mentions_them_too(capsys: pytest.CaptureFixture[str]) -> None:
    sets = {"val2017": {"photos": 4952, "published": 5000, "skipped": None, "remark": None}}
    ingested = {"sources": {"coco": {"sets": sets}}}
    show_run({"ingest": ingested, "rounds": [], "stopped_because": "dry run"})
    first = capsys.readouterr().out.splitlines()[0]
    assert first == "  coco differs from what is published: val2017 has 4,952 photos instead of 5,000"


def test_coco_as_it_is_downloaded(tmp_path: Path, segdata: Callable[..., Any]) -> None:
    """Both annotations of the official archive, and the photos of val2017."""
    root, workspace = tmp_path / "coco", tmp_path / "ws"
    for folder in (root / "annotations", root / "val2017", workspace):
        folder.mkdir(parents=True)
    cv2.imwrite(str(root / "val2017" / "1.jpg"), np.zeros((4, 3, 3), np.uint8))
    document = {
        "images": [{"id": 1, "file_name": "1.jpg"}],
        "annotations": [{"image_id": 1, "category_id": 15}],
        "categories": [{"id": 15, "name": "bench", "supercategory": "outdoor"}],
    }
    for name in ("instances_train2017", "instances_val2017", "captions_val2017", "person_keypoints_val2017"):
        (root / "annotations" / f"{name}.json").write_text(json.dumps(document))
    assert segdata("init", workspace, cwd=workspace).code == 0
    told = segdata("ingest", "coco", "--root", root, cwd=workspace)
    assert told.code == 0, told.err
    assert "coco: train2017 skipped: no photos in train2017/, images/train2017/ or images/" in told.out
    assert "coco differs from what is published: val2017 has 1 photos instead of 5,000" in told.out
    answer = segdata("ingest", "coco", "--root", root, "--json", cwd=workspace)
    assert answer.json["sources"]["coco"]["sets"] == {
        "train2017": {
            "photos": 0,
            "published": 118287,
            "skipped": "no photos in train2017/, images/train2017/ or images/",
            "remark": None,
        },
        "val2017": {"photos": 1, "published": 5000, "skipped": None, "remark": None},
    }


def test_a_report_of_a_set_is_none_of_the_photos_that_a_limit_allows(tmp_path: Path) -> None:
    build(tmp_path / "tree", LAYOUTS["coco"], NAMES)
    context = RunContext(Workspace(tmp_path, Catalog(tmp_path / "catalog")), "run", limit=2)
    counts = run(context, [SourceRecipe(name="coco", root="tree")]).sources["coco"]
    assert counts.added == 2
    assert counts.sets == {"val2017": SetCounts(len(NAMES), 5000)}

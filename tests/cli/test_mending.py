"""`segdata ingest --mended` and `--undo` as people and programs call them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from segdata.catalog.workspace import open_workspace

CHOSEN = "split = 'pool'"


@pytest.fixture
def returned(workspace: Path, segdata: Any, tmp_path: Path) -> tuple[Path, str]:
    """Three labels for repair: the first one is larger now, the second one is elsewhere. And the first one's id."""
    folder = tmp_path / "returned"
    answer = segdata("export", "repair", folder, "--where", CHOSEN, "--limit", "3", "--format", "coco", cwd=workspace)
    assert answer.code == 0, answer.err
    file = folder / "annotations" / "instances_default.json"
    document = json.loads(file.read_text())
    first, second, _ = document["annotations"]
    image = document["images"][0]
    left, top, width, height = first["bbox"]
    right, bottom = left + width, top + height
    first["segmentation"] = [[left, top, right, top, right, bottom, left, bottom]]
    second["segmentation"] = [[0, 0, 2, 0, 2, 2, 0, 2]]
    document["annotations"].append({"id": 99, "image_id": 999, "category_id": 1, "segmentation": []})
    file.write_text(json.dumps(document))
    lines = json.loads((folder / "segdata.json").read_text())["samples"]
    return folder, next(line["sample_id"] for line in lines if line["image"] == f"images/{image['file_name']}")


def alphas(root: Path) -> dict[str, str]:
    rows = open_workspace(root).catalog.read("samples", where=CHOSEN).to_pylist()
    return {row["sample_id"]: row["alpha_sha256"] for row in rows}


def test_what_changes_is_shown_first_and_an_undo_restores_it(
    workspace: Path, segdata: Any, returned: tuple[Path, str]
) -> None:
    folder, name = returned
    before = alphas(workspace)
    dry = segdata("ingest", "--mended", folder, "--dry-run", "--json", cwd=workspace).json
    assert [row["sample_id"] for row in dry["mended"]["changed"]] == [name]
    assert alphas(workspace) == before
    shown = segdata("ingest", "--mended", folder, cwd=workspace)
    assert shown.code == 0, shown.err
    lines = shown.out.splitlines()
    head = next(number for number, line in enumerate(lines) if "IoU with old" in line)
    assert name in lines[head + 1]
    assert head < next(number for number, line in enumerate(lines) if "1 labels mended, 1 as they were." in line)
    assert "1 held back, because they have little in common with the old label:" in shown.out
    assert "annotation 4" in shown.out and "add the image, or remove the annotation" in shown.out
    assert {key for key, value in alphas(workspace).items() if value != before[key]} == {name}
    run_id = next(line for line in lines if "--undo" in line).split()[-1]
    dry = segdata("ingest", "--undo", run_id, "--dry-run", "--json", cwd=workspace).json
    assert dry["undone"]["restored"] == [name] and alphas(workspace) != before
    undone = segdata("ingest", "--undo", run_id, "--json", cwd=workspace)
    assert undone.json["undone"] == {"restored": [name], "skipped": []}, undone.err
    assert alphas(workspace) == before
    again = segdata("ingest", "--undo", run_id, cwd=workspace)
    assert again.code == 2 and "no label that this run took in counts any more" in again.err


def test_strict_makes_what_is_skipped_or_held_back_an_error_and_keeps_the_rest(
    workspace: Path, segdata: Any, returned: tuple[Path, str]
) -> None:
    folder, name = returned
    before = alphas(workspace)
    answer = segdata("ingest", "--mended", folder, "--strict", "--json", cwd=workspace)
    assert answer.code == 3
    assert "1 entries skipped and 1 labels held back" in answer.json["error"]["message"]
    assert [row["sample_id"] for row in answer.json["mended"]["changed"]] == [name]
    assert len(answer.json["mended"]["held_back"]) == 1
    assert alphas(workspace)[name] != before[name]
    trusted = segdata("ingest", "--mended", folder, "--trust", "--json", cwd=workspace)
    assert trusted.code == 0 and len(trusted.json["mended"]["changed"]) == 1


@pytest.mark.parametrize(
    "options",
    [
        ["--of", "run"], ["--trust"], ["--mended", "x", "--undo", "run"], ["aisegment", "--mended", "x"],
        ["--undo", "run", "--verify"], ["--mended", "x", "--of", "no such run"],
    ],
)  # fmt: skip
def test_options_that_do_not_go_together_are_refused(
    workspace: Path, segdata: Any, tmp_path: Path, options: list[str]
) -> None:
    (tmp_path / "x.json").write_text(
        '{"images": [{"id": 1, "file_name": "a", "width": 1, "height": 1}], "annotations": []}'
    )
    given = [str(tmp_path / "x.json") if option == "x" else option for option in options]
    assert segdata("ingest", *given, cwd=workspace).code == 2

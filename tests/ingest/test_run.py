"""Ingest: what changed is read again, what vanished is gone, what was mended is no reject any more."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from segdata.catalog.keys import key_of
from segdata.catalog.schemas import rows_to_table
from segdata.catalog.splits import cut_val
from segdata.catalog.tables import Catalog
from segdata.catalog.training_sets import newest_verdicts
from segdata.catalog.workspace import RunContext, Workspace
from segdata.cli.working import show_ingest
from segdata.errors import SourceError
from segdata.ingest.counts import IngestResult
from segdata.ingest.recipe import SourceRecipe
from segdata.ingest.run import IngestOptions, run
from segdata.storage.root import Root

SOURCE = SourceRecipe(name="mine", reader="folder", root="data")


@pytest.fixture
def context(tmp_path: Path) -> RunContext:
    for number in range(3):
        write(tmp_path, f"{number}", number)
    return RunContext(Workspace(tmp_path, Catalog(tmp_path / "catalog")), "run")


def write(root: Path, name: str, seed: int) -> None:
    image = np.random.default_rng(seed).integers(0, 255, (40, 30, 3), dtype=np.uint8)
    mask = np.zeros((40, 30), np.uint8)
    mask[10:, 5:25] = 255
    for folder, pixels in (("images", image), ("masks", mask)):
        (root / "data" / folder).mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(root / "data" / folder / f"{name}.png"), pixels)


def ingest(context: RunContext, verify: bool = False) -> IngestResult:
    return run(context, [SOURCE], IngestOptions(verify))


def statuses(context: RunContext) -> dict[str, str]:
    rows = context.catalog.read("samples").to_pylist()
    return {row["sample_id"]: row["status"] for row in rows}


def test_samples_are_measured(context: RunContext) -> None:
    assert ingest(context).sources["mine"].added == 3
    row = context.catalog.read("samples").to_pylist()[0]
    assert row["sample_id"] == "mine/images/0"
    assert (row["width"], row["height"], row["alpha_kind"], row["split"]) == (30, 40, "hard", "train")
    assert row["foreground_fraction"] == pytest.approx(30 * 20 / 1200)
    assert row["image_uri"] == "data/images/0.png"


def test_only_what_changed_is_read_again(context: RunContext, tmp_path: Path) -> None:
    ingest(context)
    write(tmp_path, "1", 77)
    found = ingest(context).sources["mine"]
    assert (found.added, found.changed, found.unchanged, found.decoded) == (0, 1, 2, 1)


def test_a_limit_leaves_what_lies_beyond_it_as_it_was(context: RunContext, tmp_path: Path) -> None:
    image = tmp_path / "data" / "images" / "2.png"
    image.write_bytes(image.read_bytes()[:-200])
    assert ingest(context).rejects == {"unreadable_image": 1}
    write(tmp_path, "3", 3)
    assert run(replace(context, limit=1), [SOURCE]).sources["mine"].gone == 0
    assert statuses(context) == {"mine/images/0": "present", "mine/images/1": "present"}
    assert context.catalog.read("rejects").num_rows == 1


def test_a_touched_file_is_not_a_changed_one(context: RunContext, tmp_path: Path) -> None:
    ingest(context)
    os.utime(tmp_path / "data" / "images" / "1.png", (1, 1))
    found = ingest(context).sources["mine"]
    assert (found.changed, found.unchanged, found.decoded) == (0, 3, 1)


def test_verify_reads_everything(context: RunContext) -> None:
    ingest(context)
    found = ingest(context, verify=True).sources["mine"]
    assert (found.unchanged, found.decoded) == (3, 3)


def test_a_pair_that_vanished_is_gone_and_comes_back(context: RunContext, tmp_path: Path) -> None:
    ingest(context)
    image, mask = (tmp_path / "data" / folder / "1.png" for folder in ("images", "masks"))
    kept = image.read_bytes(), mask.read_bytes()
    image.unlink()
    mask.unlink()
    assert ingest(context).sources["mine"].gone == 1
    assert statuses(context)["mine/images/1"] == "gone"
    image.write_bytes(kept[0])
    mask.write_bytes(kept[1])
    ingest(context)
    assert statuses(context)["mine/images/1"] == "present"


def test_a_sample_that_was_damaged_is_rejected_and_mended(context: RunContext, tmp_path: Path) -> None:
    ingest(context)
    image = tmp_path / "data" / "images" / "1.png"
    whole = image.read_bytes()
    image.write_bytes(whole[:-200])
    assert ingest(context).rejects == {"unreadable_image": 1}
    assert statuses(context)["mine/images/1"] == "gone"
    assert ingest(context).decoded == 0
    image.write_bytes(whole)
    assert ingest(context).rejects == {}
    assert statuses(context)["mine/images/1"] == "present"


def test_val_stays_val(context: RunContext, tmp_path: Path) -> None:
    ingest(context)
    rows = context.catalog.read("samples")
    moved = [{**row, "split": "val"} for row in rows.to_pylist()]
    context.catalog.merge("samples", rows.from_pylist(moved, schema=rows.schema))
    write(tmp_path, "1", 77)
    ingest(context)
    assert set(context.catalog.read("samples")["split"].to_pylist()) == {"val"}


def test_a_link_that_leaves_the_root_is_unsafe(context: RunContext, tmp_path: Path) -> None:
    outside = tmp_path / "outside.png"
    outside.write_bytes((tmp_path / "data" / "images" / "0.png").read_bytes())
    (tmp_path / "data" / "images" / "2.png").unlink()
    (tmp_path / "data" / "images" / "2.png").symlink_to(outside)
    assert ingest(context).rejects == {"unsafe_path": 1}


def test_a_root_one_folder_too_high_is_told(context: RunContext, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"lacks images/ and masks/; .*data has them: make that the root"):
        run(context, [SOURCE.model_copy(update={"root": str(tmp_path)})])


def pairs_of(context: RunContext) -> dict[str, str]:
    return {row["sample_id"].rpartition("/")[2]: row["status"] for row in context.catalog.read("samples").to_pylist()}


def rename(root: Path, old: str, new: str) -> None:
    for folder in ("images", "masks"):
        (root / "data" / folder / f"{old}.png").rename(root / "data" / folder / f"{new}.png")


def row_of(context: RunContext, name: str) -> dict[str, Any]:
    return {row["sample_id"]: row for row in context.catalog.read("samples").to_pylist()}[f"mine/images/{name}"]


def tell(context: RunContext, name: str, miou: float = 0.5, at: int = 1) -> None:
    """A score, a prediction, a verdict and a selection of a sample as it is now."""
    row = row_of(context, name)
    keys = {key: row[key] for key in ("sample_id", "image_sha256", "alpha_sha256")}
    catalog, scorer = context.catalog, {"scorer_id": f"s{at}", **keys}
    catalog.append("scores", rows_to_table("scores", [{**scorer, "miou": miou, "status": "scored"}]))
    catalog.append("predictions", rows_to_table("predictions", [{**scorer, "mask": b"m"}]))
    moment = datetime(2026, 1, at, tzinfo=UTC)
    catalog.append("verdicts", rows_to_table("verdicts", [{**keys, "verdict": "drop", "reviewer": "r", "at": moment}]))
    catalog.merge("selections", rows_to_table("selections", [{**keys, "selection": f"sel{at}", "rank": 0}]))


def known_of(context: RunContext, table: str, name: str) -> list[dict[str, Any]]:
    row, rows = row_of(context, name), context.catalog.read(table).to_pylist()
    keys = ("sample_id", "image_sha256", "alpha_sha256")
    return [one for one in rows if all(one[key] == row[key] for key in keys)]


def test_a_renamed_pair_keeps_its_scores_its_verdicts_and_its_side(context: RunContext, tmp_path: Path) -> None:
    ingest(context)
    moved = [{**row, "split": "val"} for row in context.catalog.read("samples").to_pylist()]
    context.catalog.merge("samples", rows_to_table("samples", moved))
    tell(context, "1")
    rename(tmp_path, "1", "new's name")
    counts = ingest(context).sources["mine"]
    assert (counts.found, counts.added, counts.renamed, counts.gone, counts.unchanged) == (3, 1, 1, 1, 2)
    assert pairs_of(context) == {"0": "present", "1": "gone", "2": "present", "new's name": "present"}
    row = row_of(context, "new's name")
    assert (row["split"], row["group_id"]) == ("val", "mine/images/1")
    for table in ("scores", "predictions", "verdicts", "selections"):
        assert len(known_of(context, table, "new's name")) == 1, table
    assert newest_verdicts(context.catalog.read("verdicts").to_pylist())[key_of(row)] == "drop"
    assert context.catalog.read("selections").num_rows == 1
    assert ingest(context).sources["mine"].renamed == 0


def test_the_table_says_what_was_renamed(
    context: RunContext, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ingest(context)
    rename(tmp_path, "1", "b")
    show_ingest(run(context, [SOURCE]).to_json())
    assert "mine renamed: 1, known by the bytes" in capsys.readouterr().out


def test_a_renamed_training_sample_does_not_become_val_by_its_new_name(context: RunContext, tmp_path: Path) -> None:
    ingest(context)
    cut_val(context.catalog, 0.4)
    before = {row["sample_id"]: row["split"] for row in context.catalog.read("samples").to_pylist()}
    assert set(before.values()) == {"train", "val"}
    for number in range(3):
        rename(tmp_path, str(number), f"renamed {number}")
    ingest(context)
    cut_val(context.catalog, 0.4)
    rows = context.catalog.read("samples", where="status = 'present'").to_pylist()
    assert {row["group_id"]: row["split"] for row in rows} == before


def test_to_and_fro_nothing_is_written_twice_and_nothing_is_lost(context: RunContext, tmp_path: Path) -> None:
    ingest(context)
    tell(context, "1", at=1)
    rename(tmp_path, "1", "b")
    ingest(context)
    tell(context, "b", at=2)
    rename(tmp_path, "b", "1")
    assert ingest(context).sources["mine"].renamed == 1
    assert [row["scorer_id"] for row in known_of(context, "scores", "1")] == ["s1", "s2"]
    rename(tmp_path, "1", "b")
    ingest(context)
    assert [row["scorer_id"] for row in known_of(context, "scores", "b")] == ["s1", "s2"]


def test_a_kill_between_the_scores_and_the_samples_is_made_up_for(
    context: RunContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingest(context)
    tell(context, "1")
    rename(tmp_path, "1", "b")
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(Catalog, "merge", _killed)
        ingest(context)
    assert pairs_of(context) == {"0": "present", "1": "present", "2": "present"}
    assert ingest(context).sources["mine"].renamed == 1
    assert len(known_of(context, "scores", "b")) == 1


def _killed(*_: object) -> None:
    raise KeyboardInterrupt


def test_a_copy_is_no_rename(context: RunContext, tmp_path: Path) -> None:
    ingest(context)
    for folder in ("images", "masks"):
        path = tmp_path / "data" / folder
        shutil.copy(path / "1.png", path / "copy.png")
    assert ingest(context).sources["mine"].renamed == 0
    rename(tmp_path, "copy", "gone too")
    for folder in ("images", "masks"):
        (tmp_path / "data" / folder / "gone too.png").unlink()
    counts = ingest(context).sources["mine"]
    assert (counts.gone, counts.renamed) == (1, 0)


def test_a_copy_of_one_that_was_renamed_does_not_continue_the_old_name(context: RunContext, tmp_path: Path) -> None:
    ingest(context)
    rename(tmp_path, "1", "b")
    ingest(context)
    for folder in ("images", "masks"):
        path = tmp_path / "data" / folder
        shutil.copy(path / "b.png", path / "copy.png")
    counts = ingest(context).sources["mine"]
    assert (counts.added, counts.renamed) == (1, 0)


def test_one_that_comes_back_after_a_while_under_another_name_is_renamed(context: RunContext, tmp_path: Path) -> None:
    ingest(context)
    (tmp_path / "data" / "images" / "1.png").rename(tmp_path / "kept.png")
    ingest(context)
    (tmp_path / "kept.png").rename(tmp_path / "data" / "images" / "9.png")
    (tmp_path / "data" / "masks" / "1.png").rename(tmp_path / "data" / "masks" / "9.png")
    assert ingest(context).sources["mine"].renamed == 1


def test_a_changed_file_makes_its_scores_stale(context: RunContext, tmp_path: Path) -> None:
    ingest(context)
    tell(context, "1")
    write(tmp_path, "1", 77)
    ingest(context)
    assert known_of(context, "scores", "1") == []
    assert context.catalog.read("scores").num_rows == 1


def test_a_new_split_and_a_moved_root_need_no_decoding(context: RunContext, tmp_path: Path) -> None:
    ingest(context)
    (tmp_path / "data").rename(tmp_path / "moved")
    source = SOURCE.model_copy(update={"root": "moved", "split": "test", "licence": "ours"})
    counts = run(context, [source]).sources["mine"]
    assert (counts.decoded, counts.unchanged, counts.gone) == (0, 3, 0)
    row = row_of(context, "1")
    assert (row["image_uri"], row["split"], row["licence"]) == ("moved/images/1.png", "test", "ours")


def test_a_channel_that_the_recipe_names_anew_is_read_anew(context: RunContext) -> None:
    ingest(context)
    counts = run(context, [SOURCE.model_copy(update={"alpha_channel": 3})])
    assert counts.rejects == {"unreadable_alpha": 3}
    assert ingest(context).sources["mine"].changed == 3


def test_a_sample_keeps_its_id_when_a_file_of_another_ending_comes_beside_it(
    context: RunContext, tmp_path: Path
) -> None:
    ingest(context)
    before = row_of(context, "1")
    (tmp_path / "data" / "images" / "1.jpg").write_bytes((tmp_path / "data" / "images" / "2.png").read_bytes())
    result = ingest(context)
    assert (result.rejects, result.sources["mine"].filtered) == ({}, {"same_name": 1})
    assert row_of(context, "1") == before


def test_a_file_that_may_not_be_read_is_rejected(context: RunContext, tmp_path: Path) -> None:
    code = (
        "import os, sys\n"
        "from segdata.ingest.measure import measure; from segdata.records import Candidate\n"
        "os.geteuid() or os.seteuid(65534)\n"
        "print(measure(Candidate('d', 'd/a', 'a', 'background', 'none', sys.argv[1])))"
    )
    place = Path(tempfile.mkdtemp())  # pytest's own folders are closed to others
    place.chmod(0o755)
    image = place / "a.png"
    shutil.copy(tmp_path / "data" / "images" / "0.png", image)
    image.chmod(0)
    call = [sys.executable, "-c", code, str(image)]
    told = subprocess.run(call, capture_output=True, text=True, check=True).stdout
    assert "unreadable_image" in told
    assert "Permission denied" in told
    shutil.rmtree(place)


def test_what_could_not_be_opened_is_tried_again_though_no_byte_changed(
    context: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(root: Root, path: str, most: int | None = None) -> Any:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patched:
        patched.setattr(Root, "read", refuse)
        found = ingest(context)
    assert found.rejects == {"unreadable_image": 3}
    assert found.decoded == 0
    assert ingest(context).sources["mine"].added == 3

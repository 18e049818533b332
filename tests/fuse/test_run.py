"""The stage: rendered once, reused while the plan holds, the same whatever the workers, and true to what is there."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from segdata.catalog import layers
from segdata.catalog.pixels import read_pair
from segdata.catalog.schemas import rows_to_table
from segdata.catalog.tables import Catalog
from segdata.catalog.workspace import RunContext, Workspace
from segdata.errors import StorageError, TooFewSamplesError
from segdata.fuse import run as stage
from segdata.fuse.recipe import FuseRecipe
from segdata.fuse.run import FuseResult, run
from segdata.imaging.fusion import FusionPlan, fuse_layers
from segdata.imaging.layer import estimate_layer
from segdata.records import Progress
from segdata.storage.files import sha256_of

_PORTRAITS, _BACKGROUNDS = 6, 4
_ALL = FuseRecipe(ratio=1)


def _write(path: Path, array: np.ndarray) -> dict[str, Any]:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), array)
    return {"size": path.stat().st_size, "mtime_ns": path.stat().st_mtime_ns, "sha256": sha256_of(path.read_bytes())}


def _sample(root: Path, kind: str, number: int) -> dict[str, Any]:
    rng = np.random.default_rng(number + (100 if kind == "background" else 0))
    image = cv2.resize(rng.integers(0, 256, (6, 5, 3), dtype=np.uint8), (50, 60), interpolation=cv2.INTER_CUBIC)
    path = root / "data" / f"{kind}{number}.png"
    row: dict[str, Any] = {
        "sample_id": f"{kind}s/{number}", "dataset": f"{kind}s", "kind": kind, "status": "present",
        "split": "train" if kind == "portrait" else "none", "image_uri": path.relative_to(root).as_posix(),
        "path": path.name, "width": 50, "height": 60, "hole_count": 0, "licence": f"licence of {kind}s",
    }  # fmt: skip
    row |= {f"image_{name}": value for name, value in _write(path, image).items()}
    if kind == "portrait":
        alpha = np.zeros((60, 50), np.uint8)
        cv2.circle(alpha, (25, 30), 12 + number, 255, -1, cv2.LINE_AA if number % 2 else cv2.LINE_8)
        alpha[40:, 10:40] = 255
        mask = path.with_name(f"{path.stem}_matte.png")
        row |= {f"alpha_{name}": value for name, value in _write(mask, alpha).items()}
        row |= {"alpha_uri": mask.relative_to(root).as_posix(), "group_id": f"shoot {number // 2}"}
    return row


@pytest.fixture
def context(tmp_path: Path) -> RunContext:
    root = tmp_path / "workspace"
    workspace = Workspace(root, Catalog(root / "catalog"))
    rows = [_sample(root, "portrait", number) for number in range(_PORTRAITS)]
    rows += [_sample(root, "background", number) for number in range(_BACKGROUNDS)]
    workspace.catalog.merge("samples", rows_to_table("samples", rows))
    return RunContext(workspace, run_id="r1", seed=0, workers=2)


def _parents(context: RunContext) -> tuple[pa.Table, pa.Table]:
    read = context.catalog.read
    return read("samples", where="kind = 'portrait'"), read("samples", where="kind = 'background'")


def _fuse(context: RunContext, recipe: FuseRecipe = _ALL) -> FuseResult:
    return run(context, recipe, *_parents(context))


def _composites(context: RunContext, where: str = "status = 'present'") -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = context.catalog.read("samples", where=f"kind = 'composite' AND {where}").to_pylist()
    return rows


def _files(context: RunContext) -> dict[str, bytes]:
    folder = context.catalog.files / "composites"
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_row_tells_all_of_its_composite(context: RunContext) -> None:
    result = _fuse(context, FuseRecipe(ratio=0.5))
    assert (result.portraits, result.composites, result.written, result.reused) == (3, 3, 3, 0)
    rows = _composites(context)
    assert len(rows) == 3
    for row in rows:
        image, alpha = read_pair(context.workspace, row)
        data = context.workspace.resolve(row["image_uri"]).read_bytes()
        portrait, background = row["parents"]
        assert row["sample_id"] == f"composite/{portrait['sample_id']}/0"
        assert (row["dataset"], row["split"], row["status"], row["run_id"]) == ("composite", "train", "present", "r1")
        assert (portrait["role"], background["role"]) == ("portrait", "background")
        assert row["image_sha256"] == sha256_of(data)
        assert row["image_size"] == len(data)
        assert not Path(row["image_uri"]).is_absolute()
        assert (row["height"], row["width"]) == alpha.shape == image.shape[:2]
        assert row["alpha_kind"] == "soft"
        assert row["foreground_fraction"] == pytest.approx((alpha >= 128).mean())
        assert row["licence"] == "licence of portraits; licence of backgrounds"
        assert row["group_id"].startswith("shoot")


def test_the_pixels_are_those_of_the_plan(context: RunContext) -> None:
    _fuse(context, FuseRecipe(ratio=1, placement="jitter", quality=100))
    samples = {row["sample_id"]: row for row in context.catalog.read("samples").to_pylist()}
    for row in _composites(context):
        plan = FusionPlan.from_json(row["fusion"])
        image, alpha = read_pair(context.workspace, samples[plan.portraits[0].portrait_id])
        scene, _ = read_pair(context.workspace, samples[plan.background_id])
        expected, blended = fuse_layers([estimate_layer(image, alpha, plan.settings.layer)], scene, plan)
        rendered, stored = read_pair(context.workspace, row)
        assert np.array_equal(stored, blended)
        assert np.abs(rendered.astype(int) - expected).mean() < 1.5  # what JPEG costs


def test_the_second_call_reuses_everything(context: RunContext) -> None:
    _fuse(context)
    files, version = _files(context), context.catalog.version("samples")
    again = _fuse(context)
    assert (again.written, again.reused, again.composites) == (0, _PORTRAITS, _PORTRAITS)
    assert _files(context) == files
    assert context.catalog.version("samples") == version


def test_the_same_seed_gives_the_same_bytes_whatever_the_workers_and_the_order(
    context: RunContext, tmp_path: Path
) -> None:
    _fuse(context)
    other = replace(context, workspace=Workspace(context.workspace.root, Catalog(tmp_path / "elsewhere")), workers=1)
    portraits, backgrounds = _parents(context)
    run(other, _ALL, portraits.take(list(range(_PORTRAITS))[::-1]), backgrounds.take([2, 0, 3, 1]))
    assert _files(other) == _files(context)


def test_another_seed_replaces_rows_and_leaves_no_file_behind(context: RunContext) -> None:
    _fuse(context)
    before = _files(context)
    result = _fuse(replace(context, seed=1))
    assert result.written == _PORTRAITS
    assert len(_composites(context)) == _PORTRAITS
    assert len(_files(context)) == 2 * _PORTRAITS
    assert not set(before) & set(_files(context))


def test_what_is_no_longer_planned_is_gone_and_comes_back_with_its_plan(context: RunContext) -> None:
    _fuse(context)
    before = _files(context)
    fewer = _fuse(context, FuseRecipe(ratio=0.5))
    assert (fewer.written, fewer.reused, fewer.gone) == (0, 3, 3)
    assert len(_composites(context)) == 3
    assert len(_composites(context, "status = 'gone'")) == 3
    assert len(_files(context)) == 6
    assert _fuse(context).written == 3
    assert _files(context) == before


def test_what_is_gone_is_not_gone_again(context: RunContext) -> None:
    _fuse(context)
    half = FuseRecipe(ratio=0.5)
    assert [_fuse(context, half).gone for _ in range(2)] == [3, 0]


def test_a_row_that_is_gone_is_made_again_even_where_its_files_were_left(context: RunContext) -> None:
    _fuse(context)  # then a kill came between the row and its files
    row = _composites(context)[0]
    context.catalog.merge("samples", rows_to_table("samples", [row | {"status": "gone"}]))
    assert _fuse(context).written == 1
    assert len(_composites(context)) == _PORTRAITS


def test_a_ratio_of_0_leaves_no_composite(context: RunContext) -> None:
    _fuse(context)
    assert _fuse(context, FuseRecipe(ratio=0)).gone == _PORTRAITS
    assert _files(context) == {}


def test_a_lost_or_cut_file_is_rendered_again(context: RunContext) -> None:
    _fuse(context)
    before = _files(context)
    lost, cut = _composites(context)[:2]
    context.workspace.resolve(lost["alpha_uri"]).unlink()
    path = context.workspace.resolve(cut["image_uri"])
    path.write_bytes(path.read_bytes()[:100])
    assert _fuse(context).written == 2
    assert _files(context) == before


def test_a_parent_whose_bytes_changed_makes_its_composite_new(context: RunContext) -> None:
    _fuse(context)
    changed = _sample(context.workspace.root, "portrait", 0)
    changed |= {f"image_{k}": v for k, v in _write(
        context.workspace.resolve(changed["image_uri"]), np.full((60, 50, 3), 77, np.uint8)).items()}  # fmt: skip
    context.catalog.merge("samples", rows_to_table("samples", [changed]))
    result = _fuse(context)
    assert (result.written, result.reused) == (1, _PORTRAITS - 1)


@pytest.mark.parametrize("damage", ["vanished", "changed", "garbage"])
def test_a_parent_that_is_not_as_ingested_fails_alone_and_says_so(context: RunContext, damage: str) -> None:
    row = _parents(context)[0].to_pylist()[0]
    path = context.workspace.resolve(row["image_uri"])
    if damage == "vanished":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes() + b"x" if damage == "changed" else b"no picture")
    if damage == "garbage":
        garbage = row | {"image_sha256": sha256_of(b"no picture")}
        context.catalog.merge("samples", rows_to_table("samples", [garbage]))
    result = _fuse(context)
    assert result.written == _PORTRAITS - 1
    (failure,) = result.failed
    assert failure.sample_id == f"composite/{row['sample_id']}/0"
    assert str(path) in failure.reason
    assert result.to_json()["failed"] == [{"sample_id": failure.sample_id, "reason": failure.reason}]


@pytest.mark.parametrize("whose", ["background", "companion", "label"])
def test_every_parent_that_changed_since_ingest_fails_its_composites_and_no_other(
    context: RunContext, whose: str
) -> None:
    recipe = FuseRecipe(ratio=1, people=2 if whose == "companion" else 1)
    role = "portrait" if whose == "label" else whose
    planned = _dry(context, recipe)
    name = planned[0]["companions"][0] if whose == "companion" else planned[0][role]
    (row,) = context.catalog.read("samples", where=f"sample_id = '{name}'").to_pylist()
    path = context.workspace.resolve(row["alpha_uri" if whose == "label" else "image_uri"])
    path.write_bytes(path.read_bytes() + b"x")
    result = _fuse(context, recipe)
    shown = {one["sample_id"] for one in planned if name in (one["background"], one["portrait"], *one["companions"])}
    assert {one.sample_id for one in result.failed} == shown
    assert all(str(path) in one.reason and "changed since it was ingested" in one.reason for one in result.failed)
    assert {row["sample_id"] for row in _composites(context)} == {one["sample_id"] for one in planned} - shown


def _dry(context: RunContext, recipe: FuseRecipe) -> list[dict[str, Any]]:
    planned = _fuse(replace(context, dry_run=True), recipe).planned
    return [{"companions": [], **one} for one in planned]


def test_a_composite_that_can_no_longer_be_made_is_gone(context: RunContext) -> None:
    _fuse(context)
    row = _parents(context)[0].to_pylist()[0]
    context.workspace.resolve(row["image_uri"]).unlink()
    result = _fuse(replace(context, seed=1))
    assert (result.written, result.gone, len(result.failed)) == (_PORTRAITS - 1, 1, 1)
    assert len(_composites(context)) == _PORTRAITS - 1


def test_a_forgotten_composite_is_not_made_again(context: RunContext) -> None:
    _fuse(context)
    row = _composites(context)[0]
    context.catalog.merge("samples", rows_to_table("samples", [row | {"status": "forgotten"}]))
    result = _fuse(replace(context, seed=1))
    assert (result.composites, result.gone) == (_PORTRAITS - 1, 0)
    assert len(_composites(context, "status = 'forgotten'")) == 1


def test_a_dry_run_says_the_pairs_and_writes_nothing(context: RunContext) -> None:
    result = _fuse(replace(context, dry_run=True))
    assert (result.portraits, result.composites, result.written) == (_PORTRAITS, _PORTRAITS, 0)
    assert all(one["sample_id"].startswith("composite/portraits/") for one in result.to_json()["planned"])
    assert not context.catalog.files.exists()
    assert _composites(context) == []


def test_a_limit_renders_the_first_of_the_plan_and_buries_nothing(context: RunContext) -> None:
    _fuse(replace(context, limit=2))
    assert len(_composites(context)) == 2
    assert _fuse(context).reused == 2
    assert _fuse(replace(context, limit=2)).gone == 0
    assert len(_composites(context)) == _PORTRAITS


def test_after_a_crash_what_was_committed_is_reused(context: RunContext, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage, "_SHARD", 2)
    whole: Callable[..., None] = stage._commit
    commits: list[int] = []

    def crash(*arguments: Any) -> None:
        if commits:
            raise KeyboardInterrupt
        commits.append(1)
        whole(*arguments)

    monkeypatch.setattr(stage, "_commit", crash)
    with pytest.raises(KeyboardInterrupt):
        _fuse(context)
    assert len(_composites(context)) == 2
    monkeypatch.setattr(stage, "_commit", whole)
    result = _fuse(context)
    assert (result.written, result.reused) == (_PORTRAITS - 2, 2)
    assert len(_files(context)) == 2 * _PORTRAITS


@pytest.mark.parametrize("what", ["image", "alpha", "layer"])
def test_a_full_disk_stops_the_stage_loses_nothing_and_leaves_nothing_half_written(
    context: RunContext, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stage, "_SHARD", 1)
    _fuse(context, FuseRecipe(ratio=0.5))
    before, rows = _files(context), _composites(context)
    suffix = {"image": ".jpg", "alpha": ".png", "layer": ".zst"}[what]
    whole = Path.replace

    def full(path: Path, target: Path) -> Path:
        if Path(target).suffix == suffix and len(list(context.catalog.files.rglob(f"*{suffix}"))) >= 4:
            raise OSError(errno.ENOSPC, "No space left on device")
        return whole(path, target)

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(StorageError, match="No space left on device"):
        _fuse(replace(context, workers=1))
    monkeypatch.setattr(Path, "replace", whole)
    now = _files(context)
    assert before.items() <= now.items()
    assert not [name for name in now if name.endswith(".tmp")]
    kept = _composites(context)
    assert all(row in kept for row in rows)
    for row in kept:  # every row has its files, whole
        for name in ("image", "alpha"):
            assert sha256_of(context.workspace.resolve(row[f"{name}_uri"]).read_bytes()) == row[f"{name}_sha256"]
    again = _fuse(context)
    assert (again.reused, again.written) == (len(kept), _PORTRAITS - len(kept))


def test_a_file_that_cannot_be_written_stops_the_stage(context: RunContext) -> None:
    context.catalog.files.mkdir(parents=True)
    (context.catalog.files / "composites").write_text("in the way")
    with pytest.raises(StorageError, match="can't be written"):
        _fuse(context)


def test_without_backgrounds_nothing_is_touched(context: RunContext) -> None:
    portraits, backgrounds = _parents(context)
    with pytest.raises(TooFewSamplesError, match="no backgrounds"):
        run(context, _ALL, portraits, backgrounds.slice(0, 0))


def test_a_scene_of_several_lists_all_its_parents_and_has_the_union_of_their_alphas(context: RunContext) -> None:
    result = _fuse(context, FuseRecipe(ratio=1, people="2..3", quality=100))
    assert set(result.people) == {2, 3}
    assert result.to_json()["people"].keys() == {"2", "3"}
    samples = {row["sample_id"]: row for row in context.catalog.read("samples").to_pylist()}
    for row in _composites(context):
        roles = [parent["role"] for parent in row["parents"]]
        assert roles == ["portrait", *["companion"] * (len(roles) - 2), "background"]
        plan = FusionPlan.from_json(row["fusion"])
        by_id = {parent["sample_id"]: samples[parent["sample_id"]] for parent in row["parents"]}
        layers = [estimate_layer(*read_pair(context.workspace, by_id[one.portrait_id])) for one in plan.portraits]
        scene, _ = read_pair(context.workspace, by_id[plan.background_id])
        expected, united = fuse_layers(layers, scene, plan)
        rendered, alpha = read_pair(context.workspace, row)
        assert np.array_equal(alpha, united)
        assert np.abs(rendered.astype(int) - expected).mean() < 1.5
        assert (row["width"], row["height"]) == (80, 60)  # 4:3, as high as the portrait


def test_a_second_fuse_with_other_backgrounds_estimates_nothing_again(
    context: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    estimates: list[int] = []

    def counted(*arguments: Any) -> Any:
        estimates.append(1)
        return estimate_layer(*arguments)

    monkeypatch.setattr(layers, "estimate_layer", counted)
    _fuse(context)
    assert len(estimates) == _PORTRAITS
    result = _fuse(replace(context, seed=1), FuseRecipe(ratio=1, composites=2, placement="jitter"))
    assert result.written == 2 * _PORTRAITS
    assert len(estimates) == _PORTRAITS


def test_what_killed_fuses_left_behind_is_swept_once_it_is_old(context: RunContext) -> None:
    _fuse(context)
    kept = _files(context)
    folder = context.catalog.files / "composites" / "ab"
    folder.mkdir(exist_ok=True)
    old = [folder / ".abc.jpg.x1.tmp", folder / "abc.jpg", context.catalog.files / "foregrounds" / ".k.zst.y.tmp"]
    young = folder / ".abd.jpg.x2.tmp"
    for path in (*old, young):
        path.write_bytes(b"half")
    for path in old:
        os.utime(path, (1, 1))
    layers_before = len(list((context.catalog.files / "foregrounds").rglob("*.zst")))
    _fuse(context)
    assert not any(path.exists() for path in old)
    assert young.exists()  # of a fuse that may be going on
    assert kept.items() <= _files(context).items()
    assert len(list((context.catalog.files / "foregrounds").rglob("*.zst"))) == layers_before


def test_rendered_files_keep_their_colours_whole(context: RunContext) -> None:
    _fuse(context)
    row = _composites(context)[0]
    with Image.open(context.workspace.resolve(row["image_uri"])) as opened:
        assert opened.format == "JPEG"
        assert [part[1:3] for part in opened.layer] == [(1, 1)] * 3  # 4:4:4: every component in full resolution
        assert opened.quantization[0][0] == 2  # quality 95: 16 of the standard table, times 2 x (100 - 95) / 100
    with Image.open(context.workspace.resolve(row["alpha_uri"])) as opened:
        assert (opened.format, opened.mode) == ("PNG", "L")


def test_progress_counts_what_was_there_and_ends_at_the_total(context: RunContext) -> None:
    _fuse(context, FuseRecipe(ratio=0.5))
    seen: list[Progress] = []
    _fuse(replace(context, progress=seen.append))
    assert (seen[0].done, seen[0].total) == (3, _PORTRAITS)
    assert seen[-1].done == _PORTRAITS


def test_the_result_is_json_with_the_keys_that_programs_rely_on(context: RunContext) -> None:
    answer = json.loads(json.dumps(_fuse(context).to_json()))
    assert {"portraits", "composites", "written", "reused"} <= set(answer)

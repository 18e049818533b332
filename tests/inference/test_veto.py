"""A version's word on backgrounds: each is looked at once; who sees people everywhere is not believed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segdata.catalog.schemas import rows_to_table
from segdata.catalog.tables import Catalog
from segdata.catalog.workspace import RunContext, Workspace
from segdata.inference import scoring, veto
from segdata.inference.scoring import ScoringOptions, ScoringResult
from segdata.inference.veto import judge_people, veto_backgrounds
from segdata.storage.files import sha256_of


def _background(root: Path, number: int, brightness: int) -> dict[str, Any]:
    path = root / f"{number}.png"
    cv2.imwrite(str(path), np.full((40, 40, 3), brightness, np.uint8))
    return {
        "sample_id": f"b/{number}", "kind": "background", "split": "none", "status": "present", "alpha_kind": "none",
        "image_uri": path.name, "image_size": path.stat().st_size, "image_mtime_ns": path.stat().st_mtime_ns,
        "image_sha256": sha256_of(path.read_bytes()), "width": 40, "height": 40,
    }  # fmt: skip


@pytest.fixture
def context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunContext:
    """Five backgrounds, one of them bright, and a network to which brightness is a person."""

    class BrightIsPerson:
        at_once = 1

        def probabilities(self, batch: np.ndarray) -> np.ndarray:
            looked.append(len(batch))
            found: np.ndarray = batch.astype(np.float32).mean(axis=3) / 255
            return found

        def describe(self, batch: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            return self.probabilities(batch), batch.mean(axis=(1, 2)).astype(np.float32)

    looked: list[int] = []
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.toml").write_text('name = "m"\nnetwork = "bisenet"\ninput_hw = [32, 32]\n')
    (tmp_path / "model" / "weights.safetensors").write_bytes(b"")
    score = scoring.score_samples

    def score_samples(*arguments: Any) -> ScoringResult:
        return score(*arguments, opener=lambda *_: BrightIsPerson())  # type: ignore[arg-type]  # all that is asked of it

    monkeypatch.setattr(veto, "score_samples", score_samples)
    monkeypatch.setattr(veto, "looked", looked, raising=False)
    workspace = Workspace(tmp_path, Catalog(tmp_path / "catalog"))
    rows = [_background(tmp_path, number, 245 if number == 2 else 20) for number in range(5)]
    workspace.catalog.merge("samples", rows_to_table("samples", rows))
    return RunContext(workspace, run_id="r1")


def _ask(context: RunContext, threshold: float = 0.9) -> veto.Veto:
    backgrounds = context.catalog.read("samples")
    options = ScoringOptions("torch", "fp32")
    return veto_backgrounds(context, context.workspace.root / "model", backgrounds, threshold, options)


def test_a_background_with_a_person_is_left_out_and_each_is_looked_at_once(context: RunContext) -> None:
    found = _ask(context)
    assert [name for name, _ in found.vetoed] == ["b/2"]
    assert found.vetoed[0][1] == pytest.approx(245 / 255, abs=1e-3)
    assert (found.judged, found.seen, found.trusted) == (5, 1, True)
    left = found.left(context.catalog.read("samples"))
    assert left["sample_id"].to_pylist() == ["b/0", "b/1", "b/3", "b/4"]
    assert found.to_json()["vetoed"] == [{"sample_id": "b/2", "person_probability": round(found.vetoed[0][1], 4)}]
    assert sum(veto.looked) == 5  # type: ignore[attr-defined]  # of the fixture
    assert _ask(context) == found
    assert sum(veto.looked) == 5  # type: ignore[attr-defined]  # nothing was asked again


def test_a_version_that_sees_people_nearly_everywhere_is_not_believed(context: RunContext) -> None:
    found = _ask(context, threshold=0.05)
    assert (found.seen, found.trusted, found.vetoed) == (5, False, ())
    assert found.left(context.catalog.read("samples")).num_rows == 5


def test_a_background_that_cannot_be_read_is_nobodys_to_veto(context: RunContext) -> None:
    (context.workspace.root / "2.png").unlink()
    found = _ask(context)
    assert (found.judged, found.vetoed) == (4, ())


@given(st.lists(st.floats(0, 1), max_size=20), st.floats(0.01, 1))
def test_at_most_a_fifth_is_ever_left_out_and_only_what_reaches_the_threshold(scores: list[float], cut: float) -> None:
    scored = [(f"b/{n}", p) for n, p in enumerate(scores)]
    found = judge_people("m", "s", scored, cut)
    assert len(found.vetoed) <= len(scores) / 5
    assert all(p >= cut for _, p in found.vetoed)
    assert found.seen == sum(p >= cut for p in scores)
    assert not found.trusted or len(found.vetoed) == found.seen

"""The cache of foregrounds: exact, small, made once, made again when damaged."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from segdata.catalog import foregrounds
from segdata.catalog.foregrounds import ForegroundCache
from segdata.catalog.tables import Catalog
from segdata.catalog.workspace import Workspace
from segdata.imaging.fusion import FusionSettings, estimate_layer

_ROW = {"image_sha256": "1" * 64, "alpha_sha256": "2" * 64}


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path, Catalog(tmp_path / "catalog"))


def _portrait(soft: bool = True) -> tuple[np.ndarray, np.ndarray]:
    image = np.random.default_rng(0).integers(0, 256, (71, 53, 3), dtype=np.uint8)
    x = np.arange(53)
    ramp = np.clip((x - 20) / 8 if soft else x - 24.5, 0, 1) * 255
    return image, np.tile(ramp.round().astype(np.uint8), (71, 1))


def _count_estimates(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    calls: list[int] = []

    def counted(*arguments: Any) -> np.ndarray:
        calls.append(1)
        return estimate_layer(*arguments)

    monkeypatch.setattr(foregrounds, "estimate_layer", counted)
    return calls


@pytest.mark.parametrize("soft", [True, False])
def test_what_is_read_back_is_what_was_estimated(
    workspace: Workspace, soft: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    image, alpha = _portrait(soft)
    calls = _count_estimates(monkeypatch)
    expected = estimate_layer(image, alpha, FusionSettings())
    first = ForegroundCache(workspace, FusionSettings()).foreground(_ROW, image, alpha)
    second = ForegroundCache(workspace, FusionSettings()).foreground(_ROW, image, alpha)
    assert np.array_equal(first, expected)
    assert np.array_equal(second, expected)
    assert not np.array_equal(expected, image)
    assert len(calls) == 1


def test_the_file_holds_little_more_than_the_band(workspace: Workspace) -> None:
    image, alpha = _portrait()
    cache = ForegroundCache(workspace, FusionSettings())
    cache.foreground(_ROW, image, alpha)
    size = cache.path(_ROW["image_sha256"], _ROW["alpha_sha256"], hard=False).stat().st_size
    assert size < 3 * np.count_nonzero((alpha > 0) & (alpha < 255)) + 600


@pytest.mark.parametrize("damage", ["cut", "emptied", "changed", "another"])
def test_a_damaged_file_is_estimated_again(
    workspace: Workspace, damage: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    image, alpha = _portrait()
    cache = ForegroundCache(workspace, FusionSettings())
    expected = cache.foreground(_ROW, image, alpha)
    path = cache.path(_ROW["image_sha256"], _ROW["alpha_sha256"], hard=False)
    whole = path.read_bytes()
    middle = len(whole) // 2
    path.write_bytes(
        {
            "cut": whole[:middle],
            "emptied": b"",
            "changed": whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :],
            "another": foregrounds._pack(image[:9, :9], image[:9, :9]),
        }[damage]
    )
    calls = _count_estimates(monkeypatch)
    with caplog.at_level(logging.WARNING):
        assert np.array_equal(cache.foreground(_ROW, image, alpha), expected)
    assert len(calls) == 1
    assert path.read_bytes() == whole
    assert "a damaged foreground" in caplog.text
    assert str(path) in caplog.text


def test_other_bytes_and_other_methods_have_other_files(workspace: Workspace) -> None:
    cache = ForegroundCache(workspace, FusionSettings())
    ours = cache.path("a", "b", hard=False)
    assert cache.path("a", "c", hard=False) != ours
    assert cache.path("c", "b", hard=False) != ours
    assert ForegroundCache(workspace, FusionSettings(foreground="blur_fusion")).path("a", "b", hard=False) != ours


def test_the_feather_matters_to_hard_labels_alone(workspace: Workspace) -> None:
    narrow, wide = (ForegroundCache(workspace, FusionSettings(feather_px=px)) for px in (1, 4))
    assert narrow.path("a", "b", hard=True) != wide.path("a", "b", hard=True)
    assert narrow.path("a", "b", hard=False) == wide.path("a", "b", hard=False)


def test_observed_stores_nothing(workspace: Workspace) -> None:
    image, alpha = _portrait()
    foreground = ForegroundCache(workspace, FusionSettings(foreground="observed")).foreground(_ROW, image, alpha)
    assert np.array_equal(foreground, image)
    assert not workspace.catalog.files.exists()

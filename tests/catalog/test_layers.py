"""The cache of portraits cut out: exact, small, made once, made again when damaged."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from segdata.catalog import layers
from segdata.catalog.layers import LayerCache
from segdata.catalog.tables import Catalog
from segdata.catalog.workspace import Workspace
from segdata.imaging.layer import Layer, LayerSettings, estimate_layer

_ROW = {"image_sha256": "1" * 64, "alpha_sha256": "2" * 64}


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path, Catalog(tmp_path / "catalog"))


def _portrait(soft: bool = True) -> tuple[np.ndarray, np.ndarray]:
    image = np.random.default_rng(0).integers(0, 256, (71, 53, 3), dtype=np.uint8)
    x = np.arange(53)
    ramp = np.clip((x - 20) / 8 if soft else x - 24, 0, 1) * 255
    return image, np.tile(ramp.round().astype(np.uint8), (71, 1))


def _count_estimates(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    calls: list[int] = []

    def counted(*arguments: Any) -> Layer:
        calls.append(1)
        return estimate_layer(*arguments)

    monkeypatch.setattr(layers, "estimate_layer", counted)
    return calls


@pytest.mark.parametrize("soft", [True, False])
def test_what_is_read_back_is_what_was_estimated(
    workspace: Workspace, soft: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    image, alpha = _portrait(soft)
    calls = _count_estimates(monkeypatch)
    expected = estimate_layer(image, alpha, LayerSettings())
    first = LayerCache(workspace, LayerSettings()).layer(_ROW, image, alpha)
    second = LayerCache(workspace, LayerSettings()).layer(_ROW, image, alpha)
    for one in (first, second):
        assert np.array_equal(one.foreground, expected.foreground)
        assert np.array_equal(one.alpha, expected.alpha)
    assert not np.array_equal(expected.foreground, image)
    assert np.array_equal(expected.alpha, alpha) is soft
    assert len(calls) == 1


def test_the_file_holds_little_more_than_the_band(workspace: Workspace) -> None:
    image, alpha = _portrait()
    cache = LayerCache(workspace, LayerSettings())
    cache.layer(_ROW, image, alpha)
    size = cache.path(_ROW["image_sha256"], _ROW["alpha_sha256"], hard=False).stat().st_size
    assert size < 3 * np.count_nonzero((alpha > 0) & (alpha < 255)) + 600


@pytest.mark.parametrize("damage", ["cut", "emptied", "changed", "another"])
def test_a_damaged_file_is_estimated_again(
    workspace: Workspace, damage: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    image, alpha = _portrait()
    cache = LayerCache(workspace, LayerSettings())
    expected = cache.layer(_ROW, image, alpha)
    path = cache.path(_ROW["image_sha256"], _ROW["alpha_sha256"], hard=False)
    whole = path.read_bytes()
    middle = len(whole) // 2
    path.write_bytes(
        {
            "cut": whole[:middle],
            "emptied": b"",
            "changed": whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :],
            "another": layers._pack(Layer(image[:9, :9], alpha[:9, :9]), image[:9, :9], alpha[:9, :9]),
        }[damage]
    )
    calls = _count_estimates(monkeypatch)
    with caplog.at_level(logging.WARNING):
        assert np.array_equal(cache.layer(_ROW, image, alpha).foreground, expected.foreground)
    assert len(calls) == 1
    assert path.read_bytes() == whole
    assert "a damaged foreground" in caplog.text
    assert str(path) in caplog.text


def test_other_bytes_and_other_methods_have_other_files(workspace: Workspace) -> None:
    cache = LayerCache(workspace, LayerSettings())
    ours = cache.path("a", "b", hard=False)
    assert cache.path("a", "c", hard=False) != ours
    assert cache.path("c", "b", hard=False) != ours
    assert LayerCache(workspace, LayerSettings(foreground="blur_fusion")).path("a", "b", hard=False) != ours


def test_the_feather_matters_to_hard_labels_alone(workspace: Workspace) -> None:
    narrow, wide = (LayerCache(workspace, LayerSettings(feather_px=px)) for px in (1, 4))
    assert narrow.path("a", "b", hard=True) != wide.path("a", "b", hard=True)
    assert narrow.path("a", "b", hard=False) == wide.path("a", "b", hard=False)


def test_a_soft_label_as_observed_stores_nothing(workspace: Workspace) -> None:
    image, alpha = _portrait()
    layer = LayerCache(workspace, LayerSettings(foreground="observed")).layer(_ROW, image, alpha)
    assert np.array_equal(layer.foreground, image)
    assert np.array_equal(layer.alpha, alpha)
    assert not workspace.catalog.files.exists()

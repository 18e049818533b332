"""A workspace with small pictures: a bright blob, the person, before a dark gradient."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pytest
import torch

from segdata.catalog.schemas import rows_to_table
from segdata.catalog.tables import Catalog
from segdata.catalog.workspace import RunContext, Workspace
from segdata.storage.files import sha256_of

Row = dict[str, Any]

_SPEC = """name = "tiny"
network = "bisenet"
backbone = "test_efficientnet"
pretrained = false
fusion_channels = 16
input_hw = [64, 64]
resize = "stretch"
mean = [0.485, 0.456, 0.406]
std = [0.229, 0.224, 0.225]
flip = false
"""


def picture(seed: int, height: int = 96, width: int = 72) -> tuple[np.ndarray, np.ndarray]:
    """Image and alpha of one made-up person."""
    rng = np.random.default_rng(seed)
    alpha = np.zeros((height, width), np.uint8)
    centre = (int(width * rng.uniform(0.35, 0.65)), int(height * rng.uniform(0.35, 0.55)))
    cv2.circle(alpha, centre, int(width * rng.uniform(0.15, 0.25)), 255, -1)
    cv2.rectangle(alpha, (centre[0] - width // 4, centre[1] + height // 8), (centre[0] + width // 4, height), 255, -1)
    alpha = cv2.GaussianBlur(alpha, (3, 3), 0)
    behind = np.linspace(0, 90, width)[None, :, None] * rng.uniform(0.3, 1, 3)
    person = rng.uniform(140, 250, 3) + rng.normal(0, 8, (height, width, 3))
    share = alpha[..., None] / 255
    return np.clip(share * person + (1 - share) * behind, 0, 255).astype(np.uint8), alpha


class Studio:
    """Makes rows of `samples` with their files in a workspace."""

    def __init__(self, root: Path) -> None:
        self.workspace = Workspace(root, Catalog(root / "catalog"))
        self.spec_folder = root / "models" / "tiny"
        self.spec_folder.mkdir(parents=True)
        (self.spec_folder / "model.toml").write_text(_SPEC, encoding="utf-8")
        (root / "photos").mkdir()

    def context(self, **changes: Any) -> RunContext:
        return RunContext(self.workspace, "run", **changes)

    def portrait(self, seed: int, split: str = "train") -> Row:
        image, alpha = picture(seed)
        return self._row(f"{split}-{seed}", image, alpha, "portrait", split)

    def background(self, seed: int) -> Row:
        noise = np.random.default_rng(seed).integers(0, 255, (6, 8, 3), np.uint8)
        return self._row(f"background-{seed}", cv2.resize(noise, (120, 90)), None, "background", "none")

    def portraits(self, seeds: range, split: str = "train", weight: float | None = None) -> pa.Table:
        table = rows_to_table("samples", [self.portrait(seed, split) for seed in seeds])
        return table if weight is None else table.append_column("weight", pa.array([weight] * len(table)))

    def _row(self, name: str, image: np.ndarray, alpha: np.ndarray | None, kind: str, split: str) -> Row:
        row: Row = {
            "sample_id": f"photos/{name}",
            "dataset": "photos",
            "kind": kind,
            "split": split,
            "status": "present",
            "alpha_uri": None,
            "alpha_channel": None,
            "height": image.shape[0],
            "width": image.shape[1],
        }
        for part, array in (("image", image), ("alpha", alpha)):
            if array is not None:
                uri = f"photos/{name}_{part}.png"
                path = self.workspace.root / uri
                cv2.imwrite(str(path), array[..., ::-1] if array.ndim == 3 else array)
                row |= {f"{part}_uri": uri, f"{part}_sha256": sha256_of(path.read_bytes())}
        return row


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Nets this small only lose by a second thread, most of all on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def studio(tmp_path: Path) -> Callable[[str], Studio]:
    """Makes a workspace of that name."""

    def make(name: str = "workspace") -> Studio:
        (tmp_path / name).mkdir()
        return Studio(tmp_path / name)

    return make

"""A pool of four pictures, each another kind of case for a network that takes brightness for a person."""

import cv2
import numpy as np
import pytest

from segdata.catalog.schemas import rows_to_table
from segdata.catalog.tables import Catalog
from segdata.catalog.workspace import RunContext, Workspace
from segdata.storage.files import sha256_of

HEIGHT, WIDTH, SIDE = 160, 120, 64


def true_alpha():
    alpha = np.zeros((HEIGHT, WIDTH), np.uint8)
    cv2.ellipse(alpha, (60, 50), (22, 28), 0, 0, 360, 255, -1)
    cv2.ellipse(alpha, (60, 160), (46, 78), 0, 0, 360, 255, -1)
    return alpha


def pictures():
    """Of each kind of case its image and label."""
    alpha = true_alpha()
    image = np.where(alpha[..., None] > 0, 215, 40).astype(np.uint8).repeat(3, axis=2)
    gap = alpha.copy()
    gap[110:130, 50:64] = 0
    seen = image.copy()
    seen[110:130, 50:64] = 150  # the scene behind is bright too: the network takes it for the person
    dim = image.copy()
    dim[90:] = np.where(alpha[90:, :, None] > 0, 118, 40)  # the network is unsure of the torso, and misses it
    return {
        "easy": (image, alpha),
        "gap_filled": (seen, gap),
        "dim": (dim, alpha),
        "torso_dropped": (image, np.vstack([alpha[:90], 0 * alpha[90:]])),
    }


class BrightIsPerson:
    """A network whose probability of a person is the brightness, made sure."""

    name, precision, at_once = "torch", "fp32", 1

    def __init__(self, folder, name, precision):
        pass

    def probabilities(self, batch):
        return (1 / (1 + np.exp(-(batch.astype(np.float32).mean(axis=3) - 128) / 12))).astype(np.float32)

    def describe(self, batch):
        return self.probabilities(batch), batch.mean(axis=(1, 2)).astype(np.float32)


@pytest.fixture
def workspace(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.toml").write_text(f'name = "bright"\ninput_hw = [{SIDE}, {SIDE}]\n')
    (tmp_path / "model" / "weights.safetensors").write_bytes(b"what the fake network does not read")
    return Workspace(tmp_path, Catalog(tmp_path / "catalog"))


@pytest.fixture
def context(workspace):
    return RunContext(workspace, "run-1")


@pytest.fixture
def eligible(workspace):
    rows = []
    for name, (image, alpha) in pictures().items():
        row = {
            "sample_id": f"it's/{name}", "dataset": "it's", "kind": "portrait", "split": "pool", "status": "present",
            "alpha_kind": "hard", "width": WIDTH, "height": HEIGHT,
        }  # fmt: skip
        for role, array in (("image", image), ("alpha", alpha)):
            path = workspace.root / f"{name}_{role}.png"
            cv2.imwrite(str(path), array)
            row |= {f"{role}_uri": path.name, f"{role}_sha256": sha256_of(path.read_bytes())}
        rows.append(row)
    return rows_to_table("samples", rows)

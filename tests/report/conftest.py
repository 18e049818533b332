"""A workspace made by hand: drawn people as PNG files, and the catalog's rows about them, without any other stage."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import zstandard

from segdata.catalog.schemas import KEYS, MERGED, rows_to_table
from segdata.catalog.workspace import RunContext, Workspace, open_workspace

HEIGHT, WIDTH = 96, 72
START = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)


def draw_person(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A head on shoulders, with a gap under one arm: image (96, 72, 3) RGB and mask (96, 72) uint8, 0 or 255."""
    rng = np.random.default_rng(seed)
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    cv2.ellipse(mask, (36, 28), (13, 17), 0, 0, 360, 255, -1)
    cv2.ellipse(mask, (36, 84), (28, 38), 0, 0, 360, 255, -1)
    cv2.ellipse(mask, (16, 80), (4, 9), 0, 0, 360, 0, -1)
    scene = np.linspace(rng.integers(40, 200, 3), rng.integers(40, 200, 3), HEIGHT).astype(np.uint8)
    image = np.repeat(scene[:, None], WIDTH, axis=1)
    image[mask > 0] = rng.integers(90, 230, 3)
    return image, mask


@dataclass
class Builder:
    """Writes files at once and collects rows, which `context` writes, a commit a table."""

    workspace: Workspace
    written: dict[str, dict[str, Any]] = field(default_factory=dict)
    clock: datetime = START
    waiting: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def context(self, run_id: str = "20260302-100000-report-0000", **more: Any) -> RunContext:
        catalog = self.workspace.catalog
        for name, rows in self.waiting.items():
            last = {tuple(row.get(key) for key in KEYS[name]): row for row in rows}
            write = catalog.merge if name in MERGED else catalog.append
            write(name, rows_to_table(name, list(last.values())))
        self.waiting.clear()
        return RunContext(workspace=self.workspace, run_id=run_id, **more)

    def add(self, name: str, *rows: dict[str, Any]) -> None:
        """Rows of a table, written by the next `context`; the last of a key counts."""
        self.waiting.setdefault(name, []).extend(rows)

    def samples(self, count: int, dataset: str = "aisegment", split: str = "pool", kind: str = "portrait") -> list[str]:
        """So many samples with files; returns their ids."""
        return [self.sample(f"{dataset}/{split}/{index:05d}", split=split, kind=kind) for index in range(count)]

    def sample(self, sample_id: str, split: str = "pool", kind: str = "portrait", **more: Any) -> str:
        seed = len(self.written)
        image, mask = draw_person(seed)
        folder = self.workspace.root / "data"
        folder.mkdir(exist_ok=True)
        row: dict[str, Any] = {
            "sample_id": sample_id,
            "dataset": sample_id.split("/", maxsplit=1)[0],
            "kind": kind,
            "split": split,
            "status": "present",
            "image_uri": f"data/{seed}.png",
            "alpha_uri": None if kind == "background" else f"data/{seed}_matte.png",
            "alpha_kind": "none" if kind == "background" else "hard",
            "width": WIDTH,
            "height": HEIGHT,
            "image_sha256": hashlib.sha256(f"image {seed}".encode()).hexdigest(),
            "alpha_sha256": None if kind == "background" else hashlib.sha256(f"alpha {seed}".encode()).hexdigest(),
        } | more
        cv2.imwrite(str(folder / f"{seed}.png"), image[..., ::-1])
        cv2.imwrite(str(folder / f"{seed}_matte.png"), mask)
        self.written[sample_id] = row
        self.add("samples", row)
        return sample_id

    def run(self, run_id: str, command: str, status: str = "done", **more: Any) -> str:
        self.clock += timedelta(minutes=10)
        row = {"run_id": run_id, "command": command, "status": status, "started_at": self.clock, "seconds": 75.0}
        self.add("runs", row | more)
        return run_id

    def model(self, model_id: str, test: float | None, parent: str | None = None, **more: Any) -> str:
        self.clock += timedelta(minutes=10)
        metrics = more.pop("metrics", None) or {
            "test": {} if test is None else section(test, f"scorer-{model_id}"),
            "val": {} if test is None else section(test + 0.01, f"scorer-{model_id}"),
            "curves": [
                {"epoch": epoch, "train_loss": 1.0 / (epoch + 1), "val_miou": 0.9 - 0.2 / (epoch + 1), "seconds": 3.0}
                for epoch in range(1, 6)
            ],
        }
        row = {
            "model_id": model_id,
            "name": f"bisenet_lite0-{model_id}",
            "spec": "bisenet_lite0",
            "parent_model_id": parent,
            "test_pin": "pin",
            "metrics": metrics if isinstance(metrics, str) else json.dumps(metrics),
            "promoted": False,
            "created_at": self.clock,
        } | more
        self.add("models", row)
        return model_id

    def scores(self, model_id: str, miou: dict[str, float], predictions: bool = True, **more: Any) -> str:
        """Scores of a model's scorer, and masks that miss more of the person the lower the score."""
        scorer_id = f"scorer-{model_id}"
        scores, kept = [], []
        for sample_id, value in miou.items():
            key = self.key(sample_id, scorer_id)
            scores.append(
                key
                | {
                    "model_id": model_id,
                    "miou": value,
                    "boundary_iou": value - 0.1,
                    "hole_recall": 0.25 if value < 0.8 else 1.0,
                    "failure_mode": "missed_hole" if value < 0.8 else None,
                    "status": "scored",
                }
                | more
            )
            kept.append(key | {"mask": pack(worsened_mask(value)), "height": HEIGHT, "width": WIDTH})
        self.add("scores", *scores)
        if predictions:
            self.add("predictions", *kept)
        return scorer_id

    def key(self, sample_id: str, scorer_id: str) -> dict[str, Any]:
        row = self.written[sample_id]
        hashes = {name: row[name] for name in ("image_sha256", "alpha_sha256")}
        return {"scorer_id": scorer_id, "sample_id": sample_id, **hashes}

    def selection(self, name: str, scorer_id: str, triage: dict[str, str], **more: Any) -> str:
        rows = [
            self.key(sample_id, scorer_id)
            | {
                "selection": name,
                "predicate": "miou < 0.8 OR hole_recall < 0.5",
                "rank": rank,
                "triage": word,
                "label_suspicion": 0.9 if word == "suspect_label" else 0.1,
                "why": "misses 75 % of the gap between arm and body",
            }
            | more
            for rank, (sample_id, word) in enumerate(triage.items())
        ]
        self.add("selections", *rows)
        return name

    def judge(self, sample_id: str, verdict: str, reviewer: str, **more: Any) -> None:
        self.clock += timedelta(minutes=1)
        key = {name: value for name, value in self.key(sample_id, "").items() if name != "scorer_id"}
        self.add("verdicts", key | {"verdict": verdict, "reviewer": reviewer, "at": self.clock} | more)

    def whole_loop(self) -> None:
        """Two rounds of the loop over a handful of samples: every part of the page has something to show."""
        test, pool = self.samples(4, "portrait2000", "test"), self.samples(8, "aisegment", "pool")
        self.samples(3, "portrait2000", "train")
        self.samples(2, "coco", "none", kind="background")
        self.samples(2, "composite", "train", kind="composite")
        self.add("rejects", {"dataset": "aisegment", "path": "a.jpg", "reason": "missing_alpha", "detail": "no matte"})
        self.model("aaaa", 0.90)
        self.scores("aaaa", dict(zip(test, (0.85, 0.90, 0.95, 0.90), strict=True)))
        self.scores("aaaa", {one: 0.6 + 0.05 * index for index, one in enumerate(pool)})
        self.run("run-mine", "mine")
        words = {pool[0]: "hard", pool[1]: "suspect_label", pool[2]: "hard"}
        self.selection("round1", "scorer-aaaa", words, run_id="run-mine")
        self.model("bbbb", 0.93, parent="aaaa", selection="round1", promoted=True)
        self.scores("bbbb", dict(zip(test, (0.95, 0.92, 0.94, 0.90), strict=True)))
        self.scores("bbbb", {one: 0.7 + 0.04 * index for index, one in enumerate(pool) if index > 2})


def section(miou: float, scorer_id: str) -> dict[str, Any]:
    return {
        "miou_image": miou,
        "miou_dataset": miou + 0.005,
        "boundary_iou": miou - 0.1,
        "hole_recall": 0.5,
        "images": 4,
        "scorer_id": scorer_id,
    }


def worsened_mask(miou: float) -> np.ndarray:
    """The drawn person's mask with the gap filled and rows missing from the top: (96, 72) bool."""
    mask = draw_person(0)[1] > 0
    mask[70:90, 10:22] = True
    mask[: int((1.0 - miou) * HEIGHT)] = False
    return mask


def pack(mask: np.ndarray) -> bytes:
    """As the catalog's `predictions.mask` is defined: rows packed to bits in C order, zstd."""
    return zstandard.ZstdCompressor().compress(np.packbits(mask, axis=1).tobytes())


@pytest.fixture
def builder(tmp_path: Path) -> Builder:
    """An empty workspace and the means to fill it."""
    root = tmp_path / "portraits"
    root.mkdir()
    return Builder(open_workspace(root))

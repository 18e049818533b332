"""`segdata draw`: portraits whose truth is known, laid out exactly as Portrait2000, AiSegment and COCO are."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from segdata.drawn.portrait import DrawnPortrait, draw_portrait
from segdata.drawn.scenes import draw_scene
from segdata.engines.local import map_shards
from segdata.errors import UsageError
from segdata.imaging.encode import encode_jpeg, encode_png
from segdata.records import Progress, ProgressCallback, ignore_progress
from segdata.storage.files import atomic_write

_BATCHES = ("1803151818", "1803201916", "1803241125", "1803270444")
_TRUTH = "truth.json"
_TEST_SHARE = 5
_UNWANTED_SHARE = 10
_SHARD = 8
_SIZES_HW = ((480, 640), (640, 480), (427, 640))
_CATEGORIES = (
    {"id": 1, "name": "person", "supercategory": "person"},
    {"id": 15, "name": "bench", "supercategory": "outdoor"},
    {"id": 85, "name": "clock", "supercategory": "indoor"},
)
_Task = Callable[[], None]


@dataclass(frozen=True)
class DrawCounts:
    """How much to draw.

    Attributes:
        portraits: well labelled, a fifth of them for test.
        pool: from a wider distribution: more people, holes, and poor light.
        backgrounds: person-free scenes.
    """

    portraits: int = 200
    pool: int = 300
    backgrounds: int = 60


@dataclass(frozen=True)
class DrawResult:
    """What was drawn, and where.

    Attributes:
        path: the folder of the three trees.
        training: pairs in Portrait2000's training folder.
        testing: pairs in its testing folder.
        pool: pairs in AiSegment's tree.
        backgrounds: person-free scenes in COCO's.
        unwanted: COCO images besides that no reader should take: people are annotated in one half of them, and
            nothing at all in the other.
    """

    path: Path
    training: int
    testing: int
    pool: int
    backgrounds: int
    unwanted: int

    def to_json(self) -> dict[str, Any]:
        """The keys of `draw --json`."""
        return {**asdict(self), "path": str(self.path)}


def run(
    dest: Path, counts: DrawCounts, seed: int = 0, workers: int = 1, progress: ProgressCallback = ignore_progress
) -> DrawResult:
    """Draw the three trees; the same seed gives the same files, whatever the workers.

    Raises:
        UsageError: `dest` holds something that was not drawn.
        StorageError: A file can't be written.
    """
    if dest.is_dir() and any(dest.iterdir()) and not (dest / _TRUTH).is_file():
        raise UsageError(f"{dest}: holds files that were not drawn; give an empty folder, or one that is not there yet")
    testing = counts.portraits // _TEST_SHARE
    training = counts.portraits - testing
    unwanted = -(-counts.backgrounds // _UNWANTED_SHARE)
    result = DrawResult(dest, training, testing, counts.pool, counts.backgrounds, unwanted)
    tasks = list(_tasks(result, seed))
    shards = [tasks[start : start + _SHARD] for start in range(0, len(tasks), _SHARD)]
    done = 0
    progress(Progress("draw", str(dest), done, len(tasks)))
    # Drawing is many small steps in Python: processes, because threads would wait for each other.
    for _, count in map_shards(_write_all, shards, min(workers, len(shards))):
        done += count
        progress(Progress("draw", str(dest), done, len(tasks)))
    for folder in ("clip_img", "matting"):
        (dest / "aisegment" / folder).mkdir(parents=True, exist_ok=True)
    for folder in ("training", "testing"):
        (dest / "portrait2000" / folder).mkdir(parents=True, exist_ok=True)
    (dest / "coco" / "val2017").mkdir(parents=True, exist_ok=True)
    atomic_write(dest / "coco" / "annotations" / "instances_val2017.json", json.dumps(_annotations(result)).encode())
    truth = {
        "portrait2000": {"training": training, "testing": testing},
        "aisegment": {"samples": counts.pool},
        "coco": {
            "person_free": counts.backgrounds,
            "filtered": {"has_person": -(-unwanted // 2), "no_annotations": unwanted // 2},
        },
    }
    atomic_write(dest / _TRUTH, json.dumps(truth, indent=1).encode())
    return result


def _tasks(result: DrawResult, seed: int) -> Iterator[_Task]:
    for folder, count, offset in (("training", result.training, 0), ("testing", result.testing, 1)):
        for number in range(1, count + 1):
            place = result.path / "portrait2000" / folder
            yield partial(_write_portrait2000, place, number, _seed(seed, offset, number))
    for index in range(result.pool):
        yield partial(_write_aisegment, result.path / "aisegment", index, _seed(seed, 2, index))
    for index in range(result.backgrounds):
        yield partial(_write_scene, result.path / "coco" / "val2017", index, _seed(seed, 3, index))
    for index in range(result.backgrounds, result.backgrounds + result.unwanted):
        yield partial(_write_unwanted, result.path / "coco" / "val2017", index, _seed(seed, 3, index))


def _write_all(tasks: Sequence[_Task]) -> int:
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)  # the workers share the cores
    try:
        for task in tasks:
            task()
    finally:
        cv2.setNumThreads(threads)
    return len(tasks)


def _seed(seed: int, part: int, number: int) -> int:
    return int(np.random.SeedSequence((seed, part, number)).generate_state(1)[0])


def _write_portrait2000(folder: Path, number: int, seed: int) -> None:
    drawn = draw_portrait(seed)
    atomic_write(folder / f"{number:05d}.png", encode_png(drawn.image))
    atomic_write(folder / f"{number:05d}_matte.png", encode_png(np.dstack([drawn.alpha] * 3)))


def _write_aisegment(root: Path, index: int, seed: int) -> None:
    drawn = draw_portrait(seed, difficulty="wide")
    batch, number = _BATCHES[index % len(_BATCHES)], index // 100
    name = f"{batch}-{index:08d}"
    atomic_write(root / "clip_img" / batch / f"clip_{number:08d}" / f"{name}.jpg", encode_jpeg(drawn.image))
    atomic_write(root / "matting" / batch / f"matting_{number:08d}" / f"{name}.png", encode_png(_cut(drawn)))


def _cut(drawn: DrawnPortrait) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """The published mattes are the person on black, with alpha as the fourth channel."""
    person = np.where(drawn.alpha[..., None] > 0, drawn.image, np.uint8(0))
    return np.dstack([person, drawn.alpha])


def _write_scene(folder: Path, index: int, seed: int) -> None:
    atomic_write(folder / _coco_name(index), encode_jpeg(draw_scene(seed, _size_hw(index))))


def _write_unwanted(folder: Path, index: int, seed: int) -> None:
    drawn = draw_portrait(seed, _size_hw(index), draw_scene(seed, _size_hw(index)), "wide")
    atomic_write(folder / _coco_name(index), encode_jpeg(drawn.image))


def _coco_name(index: int) -> str:
    return f"{index + 1:012d}.jpg"


def _size_hw(index: int) -> tuple[int, int]:
    return _SIZES_HW[index % len(_SIZES_HW)]


def _annotations(result: DrawResult) -> dict[str, Any]:
    """A bench or a clock a scene: each counts as an outdoor or indoor photo. Of the unwanted ones, every other has a
    person instead, now and then as a crowd, and the rest nothing."""
    images, annotations = [], []
    for index in range(result.backgrounds + result.unwanted):
        height, width = _size_hw(index)
        images.append({"id": index + 1, "file_name": _coco_name(index), "height": height, "width": width})
        beyond = index - result.backgrounds
        if beyond >= 0 and beyond % 2:
            continue
        crowd = int(beyond >= 0 and beyond % 4 == 2)
        outline: Any = [[10, 10, 20, 10, 20, 20, 10, 20]]
        annotations.append(
            {
                "id": index + 1,
                "image_id": index + 1,
                "category_id": 1 if beyond >= 0 else 15 if index % 2 else 85,
                "iscrowd": crowd,
                "area": 100.0,
                "bbox": [10, 10, 10, 10],
                "segmentation": {"size": [height, width], "counts": [0, height * width]} if crowd else outline,
            }
        )
    return {"images": images, "annotations": annotations, "categories": list(_CATEGORIES)}

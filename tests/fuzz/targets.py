"""The fuzzing targets by name."""

from __future__ import annotations

import importlib
import resource

from tests.fuzz.target import Target

TARGETS = (
    "headers",
    "png",
    "jpeg",
    "pictures",
    "coco",
    "mended_coco",
    "mended_cvat",
    "annotation_tools",
    "manifest",
    "verdicts",
    "model_toml",
    "recipes",
)

_MOST_MEGABYTES = 256


def load_target(name: str) -> Target:
    """The target of a name; its module imports the part of segdata that it examines.

    Args:
        name: one of `TARGETS`, or the dotted name of another module that has a `TARGET`.
    """
    target: Target = importlib.import_module(f"tests.fuzz.{name}" if name in TARGETS else name).TARGET
    return target


def try_input(target: Target, data: bytes) -> bool:
    """Check an input, and the memory that segdata takes for it.

    Returns:
        Whether segdata accepted the input.

    Raises:
        Exception: segdata broke its contract.
    """
    before = _peak_megabytes()
    accepted = target.check(data)
    taken = _peak_megabytes() - before
    assert taken <= _MOST_MEGABYTES, f"an input of {len(data)} bytes takes {taken} MB"
    return accepted


def _peak_megabytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10

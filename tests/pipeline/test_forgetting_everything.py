"""After a whole loop, a forgotten picture is nowhere: not in workspace, review's database or temporary folder.

Searched are all bytes of all files, every cell of every Parquet file, and every picture, those inside pages too.
"""

from __future__ import annotations

import base64
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest

from segdata.catalog.workspace import open_workspace
from segdata.imaging.appearance import thumbnail_of
from segdata.imaging.decode import decode_image
from segdata.review.environment import free_port, require_fiftyone, require_mongod

pytestmark = [pytest.mark.stress, pytest.mark.timeout(2400)]
_ALIKE = 0.97
"""Two thumbnails whose greys correlate by more show the same picture; those of two drawn portraits do not."""


def run(entry: list[str], workspace: Path, environment: dict[str, str], *call: str) -> None:
    done = subprocess.run([*entry, *call], cwd=workspace, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def review_briefly(entry: list[str], workspace: Path, environment: dict[str, str]) -> None:
    """Open the App on the cases, and end it with Ctrl-C as soon as it says where it is."""
    call = [*entry, "review", "--no-browser", "--port", str(free_port())]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    with subprocess.Popen(call, cwd=workspace, env=environment, **pipes) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "http://127.0.0.1:" in line:
                process.send_signal(signal.SIGINT)
    assert process.returncode == 0


def interrupt_training(entry: list[str], workspace: Path, environment: dict[str, str]) -> None:
    """Begin another training, and kill it after its first epoch."""
    states = workspace / "models" / ".training"
    before = set(states.glob("*"))
    call = [*entry, "train", "--seed", "7", "--set", "train.epochs=50"]
    with subprocess.Popen(call, cwd=workspace, env=environment, stderr=subprocess.DEVNULL) as process:
        try:
            while process.poll() is None:
                if any(list(state.glob("epoch-*.pt")) for state in set(states.glob("*")) - before):
                    break
                time.sleep(0.1)
        finally:
            process.kill()
    assert process.returncode == -signal.SIGKILL


def cells(root: Path) -> Iterator[tuple[str, bytes]]:
    """Every file's bytes, and every cell of every Parquet file."""
    for path in sorted(root.rglob("*")):
        if path.is_file():
            yield str(path), path.read_bytes()
            if path.suffix == ".parquet":
                for column in pq.read_table(path).columns:
                    for value in column.to_pylist():
                        yield str(path), value if isinstance(value, bytes) else repr(value).encode()


def pictures(root: Path) -> Iterator[tuple[str, np.ndarray]]:
    """Thumbnails of all pictures: files, those inside pages, and those that the catalog keeps."""
    for path, data in cells(root):
        inside = re.findall(rb"data:image/[a-z]+;base64,([A-Za-z0-9+/=]+)", data)
        for encoded in (data, *map(base64.b64decode, inside)):
            if len(encoded) == 32 * 32:
                yield path, np.frombuffer(encoded, np.uint8).reshape(32, 32)
            elif encoded[:3] in (b"\xff\xd8\xff", b"\x89PN", b"RIF"):
                image = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_COLOR)
                if image is not None:
                    yield path, thumbnail_of(np.ascontiguousarray(image[..., ::-1]))


def looks_like(one: np.ndarray, other: np.ndarray) -> bool:
    first, second = (np.float64(array).ravel() for array in (one, other))
    if first.std() < 1 or second.std() < 1:
        return False
    return bool(np.corrcoef(first, second)[0, 1] > _ALIKE)


def traces(folders: list[Path], needles: list[bytes], thumbnail: np.ndarray) -> dict[str, set[str]]:
    """Where the needles are, and where there are pictures that look like this one."""
    named = {place for folder in folders for place, data in cells(folder) if any(needle in data for needle in needles)}
    seen = {place for folder in folders for place, found in pictures(folder) if looks_like(found, thumbnail)}
    return {"named": named, "seen": seen}


def test_after_a_whole_loop_no_trace_is_left(workspace: Path, segdata_entry: list[str], tmp_path: Path) -> None:
    require_mongod(require_fiftyone())
    folders = {name: tmp_path / name for name in ("tmp", "home")}
    for folder in folders.values():
        folder.mkdir()
    environment = {**os.environ, "TMPDIR": str(folders["tmp"]), "HOME": str(folders["home"])}
    steps = [
        ("fuse", "--ratio", "1", "--preview", "6"),
        ("fuse", "--ratio", "1"),
        ("train", "--set", "train.epochs=1", "--set", "train.fusion=rendered"),
        ("mine", "--where", "miou < 0.9999"),
        ("report",),
    ]
    for step in steps:
        run(segdata_entry, workspace, environment, *step)
    review_briefly(segdata_entry, workspace, environment)
    interrupt_training(segdata_entry, workspace, environment)
    catalog = open_workspace(workspace).catalog
    parents = "SELECT parents[1].sample_id AS name FROM samples WHERE kind = 'composite'"
    victims = [catalog.query(parents)["name"][0].as_py(), catalog.read("selections")["sample_id"][0].as_py()]
    searched = [workspace, *folders.values()]
    for victim in victims:
        (row,) = catalog.read("samples", where=f"sample_id = '{victim}'").to_pylist()
        files = [(workspace / row[name]).read_bytes() for name in ("image_uri", "alpha_uri")]
        thumbnail = thumbnail_of(decode_image(files[0]))
        needles = [victim.encode(), row["image_sha256"].encode(), row["alpha_sha256"].encode(), *files]
        before = traces(searched, needles, thumbnail)
        assert {"samples", "scores", "selections"} & {Path(place).parent.name for place in before["named"]}
        assert any("appearances" in place for place in before["seen"])

        run(segdata_entry, workspace, environment, "forget", victim, "--yes")

        assert traces(searched, needles, thumbnail) == {"named": set(), "seen": set()}
    assert list((workspace / "models" / ".training").glob("*/epoch-*.pt")) == []
    run(segdata_entry, workspace, environment, "ingest")
    run(segdata_entry, workspace, environment, "mine", "--where", "miou < 0.9999")
    for victim in victims:
        assert [place for place, data in cells(workspace) if victim.encode() in data] == []

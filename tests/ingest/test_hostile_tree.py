"""A tree with one of everything that goes wrong: each ends as a reject with its reason, and ingest goes on."""

from __future__ import annotations

import io
import json
import os
import socket
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image as Pillow

from segdata.catalog.tables import Catalog
from segdata.catalog.workspace import RunContext, Workspace
from segdata.ingest.recipe import SourceRecipe
from segdata.ingest.run import run

NOISE = np.random.default_rng(0).integers(0, 255, (48, 36, 3), dtype=np.uint8)
MASK = np.zeros((48, 36), np.uint8)
MASK[12:, 6:30] = 255


def encoded(pixels: np.ndarray, suffix: str = ".jpg") -> bytes:
    return bytes(cv2.imencode(suffix, pixels)[1])


def gif() -> bytes:
    buffer = io.BytesIO()
    frames = [Pillow.fromarray(NOISE), Pillow.fromarray(255 - NOISE)]
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:])
    return buffer.getvalue()


def bomb(width: int, height: int) -> bytes:
    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(99_999))) + chunk(b"IEND", b"")


JPEG, PNG = encoded(NOISE), encoded(NOISE, ".png")
# name of the image -> its bytes and the reason; each has a whole mask beside it
FILES: dict[str, tuple[bytes, str]] = {
    "cut.jpg": (JPEG[:-300], "unreadable_image"),
    "closed again.jpg": (JPEG[:-300] + b"\xff\xd9", "unreadable_image"),
    "cut.png": (PNG[:-300], "unreadable_image"),
    "page.jpg": (b"<!DOCTYPE html><html>not found</html>", "unreadable_image"),
    "drawing.png": (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "unsupported_format"),
    "moving.png": (gif(), "unsupported_format"),
    "empty.jpg": (b"", "empty_file"),
    "huge.png": (bomb(2**31 - 1, 2**31 - 1), "too_large"),
    "zeros.png": (bomb(12_000, 12_000), "too_large"),
    "other size.jpg": (encoded(NOISE[:40]), "size_mismatch"),
    "a\nline \x1b[31mred.jpg": (b"junk", "unreadable_image"),
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Under tmp_path/data: what is in FILES, what is no file, links, names that are none, and three good pairs."""
    root = tmp_path / "data"
    images, masks = root / "images", root / "masks"
    for folder in (images, masks):
        folder.mkdir(parents=True)

    def add(name: str, image: bytes) -> None:
        (images / name).write_bytes(image)
        (masks / name).with_suffix(".png").write_bytes(encoded(MASK, ".png"))

    for name, (data, _) in FILES.items():
        add({"cut.png": "cut too.png"}.get(name, name), data)
    for name in ("good.jpg", "wrong ending.png", "Good.jpg"):
        add(name, JPEG)
    add("twin.jpg", JPEG)
    (images / "twin.png").write_bytes(PNG)
    add("cut mask.jpg", JPEG)
    (masks / "cut mask.png").write_bytes(encoded(MASK, ".png")[:-30])
    (images / "no mask.jpg").write_bytes(JPEG)
    (masks / "no image.png").write_bytes(encoded(MASK, ".png"))
    add("sparse.jpg", JPEG)
    os.truncate(images / "sparse.jpg", 10**12)  # a terabyte that takes no room
    os.mkfifo(images / "pipe.jpg")
    (images / "folder.jpg").mkdir()
    (images / "circle.jpg").symlink_to(images / "circle.jpg")
    (images / "nowhere.jpg").symlink_to(images / "not there.jpg")
    (tmp_path / "secret.jpg").write_bytes(JPEG)
    (images / "outside.jpg").symlink_to(tmp_path / "secret.jpg")
    (images / "round").symlink_to(images)
    for name in ("pipe", "folder", "circle", "nowhere", "outside"):
        (masks / f"{name}.png").write_bytes(encoded(MASK, ".png"))
    for folder, suffix in ((images, b".jpg"), (masks, b".png")):
        Path(os.fsdecode(os.fsencode(folder) + b"/caf\xe9" + suffix)).write_bytes(JPEG)
    here = Path.cwd()
    os.chdir(images)  # a socket's name is short
    try:
        with socket.socket(socket.AF_UNIX) as opened:
            opened.bind("socket.jpg")
    finally:
        os.chdir(here)
    (masks / "socket.png").write_bytes(encoded(MASK, ".png"))
    return root


EXPECTED = {
    **{f"images/{'cut too.png' if name == 'cut.png' else name}": reason for name, (_, reason) in FILES.items()},
    "images/sparse.jpg": "too_large",
    "images/cut mask.jpg": "unreadable_alpha",
    "images/no mask.jpg": "missing_alpha",
    "masks/no image.png": "missing_image",
    "images/pipe.jpg": "unreadable_image",
    "images/socket.jpg": "unreadable_image",
    "images/folder.jpg": "unreadable_image",
    "images/circle.jpg": "unreadable_image",
    "images/nowhere.jpg": "unreadable_image",
    "images/outside.jpg": "unsafe_path",
    "images/round": "unsafe_path",
    "images/caf\\xe9.jpg": "unsafe_path",
}


def test_each_ends_as_a_reject_and_the_rest_is_in_the_catalog(
    root: Path, tmp_path: Path, segdata: Callable[..., Any]
) -> None:
    assert segdata("init", tmp_path / "ws", cwd=tmp_path).code == 0
    recipe = tmp_path / "ws" / "pipelines" / "portrait.toml"
    recipe.write_text(f'[[sources]]\nname = "mine"\nreader = "folder"\nroot = "{root}"\n')

    def ingest(*options: str) -> Any:
        return segdata("ingest", "--json", *options, cwd=tmp_path / "ws")

    first = ingest()
    assert first.code == 0, first.err
    counts = first.json["sources"]["mine"]
    query = segdata("query", "SELECT path, reason FROM rejects", "--json", cwd=tmp_path / "ws")
    assert {row["path"]: row["reason"] for row in query.json["rows"]} == EXPECTED
    assert sum(first.json["rejects"].values()) == counts["rejected"] == len(EXPECTED)
    assert counts["filtered"] == {"same_name": 1}  # twin.png, beside twin.jpg
    assert first.json["rejects"] == {
        reason: list(EXPECTED.values()).count(reason) for reason in sorted(set(EXPECTED.values()))
    }
    samples = segdata("query", "SELECT sample_id FROM samples ORDER BY ALL", "--json", cwd=tmp_path / "ws")
    names = ["Good", "good", "twin", "wrong ending"]
    assert [row["sample_id"] for row in samples.json["rows"]] == [f"mine/images/{name}" for name in names]
    assert "libpng" not in first.err
    assert "JPEG" not in first.err

    again = ingest()
    assert again.json["decoded"] == 0
    assert again.json["rejects"] == first.json["rejects"]
    assert (again.json["sources"]["mine"]["unchanged"], again.json["sources"]["mine"]["changed"]) == (4, 0)
    strict = ingest("--strict")
    assert strict.code == 3
    assert json.loads(strict.out)["error"]["kind"] == "SourceError"
    shown = segdata("ingest", cwd=tmp_path / "ws")
    assert shown.code == 0
    assert "\x1b[31m" not in shown.out


def test_a_folder_that_may_not_be_listed_is_a_reject_and_its_samples_come_back_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("open/1", "closed/2"):
        for folder, pixels in (("images", NOISE), ("masks", MASK)):
            file = tmp_path / "data" / folder / f"{name}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(encoded(pixels, ".png"))
    context = RunContext(Workspace(tmp_path, Catalog(tmp_path / "catalog")), "run")
    source = SourceRecipe(name="mine", reader="folder", root="data")
    scandir = os.scandir

    def refuse(path: str | int) -> Any:  # the permissions of a file don't stop whoever runs tests as root
        if str(path).endswith("images/closed"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    def statuses() -> list[str]:
        rows = context.catalog.read("samples").to_pylist()
        return [row["status"] for row in sorted(rows, key=lambda row: str(row["sample_id"]))]

    run(context, [source])
    with monkeypatch.context() as patched:
        patched.setattr(os, "scandir", refuse)
        counts = run(context, [source]).sources["mine"]
    assert (counts.unchanged, counts.gone) == (1, 1)
    told = {row["path"]: (row["reason"], row["detail"]) for row in context.catalog.read("rejects").to_pylist()}
    assert told["images/closed"] == ("unreadable_image", "a folder that can't be listed (Permission denied)")
    assert statuses() == ["gone", "present"]
    assert run(context, [source]).rejects == {}
    assert statuses() == ["present", "present"]

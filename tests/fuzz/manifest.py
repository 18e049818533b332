"""segdata.json of a folder with mended labels."""

from __future__ import annotations

import json
from collections.abc import Mapping

from segdata.ingest.annotations.manifest import parse_manifest
from tests.fuzz.coco import JSON_TOKENS
from tests.fuzz.target import Target, check_message, check_text


def read(data: bytes) -> bool:
    """Parse the manifest."""
    try:
        manifest = parse_manifest(data)
    except ValueError as error:
        check_message(str(error))
        return False
    for line in manifest.lines:
        check_text(line.sample_id, line.image, line.mask)
        assert (line.mask is None) == (manifest.format != "folder")
    for name, reason in manifest.skipped:
        check_text(name)
        check_message(reason)
    return True


def _seeds() -> Mapping[str, bytes]:
    line = {"sample_id": "p/1", "image": "images/1.jpg", "image_sha256": "a" * 64, "alpha_sha256": None}
    kinds = {"folder": [line | {"mask": "masks/1.png"}], "coco": [line, line | {"sample_id": "p/2"}], "cvat": []}
    return {
        kind: json.dumps({"format": "segdata repair 1", "as": kind, "samples": lines}).encode()
        for kind, lines in kinds.items()
    }


TARGET = Target(
    check=read,
    seeds=_seeds,
    tokens=(
        *JSON_TOKENS, b"segdata repair 1", b'"format"', b'"as"', b'"samples"', b'"sample_id"', b'"image"', b'"mask"',
        b'"image_sha256"', b'"alpha_sha256"', b'"folder"', b'"coco"', b'"cvat"',
    ),
    max_bytes=16_384,
)  # fmt: skip

"""COCO annotations, among which ingest looks for photos without people."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from segdata.errors import SourceError
from segdata.ingest.coco import read
from segdata.ingest.recipe import SourceRecipe
from segdata.records import Candidate, Filtered, PhotoSet
from tests.fuzz.target import Target, check_message, check_text, scratch_folder

_SOURCE = SourceRecipe(name="coco", root="coco")


def find_backgrounds(data: bytes) -> bool:
    """Read a tree of two photos with these annotations."""
    root = _tree()
    (root / "annotations" / "instances_val.json").write_bytes(data)
    backgrounds = 0
    try:
        for found in read(root, _SOURCE):
            if isinstance(found, PhotoSet):
                check_text(found.dataset, found.name, found.skipped or "", found.remark or "")
                continue
            check_text(found.dataset, found.path)
            if isinstance(found, Candidate):
                backgrounds += 1
                check_text(found.sample_id, found.licence)
                assert Path(str(found.image)).parent == root / "val", found.image
            elif isinstance(found, Filtered):
                check_text(found.reason)
            else:
                check_message(found.detail)
    except SourceError as error:
        check_message(str(error))
        return False
    return backgrounds > 0


@cache
def _tree() -> Path:
    root = scratch_folder() / "coco"
    for folder in ("annotations", "val"):
        (root / folder).mkdir(parents=True)
    for name in ("1.jpg", "2.jpg"):
        (root / "val" / name).write_bytes(b"")
    return root.resolve()


def _seeds() -> Mapping[str, bytes]:
    document = {
        "images": [
            {"id": 1, "file_name": "1.jpg", "license": 4, "width": 36, "height": 48},
            {"id": "two", "file_name": "2.jpg", "width": 36, "height": 48},
        ],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 15, "segmentation": [[1, 1, 9, 1, 9, 9]], "iscrowd": 0},
            {"id": 2, "image_id": "two", "category_id": 1},
        ],
        "categories": [
            {"id": 1, "name": "person", "supercategory": "person"},
            {"id": 15, "name": "bench", "supercategory": "outdoor"},
        ],
        "licenses": [{"id": 4, "name": "Attribution License", "url": "x"}],
    }
    return {"whole": json.dumps(document).encode(), "indented": json.dumps(document, indent=1).encode()}


JSON_TOKENS = (
    b"[[[[[[[[[[[[", b'{"a":{"a":', b"null", b"true", b"false", b"NaN", b"Infinity", b"-Infinity", b"1e999", b"-1",
    b"1e9", b"0.5", b"2147483648", b"9223372036854775808", b"\\ud800", b"\\udfff", b"\\u0000", b'""', b"[]", b"{}",
    b"\xef\xbb\xbf", b"../", b"..", b"\\\\",
)  # fmt: skip

TARGET = Target(
    check=find_backgrounds,
    seeds=_seeds,
    tokens=(
        *JSON_TOKENS, b'"images"', b'"annotations"', b'"categories"', b'"licenses"', b'"id"', b'"image_id"', b'"name"',
        b'"category_id"', b'"file_name"', b'"license"', b'"supercategory"', b'"person"', b"1.jpg", b"://",
    ),
    max_bytes=16_384,
)  # fmt: skip

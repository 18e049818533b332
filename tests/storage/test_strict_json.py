"""JSON of strangers."""

from __future__ import annotations

import json
import tracemalloc

import pytest

from segdata.ingest.coco_annotations import parse_annotations
from segdata.storage import strict_json
from segdata.storage.strict_json import parse_json, parsed_bytes


def test_a_key_that_is_twice_among_very_many_is_named() -> None:
    """A search that compares each key with all before it takes longer than the time limit of a test."""
    keys = [*range(300_000), 299_999]
    with pytest.raises(ValueError, match="the key '299999' is twice in one object"):
        parse_json("{" + ",".join(f'"{key}": 1' for key in keys) + "}")


@pytest.mark.parametrize(
    "element", ["[]", "{}", "1.5", '"ab"', '{"a":1}', '{"a":{}}', "[1.5]", "[[]]", '{"a":1,"b":[2]}', "null"]
)
def test_the_estimate_is_no_less_than_what_parsing_takes(element: str) -> None:
    text = f"[{','.join([element] * 100_000)}]"
    tracemalloc.start()
    try:
        value = json.loads(text)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(value) == 100_000
    assert peak <= parsed_bytes(text) <= parsed_bytes(text.encode())


@pytest.mark.parametrize("parse", [parse_json, parse_annotations])
def test_a_document_that_would_fill_the_memory_is_not_parsed(monkeypatch: pytest.MonkeyPatch, parse: object) -> None:
    assert callable(parse)
    bomb = b'{"images": [' + b"[]," * 10_000 + b'[]], "annotations": [], "categories": []}'
    monkeypatch.setattr(strict_json, "machine_memory", lambda: 1_000_000)
    with pytest.raises(ValueError, match=r"parsing it may take 0\.0 GB of memory; at most 0\.0 GB are used"):
        parse(bomb)

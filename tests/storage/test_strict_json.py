"""JSON of strangers."""

from __future__ import annotations

import pytest

from segdata.storage.strict_json import parse_json


def test_a_key_that_is_twice_among_very_many_is_named() -> None:
    """A search that compares each key with all before it takes longer than the time limit of a test."""
    keys = [*range(300_000), 299_999]
    with pytest.raises(ValueError, match="the key '299999' is twice in one object"):
        parse_json("{" + ",".join(f'"{key}": 1' for key in keys) + "}")

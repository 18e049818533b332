"""A licence filter: what matches, and what never does."""

from __future__ import annotations

import pytest

from segdata.catalog.licences import is_allowed, require_some
from segdata.errors import TooFewSamplesError


@pytest.mark.parametrize(
    ("licence", "allowed", "answer"),
    [
        ("CC BY 4.0", ["cc by 4.0"], True),
        ("CC BY 4.0", ["CC BY*"], True),
        ("CC BY-NC 2.0", ["CC BY ?.0"], False),
        ("CC0", ["CC BY*", "CC0"], True),
        ("research use only", ["CC*"], False),
        ("", ["*"], False),
        (None, ["*"], False),
        ("  ", ["*"], False),
        ("", [], True),
        ("anything", [], True),
    ],
)
def test_a_licence_matches_by_name_or_pattern(licence: str | None, allowed: list[str], answer: bool) -> None:
    assert is_allowed(licence, allowed) is answer


def test_a_filter_that_leaves_nothing_names_the_licences_there_are() -> None:
    with pytest.raises(TooFewSamplesError, match=r"CC0 leaves no sample; .* has \(not stated\), research only"):
        require_some([], ["research only", "", "research only"], ["CC0"], "sample")
    require_some([], [], ["CC0"], "sample")
    require_some(["one"], ["research only"], ["CC0"], "sample")

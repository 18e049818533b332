"""The page on adding a reader tells the truth: the reader that it shows is run."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from segdata.ingest.recipe import SourceRecipe
from segdata.records import Candidate, Reject

PAGE = Path(__file__).resolve().parents[2] / "docs" / "adding-a-reader.md"


@pytest.mark.skipif(not PAGE.is_file(), reason="an installed copy has no docs")
def test_the_reader_on_the_page_finds_pairs_and_names_what_lacks_its_half(tmp_path: Path) -> None:
    first, *_ = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    shown: dict[str, Any] = {}
    exec(compile("from __future__ import annotations\n" + first, str(PAGE), "exec"), shown)
    for place in ("shots/a.jpg", "alpha/a.png", "shots/b.jpg", "alpha/c.png"):
        (tmp_path / place).parent.mkdir(exist_ok=True)
        (tmp_path / place).touch()
    source = SourceRecipe(name="studio", reader="folder", root=str(tmp_path))
    candidate, *rejects = shown["read"](tmp_path.resolve(), source)
    assert isinstance(candidate, Candidate)
    assert (candidate.sample_id, candidate.alpha) == ("studio/shots/a", f"{tmp_path.resolve()}/alpha/a.png")
    assert [(one.path, one.reason) for one in rejects if isinstance(one, Reject)] == [
        ("shots/b.jpg", "missing_alpha"),
        ("alpha/c.png", "missing_image"),
    ]

"""Each promise on the page about security names the tests that enforce it, and these exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
PARTIES = (
    "owner", "dependencies", "Other users", "Web pages", "report", "Annotators", "Photographers", "model file",
    "recipe or a query", "photographed",
)  # fmt: skip


def promises(text: str) -> dict[str, list[str]]:
    """Party -> the tests named in the last cell of its row, in the table under `Threat model`."""
    section = text.split("\n## Threat model\n", 1)[1].split("\n## ", 1)[0]
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in section.splitlines() if line[:1] == "|"]
    assert all(len(row) == 4 for row in rows[2:]), "a row of the threat model has another number of cells than four"
    return {row[0]: re.findall(r"`(tests/[^`]+)`", row[3]) for row in rows[2:]}


def missing(reference: str) -> str | None:
    """What is wrong with `tests/file.py` or `tests/file.py::test_name`; None if it exists and tests something."""
    path, _, name = reference.partition("::")
    if not (ROOT / path).is_file():
        return f"{reference}: there is no such file"
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    tests = {node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}
    if not tests or (name and name not in tests):
        return f"{reference}: there is no such test"
    return None


def test_every_party_of_the_threat_model_has_a_row_with_a_test() -> None:
    rows = promises(PAGE)
    assert [party for party in PARTIES if not any(party in row for row in rows)] == []
    assert [party for party, tests in rows.items() if not tests] == []


@pytest.mark.parametrize("reference", sorted({test for tests in promises(PAGE).values() for test in tests}))
def test_every_test_that_the_threat_model_names_exists(reference: str) -> None:
    assert missing(reference) is None


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("tests/test_nothing.py", "no such file"),
        ("tests/test_docs.py::test_nothing", "no such test"),
        ("tests/conftest.py", "no such test"),
    ],
)
def test_a_test_that_does_not_exist_is_noticed(reference: str, message: str) -> None:
    assert message in str(missing(reference))


def test_the_page_and_the_way_to_report_a_fault_lead_to_each_other() -> None:
    assert "SECURITY.md" in PAGE
    assert "](docs/security.md)" in (ROOT / "SECURITY.md").read_text(encoding="utf-8")

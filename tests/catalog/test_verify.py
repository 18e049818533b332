"""`catalog verify` finds whatever was changed behind the catalog's back, says what to do, and finds nothing else."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from segdata.catalog.schemas import SCHEMAS, rows_to_table
from segdata.catalog.verify import _key_damage, verify_files, verify_tables
from segdata.catalog.workspace import RunContext, open_workspace
from segdata.storage.files import sha256_of

Run = Callable[..., Any]


@pytest.fixture
def context(tmp_path: Path) -> RunContext:
    """Two portraits and a composite, with files that are what the rows say."""
    workspace = open_workspace(tmp_path)
    rows = []
    for name, kind in (("a/1", "portrait"), ("a/2", "portrait"), ("composite/1", "composite")):
        row: dict[str, Any] = {"sample_id": name, "kind": kind, "status": "present"}
        for part in ("image", "alpha"):
            file = tmp_path / f"{name.replace('/', '-')}.{part}"
            file.write_bytes(f"{name} {part}".encode())
            stamps = file.stat()
            row |= {
                f"{part}_uri": file.name,
                f"{part}_sha256": sha256_of(file.read_bytes()),
                f"{part}_size": stamps.st_size,
                f"{part}_mtime_ns": stamps.st_mtime_ns,
            }
        rows.append(row)
    gone = {**rows[0], "sample_id": "a/0", "status": "gone", "image_uri": "nowhere", "alpha_uri": None}
    workspace.catalog.merge("samples", rows_to_table("samples", [*rows, gone]))
    return RunContext(workspace, "r")


def quietly(file: Path, data: bytes) -> None:
    """Change a file's bytes, but neither its size nor its time."""
    stamps = file.stat()
    file.write_bytes(data)
    os.utime(file, ns=(stamps.st_atime_ns, stamps.st_mtime_ns))


def test_what_is_whole_is_called_whole_and_what_is_gone_is_not_missed(context: RunContext) -> None:
    assert verify_files(context) == (6, [])
    assert verify_tables(context) == (1, [])
    assert verify_files(RunContext(context.workspace, "r", limit=2))[0] == 2


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("a-1.image", lambda file: file.unlink(), "can't be read (No such file or directory); restore it, or run"),
        ("a-1.image", lambda file: file.write_bytes(b"other bytes"), "it has changed since it was read; run: segdata"),
        (
            "a-1.alpha",
            lambda file: quietly(file, b"a/1 alphA"),
            "a copy went wrong; restore it (or leave it",
        ),
        (
            "composite-1.image",
            lambda file: file.unlink(),
            "can't be read (No such file or directory); run: segdata fuse",
        ),
        ("composite-1.alpha", lambda file: quietly(file, b"composite/1 alphA"), "delete it and run: segdata fuse"),
    ],
)
def test_a_file_that_is_another_is_named(
    context: RunContext, name: str, change: Callable[[Path], None], message: str
) -> None:
    file = context.workspace.root / name
    change(file)
    _, (found,) = verify_files(context)
    assert str(found).startswith(f"{file}: ")
    assert message in str(found)


def test_a_key_that_is_there_twice_is_found(context: RunContext) -> None:
    from deltalake import write_deltalake

    row = rows_to_table("samples", [{"sample_id": "a/1"}])
    write_deltalake(context.catalog.path("samples"), row.cast(SCHEMAS["samples"]), mode="append")
    _, (found,) = verify_tables(context)
    assert "1 rows have the key (sample_id) of another row" in str(found)


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_every_table_can_be_looked_at_whatever_its_keys_are_called(context: RunContext, name: str) -> None:
    assert _key_damage(context.catalog, name) == []


def test_all_damage_is_found_at_once_and_the_command_exits_3(segdata: Run, workspace: Path) -> None:
    assert segdata("catalog", "verify", cwd=workspace).out.endswith("All as it was written.\n")
    tables = workspace / "catalog" / "tables"
    data = next((tables / "samples").glob("*.parquet"))
    data.write_bytes(data.read_bytes()[:-1])
    last = sorted((tables / "runs" / "_delta_log").glob("*.json"))[-1]
    last.write_bytes(b"")
    answer = segdata("catalog", "verify", "--json", cwd=workspace)
    assert answer.code == 3
    assert answer.json["status"] == "failed"
    assert {one["path"] for one in answer.json["damage"]} == {str(data), str(last)}
    told = segdata("catalog", "verify", "--tables-only", cwd=workspace)
    assert told.code == 3
    assert f"delete this file: the table is at version {int(last.stem) - 1} then" in told.out
    assert told.out.endswith("2 broken.\n")
    last.unlink()
    assert segdata("catalog", "tables", cwd=workspace).code == 0

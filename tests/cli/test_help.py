"""`--help` teaches: every command is listed with a whole sentence, and explains each of its options."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer

from segdata.cli.main import app

Run = Callable[..., Any]
COMMANDS: dict[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]  # a group has them
GROUPS = {name: command.commands for name, command in COMMANDS.items() if hasattr(command, "commands")}
GROUPS["catalog export"] = GROUPS["catalog"]["export"].commands
ALL = COMMANDS | {f"{group} {name}": command for group, inner in GROUPS.items() for name, command in inner.items()}


def test_the_list_of_commands_has_whole_sentences(segdata: Run, tmp_path: Path) -> None:
    answer = segdata("--help", cwd=tmp_path)
    assert answer.code == 0
    listed = answer.out.partition("Commands:")[2]
    assert "..." not in listed
    for name, command in COMMANDS.items():
        assert f"  {name} " in listed
        assert command.get_short_help_str(200) in listed


@pytest.mark.parametrize("group", sorted(GROUPS))
def test_the_list_of_a_group_has_whole_sentences(segdata: Run, tmp_path: Path, group: str) -> None:
    answer = segdata(*group.split(), "--help", cwd=tmp_path)
    assert answer.code == 0
    listed = answer.out.partition("Commands:")[2]
    assert "..." not in listed
    for name, command in GROUPS[group].items():
        assert f"  {name} " in listed
        assert command.get_short_help_str(200) in listed
    alone = segdata(*group.split(), cwd=tmp_path)
    assert (alone.code, alone.out) == (2, "")
    assert alone.err.startswith("Usage: ")


@pytest.mark.parametrize("name", sorted(ALL))
def test_every_option_is_explained(name: str) -> None:
    silent = [
        parameter.name
        for parameter in ALL[name].params
        if not getattr(parameter, "help", None) and not getattr(parameter, "hidden", False)
    ]
    assert silent == []

"""`--help` teaches: every command is listed with a whole sentence, and explains each of its options."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
import typer

from segdata.cli.main import app

Run = Callable[..., Any]
ROOT = typer.main.get_command(app)
assert isinstance(ROOT, click.Group)


def test_the_list_of_commands_has_whole_sentences(segdata: Run, tmp_path: Path) -> None:
    answer = segdata("--help", cwd=tmp_path)
    assert answer.code == 0
    assert "..." not in answer.out
    for name, command in ROOT.commands.items():
        assert f"  {name} " in answer.out
        assert command.get_short_help_str(200) in answer.out


@pytest.mark.parametrize("name", sorted(ROOT.commands))
def test_every_option_is_explained(name: str) -> None:
    silent = [
        parameter.name
        for parameter in ROOT.commands[name].params
        if not getattr(parameter, "help", None) and not getattr(parameter, "hidden", False)
    ]
    assert silent == []

"""The options that every command takes, declared once, and how a function becomes a command that has them."""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from segdata.errors import UsageError
from segdata.records import ProgressCallback, ignore_progress

if TYPE_CHECKING:
    from segdata.pipeline.session import Session

AsOfOption = Annotated[
    str | None,
    typer.Option(
        "--as-of", metavar="VERSION", help="As it was: a version of samples, a time, or a run's id.", show_default="now"
    ),
]

_PANEL = "Options of every command"


@dataclass(frozen=True)
class Common:
    """The options of every command, as given."""

    workspace: Path
    recipe: str | None
    set: tuple[str, ...]
    json: bool
    dry_run: bool
    limit: int | None
    seed: int | None
    workers: int
    engine: str

    def open(self, options: Mapping[str, Any] | None = None, progress: ProgressCallback = ignore_progress) -> Session:
        """The workspace, opened with these options.

        Raises:
            UsageError: No such workspace, or an engine that there is not.
            RecipeError: The recipe is missing or wrong.
        """
        from segdata.pipeline.session import open_session

        if self.engine != "local":
            raise UsageError(f"--engine {self.engine}: only local is supported so far")
        return open_session(
            self.workspace,
            self.recipe,
            self.set,
            {"seed": self.seed, **(options or {})},
            workers=self.workers,
            limit=self.limit,
            dry_run=self.dry_run,
            progress=progress,
        )


_OPTIONS: dict[str, tuple[Any, Any, Any]] = {
    "workspace": (
        Path,
        Path(),
        typer.Option("--workspace", "-w", help="The workspace's folder.", show_default="here", rich_help_panel=_PANEL),
    ),
    "recipe": (
        str | None,
        None,
        typer.Option(
            help="The recipe, relative to the workspace.",
            show_default="pipelines/portrait.toml",
            rich_help_panel=_PANEL,
        ),
    ),
    "set_": (
        list[str] | None,
        None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="Override a key, as in train.epochs=20.", rich_help_panel=_PANEL
        ),
    ),
    "json_": (bool, False, typer.Option("--json", help="One JSON object on stdout.", rich_help_panel=_PANEL)),
    "dry_run": (bool, False, typer.Option("--dry-run", help="Plan and count; write nothing.", rich_help_panel=_PANEL)),
    "limit": (int | None, None, typer.Option(min=1, help="Do at most so many samples.", rich_help_panel=_PANEL)),
    "seed": (int | None, None, typer.Option(min=0, help="Decides every draw.", rich_help_panel=_PANEL)),
    "workers": (
        int,
        os.cpu_count() or 1,
        typer.Option(min=1, help="Threads or processes.", show_default="cores", rich_help_panel=_PANEL),
    ),
    "engine": (str, "local", typer.Option(help="What runs the shards.", rich_help_panel=_PANEL)),
}


def with_common_options(function: Callable[..., None]) -> Callable[..., None]:
    """Give a function, whose first argument is `common: Common`, the options of every command instead.

    Typer reads a command's options off its signature, so the signature is rewritten and nothing is repeated.
    """
    own = inspect.signature(function, eval_str=True)
    parameters = [parameter for name, parameter in own.parameters.items() if name != "common"]
    shared = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, option])
        for name, (kind, default, option) in _OPTIONS.items()
    ]

    @functools.wraps(function)
    def command(**given: Any) -> None:
        values = {name.rstrip("_"): given.pop(name) for name in _OPTIONS}
        values["set"] = tuple(values["set"] or ())
        function(Common(**values), **given)

    keyword = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in parameters]
    command.__signature__ = inspect.Signature([*keyword, *shared])  # type: ignore[attr-defined]  # inspect looks for it
    command.__annotations__ = {p.name: p.annotation for p in [*keyword, *shared]}
    return command

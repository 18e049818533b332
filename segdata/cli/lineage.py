"""`segdata catalog lineage ID`: what something was made from, and what was made from it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from segdata.cli.execute import Outcome
from segdata.cli.options import Common
from segdata.cli.printing import print_json, say

if TYPE_CHECKING:
    from segdata.catalog.lineage import Node


def lineage(
    common: Common,
    name: Annotated[
        str, typer.Argument(metavar="ID", help="A sample_id, a selection, or a version's model_id or name.")
    ],
) -> None:
    """Show what a sample, selection or version was made from, and what was made from it.

    Example: segdata catalog lineage composite/portrait2000/training/00001/0
    """
    with Outcome(common.json, "catalog lineage"):
        from segdata.catalog.lineage import lineage as lineage_of

        found = lineage_of(common.open().workspace, name)
    if common.json:
        print_json({"command": "catalog lineage", **found.to_json()})
        return
    say(_told(found.root))
    for key, value in _lines_of(found.root.facts or {}):
        say(f"    {key}: {value}")
    for title, nodes in (("made from", found.parents), ("made from it", found.children)):
        say(f"{title}:" if nodes else f"{title}: nothing")
        _say_tree(nodes, "  ")


def _say_tree(nodes: Iterable[Node], indent: str) -> None:
    for node in nodes:
        say(f"{indent}{_told(node)}")
        _say_tree(node.beyond, f"{indent}  ")


def _told(node: Node) -> str:
    named = {"version": "name", "selection": "samples"}.get(node.kind)
    detail = f" ({(node.facts or {}).get(named)}{' samples' if named == 'samples' else ''})" if named else ""
    link, state = f"{node.link}: " if node.link else "", f" [{node.state}]" if node.state else ""
    return f"{link}{node.kind} {node.id}{detail}{state}"


def _lines_of(facts: Any) -> list[tuple[str, Any]]:
    """A root's facts, a plan's own keys as lines of their own."""
    plan = dict(facts.get("plan") or {})
    rest = [(key, value) for key, value in facts.items() if key != "plan" and value is not None]
    return [*((f"plan.{key}", value) for key, value in plan.items()), *rest]

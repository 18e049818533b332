"""Where something comes from, and what came of it: parents and children of a sample, a selection or a version.

portrait, background --fused--> composite
sample --selected--> selection --trained on--> version --mined--> selection
sample, composite --trained on--> version --retrained--> version
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from segdata.catalog.models import all_models
from segdata.catalog.training_sets import backgrounds_of, trained_on
from segdata.catalog.workspace import Workspace
from segdata.errors import SegdataError, UsageError

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Node:
    """One thing of the tree, and what lies beyond it.

    Attributes:
        kind: portrait, background, composite, selection or version.
        id: sample_id, selection's name, or model_id.
        link: what ties it to the one above: a parent's role, `trained on`, `selected`, `mined`, `retrained`, …; empty
            for the root.
        state: in a word or two what is not as it was: `gone`, `forgotten`, `changed since`, `not in the catalog`;
            empty where all is well.
        facts: what is worth knowing about it, such as a plan, a recipe's hash, counts.
        beyond: its own parents, or children, as far as the tree goes.
    """

    kind: str
    id: str
    link: str = ""
    state: str = ""
    facts: Mapping[str, Any] | None = None
    beyond: tuple[Node, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The node and all beyond it, as plain values."""
        told = {"kind": self.kind, "id": self.id, "link": self.link, "state": self.state, "facts": self.facts or {}}
        return {**told, "beyond": [node.to_json() for node in self.beyond]}


@dataclass(frozen=True)
class Lineage:
    """A thing, what it was made from, and what was made from it."""

    root: Node
    parents: tuple[Node, ...]
    children: tuple[Node, ...]

    def to_json(self) -> dict[str, Any]:
        """The keys of `catalog lineage --json`."""
        root = {key: value for key, value in self.root.to_json().items() if key not in ("link", "beyond")}
        trees = {"parents": self.parents, "children": self.children}
        return {**root, **{name: [node.to_json() for node in nodes] for name, nodes in trees.items()}}


def lineage(workspace: Workspace, name: str) -> Lineage:
    """The tree of a sample_id, a selection's name, or a version's id or name.

    Raises:
        UsageError: The catalog knows nothing of that name.
    """
    return _Tree(workspace).of(name)


class _Tree:
    """The tables that a lineage is read from, each read once.

    Args:
        workspace: whose.
    """

    def __init__(self, workspace: Workspace) -> None:
        catalog = workspace.catalog
        self._workspace = workspace
        self._models = {row["model_id"]: row for row in all_models(catalog)}
        self._selections = catalog.read("selections", ["selection", "sample_id", "scorer_id", "run_id"]).to_pylist()
        self._samples = {row["sample_id"]: row for row in catalog.read("samples").to_pylist()}
        self._runs = {row["run_id"]: row for row in catalog.read("runs", ["run_id", "recipe_sha256"]).to_pylist()}
        scored = catalog.query("SELECT DISTINCT scorer_id, model_id FROM scores").to_pylist()
        self._scorers = {row["scorer_id"]: row["model_id"] for row in scored}
        self._trained: dict[str, dict[str, Row] | None] = {}

    def of(self, name: str) -> Lineage:
        if name in self._samples:
            row = self._samples[name]
            root = Node(row["kind"], name, state=_status(row), facts=self._facts(row))
            return Lineage(root, self._parents_of_sample(row), self._children_of_sample(row))
        if any(row["selection"] == name for row in self._selections):
            return Lineage(self._selection(name), self._parents_of_selection(name), self._children_of_selection(name))
        model = self._models.get(name) or next((row for row in self._models.values() if row["name"] == name), None)
        if model is None:
            raise UsageError(
                f"lineage: the catalog has no sample, selection or version {name!r}; "
                'segdata query "SELECT sample_id FROM samples" lists the samples, segdata status the rest'
            )
        return Lineage(self._version(model), self._parents_of_version(model), self._children_of_version(model))

    def _facts(self, row: Row) -> dict[str, Any]:
        if row["kind"] != "composite":
            return {"split": row["split"], "image_sha256": row["image_sha256"], "run_id": row["run_id"]}
        run = self._runs.get(row["run_id"], {})
        plan = json.loads(row["fusion"]) if row["fusion"] else None
        return {"plan": plan, "run_id": row["run_id"], "recipe_sha256": run.get("recipe_sha256")}

    def _parents_of_sample(self, row: Row) -> tuple[Node, ...]:
        return tuple(self._parent(parent) for parent in row["parents"] or [])

    def _parent(self, parent: Row) -> Node:
        """A parent as it is now, beside what it was when it was used."""
        row = self._samples.get(parent["sample_id"])
        kind = row["kind"] if row else "background" if parent["role"] == "background" else "portrait"
        if row is None:
            return Node(kind, parent["sample_id"], parent["role"], "not in the catalog")
        beyond = self._parents_of_sample(row)
        return Node(kind, parent["sample_id"], parent["role"], _status(row) or _changed(row, parent), beyond=beyond)

    def _children_of_sample(self, row: Row) -> tuple[Node, ...]:
        name = row["sample_id"]
        composites = [
            self._composite(other, parent)
            for other in self._samples.values()
            for parent in other["parents"] or []
            if parent["sample_id"] == name
        ]
        selections = [
            self._selection(one["selection"], "selected", self._children_of_selection(one["selection"]))
            for one in self._selections
            if one["sample_id"] == name
        ]
        return *composites, *selections, *self._versions_trained_on(row)

    def _composite(self, row: Row, parent: Row) -> Node:
        state = _status(row) or _changed(self._samples[parent["sample_id"]], parent)
        return Node(
            "composite", row["sample_id"], f"fused as {parent['role']}", state, None, self._versions_trained_on(row)
        )

    def _versions_trained_on(self, row: Row) -> tuple[Node, ...]:
        found = []
        for model in self._models.values():
            used = (self._training_of(model) or {}).get(row["sample_id"]) or self._behind(model).get(row["sample_id"])
            if used is not None:
                found.append(self._version(model, "trained on", _changed(row, used)))
        return tuple(found)

    def _training_of(self, model: Row) -> dict[str, Row] | None:
        """The samples of a version's training by id; None where its folder is gone."""
        model_id = model["model_id"]
        if model_id not in self._trained:
            try:
                rows = trained_on(self._workspace.resolve(model["uri"])).to_pylist()
                self._trained[model_id] = {row["sample_id"]: row for row in rows}
            except (OSError, SegdataError):
                self._trained[model_id] = None
        return self._trained[model_id]

    def _behind(self, model: Row) -> dict[str, Row]:
        """The backgrounds of a version's training by id; none where its folder is gone."""
        if self._training_of(model) is None:
            return {}
        rows = backgrounds_of(self._workspace.resolve(model["uri"])).to_pylist()
        return {row["sample_id"]: row for row in rows}

    def _selection(self, name: str, link: str = "", beyond: Iterable[Node] = ()) -> Node:
        size = sum(row["selection"] == name for row in self._selections)
        return Node("selection", name, link, facts={"samples": size}, beyond=tuple(beyond))

    def _parents_of_selection(self, name: str) -> tuple[Node, ...]:
        scorers = {row["scorer_id"] for row in self._selections if row["selection"] == name}
        models = dict.fromkeys(self._scorers.get(scorer) for scorer in sorted(scorers, key=str))
        return tuple(
            self._version(self._models[model_id], "mined", beyond=self._parents_of_version(self._models[model_id]))
            for model_id in models
            if model_id in self._models
        )

    def _children_of_selection(self, name: str) -> tuple[Node, ...]:
        return tuple(self._version(row, "trained on") for row in self._models.values() if row["selection"] == name)

    def _version(self, row: Row, link: str = "", state: str = "", beyond: Iterable[Node] = ()) -> Node:
        training = self._training_of(row)
        if training is None and not state:
            state = "its folder is gone"
        run = self._runs.get(row["run_id"], {})
        facts = {
            "name": row["name"],
            "path": row["uri"],
            "promoted": bool(row["promoted"]),
            "training_samples": None if training is None else len(training),
            "run_id": row["run_id"],
            "recipe_sha256": run.get("recipe_sha256"),
        }
        return Node("version", row["model_id"], link, state, facts, tuple(beyond))

    def _parents_of_version(self, row: Row) -> tuple[Node, ...]:
        """What it starts from, and what was mined for it; `trained on` the rest is counted, not listed."""
        found = []
        parent = self._models.get(row["parent_model_id"])
        if parent is not None and parent["model_id"] != row["model_id"]:
            found.append(self._version(parent, "starts from", beyond=self._parents_of_version(parent)))
        if row["selection"]:
            found.append(self._selection(row["selection"], "trained on"))
        return tuple(found)

    def _children_of_version(self, row: Row) -> tuple[Node, ...]:
        retrained = [
            self._version(other, "retrained", beyond=self._children_of_version(other))
            for other in self._models.values()
            if other["parent_model_id"] == row["model_id"] != other["model_id"]
        ]
        own = {scorer for scorer, model_id in self._scorers.items() if model_id == row["model_id"]}
        mined = dict.fromkeys(one["selection"] for one in self._selections if one["scorer_id"] in own)
        return *(self._selection(name, "mined") for name in mined), *retrained


def _status(row: Row) -> str:
    return "" if row["status"] == "present" else str(row["status"])


def _changed(row: Row, before: Row) -> str:
    """Whether a sample's bytes are others than when it was used."""
    same = all(row[name] == before[name] for name in ("image_sha256", "alpha_sha256"))
    return "" if same else "changed since"

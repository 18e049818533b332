"""The tree of a sample, a selection and a version, both ways; and what is no longer as it was."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import typer
from typer.testing import CliRunner

from segdata.catalog.lineage import Node, lineage
from segdata.catalog.schemas import rows_to_table
from segdata.catalog.tables import Catalog
from segdata.catalog.workspace import Workspace
from segdata.cli.lineage import lineage as command
from segdata.cli.options import with_common_options
from segdata.errors import UsageError


def _sample(name: str, kind: str = "portrait", **more: Any) -> dict[str, Any]:
    row = {"sample_id": name, "kind": kind, "split": "train", "status": "present", "image_sha256": f"i-{name}"}
    return row | {"alpha_sha256": None if kind == "background" else f"a-{name}", "run_id": "r-ingest"} | more


def _parent(role: str, name: str, **more: Any) -> dict[str, Any]:
    alpha = None if role == "background" else f"a-{name}"
    return {"role": role, "sample_id": name, "image_sha256": f"i-{name}", "alpha_sha256": alpha} | more


def _model(root: Path, model_id: str, trained_on: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    folder = root / "models" / f"net-{model_id}"
    folder.mkdir(parents=True)
    columns = ("sample_id", "image_sha256", "alpha_sha256")
    rows = [{name: row[name] for name in columns} for row in trained_on]
    pq.write_table(pa.Table.from_pylist(rows), folder / "training.parquet")
    row = {"model_id": model_id, "name": f"net-{model_id}", "uri": f"models/net-{model_id}", "promoted": True}
    return row | {"created_at": datetime(2026, 3, 1, tzinfo=UTC), "metrics": "{}", "run_id": "r-train"} | more


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """Portraits p/1 and p/2 in a scene before b/1; version m1, what it mined, and m2, retrained with that."""
    workspace = Workspace(tmp_path, Catalog(tmp_path / "catalog"))
    parents = [_parent("portrait", "p/1"), _parent("companion", "p/2"), _parent("background", "b/1")]
    composite = _sample("composite/p/1/0", "composite", parents=parents, fusion='{"crop_x": 0.5}', run_id="r-fuse")
    samples = [_sample("p/1"), _sample("p/2"), _sample("b/1", "background"), _sample("pool/1", split="pool"), composite]
    merge = workspace.catalog.merge
    merge("samples", rows_to_table("samples", samples))
    merge("runs", rows_to_table("runs", [{"run_id": "r-fuse", "recipe_sha256": "abc"}]))
    selected = {"selection": "mined-1", "sample_id": "pool/1", "scorer_id": "s1", "run_id": "r-mine"}
    merge("selections", rows_to_table("selections", [selected]))
    scored = {"scorer_id": "s1", "model_id": "m1", "sample_id": "pool/1", "status": "scored"}
    workspace.catalog.append("scores", rows_to_table("scores", [scored]))
    models = [
        _model(tmp_path, "m1", [samples[0], composite]),
        _model(tmp_path, "m2", [samples[0], samples[3]], parent_model_id="m1", selection="mined-1"),
    ]
    merge("models", rows_to_table("models", models))
    return workspace


def _told(nodes: tuple[Node, ...]) -> list[tuple[str, str, str]]:
    return [(node.link, node.id, node.state) for node in nodes]


def test_a_composite_knows_its_parents_its_plan_its_recipe_and_who_was_trained_on_it(workspace: Workspace) -> None:
    found = lineage(workspace, "composite/p/1/0")
    assert found.root.facts == {"plan": {"crop_x": 0.5}, "run_id": "r-fuse", "recipe_sha256": "abc"}
    assert _told(found.parents) == [("portrait", "p/1", ""), ("companion", "p/2", ""), ("background", "b/1", "")]
    assert _told(found.children) == [("trained on", "m1", "")]


def test_a_portrait_knows_its_composites_and_who_was_trained_on_them(workspace: Workspace) -> None:
    found = lineage(workspace, "p/1")
    assert found.parents == ()
    assert _told(found.children) == [
        ("fused as portrait", "composite/p/1/0", ""),
        ("trained on", "m1", ""),
        ("trained on", "m2", ""),
    ]
    assert _told(found.children[0].beyond) == [("trained on", "m1", "")]
    assert _told(lineage(workspace, "p/2").children) == [("fused as companion", "composite/p/1/0", "")]
    assert _told(lineage(workspace, "b/1").children) == [("fused as background", "composite/p/1/0", "")]


def test_a_background_knows_the_versions_that_saw_it_while_they_were_trained(workspace: Workspace) -> None:
    columns = {"sample_id": ["b/1"], "image_sha256": ["i-b/1"], "alpha_sha256": [None]}
    pq.write_table(pa.table(columns), workspace.root / "models" / "net-m2" / "backgrounds.parquet")
    children = lineage(workspace, "b/1").children
    assert _told(children)[-1] == ("trained on", "m2", "")
    assert (lineage(workspace, "m2").root.facts or {})["training_samples"] == 2, "backgrounds are counted apart"


def test_a_mined_sample_knows_its_selection_and_the_version_after_it(workspace: Workspace) -> None:
    selection, version = lineage(workspace, "pool/1").children
    assert (selection.link, selection.id) == ("selected", "mined-1")
    assert _told(selection.beyond) == [("trained on", "m2", "")]
    assert (version.link, version.id) == ("trained on", "m2")


def test_a_selection_and_a_version_know_both_ways(workspace: Workspace) -> None:
    selection = lineage(workspace, "mined-1")
    assert _told(selection.parents) == [("mined", "m1", "")]
    assert _told(selection.children) == [("trained on", "m2", "")]
    first = lineage(workspace, "net-m1")
    assert _told(first.children) == [("mined", "mined-1", ""), ("retrained", "m2", "")]
    second = lineage(workspace, "m2")
    assert _told(second.parents) == [("starts from", "m1", ""), ("trained on", "mined-1", "")]
    assert (second.root.facts or {})["training_samples"] == 2


def test_a_parent_that_changed_or_went_and_a_lost_folder_say_so(workspace: Workspace) -> None:
    changed = _sample("p/1", image_sha256="other")
    gone = _sample("b/1", "background", status="gone")
    workspace.catalog.merge("samples", rows_to_table("samples", [changed, gone]))
    (workspace.root / "models" / "net-m1" / "training.parquet").unlink()
    states = [node.state for node in lineage(workspace, "composite/p/1/0").parents]
    assert states == ["changed since", "", "gone"]
    assert _told(lineage(workspace, "p/1").children) == [
        ("fused as portrait", "composite/p/1/0", "changed since"),
        ("trained on", "m2", "changed since"),
    ]
    assert lineage(workspace, "m1").root.state == "its folder is gone"


def test_a_parent_that_the_catalog_lost_is_still_named(workspace: Workspace) -> None:
    orphan = _sample("composite/x/0", "composite", parents=[_parent("background", "b/9")], fusion=None)
    workspace.catalog.merge("samples", rows_to_table("samples", [orphan]))
    (parent,) = lineage(workspace, "composite/x/0").parents
    assert (parent.kind, parent.id, parent.state) == ("background", "b/9", "not in the catalog")


def test_an_unknown_name_is_refused(workspace: Workspace) -> None:
    with pytest.raises(UsageError, match="no sample, selection or version 'nobody'"):
        lineage(workspace, "nobody")


@pytest.fixture
def app(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> typer.Typer:
    (workspace.root / "pipelines").mkdir()
    (workspace.root / "pipelines" / "portrait.toml").write_text("")
    monkeypatch.chdir(workspace.root)
    app = typer.Typer()
    app.command("lineage")(with_common_options(command))
    return app


def test_the_command_prints_a_tree(app: typer.Typer) -> None:
    answer = CliRunner().invoke(app, ["composite/p/1/0"])
    assert answer.exit_code == 0, answer.output
    assert "plan.crop_x: 0.5" in answer.output
    assert "  companion: portrait p/2" in answer.output
    assert "  trained on: version m1 (net-m1)" in answer.output


def test_the_command_prints_one_json_object_and_exits_2_on_an_unknown_name(app: typer.Typer) -> None:
    told = json.loads(CliRunner().invoke(app, ["p/1", "--json"]).stdout)
    assert (told["command"], told["id"], told["kind"], told["parents"]) == ("catalog lineage", "p/1", "portrait", [])
    assert told["children"][0]["beyond"][0]["id"] == "m1"
    assert CliRunner().invoke(app, ["nobody"]).exit_code == 2

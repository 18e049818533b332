"""`segdata status`: what is in the catalog, what ran, and what to do next."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from segdata.catalog.models import all_models
from segdata.catalog.runs import is_going_on
from segdata.catalog.sources import mask_states
from segdata.catalog.tables import Catalog
from segdata.pipeline.gaps import find_gaps
from segdata.pipeline.session import Session

_COUNTS = """
    SELECT dataset, kind, split, count(*)::BIGINT AS samples
    FROM samples WHERE status = 'present' GROUP BY ALL ORDER BY ALL
"""
_REJECTS = "SELECT dataset, reason, count(*)::BIGINT AS files FROM rejects GROUP BY ALL ORDER BY ALL"
_SELECTIONS = """
    SELECT selection, any_value(predicate) AS predicate, count(*)::BIGINT AS samples,
           count(*) FILTER (triage = 'hard')::BIGINT AS hard,
           count(*) FILTER (triage = 'suspect_label')::BIGINT AS suspect_label,
           count(*) FILTER (triage = 'suspect_label' AND NOT coalesce(judged, false))::BIGINT AS unjudged_suspects,
           max(run_id) AS run_id
    FROM selections LEFT JOIN (
        SELECT DISTINCT sample_id, image_sha256, alpha_sha256, true AS judged FROM verdicts WHERE verdict IS NOT NULL
    ) USING (sample_id, image_sha256, alpha_sha256)
    GROUP BY selection ORDER BY max(run_id)
"""
_LOOP = "SELECT run_id, status, result FROM runs WHERE command = 'run' ORDER BY started_at DESC, run_id DESC LIMIT 1"
_RUNS = (
    "SELECT run_id, command, status, seconds, error, host, pid FROM runs ORDER BY started_at DESC, run_id DESC LIMIT 8"
)


def status(session: Session) -> dict[str, Any]:
    """The state of a workspace, as the keys of `status --json`."""
    catalog = session.workspace.catalog
    models = [
        {
            "name": row["name"],
            "model_id": row["model_id"],
            "promoted": bool(row["promoted"]),
            "round": row["metrics"].get("round", 0),
            "arm": row["metrics"].get("arm") or row["metrics"].get("final") or "",
            "miou_image": row["metrics"].get("test", {}).get("miou_image"),
        }
        for row in all_models(catalog)
    ]
    found = {
        "workspace": str(session.workspace.root),
        "recipe": session.recipe_name,
        "samples": catalog.query(_COUNTS).to_pylist(),
        "masks": [state.to_json() for state in mask_states(catalog)],
        "rejects": catalog.query(_REJECTS).to_pylist(),
        "models": models,
        "unfinished_trainings": unfinished(session),
        "selections": catalog.query(_SELECTIONS).to_pylist(),
        "loop": last_loop(catalog),
        "missing": [asdict(gap) for gap in find_gaps(catalog)],
        "runs": [{**row, "going_on": is_going_on(row)} for row in catalog.query(_RUNS).to_pylist()],
    }
    return {**found, "next": next_commands(catalog, found, session.recipe.train.fusion)}


def last_loop(catalog: Catalog) -> dict[str, Any] | None:
    """The newest `segdata run`: its rounds of mining, and why it stopped; None where it was cut off, or never ran."""
    for row in catalog.query(_LOOP).to_pylist():
        if row["status"] == "done":
            result = json.loads(row["result"])
            rounds = max(0, len(result["rounds"]) - 1)
            return {"run_id": row["run_id"], "rounds": rounds, "stopped_because": result["stopped_because"]}
    return None


def unfinished(session: Session) -> list[dict[str, Any]]:
    """Trainings that were begun and whose version is not there yet: their key, and the last epoch that is kept."""
    found = []
    for folder in sorted((session.workspace.models / ".training").glob("*")):
        epochs = sorted(int(path.stem.partition("-")[2]) for path in folder.glob("epoch-*.pt"))
        if epochs:
            found.append({"training_key": folder.name, "epoch": epochs[-1]})
    return found


def next_commands(catalog: Catalog, found: dict[str, Any], fusion: str) -> list[str]:
    """What to do next, the most useful first: a command and why."""
    samples, models, selections = found["samples"], found["models"], found["selections"]
    kinds = {(row["kind"], row["split"]) for row in samples}
    advice = []
    # a review waits for people, and nobody has to wait for it
    if going_on := next((run for run in found["runs"] if run["going_on"] and run["command"] != "review"), None):
        return [f"wait: segdata {going_on['command']} is going on, as process {going_on['pid']}"]
    if found["runs"] and (newest := found["runs"][0])["status"] in ("running", "interrupted"):
        if newest["going_on"] is None:
            advice.append(f"look at {newest['host']}: segdata {newest['command']} goes on there, or was cut off")
        else:
            advice.append(f"segdata {newest['command']}   # the last one was cut off; it goes on where it was")
    if not samples:
        return [*advice, "segdata ingest   # the catalog is empty"]
    if not models:
        backgrounds = any(kind == "background" for kind, _ in kinds)
        if fusion == "rendered" and backgrounds and not any(kind == "composite" for kind, _ in kinds):
            advice.append("segdata fuse   # train.fusion is rendered, and nothing is")
        return [*advice, "segdata train   # nothing is trained yet (or segdata run: the whole loop)"]
    line = [row for row in models if not row["arm"]]
    if not line:
        return [*advice, "segdata train   # there are only arms of experiments, and none of them is promoted"]
    promoted = next((row for row in line if row["promoted"]), line[-1])
    if ("portrait", "pool") not in kinds:
        return [
            *advice,
            "segdata mine --folds 3   # there is no pool: look for wrong labels among the training samples",
            "segdata report   # a page to look at",
        ]
    mined = _mined_with(catalog, promoted["model_id"])
    if not mined:
        return [*advice, f"segdata mine   # {promoted['name']} has not looked at the pool yet"]
    newest_mined = next((row for row in reversed(selections) if row["selection"] in mined), None)
    if newest_mined and newest_mined["unjudged_suspects"]:
        advice.append(f"segdata review   # {newest_mined['unjudged_suspects']} suspect labels wait for a verdict")
    if newest_mined and newest_mined["hard"]:
        advice.append(f"segdata retrain   # {newest_mined['hard']} hard cases wait")
    return [*advice, "segdata report   # a page to look at"]


def _mined_with(catalog: Catalog, model_id: str) -> set[str]:
    """The selections that were mined with a version; empty if it was not, or if nothing was selected."""
    # by mining alone: a retraining names the selection that it learned from, which its version never looked at
    runs = catalog.read("runs", ["result"], "command = 'mine' AND result IS NOT NULL").to_pylist()
    results = [json.loads(row["result"]) for row in runs]
    selections = {result.get("selection") for result in results if result.get("model_id") == model_id}
    scorers = set(catalog.read("scores", ["scorer_id"], f"model_id = '{model_id}'")["scorer_id"].to_pylist())
    rows = catalog.read("selections", ["selection", "scorer_id"]).to_pylist()
    return {name for name in selections if name} | {row["selection"] for row in rows if row["scorer_id"] in scorers}

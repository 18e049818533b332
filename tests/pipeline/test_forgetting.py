"""A forgotten picture is nowhere in the workspace, stays away, and what remains is said; a kill is finished by the same
call."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from segdata.catalog import models
from segdata.catalog.known_leaks import leaks_file
from segdata.catalog.mends import folder_of, keep_mends, mends_of
from segdata.catalog.packing import pack_mask
from segdata.catalog.schemas import rows_to_table
from segdata.catalog.splits import test_pin as pin_of
from segdata.catalog.tables import Catalog
from segdata.errors import UsageError
from segdata.pipeline import commands
from segdata.pipeline.forgetting import forget, shown
from segdata.pipeline.session import Session, open_session
from segdata.storage.files import atomic_write

VICTIM, TEST = "portrait2000/training/00001", "portrait2000/testing/00001"
COMPOSITE = f"composite/{VICTIM}/0"


def row_of(session: Session, sample_id: str) -> dict[str, Any]:
    return session.workspace.catalog.read("samples", where=f"sample_id = '{sample_id}'").to_pylist()[0]


def leave_traces(session: Session, sample_id: str) -> dict[str, bytes]:
    """Everything that a loop leaves of a sample; the bytes that must be gone afterwards."""
    catalog, row = session.workspace.catalog, row_of(session, sample_id)
    key = {name: row[name] for name in ("sample_id", "image_sha256", "alpha_sha256")}
    mask = pack_mask(np.random.default_rng(0).random((row["height"], row["width"])) > 0.5)
    scored = {"scorer_id": "s", "model_id": "m", "status": "scored", "miou": 0.4, "boundary_iou": 0.3}
    scored |= {"true_positive": 1, "false_positive": 1, "false_negative": 1, "true_negative": 1}
    catalog.append("scores", rows_to_table("scores", [{**key, **scored}]))
    size = {"height": row["height"], "width": row["width"]}
    catalog.append("predictions", rows_to_table("predictions", [{**key, "scorer_id": "s", "mask": mask, **size}]))
    chosen = {"selection": "first", "triage": "hard", "rank": 0, "scorer_id": "s", "predicate": "miou < 0.8"}
    catalog.merge("selections", rows_to_table("selections", [{**key, **chosen}]))
    judged = {"verdict": "hard", "reviewer": "r", "at": datetime(2026, 1, 1, tzinfo=UTC)}
    catalog.append("verdicts", rows_to_table("verdicts", [{**key, **judged}]))
    parent = {"role": "portrait", **key}
    files = [catalog.files / "composites" / "ab" / f"made.{suffix}" for suffix in ("jpg", "png")]
    for file, uri in zip(files, (row["image_uri"], row["alpha_uri"]), strict=True):
        atomic_write(file, session.workspace.resolve(uri).read_bytes())
    uris = dict(zip(("image_uri", "alpha_uri"), map(session.workspace.uri_of, files), strict=True))
    made = {**row, **uris, "sample_id": COMPOSITE, "dataset": "composite", "kind": "composite", "parents": [parent]}
    catalog.merge("samples", rows_to_table("samples", [made]))
    atomic_write(catalog.files / "foregrounds" / "ab" / "key.zst", b"its colours")
    atomic_write(leaks_file(catalog), f"{sample_id} looks like another".encode())
    kept = catalog.read("appearances", where=f"image_sha256 = '{row['image_sha256']}'").to_pylist()[0]
    return {"mask": mask, "thumbnail": kept["thumbnail"], "colours": b"its colours", "composite": COMPOSITE.encode()}


def cells(root: Path) -> Iterator[tuple[Path, bytes]]:
    """Every file as it is, and every cell of every Parquet file, dead ones and checkpoints included."""
    for path in root.rglob("*"):
        if path.is_file():
            yield path, path.read_bytes()
        if path.suffix == ".parquet" and path.is_file():
            for column in pq.read_table(path).columns:
                for value in column.to_pylist():
                    yield path, value if isinstance(value, bytes) else repr(value).encode()


def places_of(root: Path, needle: bytes) -> set[str]:
    return {path.relative_to(root).as_posix() for path, data in cells(root) if needle in data}


def outside(places: set[str], *allowed: str) -> set[str]:
    return {place for place in places if not place.startswith(allowed)}


def left_of(session: Session, gone: dict[str, bytes]) -> set[str]:
    """Where any of these bytes still are, but for the journal."""
    root = session.workspace.root
    return {place for needle in gone.values() for place in outside(places_of(root, needle), "catalog/tables/runs/")}


@pytest.fixture
def session(workspace: Path) -> Session:
    return open_session(workspace)


def test_a_forgotten_picture_is_nowhere_in_the_workspace_and_an_ingest_leaves_it_out(session: Session) -> None:
    root, catalog = session.workspace.root, session.workspace.catalog
    before = row_of(session, VICTIM)
    gone = leave_traces(session, VICTIM)
    page = session.workspace.resolve(commands.report(session).result["path"])
    assert page.is_file()
    assert all(places_of(root, needle) for needle in gone.values())
    sheet = session.workspace.reports / "a-run" / "composites.jpg"
    curves = session.workspace.reports / "tensorboard" / "a-version"
    mined = session.workspace.reports / "a-run" / "mined.png"
    drawn = [root / "review" / folder / "a.png" for folder in ("overlays", "pictures")]
    for file in (sheet, mined, curves / "events", *drawn):
        atomic_write(file, b"pictures of many")
    others = catalog.read("samples", where=f"sample_id NOT IN ('{VICTIM}', '{COMPOSITE}')")

    result = forget(session, [VICTIM], yes=True).result

    assert left_of(session, gone) == set()
    assert [path for path in (catalog.files / "composites").rglob("*") if path.is_file()] == []
    # What may name it: the mark that keeps it away, and the journal.
    for needle in (VICTIM.encode(), before["image_sha256"].encode()):
        assert outside(places_of(root, needle), "catalog/tables/samples/", "catalog/tables/runs/") == set()
    assert not any(place.exists() for place in (page, sheet, mined, curves, *drawn))
    assert {session.workspace.uri_of(place) for place in (page, sheet, mined, curves)} <= set(
        result["removed"]["reports"]
    )
    assert places_of(root, before["alpha_sha256"].encode()) == set()
    kept = {name: value for name, value in row_of(session, VICTIM).items() if value is not None}
    assert kept == {
        "sample_id": VICTIM, "dataset": "portrait2000", "kind": "portrait", "split": before["split"],
        "status": "forgotten", "path": before["path"], "image_sha256": before["image_sha256"], "run_id": kept["run_id"],
    }  # fmt: skip
    assert catalog.read("samples", where=f"sample_id <> '{VICTIM}'").equals(others)
    assert {name: result["removed"][name] for name in ("scores", "predictions", "selections", "verdicts")} == {
        "scores": 1, "predictions": 1, "selections": 1, "verdicts": 1,
    }  # fmt: skip
    assert (result["removed"]["composites"], result["removed"]["foregrounds"]) == (1, 1)
    assert result["remains"]["sources"] == sorted([before["image_uri"], before["alpha_uri"]])
    assert session.workspace.resolve(before["image_uri"]).is_file()

    counts = commands.ingest(session, ["portrait2000"]).result["sources"]["portrait2000"]
    assert counts["filtered"]["forgotten"] == 1
    assert (counts["added"], counts["changed"], counts["gone"]) == (0, 0, 0)
    assert row_of(session, VICTIM)["status"] == "forgotten"


def test_the_same_bytes_under_another_name_are_left_out_too(session: Session, tmp_path: Path) -> None:
    before = row_of(session, VICTIM)
    data = session.workspace.resolve(before["image_uri"]).read_bytes()
    forget(session, [VICTIM], yes=True)
    other = session.workspace.resolve(row_of(session, TEST)["image_uri"]).read_bytes()
    for name, content in (("again.png", data), ("other.png", other)):
        atomic_write(tmp_path / "mine" / "images" / name, content)
    (session.workspace.root / "pipelines" / "mine.toml").write_text(
        '[[sources]]\nname = "mine"\nreader = "folder"\nkind = "background"\n'
        f"root = {json.dumps(str(tmp_path / 'mine'))}\n"
    )
    mine = open_session(session.workspace.root, "pipelines/mine.toml")
    for added in (1, 0):
        counts = commands.ingest(mine).result["sources"]["mine"]
        assert (counts["found"], counts["added"], counts["filtered"]) == (1, added, {"forgotten": 1})
    assert row_of(mine, "mine/images/again")["status"] == "forgotten"
    kept = session.workspace.catalog.read("appearances", ["image_sha256"])["image_sha256"].to_pylist()
    assert before["image_sha256"] not in kept


def test_what_is_known_of_it_by_the_name_that_it_had_before_goes_too(session: Session) -> None:
    catalog, row = session.workspace.catalog, row_of(session, VICTIM)
    before = {**row, "sample_id": "portrait2000/training/before", "status": "gone"}
    catalog.merge("samples", rows_to_table("samples", [before]))
    key = {name: before[name] for name in ("sample_id", "image_sha256", "alpha_sha256")}
    catalog.append("scores", rows_to_table("scores", [{**key, "scorer_id": "s", "status": "scored", "miou": 0.4}]))
    result = forget(session, [VICTIM], yes=True).result
    assert result["forgotten"] == [VICTIM, before["sample_id"]]
    assert catalog.read("scores").num_rows == 0
    assert row_of(session, before["sample_id"])["status"] == "forgotten"


def test_its_mended_labels_go_from_every_name_and_those_of_a_copy_that_stays_do_not(session: Session) -> None:
    catalog, row = session.workspace.catalog, row_of(session, VICTIM)
    photograph = (row["image_sha256"], row["alpha_sha256"])
    catalog.merge("samples", rows_to_table("samples", [{**row, "sample_id": "pool/copy", "split": "pool"}]))
    names = {VICTIM: b"its label", "a name it had": b"an older one", "pool/copy": b"the copy's"}
    keep_mends(catalog, names, dict.fromkeys(names, photograph))
    mended = {"alpha_uri": session.workspace.uri_of(folder_of(catalog) / mends_of(catalog)[VICTIM].file)}
    renamed = {"sample_id": "portrait2000/training/gone", "status": "gone", "image_uri": "data/no such file.png"}
    catalog.merge("samples", rows_to_table("samples", [{**row, **mended}, {**row, **renamed}]))
    result = forget(session, [VICTIM], yes=True).result
    assert result["removed"]["mended"] == 2
    assert (result["remains"]["sources"], result["remains"]["labels"]) == (
        sorted([row["image_uri"], row["alpha_uri"]]),
        [VICTIM],
    )
    assert f"  the source's own label of {VICTIM}, which had been mended" in shown(result)
    assert set(mends_of(catalog)) == {"pool/copy"}
    assert [path.read_bytes() for path in folder_of(catalog).glob("*.png")] == [b"the copy's"]


def test_without_yes_nothing_is_written_and_the_refusal_says_what_would_be(session: Session) -> None:
    leave_traces(session, VICTIM)
    versions = {name: session.workspace.catalog.version(name) for name in ("samples", "scores", "runs")}
    with pytest.raises(UsageError, match=r"nothing was removed. Would be removed with 1 samples.*1 scores.*--yes"):
        forget(session, [VICTIM], yes=False)
    assert {name: session.workspace.catalog.version(name) for name in versions} == versions
    assert (session.workspace.catalog.files / "composites" / "ab" / "made.jpg").is_file()


def test_an_unknown_sample_is_refused(session: Session) -> None:
    with pytest.raises(UsageError, match="no sample 'nobody'"):
        forget(session, ["nobody"], yes=True)


@pytest.mark.parametrize("step", ["merge", "delete", "purge"])
def test_a_kill_is_finished_by_the_same_call(session: Session, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    gone = leave_traces(session, VICTIM)
    original: Callable[..., Any] = getattr(Catalog, step)
    calls = 0

    def killed(self: Catalog, name: str, *arguments: Any) -> Any:
        nonlocal calls
        if name == "runs":
            return original(self, name, *arguments)
        answer = original(self, name, *arguments)
        calls += 1
        if calls == 2 or step == "merge":
            raise KeyboardInterrupt
        return answer

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(Catalog, step, killed)
        forget(session, [VICTIM], yes=True)
    forget(session, [VICTIM], yes=True)
    assert left_of(session, gone) == set()


@pytest.mark.parametrize("seen", ["training.parquet", "backgrounds.parquet"])
def test_versions_that_saw_it_while_trained_and_other_copies_are_named(session: Session, seen: str) -> None:
    catalog, row = session.workspace.catalog, row_of(session, VICTIM)
    folder = session.workspace.models / "m-1"
    folder.mkdir()
    trained = catalog.read("samples", ["sample_id", "image_sha256", "alpha_sha256"], "split = 'train'")
    pq.write_table(trained.slice(0, 0), folder / "training.parquet")
    pq.write_table(trained, folder / seen)
    models.record_model(catalog, {"model_id": "m", "name": "m-1", "uri": "models/m-1", "metrics": {}, "promoted": True})
    catalog.merge("samples", rows_to_table("samples", [{**row, "sample_id": "pool/copy", "split": "pool"}]))
    result = forget(session, [VICTIM], yes=True).result
    assert result["remains"]["trained_on"] == ["m-1"]
    assert result["duplicates"] == ["pool/copy"]
    assert '  segdata forget "pool/copy" --yes' in shown(result)
    assert row_of(session, "pool/copy")["status"] == "present"


def test_versions_stay_comparable_when_a_test_image_is_forgotten(session: Session) -> None:
    catalog = session.workspace.catalog
    test = catalog.read("samples", where="split = 'test'").to_pylist()
    scores = [
        {
            **{name: row[name] for name in ("sample_id", "image_sha256", "alpha_sha256")},
            "scorer_id": "s", "model_id": "m", "status": "scored", "boundary_iou": 0.5,
            "miou": 0.1 if row["sample_id"] == TEST else 0.9,
            "true_positive": 1, "false_positive": 0, "false_negative": 0, "true_negative": 1,
        }
        for row in test
    ]  # fmt: skip
    catalog.append("scores", rows_to_table("scores", scores))
    pin = pin_of(catalog.read("samples", where="split = 'test'"))
    metrics = {"test": {"scorer_id": "s", "miou_image": 0.5, "images": len(test)}}
    models.record_model(
        catalog, {"model_id": "m", "name": "m-1", "uri": "models/m-1", "test_pin": pin, "metrics": metrics}
    )
    assert forget(session, [TEST], yes=True).result["test_changes"]
    model = models.all_models(catalog)[0]
    assert model["test_pin"] == pin_of(catalog.read("samples", where="split = 'test' AND status = 'present'")) != pin
    assert model["metrics"]["test"]["miou_image"] == pytest.approx(0.9)
    assert model["metrics"]["test"]["images"] == len(test) - 1


def test_the_command_refuses_without_yes_and_does_it_with(workspace: Path, segdata: Callable[..., Any]) -> None:
    refused = segdata("forget", VICTIM, "--json", cwd=workspace)
    assert (refused.code, refused.json["status"], refused.json["forgotten"]) == (2, "failed", [VICTIM])
    done = segdata("forget", VICTIM, TEST, "--yes", cwd=workspace)
    assert done.code == 0, done.err
    assert "segdata never changes a source" in done.out
    leaks = segdata("catalog", "leaks", "--json", cwd=workspace)
    assert (leaks.code, leaks.json["leaks"]) == (0, [])

"""A forgotten picture is nowhere in the workspace, stays away, and what remains is said; a kill is finished by the same
call."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from segdata.catalog import models
from segdata.catalog.forgotten import KEY_FILE, make_pseudonyms, read_forgotten
from segdata.catalog.known_leaks import leaks_file
from segdata.catalog.mends import folder_of, keep_mends, mends_of
from segdata.catalog.packing import pack_mask
from segdata.catalog.repairs import file_name_of
from segdata.catalog.schemas import rows_to_table
from segdata.catalog.splits import test_pin as pin_of
from segdata.catalog.tables import Catalog
from segdata.catalog.training_sets import minable
from segdata.errors import CatalogError, StorageError, UsageError
from segdata.pipeline import commands, forgotten_files
from segdata.pipeline.forgetting import forget, shown
from segdata.pipeline.reviewing import import_file
from segdata.pipeline.session import Session, open_session
from segdata.storage.files import atomic_write
from segdata.train.state import TrainingFolder

TRAINED_COLUMNS = ["sample_id", "image_sha256", "alpha_sha256"]
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
    """Where any of these bytes still are."""
    return {place for needle in gone.values() for place in places_of(session.workspace.root, needle)}


def concealed_rows(session: Session) -> list[dict[str, Any]]:
    """What `samples` keeps of forgotten samples, without empty columns."""
    rows = session.workspace.catalog.read("samples", where="status = 'forgotten'").to_pylist()
    return [{name: value for name, value in row.items() if value is not None} for row in rows]


def keep_versions(session: Session, *names: str) -> None:
    """Trained versions that saw all training samples; nothing but what `forget` reads of them."""
    trained = session.workspace.catalog.read("samples", TRAINED_COLUMNS, "split = 'train' AND kind = 'portrait'")
    for name in names:
        folder = session.workspace.models / name
        folder.mkdir(parents=True)
        pq.write_table(trained, folder / "training.parquet")
        pq.write_table(trained.slice(0, 0), folder / "backgrounds.parquet")


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
    for needle in (VICTIM, before["image_sha256"], before["alpha_sha256"]):
        assert places_of(root, needle.encode()) == set()
    assert not any(place.exists() for place in (page, sheet, mined, curves, *drawn))
    assert {session.workspace.uri_of(place) for place in (page, sheet, mined, curves)} <= set(
        result["removed"]["reports"]
    )
    (kept,) = concealed_rows(session)
    (noted,) = catalog.read("forgotten").to_pylist()
    assert kept == {
        "sample_id": noted["sample_hmac"], "dataset": "portrait2000", "kind": "portrait", "split": before["split"],
        "status": "forgotten", "image_sha256": noted["image_hmac"], "alpha_sha256": noted["alpha_hmac"],
        "run_id": noted["run_id"],
    }  # fmt: skip
    assert catalog.read("samples", where="status <> 'forgotten'").equals(others)
    assert {name: result["removed"][name] for name in ("scores", "predictions", "selections", "verdicts")} == {
        "scores": 1, "predictions": 1, "selections": 1, "verdicts": 1,
    }  # fmt: skip
    assert (result["removed"]["composites"], result["removed"]["foregrounds"]) == (1, 1)
    assert result["remains"]["sources"] == sorted([before["image_uri"], before["alpha_uri"]])
    assert session.workspace.resolve(before["image_uri"]).is_file()

    counts = commands.ingest(session, ["portrait2000"]).result["sources"]["portrait2000"]
    assert counts["filtered"]["forgotten"] == 1
    assert (counts["added"], counts["changed"], counts["gone"]) == (0, 0, 0)
    assert concealed_rows(session) == [kept]
    assert places_of(root, VICTIM.encode()) == set()


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
        assert (counts["found"], counts["added"], counts["filtered"]) == (2, added, {"forgotten": 1})
    assert read_forgotten(mine.workspace).has_sample("mine/images/again")
    assert places_of(session.workspace.root, b"mine/images/again") == set()
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
    assert read_forgotten(session.workspace).has_sample(before["sample_id"])
    assert places_of(session.workspace.root, before["sample_id"].encode()) == set()


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


def test_a_second_call_finds_nothing_more_and_an_ingest_takes_nothing_in(session: Session) -> None:
    forget(session, [VICTIM], yes=True)
    again = forget(session, [VICTIM], yes=True).result
    assert again["forgotten"] == [VICTIM]
    assert not any(again["removed"][name] for name in ("scores", "composites", "foregrounds", "mended"))
    assert places_of(session.workspace.root, VICTIM.encode()) == set()


def test_the_journal_cards_and_training_lists_name_it_by_keyed_values(session: Session) -> None:
    before, other = row_of(session, VICTIM), row_of(session, "portrait2000/training/00002")
    keep_versions(session, "m-1", "not-recorded")
    card = session.workspace.models / "m-1" / "CARD.md"
    card.write_text(f"# m-1\n\n- left out: {VICTIM}, {VICTIM}0 and {other['sample_id']}\n")
    told = {"leaks": [{"sample_id": VICTIM, "sha256": before["image_sha256"], "note": f"“{VICTIM}” é"}]}
    run = {"run_id": "r1", "command": "train", "status": "done", "result": json.dumps(told), "error": f"{VICTIM}: no"}
    catalog = session.workspace.catalog
    catalog.merge("runs", rows_to_table("runs", [run]))
    noted = {"sample_id": other["sample_id"], "verdict": "hard", "note": f"as {VICTIM}, twice", "reviewer": "r"}
    judged = {**noted, "image_sha256": other["image_sha256"], "at": datetime(2026, 1, 1, tzinfo=UTC)}
    catalog.append("verdicts", rows_to_table("verdicts", [judged]))

    result = forget(session, [VICTIM], yes=True).result

    for needle in (VICTIM, before["image_sha256"], before["alpha_sha256"]):
        # a longer name is another sample's
        assert places_of(session.workspace.root, needle.encode()) <= {"models/m-1/CARD.md"}
    assert result["remains"]["files"] == []
    names = make_pseudonyms(session.workspace)
    stand_in, stand_in_of_bytes = names.of_sample(VICTIM), names.of_bytes(before["image_sha256"])
    assert card.read_text() == f"# m-1\n\n- left out: {stand_in}, {VICTIM}0 and {other['sample_id']}\n"
    for folder in ("m-1", "not-recorded"):
        rows = pq.read_table(session.workspace.models / folder / "training.parquet").to_pylist()
        assert len(rows) == len({row["sample_id"] for row in rows}) > 10
        alpha = names.of_bytes(before["alpha_sha256"])
        assert dict(zip(TRAINED_COLUMNS, (stand_in, stand_in_of_bytes, alpha), strict=True)) in rows
        assert {name: other[name] for name in TRAINED_COLUMNS} in rows
    (kept,) = catalog.read("runs", where="run_id = 'r1'").to_pylist()
    leak = {"sample_id": stand_in, "sha256": stand_in_of_bytes, "note": f"“{stand_in}” é"}
    assert (json.loads(kept["result"]), kept["error"]) == ({"leaks": [leak]}, f"{stand_in}: no")
    assert catalog.read("verdicts").to_pylist()[0]["note"] == f"as {stand_in}, twice"
    (own,) = catalog.read("runs", where="command = 'forget'").to_pylist()
    assert json.loads(own["result"])["forgotten"] == [stand_in]
    assert result["forgotten"] == [VICTIM]


def test_interrupted_trainings_that_saw_it_or_do_not_tell_are_removed_and_others_stay(session: Session) -> None:
    trained = session.workspace.catalog.read("samples", TRAINED_COLUMNS, "split = 'train' AND kind = 'portrait'")
    states = {name: session.workspace.models / ".training" / name for name in ("saw", "did-not", "older")}
    for folder in states.values():
        atomic_write(folder / "epoch-00001.pt", b"weights")
    without = trained.filter(pc.not_equal(trained["sample_id"], VICTIM))
    for name, rows in (("saw", trained), ("did-not", without)):
        TrainingFolder(states[name]).note_samples({"training.parquet": rows, "backgrounds.parquet": rows.slice(0, 0)})
    with pytest.raises(UsageError, match="2 interrupted trainings"):
        forget(session, [VICTIM], yes=False)
    assert all(folder.is_dir() for folder in states.values())
    result = forget(session, [VICTIM], yes=True).result
    assert result["removed"]["trainings"] == ["models/.training/older", "models/.training/saw"]
    assert "  and models/.training/saw, an interrupted training that may have seen it" in shown(result)
    assert [name for name, folder in states.items() if folder.is_dir()] == ["did-not"]


def test_a_copy_of_a_forgotten_training_sample_is_still_not_mined(session: Session) -> None:
    catalog, row = session.workspace.catalog, row_of(session, VICTIM)
    keep_versions(session, "m-1")
    catalog.merge("samples", rows_to_table("samples", [{**row, "sample_id": "pool/copy", "split": "pool"}]))
    forget(session, [VICTIM], yes=True)
    left, _ = minable(session.workspace, session.workspace.models / "m-1")
    assert left.num_rows > 0
    assert "pool/copy" not in left["sample_id"].to_pylist()


def test_marks_of_an_earlier_release_still_keep_samples_away_and_the_next_call_conceals_them(session: Session) -> None:
    catalog, old = session.workspace.catalog, row_of(session, TEST)
    kept = {name: old[name] for name in ("sample_id", "dataset", "kind", "split", "path", "image_sha256", "run_id")}
    catalog.merge("samples", rows_to_table("samples", [{**kept, "status": "forgotten"}]))
    counts = commands.ingest(session, ["portrait2000"]).result["sources"]["portrait2000"]
    assert counts["filtered"]["forgotten"] == 1
    assert row_of(session, TEST)["status"] == "forgotten"
    assert forget(session, [VICTIM], yes=True).result["forgotten"] == sorted([VICTIM, TEST])
    for needle in (TEST, old["image_sha256"]):
        assert places_of(session.workspace.root, needle.encode()) == set()
    counts = commands.ingest(session, ["portrait2000"]).result["sources"]["portrait2000"]
    assert counts["filtered"]["forgotten"] == 2


def test_a_file_of_it_that_is_refused_later_is_named_nowhere(session: Session, tmp_path: Path) -> None:
    images, masks = tmp_path / "mine" / "images", tmp_path / "mine" / "masks"
    row = row_of(session, VICTIM)
    for name in ("anna", "ben"):
        atomic_write(images / f"{name}.png", session.workspace.resolve(row["image_uri"]).read_bytes() + name.encode())
        atomic_write(masks / f"{name}.png", session.workspace.resolve(row["alpha_uri"]).read_bytes())
    recipe = (
        f'[[sources]]\nname = "mine"\nreader = "folder"\nsplit = "train"\nroot = {json.dumps(str(tmp_path / "mine"))}\n'
    )
    (session.workspace.root / "pipelines" / "mine.toml").write_text(recipe)
    mine = open_session(session.workspace.root, "pipelines/mine.toml")
    assert commands.ingest(mine).result["sources"]["mine"]["added"] == 2
    forget(mine, ["mine/images/anna"], yes=True)
    for name in ("anna", "ben"):
        (masks / f"{name}.png").unlink()
    counts = commands.ingest(mine).result["sources"]["mine"]
    assert (counts["rejected"], counts["filtered"]) == (1, {"forgotten": 1})
    assert places_of(session.workspace.root, b"anna") == set()


def test_two_files_of_one_forgotten_name_are_named_nowhere(session: Session, tmp_path: Path) -> None:
    images = tmp_path / "mine" / "images"
    data = session.workspace.resolve(row_of(session, VICTIM)["image_uri"]).read_bytes()
    atomic_write(images / "anna.png", data + b"1")
    root = json.dumps(str(tmp_path / "mine"))
    recipe = f'[[sources]]\nname = "mine"\nreader = "folder"\nkind = "background"\nroot = {root}\n'
    (session.workspace.root / "pipelines" / "mine.toml").write_text(recipe)
    mine = open_session(session.workspace.root, "pipelines/mine.toml")
    commands.ingest(mine)
    forget(mine, ["mine/images/anna"], yes=True)
    atomic_write(images / "anna.jpg", data + b"2")
    counts = commands.ingest(mine).result["sources"]["mine"]
    assert (counts["rejected"], counts["filtered"]) == (0, {"forgotten": 2})
    assert places_of(session.workspace.root, b"anna") == set()


@pytest.fixture
def copied(session: Session, tmp_path: Path) -> tuple[Session, Path]:
    """A source with files of its own, which a test may change: the session and the folder of `training/`."""
    folder = tmp_path / "copy"
    shutil.copytree(session.workspace.resolve(row_of(session, VICTIM)["image_uri"]).parent.parent, folder)
    recipe = f'[[sources]]\nname = "copy"\nreader = "portrait2000"\nroot = {json.dumps(str(folder))}\n'
    (session.workspace.root / "pipelines" / "copy.toml").write_text(recipe)
    opened = open_session(session.workspace.root, "pipelines/copy.toml")
    commands.ingest(opened)
    return opened, folder / "training"


def ingest_counts(session: Session) -> dict[str, Any]:
    counts = commands.ingest(session).result["sources"]["copy"]
    return {name: counts[name] for name in ("gone", "rejected", "filtered")}


def test_a_label_whose_photo_was_deleted_is_named_nowhere(copied: tuple[Session, Path]) -> None:
    session, folder = copied
    catalog = session.workspace.catalog
    (folder / "00001.png").unlink()
    atomic_write(folder / "00001_matte.jpg", (folder / "00001_matte.png").read_bytes())
    assert ingest_counts(session) == {"gone": 1, "rejected": 2, "filtered": {}}
    rejected = {row["path"] for row in catalog.read("rejects", where="dataset = 'copy'").to_pylist()}
    assert rejected == {"training/00001_matte.png", "training/00001_matte.jpg"}
    forget(session, ["copy/training/00001"], yes=True)
    assert catalog.read("rejects", where="dataset = 'copy'").num_rows == 0
    assert ingest_counts(session) == {"gone": 0, "rejected": 0, "filtered": {"forgotten": 2}}


def test_a_second_file_of_its_name_is_named_nowhere(copied: tuple[Session, Path]) -> None:
    session, folder = copied
    atomic_write(folder / "00001.jpg", (folder / "00001.png").read_bytes())
    assert ingest_counts(session) == {"gone": 0, "rejected": 0, "filtered": {"same_name": 1}}
    forget(session, ["copy/training/00001"], yes=True)
    assert ingest_counts(session) == {"gone": 0, "rejected": 0, "filtered": {"forgotten": 2}}
    assert session.workspace.catalog.read("rejects", where="dataset = 'copy'").num_rows == 0


def test_a_forgotten_picture_in_the_place_of_another_makes_that_one_gone_and_loses_nothing_of_it(
    copied: tuple[Session, Path],
) -> None:
    session, folder = copied
    catalog, other = session.workspace.catalog, "copy/training/00002"
    key = {name: row_of(session, other)[name] for name in TRAINED_COLUMNS}
    judged = {"verdict": "hard", "reviewer": "r", "at": datetime(2026, 1, 1, tzinfo=UTC)}
    catalog.append("verdicts", rows_to_table("verdicts", [{**key, **judged}]))
    forget(session, ["copy/training/00001", VICTIM], yes=True)  # the same bytes
    for suffix in (".png", "_matte.png"):
        (folder / f"00001{suffix}").replace(folder / f"00002{suffix}")
    assert ingest_counts(session) == {"gone": 1, "rejected": 0, "filtered": {"forgotten": 1}}
    assert {name: row_of(session, other)[name] for name in (*TRAINED_COLUMNS, "status")} == {**key, "status": "gone"}
    assert catalog.read("verdicts", where=f"sample_id = '{other}'").num_rows == 1
    assert ingest_counts(session) == {"gone": 0, "rejected": 0, "filtered": {"forgotten": 1}}


def test_temporary_files_of_other_programs_stay(session: Session) -> None:
    theirs = session.workspace.catalog.root / ".session.tmp"
    ours = session.workspace.catalog.files / ".segdata.0123abcd.tmp"
    for file in (theirs, ours):
        atomic_write(file, b"data")
    forget(session, [VICTIM], yes=True)
    assert (theirs.exists(), ours.exists()) == (True, False)


@pytest.mark.parametrize("name", ["dump.PARQUET", "dump.pq"])
def test_an_exported_table_is_named_whatever_its_suffix(session: Session, name: str) -> None:
    table = session.workspace.catalog.read("samples", ["sample_id"], f"sample_id = '{VICTIM}'")
    pq.write_table(table, session.workspace.root / name)
    assert forget(session, [VICTIM], yes=True).result["remains"]["files"] == [name]


def test_names_that_contain_the_name_are_left_as_they_are(session: Session) -> None:
    catalog, row = session.workspace.catalog, row_of(session, VICTIM)
    other = {**row, "sample_id": f"{VICTIM}-b", "image_sha256": "b" * 64, "alpha_sha256": "c" * 64}
    catalog.merge("samples", rows_to_table("samples", [other]))
    told = {"run_id": "r1", "command": "mine", "status": "done", "result": json.dumps([VICTIM, f"{VICTIM}-b"])}
    catalog.merge("runs", rows_to_table("runs", [told]))
    forget(session, [VICTIM], yes=True)
    stand_in = make_pseudonyms(session.workspace).of_sample(VICTIM)
    assert json.loads(catalog.read("runs", where="run_id = 'r1'")["result"][0].as_py()) == [stand_in, f"{VICTIM}-b"]
    assert row_of(session, f"{VICTIM}-b")["status"] == "present"


@pytest.mark.parametrize("step", [0, 8, 9])  # samples, verdicts or models are purged next
def test_a_kill_before_any_purge_is_finished_by_the_same_call(
    session: Session, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    catalog = session.workspace.catalog
    model = {"model_id": "m", "name": "m-1", "uri": "models/m-1", "promoted": True, "metrics": {"worst": [VICTIM]}}
    models.record_model(catalog, model)
    original, calls = Catalog.purge, iter(range(100))

    def killed(self: Catalog, name: str) -> None:
        if next(calls) == step:
            raise KeyboardInterrupt
        original(self, name)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(Catalog, "purge", killed)
        forget(session, [VICTIM], yes=True)
    forget(session, [VICTIM], yes=True)
    assert places_of(session.workspace.root, VICTIM.encode()) == set()


def test_a_list_of_training_samples_that_can_not_be_read_stops_it_before_anything_is_removed(session: Session) -> None:
    keep_versions(session, "m-1")
    (session.workspace.models / "m-1" / "training.parquet").write_bytes(b"no Parquet")
    with pytest.raises(StorageError, match=r"m-1/training.parquet: can't be read"):
        forget(session, [VICTIM], yes=True)
    assert row_of(session, VICTIM)["status"] == "present"


def test_a_later_command_that_names_it_does_not_bring_it_back_into_the_journal(session: Session) -> None:
    forget(session, [VICTIM], yes=True)
    with session.record("review") as record:
        record.result = {"unknown": [VICTIM], "kept": ["portrait2000/training/00002"]}
    with pytest.raises(UsageError), session.record("query"):
        raise UsageError(f"no sample '{VICTIM}': find its id")
    assert places_of(session.workspace.root, VICTIM.encode()) == set()
    runs = session.workspace.catalog.read("runs").to_pylist()
    rows = {row["command"]: row for row in runs}
    stand_in = make_pseudonyms(session.workspace).of_sample(VICTIM)
    assert json.loads(rows["review"]["result"]) == {"unknown": [stand_in], "kept": ["portrait2000/training/00002"]}
    assert rows["query"]["error"] == f"no sample '{stand_in}': find its id"


def test_a_recipe_that_names_who_was_forgotten_is_journalled_with_the_stand_in(session: Session) -> None:
    forget(session, [VICTIM], yes=True)
    where = f"sample_id <> '{VICTIM}'"
    later = open_session(session.workspace.root, sets=[f"mine.where={where}"])
    commands.ingest(later, ["portrait2000"])
    assert places_of(session.workspace.root / "catalog", VICTIM.encode()) == set()
    newest = session.workspace.catalog.read("runs", where="command = 'ingest'").to_pylist()[-1]
    stand_in = make_pseudonyms(session.workspace).of_sample(VICTIM)
    assert json.loads(newest["recipe"])["mine"]["where"] == where.replace(VICTIM, stand_in)


def test_a_verdict_that_is_imported_later_does_not_bring_it_back(session: Session, tmp_path: Path) -> None:
    other = "portrait2000/training/00002"
    row = row_of(session, other)
    forget(session, [VICTIM], yes=True)
    verdict = {"sample_id": other, "verdict": "fine", "note": f"twin of {VICTIM}", "at": "2026-01-01T00:00:00+00:00"}
    verdict |= {name: row[name] for name in ("image_sha256", "alpha_sha256")} | {"reviewer": VICTIM}
    atomic_write(
        tmp_path / "verdicts.json", json.dumps({"format": "segdata verdicts 1", "verdicts": [verdict]}).encode()
    )
    import_file(session, tmp_path / "verdicts.json")
    (kept,) = session.workspace.catalog.read("verdicts").to_pylist()
    assert (kept["note"].split("/")[0], kept["reviewer"].split("/")[0]) == ("twin of forgotten", "forgotten")
    assert places_of(session.workspace.root, VICTIM.encode()) == set()


def test_half_written_files_of_an_export_go_too_and_files_of_the_user_stay(session: Session) -> None:
    root = session.workspace.root
    ours, theirs = root / "out/masks/.segdata.0123abcd.tmp", root / "out/.notes.original"
    for file in (ours, theirs):
        atomic_write(file, b"a mask")
    forget(session, [VICTIM], yes=True)
    assert (ours.exists(), theirs.exists()) == (False, True)


def test_composites_of_a_fuse_that_was_cut_off_are_removed_although_no_row_names_them(session: Session) -> None:
    stray = [session.workspace.catalog.files / "composites" / "ab" / name for name in ("made.jpg", "made.png")]
    for file in stray:
        atomic_write(file, b"pixels of whoever was pasted")
    forget(session, [VICTIM], yes=True)
    assert not any(file.exists() for file in stray)


def test_what_killed_commands_left_half_written_goes_too(session: Session) -> None:
    catalog = session.workspace.catalog
    staged = [catalog.path("appearances") / "part-0.parquet#1", catalog.path("samples") / "_delta_log" / "1.json#2"]
    label = folder_of(catalog) / f"{'5c' * 32}.png"  # written before the index that would name it
    for file in (*staged, label):
        atomic_write(file, b"of whoever was photographed")
    forget(session, [VICTIM], yes=True)
    assert not any(file.exists() for file in (*staged, label))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_file_is_searched_piece_by_piece(session: Session, monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
    monkeypatch.setattr(forgotten_files, "_PIECE_BYTES", 64)
    monkeypatch.setattr(forgotten_files, "_OVERLAP_BYTES", 2 * len(VICTIM) + 4)
    for shift in range(0, 64, 7):
        atomic_write(session.workspace.root / f"{shift}.txt", f"{' ' * shift}{VICTIM} {'x' * 200}".encode(encoding))
    photo = session.workspace.resolve(row_of(session, VICTIM)["image_uri"]).read_bytes()
    atomic_write(session.workspace.root / "photo.bin", photo)
    named = forget(session, [VICTIM], yes=True).result["remains"]["files"]
    assert sorted(named) == sorted([*(f"{shift}.txt" for shift in range(0, 64, 7)), "photo.bin"])


def test_a_copy_whose_file_is_gone_is_named_too(session: Session) -> None:
    catalog, row = session.workspace.catalog, row_of(session, VICTIM)
    earlier = {**row, "sample_id": "portrait2000/training/anna", "status": "gone", "path": "training/anna.png"}
    kept = catalog.read("appearances", where=f"image_sha256 = '{row['image_sha256']}'").to_pylist()[0]
    earlier |= {"image_sha256": "5c" * 32, "image_uri": "nowhere.png"}
    catalog.merge("samples", rows_to_table("samples", [earlier]))
    catalog.append("appearances", rows_to_table("appearances", [{**kept, "image_sha256": "5c" * 32}]))
    assert "portrait2000/training/anna" in forget(session, [VICTIM], yes=True).result["duplicates"]


def test_without_its_key_a_workspace_says_so_and_takes_nothing_in(session: Session) -> None:
    forget(session, [VICTIM], yes=True)
    key = session.workspace.root / KEY_FILE
    assert key.stat().st_mode & 0o777 == 0o600
    text = key.read_text()
    key.unlink()
    with pytest.raises(CatalogError, match=r"forgotten.key: can't be read.*[Rr]estore forgotten.key"):
        commands.ingest(session, ["portrait2000"])
    key.write_text("ab" * 32)
    with pytest.raises(CatalogError, match="another key"):
        forget(session, [TEST], yes=True)
    key.write_text(text)
    assert commands.ingest(session, ["portrait2000"]).result["sources"]["portrait2000"]["added"] == 0


def test_files_that_the_user_exported_into_the_workspace_are_named(session: Session) -> None:
    root, row = session.workspace.root, row_of(session, VICTIM)
    atomic_write(root / "export" / "list.csv", f"a,b\n{VICTIM},1\n".encode())
    atomic_write(root / "export" / "other.csv", f"a,b\n{VICTIM}0,1\n".encode())
    pq.write_table(pa.table({"sha256": [row["image_sha256"]]}), root / "export" / "all.parquet")
    atomic_write(root / "export" / "sheet.txt", f"a\t{VICTIM}\r\n".encode("utf-16"))
    photo = (root / row["image_uri"]).read_bytes()
    predicted = [f"predicted/{name}.png" for name in ("00001", "00001.jpg", "00001.jpg-2", "group")]
    for file in ("export/a.png", f"masks/{VICTIM}.png", *predicted, "predicted/00002.png"):
        atomic_write(root / file, photo if file == "export/a.png" else b"a mask")
    result = forget(session, [VICTIM], yes=True).result
    named = ["export/a.png", "export/all.parquet", "export/list.csv", "export/sheet.txt"]
    assert result["remains"]["files"] == sorted([*named, f"masks/{VICTIM}.png", *predicted])
    assert "  export/list.csv, which names or may show it; segdata leaves this file to you" in shown(result)


@pytest.mark.parametrize("name", ["portrait2000/training/anna lee", "portrait2000/training/安娜"])
def test_what_was_exported_for_repair_is_named_also_where_a_file_can_not_have_the_id_as_its_name(
    session: Session, name: str
) -> None:
    catalog, row = session.workspace.catalog, row_of(session, VICTIM)
    catalog.merge("samples", rows_to_table("samples", [{**row, "sample_id": name}]))
    exported = f"repair/masks/{file_name_of(name)}.png"
    assert name not in exported
    for file in (exported, f"repair/masks/{file_name_of('portrait2000/training/other name')}.png"):
        atomic_write(session.workspace.root / file, b"a mask")
    assert forget(session, [name], yes=True).result["remains"]["files"] == [exported]


def test_the_names_that_an_export_gave_it_leave_the_journal_too(session: Session) -> None:
    catalog, row = session.workspace.catalog, row_of(session, VICTIM)
    name = "portrait2000/training/anna lee"
    catalog.merge("samples", rows_to_table("samples", [{**row, "sample_id": name}]))
    exported = file_name_of(name)
    last, digits = exported.rpartition("/")[2], exported.rpartition("-")[2]
    with session.record("ingest") as record:
        record.result = {"skipped": [f"masks/{exported}.png: no", f"{last}.png", f"renamed {digits}.png"]}
    atomic_write(session.workspace.root / f"repair/masks/{exported}.png", b"a mask")
    forget(session, [name], yes=True)
    for needle in ("anna_lee", digits):
        assert places_of(session.workspace.root / "catalog", needle.encode()) == set()


def test_the_journal_keeps_no_file_name_of_returned_labels(session: Session, tmp_path: Path) -> None:
    picture = (session.workspace.root / row_of(session, VICTIM)["alpha_uri"]).read_bytes()
    atomic_write(tmp_path / "returned" / "masks" / "anna_lee.png", picture)
    told = commands.ingest_mended(session, tmp_path / "returned").result["mended"]["skipped"]
    assert [one["entry"] for one in told] == ["masks/anna_lee.png"]
    assert places_of(session.workspace.root / "catalog", b"anna_lee") == set()


def test_what_a_photo_was_before_it_changed_goes_too_and_stays_away(session: Session) -> None:
    catalog, row = session.workspace.catalog, row_of(session, VICTIM)
    scored, unknown, shared = "5c" * 32, "0a" * 32, row_of(session, TEST)["image_sha256"]
    key = {"sample_id": VICTIM, "alpha_sha256": row["alpha_sha256"], "scorer_id": "s", "model_id": "m"}
    scores = [{**key, "image_sha256": sha256, "status": "scored"} for sha256 in (scored, shared)]
    catalog.append("scores", rows_to_table("scores", scores))
    thumbnails = {sha256: bytes([7] * 1024) for sha256 in (scored, unknown)}
    kept = [{"image_sha256": sha256, "thumbnail": data, "run_id": "r"} for sha256, data in thumbnails.items()]
    catalog.append("appearances", rows_to_table("appearances", kept))
    appearances = len(catalog.read("appearances"))

    result = forget(session, [VICTIM], yes=True).result

    assert result["removed"]["appearances"] == 3
    assert len(catalog.read("appearances")) == appearances - 3
    assert left_of(session, {sha256: sha256.encode() for sha256 in thumbnails}) == set()
    forgotten = read_forgotten(session.workspace)
    assert forgotten.has_image(scored)
    assert forgotten.has_image(row["image_sha256"])
    assert not forgotten.has_image(shared)  # another sample has these bytes


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
    assert "  segdata forget pool/copy --yes" in shown(result)
    assert row_of(session, "pool/copy")["status"] == "present"
    assert forget(session, [VICTIM], yes=True).result["remains"]["trained_on"] == ["m-1"]


@pytest.mark.parametrize(("start", "descended"), [("version", ["child", "grandchild"]), ("pretrained", [])])
def test_versions_that_go_on_from_its_weights_and_exported_copies_are_named(
    session: Session, start: str, descended: list[str]
) -> None:
    catalog = session.workspace.catalog
    samples = catalog.read("samples", TRAINED_COLUMNS, "split = 'train'")
    for number, (name, parent) in enumerate((("saw", None), ("child", "saw"), ("grandchild", "child"))):
        folder = session.workspace.models / name
        folder.mkdir()
        others = samples.filter(pc.field("sample_id") != VICTIM)
        pq.write_table(others if parent else samples, folder / "training.parquet")
        at, run = datetime(2026, 1, 1 + number, tzinfo=UTC), f"run-{name}"
        row = {"model_id": f"id-{name}", "name": name, "uri": f"models/{name}", "metrics": {}, "created_at": at}
        parents = {"parent_model_id": parent and f"id-{parent}", "run_id": run}
        models.record_model(catalog, {**row, **parents})
        recipe = json.dumps({"retrain": {"start": start if name == "child" else "version"}})
        catalog.merge("runs", rows_to_table("runs", [{"run_id": run, "status": "done", "recipe": recipe}]))
        export = json.dumps({"model_id": f"id-{name}"}).encode()
        atomic_write(session.workspace.root / f"exported-{name}" / "parity.json", export)
    result = forget(session, [VICTIM], yes=True).result
    assert result["remains"]["trained_on"] == ["saw"]
    assert result["remains"]["descended"] == descended
    assert result["remains"]["exported_models"] == [f"exported-{name}" for name in sorted(["saw", *descended])]
    lines = shown(result)
    assert "  exported-saw, which was exported from such a version" in lines
    assert ("  child goes on from the weights of such a version" in lines) == (start == "version")


def test_versions_that_the_catalog_does_not_list_are_named_and_unfinished_ones_removed(session: Session) -> None:
    before = {path.name for path in session.workspace.models.iterdir()}
    keep_versions(session, "copied", ".version-0123.abcd0123")
    atomic_write(session.workspace.models / ".notes.txt", b"the user's")
    result = forget(session, [VICTIM], yes=True).result
    assert result["remains"]["trained_on"] == ["models/copied"]
    assert {path.name for path in session.workspace.models.iterdir()} == before | {".notes.txt", "copied"}


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

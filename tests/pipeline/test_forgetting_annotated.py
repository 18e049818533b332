"""A label that was drawn from annotations is forgotten with its sample, older ones of it too."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np

from segdata.catalog.annotated import folder_of
from segdata.pipeline import commands
from segdata.pipeline.forgetting import forget, shown
from segdata.pipeline.session import Session, open_session


def write_shapes(root: Path, name: str, right: int) -> None:
    points = [[1, 1], [right, 1], [right, 30], [1, 30]]
    shapes = [{"label": "person", "shape_type": "polygon", "points": points}]
    (root / f"{name}.json").write_text(json.dumps({"shapes": shapes, "imageHeight": 40, "imageWidth": 30}))


def open_source(root: Path) -> Session:
    (root / "pipelines").mkdir(parents=True)
    (root / "shots").mkdir()
    for seed, name in enumerate(("anna", "ben")):
        photo = np.random.default_rng(seed).integers(0, 255, (40, 30, 3), dtype=np.uint8)
        _, data = cv2.imencode(".png", photo)
        (root / "shots" / f"{name}.png").write_bytes(data.tobytes())
        write_shapes(root / "shots", name, 20 + seed)
    recipe = '[[sources]]\nname = "mine"\nreader = "labelme"\nroot = "shots"\n'
    (root / "pipelines" / "portrait.toml").write_text(recipe)
    return open_session(root)


def test_all_labels_of_a_forgotten_sample_are_removed_and_stay_away(tmp_path: Path) -> None:
    session = open_source(tmp_path / "work")
    catalog, root = session.workspace.catalog, session.workspace.root
    commands.ingest(session)
    write_shapes(root / "shots", "anna", 25)
    commands.ingest(session)
    files = sorted(folder_of(catalog).glob("*/*.png"))
    assert len(files) == 3, "one of ben, and both of anna"
    record = forget(session, ["mine/anna"], yes=True)
    assert record.result["remains"]["labels"] == [], "none had been mended"
    assert record.result["remains"]["sources"] == ["shots/anna.png"]
    (left,) = folder_of(catalog).glob("*/*.png")
    (row,) = catalog.read("samples", where="status = 'present'").to_pylist()
    assert (row["sample_id"], root / row["alpha_uri"]) == ("mine/ben", left)
    assert "  the annotations of mine/anna in its source, which are yours" in shown(record.result)
    counts = commands.ingest(session).result["sources"]["mine"]
    assert (counts["found"], counts["filtered"]) == (2, {"forgotten": 1})


def test_a_forgotten_photo_that_comes_back_under_another_name_leaves_no_label(tmp_path: Path) -> None:
    session = open_source(tmp_path / "work")
    root = session.workspace.root
    commands.ingest(session)
    forget(session, ["mine/anna"], yes=True)
    (root / "shots" / "anna.png").rename(root / "shots" / "again.png")
    (root / "shots" / "anna.json").rename(root / "shots" / "again.json")
    counts = commands.ingest(session).result["sources"]["mine"]
    assert counts["filtered"] == {"forgotten": 1}
    assert len(list(folder_of(session.workspace.catalog).glob("*/*.png"))) == 1

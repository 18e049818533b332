"""Real photographs with the faults of the public archives: the counts are exactly those that are true."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from pycocotools.coco import COCO

from segdata.catalog.tables import Catalog
from segdata.catalog.workspace import RunContext, Workspace
from segdata.imaging.decode import read_alpha
from segdata.ingest.recipe import SourceRecipe
from segdata.ingest.run import run

SMALL = ["--train", "20", "--test", "6", "--pool", "24"]


@pytest.mark.slow
def test_the_counts_are_the_truth_and_a_second_ingest_decodes_nothing(real_data: Path, tmp_path: Path) -> None:
    dest = tmp_path / "data"
    subprocess.run([sys.executable, real_data / "lay_out.py", dest, "--quirks", *SMALL], check=True)
    truth = json.loads((dest / "truth.json").read_text())
    workspace = Workspace(tmp_path, Catalog(tmp_path / "catalog"))
    context = RunContext(workspace, "first", workers=2)
    sources = [SourceRecipe(name=name, root=str(dest / name)) for name in ("portrait2000", "aisegment", "coco")]
    found = run(context, sources)

    coco = truth["coco"]
    assert found.sources["portrait2000"].added == sum(truth["portrait2000"].values())
    assert found.sources["aisegment"].added == truth["aisegment"]["samples"]
    assert found.sources["coco"].added == len(coco["person_free_outdoor_or_indoor"])
    assert found.sources["coco"].filtered == {
        "has_person": len(coco["with_person"]),
        "no_annotations": len(coco["without_annotations"]),
        "other_supercategory": len(coco["person_free"]) - len(coco["person_free_outdoor_or_indoor"]),
    }
    expected = Counter({reason: len(paths) for reason, paths in truth["aisegment"]["rejects"].items()})
    expected.update({"unsafe_path": len(coco["unsafe_path"]), "missing_image": len(coco["missing_image"])})
    assert found.rejects == dict(expected)
    told = {row["path"] for row in workspace.catalog.read("rejects", where="dataset = 'aisegment'").to_pylist()}
    planted = [path for paths in truth["aisegment"]["rejects"].values() for path in paths]
    assert told == {path.removeprefix("aisegment/") for path in planted}

    versions = {name: workspace.catalog.version(name) for name in ("samples", "rejects")}
    again = run(context, sources)
    assert again.decoded == 0
    assert sum(source.added + source.changed + source.gone for source in again.sources.values()) == 0
    assert again.rejects == found.rejects
    assert versions == {name: workspace.catalog.version(name) for name in versions}


@pytest.mark.slow
def test_the_people_of_coco_as_it_is_downloaded_are_those_that_pycocotools_draws(
    real_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "coco"
    (root / "annotations").mkdir(parents=True)
    shutil.copytree(real_data / "coco" / "images", root / "val2017")
    file = root / "annotations" / "instances_val2017.json"
    shutil.copy(real_data / "coco" / "instances.json", file)
    shutil.copy(file, file.with_name("instances_train2017.json"))  # its photos are not there
    workspace = Workspace(tmp_path, Catalog(tmp_path / "catalog"))
    source = SourceRecipe(name="coco", kind="portrait", root=str(root))
    counts = run(RunContext(workspace, "first"), [source]).sources["coco"]
    assert (counts.added, counts.rejected) == (84, 0)
    assert counts.filtered == {"no_person": 186, "no_annotations": 5}
    assert counts.sets["train2017"].skipped is not None
    assert run(RunContext(workspace, "second"), [source]).decoded == 0

    with capsys.disabled(), contextlib.redirect_stdout(io.StringIO()):
        known = COCO(str(file))
    for row in workspace.catalog.read("samples").to_pylist():
        image_id = int(Path(row["path"]).stem)
        people, crowds = (
            [known.annToMask(one) for one in known.loadAnns(known.getAnnIds([image_id], [1], iscrowd=crowd))]
            for crowd in (False, True)
        )
        label = read_alpha(workspace.resolve(row["alpha_uri"]))
        assert set(np.unique(label).tolist()) <= {0, 255}
        person, undecided = (np.any(masks or [np.zeros_like(label)], axis=0) for masks in (people, crowds))
        assert np.array_equal((label > 0)[person | ~undecided], person[person | ~undecided]), row["path"]

"""Two processes under torchrun train one version together."""

import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from segdata.catalog.schemas import SCHEMAS
from segdata.inference.model_folder import model_id_of
from segdata.train.job import TrainingJob
from segdata.train.recipe import TrainRecipe

_WORKER = """
import os, pathlib, pickle, sys
from segdata.train.run import run

folder = pathlib.Path(sys.argv[1])
context, recipe, job = pickle.loads((folder / "call.pickle").read_bytes())
result = run(context, recipe, job)
said = f"{result.model_id} {result.steps} {[record.val_miou for record in result.epochs]}"
(folder / f"said-{os.environ['RANK']}.txt").write_text(said)
"""


@pytest.mark.stress
def test_two_processes_agree_on_one_version(studio: Callable[..., Any], tmp_path: Path) -> None:
    made = studio()
    job = TrainingJob(
        name="tiny-1",
        spec_folder=made.spec_folder,
        start=None,
        training_key="key",
        training=made.portraits(range(10), weight=1.0),
        val=made.portraits(range(100, 103), "val"),
        backgrounds=SCHEMAS["samples"].empty_table(),
        fusion=None,
        card=(),
        destination=made.workspace.models / "tiny-1",
    )
    recipe = TrainRecipe(epochs=2, batch_size=4, precision="fp32", accelerator="cpu")
    (tmp_path / "call.pickle").write_bytes(pickle.dumps((made.context(), recipe, job)))
    worker = tmp_path / "worker.py"
    worker.write_text(_WORKER, encoding="utf-8")
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2", str(worker), str(tmp_path)]
    checkout = str(Path(__file__).resolve().parents[2])
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": checkout}
    subprocess.run(torchrun, check=True, timeout=300, env=environment)
    said = [(tmp_path / f"said-{rank}.txt").read_text() for rank in (0, 1)]
    assert said[0] == said[1]
    assert said[0].split()[:2] == [model_id_of(job.destination), "6"]

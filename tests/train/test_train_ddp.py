"""Two processes under torchrun train one version together."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from segdata.catalog.schemas import SCHEMAS
from segdata.inference.model_folder import model_id_of
from segdata.networks.bisenet import BiSeNet
from segdata.train.dataset import Batch
from segdata.train.device import launch
from segdata.train.job import TrainingJob
from segdata.train.recipe import TrainRecipe
from segdata.train.schedule import plan_steps
from segdata.train.trainer import Trainer

_VERSION = """
import os, pathlib, pickle, sys
from segdata.train.run import run

folder = pathlib.Path(sys.argv[1])
context, recipe, job = pickle.loads((folder / "call.pickle").read_bytes())
result = run(context, recipe, job)
said = f"{result.model_id} {result.steps} {[record.val_miou for record in result.epochs]}"
(folder / f"said-{os.environ['RANK']}.txt").write_text(said)
"""
_GRADIENTS = """
import os, pathlib, sys
import torch
from tests.train.test_train_ddp import gradients

found = gradients(int(os.environ["RANK"]), 2, sys.argv[2])
torch.save(found, pathlib.Path(sys.argv[1]) / f"gradients-{os.environ['RANK']}.pt")
"""
ROOT = Path(__file__).resolve().parents[2]


def torchrun(script: str, folder: Path, *arguments: str) -> None:
    worker = folder / "worker.py"
    worker.write_text(script, encoding="utf-8")
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    call = [*launcher, str(worker), str(folder), *arguments]
    done = subprocess.run(call, check=False, timeout=300, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def frozen(network: BiSeNet) -> BiSeNet:
    """With batch norm that stays as it is: else each process would normalise by its own half of the batch."""
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.eval()
            module.train = lambda mode=True, module=module: module  # type: ignore[method-assign]  # stays in eval()
    return network


def gradients(rank: int, processes: int, loss: str) -> dict[str, torch.Tensor]:
    """The gradients of one step on this process's share of the same eight images, small subjects among them."""
    recipe = TrainRecipe(batch_size=8, epochs=1, loss=loss, precision="fp32", accelerator="cpu", optimizer="sgd")
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 255, (8, 64, 64, 3), dtype=torch.uint8, generator=generator)
    alphas = torch.zeros(8, 64, 64, dtype=torch.uint8)
    for number in range(8):
        alphas[number, : 8 * (number + 1), :40] = 255
    share = slice(rank * 8 // processes, (rank + 1) * 8 // processes)
    torch.manual_seed(0)
    network = frozen(BiSeNet("test_efficientnet", fusion_channels=8))
    trainer = Trainer(launch(recipe), network, recipe, plan_steps(8, recipe), ((0.5,) * 3, (0.5,) * 3))
    batch = Batch(images[share], alphas[share], torch.ones(8 // processes))
    trainer.train_epoch(1, iter([batch]), lambda step, loss: None)
    return {name: value.grad for name, value in network.named_parameters() if value.grad is not None}


def test_two_processes_have_the_gradients_of_one(tmp_path: Path) -> None:
    alone = gradients(0, 1, "ce+dice")
    torchrun(_GRADIENTS, tmp_path, "ce+dice")
    largest = max(float(value.abs().max()) for value in alone.values())
    for rank in (0, 1):
        together = torch.load(tmp_path / f"gradients-{rank}.pt", weights_only=True)
        assert together.keys() == alone.keys()
        for name, value in alone.items():
            assert torch.allclose(together[name], value, rtol=1e-3, atol=1e-5 * largest), name


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
    torchrun(_VERSION, tmp_path)
    said = [(tmp_path / f"said-{rank}.txt").read_text() for rank in (0, 1)]
    assert said[0] == said[1]
    assert said[0].split()[:2] == [model_id_of(job.destination), "6"]

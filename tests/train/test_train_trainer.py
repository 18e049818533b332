"""A step of the trainer: accumulated parts add up to the whole batch."""

import torch
from lightning.fabric import Fabric
from lightning.fabric.plugins import MixedPrecision
from torch import nn

from segdata.train.dataset import Batch
from segdata.train.device import launch
from segdata.train.recipe import TrainRecipe
from segdata.train.schedule import plan_steps
from segdata.train.trainer import Trainer

PLAIN = TrainRecipe(batch_size=4, epochs=1, loss="ce", precision="fp32", accelerator="cpu", optimizer="sgd")


class Pointwise(nn.Module):
    """One convolution without batch norm, so that parts of a batch don't see each other."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 1, 1)

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return (self.conv(images),)


def stepped(recipe: TrainRecipe) -> tuple[torch.Tensor, float]:
    torch.manual_seed(0)
    plan = plan_steps(4, recipe)
    trainer = Trainer(launch(recipe), Pointwise(), recipe, plan, ((0.5,) * 3, (0.5,) * 3))
    images = torch.randint(0, 255, (4, 8, 8, 3), dtype=torch.uint8)
    alphas = torch.randint(0, 255, (4, 8, 8), dtype=torch.uint8)
    loss = trainer.train_epoch(1, iter([Batch(images, alphas, torch.ones(4))]), lambda step, loss: None).loss
    return trainer.network.conv.weight.detach().clone(), loss


def test_accumulated_parts_make_the_step_of_the_whole_batch() -> None:
    whole, parts = stepped(PLAIN), stepped(PLAIN.model_copy(update={"accumulate": 2}))
    assert torch.allclose(whole[0], parts[0], atol=1e-6)
    assert abs(whole[1] - parts[1]) < 1e-5


def test_a_clipped_gradient_makes_a_shorter_step() -> None:
    start = stepped(PLAIN.model_copy(update={"learning_rate": 1e-12}))[0]
    free = stepped(PLAIN.model_copy(update={"learning_rate": 1.0, "warmup_fraction": 0.0, "weight_decay": 0.0}))[0]
    changes = {"learning_rate": 1.0, "warmup_fraction": 0.0, "weight_decay": 0.0, "clip_norm": 1e-3}
    clipped = stepped(PLAIN.model_copy(update=changes))[0]
    assert (clipped - start).norm() < 0.1 * (free - start).norm()
    assert (clipped - start).norm() <= 1e-3 + 1e-6


def scaled_trainer() -> Trainer:
    """In fp16 on the CPU: a scaler that works as a GPU's, with another scale than the one it starts with by itself."""
    plugin = MixedPrecision("16-mixed", "cpu", scaler=torch.amp.GradScaler("cpu", init_scale=64.0, growth_interval=2))
    fabric = Fabric(accelerator="cpu", plugins=plugin)
    return Trainer(fabric, Pointwise(), PLAIN, plan_steps(12, PLAIN), ((0.5,) * 3, (0.5,) * 3))


def test_the_scale_of_fp16_goes_on_with_the_training() -> None:
    torch.manual_seed(0)
    trainer = scaled_trainer()
    images = torch.randint(0, 255, (4, 8, 8, 3), dtype=torch.uint8)
    batch = Batch(images, torch.randint(0, 255, (4, 8, 8), dtype=torch.uint8), torch.ones(4))
    trainer.train_epoch(1, iter([batch] * 3), lambda step, loss: None)
    state = trainer.state(1, (), 1)
    assert state.scaler is not None
    assert state.scaler["scale"] == 128.0  # doubled after two steps
    resumed = scaled_trainer()
    resumed.restore(state)
    assert resumed.fabric.strategy.precision.state_dict() == dict(state.scaler)


def test_in_other_precisions_there_is_no_scale() -> None:
    trainer = Trainer(launch(PLAIN), Pointwise(), PLAIN, plan_steps(4, PLAIN), ((0.5,) * 3, (0.5,) * 3))
    assert not trainer.state(1, (), 1).scaler

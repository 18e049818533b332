"""The checkpoints of an interrupted training: two are kept, damage is noticed, named and survived."""

import logging
from pathlib import Path

import pytest
import torch

from segdata.errors import CheckpointError
from segdata.train.job import EpochRecord
from segdata.train.state import TrainingFolder, TrainingState


def state(epoch: int, best: int | None = None) -> TrainingState:
    records = tuple(EpochRecord(number, 0.5, 0.9, 1.0, 0.1) for number in range(1, epoch + 1))
    network = {"weight": torch.full((2,), float(epoch))}
    return TrainingState(
        epoch,
        epoch * 10,
        network,
        {"state": {}, "param_groups": []},
        {"cpu": torch.get_rng_state()},
        records,
        best or epoch,
    )


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    TrainingFolder(tmp_path).save(state(1))
    loaded = TrainingFolder(tmp_path).load()
    assert loaded is not None
    assert (loaded.epoch, loaded.step, loaded.best_epoch) == (1, 10, 1)
    assert loaded.records == state(1).records
    assert loaded.network["weight"].tolist() == [1.0, 1.0]


def test_nothing_saved_is_nothing_to_go_on_from(tmp_path: Path) -> None:
    assert TrainingFolder(tmp_path / "none").load() is None


def test_two_epochs_and_the_best_ones_weights_are_kept(tmp_path: Path) -> None:
    folder = TrainingFolder(tmp_path)
    folder.save(state(1))
    for epoch in (2, 3, 4):
        folder.save(state(epoch, best=1))
    assert names(tmp_path) == ["best-00001.pt", "epoch-00003.pt", "epoch-00004.pt"]
    assert folder.best_weights(1)["weight"].tolist() == [1.0, 1.0]


def test_the_best_of_the_epoch_before_is_kept_too_so_that_a_damaged_newest_costs_one_epoch(tmp_path: Path) -> None:
    folder = TrainingFolder(tmp_path)
    folder.save(state(1))
    folder.save(state(2, best=1))
    folder.save(state(3))
    assert names(tmp_path) == ["best-00001.pt", "best-00003.pt", "epoch-00002.pt", "epoch-00003.pt"]


@pytest.mark.parametrize("damage", ["truncated", "flipped", "empty"])
def test_a_damaged_checkpoint_is_named_and_the_one_before_it_is_used(
    tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    folder = TrainingFolder(tmp_path)
    folder.save(state(1))
    folder.save(state(2, best=1))
    newest = tmp_path / "epoch-00002.pt"
    data = bytearray(newest.read_bytes())
    if damage == "flipped":
        data[len(data) // 2] ^= 1
    newest.write_bytes({"truncated": data[: len(data) // 2], "flipped": data, "empty": b""}[damage])
    with caplog.at_level(logging.WARNING, "segdata.train"):
        loaded = TrainingFolder(tmp_path).load()
    assert loaded is not None
    assert loaded.epoch == 1
    assert "epoch-00002.pt: this checkpoint is damaged" in caplog.text


def test_a_checkpoint_whose_best_weights_are_gone_is_not_gone_on_from(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    TrainingFolder(tmp_path).save(state(1))
    (tmp_path / "best-00001.pt").unlink()
    assert TrainingFolder(tmp_path).load() is None
    assert "best-00001.pt" in caplog.text


def test_damaged_best_weights_are_an_error_that_names_the_file(tmp_path: Path) -> None:
    folder = TrainingFolder(tmp_path)
    folder.save(state(1))
    (tmp_path / "best-00001.pt").write_bytes(b"x" * 99)
    with pytest.raises(CheckpointError, match=r"best-00001\.pt: this checkpoint is damaged"):
        folder.best_weights(1)

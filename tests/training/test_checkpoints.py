"""Checkpoints: exact round trip, and a clear sentence for files that are none."""

import os
from pathlib import Path

import pytest
import torch
from torch.optim.lr_scheduler import OneCycleLR

from counterspin.errors import InputError, UsageError
from counterspin.training.checkpoints import TrainingState, read_checkpoint, write_checkpoint


@pytest.fixture
def state() -> TrainingState:
    generator = torch.Generator().manual_seed(0)
    layer = torch.nn.Linear(3, 2)
    optimizer = torch.optim.AdamW(layer.parameters(), lr=0.1)
    scheduler = OneCycleLR(optimizer, max_lr=0.1, total_steps=7)
    for _ in range(3):
        optimizer.zero_grad()
        layer(torch.randn(4, 3, generator=generator)).square().sum().backward()
        optimizer.step()
        scheduler.step()
    return TrainingState(
        key="k",
        epoch=3,
        model=layer.state_dict(),
        best=layer.state_dict(),  # shares memory with model, as after a best epoch
        optimizer=optimizer.state_dict(),
        scheduler=scheduler.state_dict(),
        generator=generator.get_state(),
        history=({"epoch": 1, "loss": 0.1 + 0.2, "validation_accuracy": None},),
        memory={"shares": torch.tensor([0.25, 0.75], dtype=torch.float64)},
    )


def test_round_trip_is_exact(tmp_path: Path, state: TrainingState) -> None:
    path = tmp_path / "run" / "checkpoint"
    write_checkpoint(path, state)
    read = read_checkpoint(path, "k")
    assert read is not None
    assert (read.epoch, read.history, read.key) == (3, state.history, "k")
    assert torch.equal(read.generator, state.generator)
    for part in ("model", "best", "memory"):
        ours, theirs = getattr(state, part), getattr(read, part)
        assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    for index, moments in state.optimizer["state"].items():
        assert all(torch.equal(value, read.optimizer["state"][index][name]) for name, value in moments.items())
    group, loaded = state.optimizer["param_groups"][0], read.optimizer["param_groups"][0]
    assert {**loaded, "betas": tuple(loaded["betas"])} == group
    assert read.scheduler == state.scheduler
    assert os.listdir(path.parent) == ["checkpoint"]


def test_no_file_is_no_checkpoint(tmp_path: Path) -> None:
    assert read_checkpoint(tmp_path / "none", "k") is None


def test_refuses_truncated_files(tmp_path: Path, state: TrainingState) -> None:
    path = tmp_path / "checkpoint"
    write_checkpoint(path, state)
    whole = path.read_bytes()
    for damaged in (whole[:-1], whole[: len(whole) // 2], whole[:5], b"", b"not a checkpoint at all"):
        path.write_bytes(damaged)
        with pytest.raises(InputError, match="truncated or not a checkpoint"):
            read_checkpoint(path, "k")


def test_refuses_a_directory(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not a checkpoint"):
        read_checkpoint(tmp_path, "k")


def test_refuses_other_safetensors(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    save_file({"a": torch.zeros(2)}, tmp_path / "weights.safetensors")
    with pytest.raises(InputError, match="not a checkpoint"):
        read_checkpoint(tmp_path / "weights.safetensors", "k")


def test_refuses_the_checkpoint_of_another_run(tmp_path: Path, state: TrainingState) -> None:
    write_checkpoint(tmp_path / "checkpoint", state)
    with pytest.raises(UsageError, match="other settings, data, weights, seed or engine"):
        read_checkpoint(tmp_path / "checkpoint", "other")

"""The whole state of a training run in one file, so that a resumed run equals an uninterrupted one bit by bit.

One safetensors file, tensors plus JSON in its header: the rename that publishes it is one step, and reading it cannot
run code.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from counterspin.errors import InputError, UsageError
from counterspin.models.files import write_atomically

__all__ = ["TrainingState", "read_checkpoint", "write_checkpoint"]

_FORMAT = "2"


@dataclass(frozen=True, eq=False, kw_only=True)
class TrainingState:
    """What the next epoch depends on.

    Args:
        key: hash of settings, objective, engine, data, initial weights and initial generator of the run.
        epoch: finished epochs.
        model: weights after the last epoch.
        best: weights of the best epoch.
        optimizer: `state_dict()` of the optimizer.
        scheduler: `state_dict()` of the scheduler.
        generator: state of the random generator.
        history: one JSON object per finished epoch.
        memory: tensors the objective keeps from step to step.
    """

    key: str
    epoch: int
    model: dict[str, Tensor]
    best: dict[str, Tensor]
    optimizer: dict[str, Any]
    scheduler: dict[str, Any]
    generator: Tensor
    history: tuple[dict[str, Any], ...]
    memory: dict[str, Tensor]


def write_checkpoint(path: Path, state: TrainingState) -> None:
    """Write `state` to `path`; an interrupt leaves the previous checkpoint.

    Raises:
        StorageError: the disk refused.
    """
    tensors = {"generator": state.generator}
    tensors |= {f"model/{name}": tensor for name, tensor in state.model.items()}
    tensors |= {f"best/{name}": tensor for name, tensor in state.best.items()}
    tensors |= {f"memory/{name}": tensor for name, tensor in state.memory.items()}
    for index, moments in state.optimizer["state"].items():
        tensors |= {f"optimizer/{index}/{name}": tensor for name, tensor in moments.items()}
    header = {
        "epoch": state.epoch,
        "groups": state.optimizer["param_groups"],
        "scheduler": state.scheduler,
        "history": state.history,
    }
    # Cloned: safetensors refuses tensors that share memory, as the model's and the best weights may.
    data = save(
        {name: tensor.detach().cpu().clone().contiguous() for name, tensor in tensors.items()},
        metadata={"format": _FORMAT, "key": state.key, "state": json.dumps(header)},
    )
    write_atomically(path, data)


def read_checkpoint(path: Path, key: str) -> TrainingState | None:
    """The state stored in `path`, or None if there is no such file.

    Raises:
        InputError: the file is truncated, altered or no checkpoint.
        UsageError: it belongs to a run with another key.
    """
    if not path.exists():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}
        header = json.loads(metadata["state"])
        state = TrainingState(
            key=metadata["key"],
            epoch=header["epoch"],
            model=_below(tensors, "model/"),
            best=_below(tensors, "best/"),
            optimizer={"state": _moments(_below(tensors, "optimizer/")), "param_groups": header["groups"]},
            scheduler=header["scheduler"],
            generator=tensors["generator"],
            history=tuple(header["history"]),
            memory=_below(tensors, "memory/"),
        )
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"checkpoint {path} is truncated or not a checkpoint ({error}); delete it to train from the start."
        ) from error
    if metadata.get("format") != _FORMAT or state.key != key:
        raise UsageError(
            f"checkpoint {path} belongs to a run with other settings, data, weights, seed or engine; "
            "repeat the command that wrote it, or give another checkpoint file."
        )
    return state


def _below(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _moments(tensors: dict[str, Tensor]) -> dict[int, dict[str, Tensor]]:
    moments: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        index, _, moment = name.partition("/")
        moments.setdefault(int(index), {})[moment] = tensor
    return moments

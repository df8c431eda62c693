"""Saved models: a directory of JSON and safetensors, never pickle, so that loading one cannot run code.

`model.json` holds the format version, the kind, the configuration and the SHA-256 of `weights.safetensors`.
Complex tensors are stored as pairs of reals (a last axis of 2), since safetensors knows no complex128.
"""

import hashlib
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor, nn

from counterspin.errors import CounterspinError, ModelError, StorageError, UsageError
from counterspin.models.affine import AffineInputs
from counterspin.models.classical import MLP, LogisticRegression
from counterspin.models.files import write_atomically
from counterspin.models.hybrid import HybridClassifier
from counterspin.models.kernel import KernelClassifier
from counterspin.models.mapped import MappedClassifier
from counterspin.models.mapped_kernel import MappedKernelClassifier
from counterspin.models.pipeline import Pipeline
from counterspin.models.quantum import QuantumClassifier

__all__ = ["load_model", "save_model"]

_FORMAT = 1
_CARD, _WEIGHTS = "model.json", "weights.safetensors"

# What may be loaded, by name: a file can only choose from this table, never name code of its own.
_KINDS: dict[str, Any] = {
    "logistic-regression": LogisticRegression,
    "mlp": MLP,
    "quantum": QuantumClassifier,
    "hybrid": HybridClassifier,
    "affine-inputs": AffineInputs,
    "kernel": KernelClassifier,
    "mapped": MappedClassifier,
    "mapped-kernel": MappedKernelClassifier,
    "pipeline": Pipeline,
}


def save_model(model: nn.Module, path: Path) -> None:
    """Save `model` in the directory `path`; a saved model already there is replaced in one rename, other files stay.

    Raises:
        ModelError: a model of a kind that cannot be saved, or one whose front is code.
        UsageError: `path` is a file.
        StorageError: the disk refused.
    """
    kind = next((name for name, cls in _KINDS.items() if type(model) is cls), None)
    if kind is None:
        raise ModelError(
            f"model is a {type(model).__name__}, which cannot be saved; allowed kinds: {', '.join(_KINDS)}."
        )
    if path.exists() and not path.is_dir():
        raise UsageError(f"{path} is a file; a model is saved as a directory, choose another name.")
    state = model.state_dict()
    weights = save_tensors({name: _to_real(tensor) for name, tensor in state.items()})
    card = {
        "format": _FORMAT,
        "kind": kind,
        "config": _KINDS[kind].config(model),
        "complex": sorted(name for name, tensor in state.items() if tensor.is_complex()),
        "weights_sha256": hashlib.sha256(weights).hexdigest(),
    }
    files = {_WEIGHTS: weights, _CARD: (json.dumps(card, indent=1) + "\n").encode()}
    if (path / _CARD).exists():
        _replace_directory(path, files)
    else:
        for name, data in files.items():  # the card last: without it there is no model yet
            write_atomically(path / name, data)


def load_model(path: Path) -> Any:
    """The model saved in the directory `path`, in evaluation mode and frozen (no weight requires a gradient).

    Raises:
        ModelError: nothing there, or a file that is missing, truncated, altered or of another format.
    """
    card = _read_card(path)
    weights = _read(path / _WEIGHTS)
    if hashlib.sha256(weights).hexdigest() != card["weights_sha256"]:
        raise ModelError(
            f"{path / _WEIGHTS} is truncated or altered (its SHA-256 is not the one in {_CARD}); "
            "restore the directory or save the model again."
        )
    try:
        model = _KINDS[card["kind"]].from_config(card["config"])
        state = {name: _from_real(tensor, name in card["complex"]) for name, tensor in load_tensors(weights).items()}
        model.load_state_dict(state, assign=True)  # assigned, not copied: a float64 model stays one
    except (CounterspinError, SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise ModelError(
            f"{path} does not describe a {card['kind']} model ({reason}); save the model again."
        ) from error
    bad = [name for name, tensor in model.state_dict().items() if not bool(torch.isfinite(tensor).all())]
    if bad:
        raise ModelError(f"{path} holds NaN or infinite weights in {', '.join(bad)}; train and save the model again.")
    return model.requires_grad_(False).eval()


def _read_card(path: Path) -> dict[str, Any]:
    text = _read(path / _CARD)
    try:
        card = json.loads(text)
    except ValueError as error:
        raise ModelError(f"{path / _CARD} is truncated or not JSON ({error}); save the model again.") from error
    if not isinstance(card, dict) or card.get("format") != _FORMAT:
        found = card.get("format") if isinstance(card, dict) else None
        raise ModelError(f"{path / _CARD} has format {found!r}; this version of counterspin reads format {_FORMAT}.")
    if card.get("kind") not in _KINDS:
        raise ModelError(f"{path / _CARD} names kind {card.get('kind')!r}; allowed: {', '.join(_KINDS)}.")
    missing = [key for key in ("config", "complex", "weights_sha256") if key not in card]
    if missing:
        raise ModelError(f"{path / _CARD} lacks {', '.join(missing)}; save the model again.")
    return card


def _read(path: Path) -> bytes:
    if not path.parent.is_dir():
        raise ModelError(f"{path.parent} is not a directory; a saved model is a directory with {_CARD} and {_WEIGHTS}.")
    try:
        return path.read_bytes()
    except OSError as error:
        raise ModelError(
            f"{path} cannot be read ({error.strerror}); a saved model needs {_CARD} and {_WEIGHTS}."
        ) from error


def _to_real(tensor: Tensor) -> Tensor:
    tensor = tensor.detach().cpu()
    return (torch.view_as_real(tensor.resolve_conj()) if tensor.is_complex() else tensor).contiguous()


def _from_real(tensor: Tensor, is_complex: bool) -> Tensor:
    return torch.view_as_complex(tensor) if is_complex else tensor


def _replace_directory(path: Path, files: dict[str, bytes]) -> None:
    """Exchange both files of a saved model at once: a crash must not pair new weights with an old card."""
    workshop: Path | None = None
    try:
        workshop = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
        new, old = workshop / "new", workshop / "old"
        shutil.copytree(path, new)
        for name, data in files.items():
            write_atomically(new / name, data)
        os.rename(path, old)
        os.rename(new, path)
    except OSError as error:
        raise StorageError(
            f"{path} cannot be written ({error.strerror or error}); free disk space or choose another place."
        ) from error
    finally:
        if workshop is not None:
            if (workshop / "old").exists() and not path.exists():
                os.rename(workshop / "old", path)
            shutil.rmtree(workshop, ignore_errors=True)

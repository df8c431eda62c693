"""What identifies a run: SHA-256 of its configuration, its data and its model."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from counterspin.attacks.modes import frozen
from counterspin.attacks.stochastic import shots_per_call
from counterspin.types import Classifier, HasTwin

__all__ = ["bytes_digest", "model_digest", "run_key", "tensors_digest"]

# Samples whose scores enter the digest of a model.
_PROBES = 16


def bytes_digest(data: bytes) -> str:
    """SHA-256 of bytes, as hex."""
    return hashlib.sha256(data).hexdigest()


def run_key(config: Mapping[str, Any]) -> str:
    """SHA-256 of the canonical JSON of a configuration: keys sorted, no white space, tuples as lists.

    Args:
        config: JSON values; it holds the digests of model and data.

    Raises:
        TypeError: a value that is not JSON.
        ValueError: NaN or an infinite number.

    Example:
        >>> run_key({"seed": 0, "eps": (0.1, 0.2)}) == run_key({"eps": [0.1, 0.2], "seed": 0})
        True
    """
    canonical = json.dumps(config, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=False)
    return bytes_digest(canonical.encode())


def tensors_digest(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 over names, dtypes, shapes and contents, in the order of the names.

    Example:
        >>> tensors_digest({"x": torch.zeros(2)}) == tensors_digest({"x": torch.zeros(2, dtype=torch.float64)})
        False
    """
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        digest.update(f"{name}|{tensor.dtype}|{tuple(tensor.shape)}|".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def model_digest(model: Classifier, x: Tensor) -> str:
    """SHA-256 of what a model is and does.

    Weights alone do not tell two circuits apart, and a model brought by a user may have none, so the scores of the
    first samples enter as well, rounded to 6 digits: the last bits depend on the number of threads. A stochastic model
    counts by its twin's scores and its shots, where it has them, and by what its printed form says of it. So does the
    box, which decides what an attacker may do.

    Args:
        model: any classifier.
        x: samples `(batch, features)`.
    """
    parts = {f"bounds/{name}": getattr(model.bounds, name) for name in ("lower", "upper", "periodic")}
    kind = [f"{type(model).__module__}.{type(model).__qualname__}", model.outputs]
    if isinstance(model, nn.Module):
        parts |= {f"weights/{name}": value for name, value in model.state_dict().items()}
    answers = model
    if model.stochastic:
        kind += [str(shots_per_call(model)), repr(model) if isinstance(model, nn.Module) else ""]
        answers = model.twin if isinstance(model, HasTwin) else None
    if answers is not None:
        with frozen(answers), torch.no_grad():
            scores = answers(x[:_PROBES].to(torch.float64)).to(torch.float64)
        # Adding zero turns -0.0 into 0.0.
        parts["scores"] = torch.round(scores, decimals=6) + 0.0
    return bytes_digest("|".join([*kind, tensors_digest(parts)]).encode())

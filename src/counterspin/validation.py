"""The door: numpy or torch in, checked tensors out. Every refusal names the argument and what to do."""

import math
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from counterspin.errors import InputError, ModelError
from counterspin.types import Box, Classifier

__all__ = ["all_finite", "as_features", "as_labels", "check_classifier_interface", "checked_scores"]


def all_finite(values: Tensor) -> bool:
    """Whether no value is NaN or infinite.

    Example:
        >>> all_finite(torch.tensor([1.0, 3e38, 3e38])), all_finite(torch.tensor([1.0, torch.inf, -torch.inf]))
        (True, False)
    """
    values = values.detach()
    # NaN and infinity survive a sum, which costs a tenth of looking at each value; a finite sum may still overflow.
    return math.isfinite(float(values.sum())) or bool(torch.isfinite(values).all())


def as_features(x: Any, box: Box | None = None, *, name: str = "x") -> Tensor:
    """Finite real features `(batch, features)`, float32 or float64, inside `box` where one is given.

    Raises:
        InputError: wrong type, shape, values that are not finite, or values outside the box.
    """
    tensor = _as_tensor(x, name)
    if not tensor.is_floating_point():
        tensor = tensor.to(torch.float64)
    if tensor.dtype not in (torch.float32, torch.float64):
        tensor = tensor.to(torch.float32)
    if tensor.ndim != 2:
        raise InputError(
            f"{name} has shape {tuple(tensor.shape)}; it must be (batch, features). "
            f"Flatten each sample to one row, for example with {name}.reshape(len({name}), -1)."
        )
    if tensor.shape[0] == 0 or tensor.shape[1] == 0:
        raise InputError(f"{name} has shape {tuple(tensor.shape)}; it needs at least one sample and one feature.")
    bad = ~torch.isfinite(tensor).all(dim=1)
    if bool(bad.any()):
        raise InputError(
            f"{name} holds NaN or infinite values in {int(bad.sum())} of {len(tensor)} samples "
            f"(first: sample {int(bad.nonzero()[0])}); remove or impute them."
        )
    if box is None:
        return tensor
    if tensor.shape[1] != box.features:
        raise InputError(
            f"{name} has {tensor.shape[1]} features; the model takes {box.features}. "
            "Apply the model's preprocessing first."
        )
    # Tolerance: a float32 copy of a float64 bound may lie one rounding outside.
    outside = ~box.contains(tensor, tolerance=1e-6)
    if bool(outside.any()):
        row = int(outside.nonzero()[0])
        excess = torch.maximum(tensor[row] - box.upper.to(tensor), box.lower.to(tensor) - tensor[row])
        feature = int(excess.masked_fill(box.periodic.to(tensor.device), -torch.inf).argmax())
        raise InputError(
            f"{name} leaves the box in {int(outside.sum())} of {len(tensor)} samples (first: sample {row}, "
            f"feature {feature} = {float(tensor[row, feature]):.6g}, allowed {float(box.lower[feature]):.6g} to "
            f"{float(box.upper[feature]):.6g}); scale the data to the box or declare the box it lives in."
        )
    return tensor


def as_labels(y: Any, classes: int, samples: int, *, name: str = "y") -> Tensor:
    """Class labels `(samples,)` as int64 in `0 ... classes - 1`.

    Raises:
        InputError: wrong shape, labels that are not whole numbers or out of range.
    """
    tensor = _as_tensor(y, name)
    if tensor.shape != (samples,):
        raise InputError(f"{name} has shape {tuple(tensor.shape)}; it must hold one label per sample, ({samples},).")
    if tensor.is_floating_point():
        if not bool((torch.isfinite(tensor) & (tensor == tensor.round())).all()):
            raise InputError(f"{name} holds values that are not whole numbers; give class labels 0 to {classes - 1}.")
    elif tensor.dtype == torch.bool:
        tensor = tensor.long()
    tensor = tensor.to(torch.int64)
    bad = (tensor < 0) | (tensor >= classes)
    if bool(bad.any()):
        row = int(bad.nonzero()[0])
        raise InputError(
            f"{name} holds label {int(tensor[row])} (sample {row}); the model has {classes} classes, "
            f"labels 0 to {classes - 1}{_renumbering(tensor, classes, name)}."
        )
    return tensor


def check_classifier_interface(model: Any) -> Classifier:
    """`model` itself, if it has everything the Classifier protocol asks for.

    Raises:
        ModelError: an attribute is missing.
    """
    missing = [name for name in ("bounds", "classes", "outputs", "stochastic") if not hasattr(model, name)]
    if not callable(model):
        missing.append("__call__")
    if missing:
        raise ModelError(
            f"model ({type(model).__name__}) lacks {', '.join(missing)}; a classifier needs bounds, classes, outputs, "
            "stochastic and a call from (batch, features) to (batch, classes)."
        )
    return cast("Classifier", model)


def checked_scores(model: Classifier, x: Tensor) -> Tensor:
    """The model's scores of `x`, refused when mis-shaped or not finite.

    Raises:
        ModelError: the scores are not a finite `(batch, classes)` tensor.
    """
    scores = model(x)
    if not isinstance(scores, Tensor) or scores.shape != (x.shape[0], model.classes):
        shape = tuple(scores.shape) if isinstance(scores, Tensor) else type(scores).__name__
        raise ModelError(
            f"model returned {shape} for {x.shape[0]} samples; expected scores ({x.shape[0]}, {model.classes})."
        )
    if not all_finite(scores):
        raise ModelError("model returned NaN or infinite scores; an evaluation of such a model would mean nothing.")
    return scores


def _renumbering(labels: Tensor, classes: int, name: str) -> str:
    """What to do about two other customs of numbering classes; empty where the labels follow neither."""
    if int(labels.min()) >= 1 and int(labels.max()) == classes:
        return f"; these look like labels 1 to {classes}: give {name} - 1"
    if classes == 2 and set(labels.unique().tolist()) <= {-1, 1}:
        return f"; these look like labels -1 and 1: give ({name} + 1) / 2"
    return ""


def _as_tensor(value: Any, name: str) -> Tensor:
    if isinstance(value, Tensor):
        tensor = value.detach()
    else:
        try:
            array = np.asarray(value)
            if array.dtype == object or array.dtype.kind in "USO":
                raise TypeError(f"dtype {array.dtype}")
            # torch warns about read-only memory and cannot take negative strides.
            tensor = torch.as_tensor(np.ascontiguousarray(array) if array.flags.writeable else array.copy())
        except (TypeError, ValueError, RuntimeError) as error:
            raise InputError(
                f"{name} cannot be read as an array of numbers ({error}); give a numpy array or a torch tensor."
            ) from error
    if tensor.is_complex():
        raise InputError(
            f"{name} is complex; give real features (complex amplitudes as real parts followed by imaginary parts)."
        )
    return tensor

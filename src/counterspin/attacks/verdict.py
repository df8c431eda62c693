"""The verdict: scores of a stored float64 input, and how far its encoded state moved."""

import torch
from torch import Tensor

from counterspin.attacks.losses import verdict_margin
from counterspin.attacks.oracle import ROWS_PER_CALL
from counterspin.errors import CapabilityError, ConditionsError, ModelError
from counterspin.types import Classifier, HasStates
from counterspin.validation import checked_scores

__all__ = ["margins", "trace_distance"]


def margins(model: Classifier, x: Tensor, y: Tensor, target: Tensor | None = None) -> Tensor:
    """Verdict margins `(batch,)` of float64 inputs `(batch, features)`; a sample is broken iff its margin is <= 0.

    Raises:
        ModelError: the model cannot compute in float64, or its scores are mis-shaped or not finite.
    """
    parts = []
    for index in torch.arange(len(x), device=x.device).split(ROWS_PER_CALL):
        try:
            with torch.no_grad():
                scores = checked_scores(model, x[index])
        except RuntimeError as error:
            if "dtype" not in str(error):
                raise
            raise ModelError(
                f"model ({type(model).__name__}) cannot compute in float64 ({error}); a classifier computes in the "
                "dtype of its input, for example by casting its weights with weight.to(x.dtype)."
            ) from error
        parts.append(verdict_margin(scores.double(), y[index], None if target is None else target[index]))
    return torch.cat(parts)


def trace_distance(model: Classifier, x: Tensor, z: Tensor) -> Tensor:
    r"""Trace distance of the pure states of `x` and `z` `(batch, features)`, `(batch,)`; NaN without states.

    .. math:: T = \sqrt{1 - |\langle\psi|\phi\rangle|^2} = \bigl\| \phi - \langle\psi|\phi\rangle\,\psi \bigr\|

    The second form loses no digits for nearby states.
    """
    unknown = torch.full((len(x),), torch.nan, dtype=torch.float64, device=x.device)
    if not isinstance(model, HasStates):
        return unknown
    parts = []
    for index in torch.arange(len(x), device=x.device).split(ROWS_PER_CALL):
        try:
            with torch.no_grad():
                before, after = _unit(model.states(x[index])), _unit(model.states(z[index]))
        except (CapabilityError, ConditionsError):
            # The class of the model has states, this configuration (noise, a classical front) has not.
            return unknown
        overlap = (before.conj() * after).sum(dim=1, keepdim=True)
        parts.append(torch.linalg.vector_norm(after - overlap * before, dim=1).clamp(max=1.0))
    return torch.cat(parts)


def _unit(states: Tensor) -> Tensor:
    states = states.to(torch.complex128)
    return states / torch.linalg.vector_norm(states, dim=1, keepdim=True)

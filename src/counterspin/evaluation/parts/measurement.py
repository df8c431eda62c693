r"""What no tampering with the measurement can change, attack by attack.

With gaps :math:`g_o` that an outcome adds to the margin over a rival, :math:`m = \sum_o D_o g_o + b`, and r the range
of the gaps: total variation t moves m by at most t r, so m > t r is always sound, and exact for classes that are groups
of outcomes, where :math:`p_A - p_B > 2t`. Blind replacement of a share t, or a confusion matrix around the identity,
leaves :math:`(1 - t)(m - b) + t \min_o g_o + b` at worst, exactly. Dropping a share of the shots moves the distribution
by that total variation. A tampered calibration changes it by at most :math:`(1 + 2t/(1 - 2t))^n - 1` in the 1-norm.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from counterspin.attacks.quantum import QuantumAttack
from counterspin.attacks.quantum.measurement.confusion import without_readout
from counterspin.attacks.quantum.measurement.outcomes import noise_of, outcomes
from counterspin.certificates.readout import confusion_radius
from counterspin.circuits import Linear, OutcomeGroups
from counterspin.evaluation.parts.matched import Certified
from counterspin.noise import NoiseModel, ReadoutErrors
from counterspin.simulation.readout_noise import misread

__all__ = ["certified"]

# Far above the rounding of sums of probabilities, far below any margin that matters.
_ROUNDING = 1e-9

# A worst matrix of all bit-strings for each sample takes memory.
_QUBITS = 8


def certified(attack: QuantumAttack, model: Any, x: Tensor, y: Tensor, budgets: tuple[float, ...]) -> Certified | None:
    """Which decisions stand against an attack on the measurement; None for attacks without a bound.

    Args:
        attack: on the measurement.
        model: the classifier.
        x: inputs float64 `(batch, features)`.
        y: labels `(batch,)`.
        budgets: in the unit of the attack.
    """
    nominal = _readout_errors(model)
    match attack.name:
        case "readout-shift":
            exact = _is_by_groups(model)
            method = "total variation of the readout (C7, exact)" if exact else "mass times the widest gap (bound)"
            return _certified(_shifted(_margins(model, x, y), budgets), method, exact=exact)
        case "correlated-readout" | "post-selection":
            holds = _shifted(_margins(model, x, y), budgets)
            return _certified(holds, "total variation of the readout (bound)", exact=False)
        case "result-tampering":
            return _certified(_replaced(_margins(model, x, y), budgets), "blind replacement (exact)", exact=True)
        case "confusion" if nominal is None:
            holds = _replaced(_margins(model, x, y), budgets)
            return _certified(holds, "confusion around the identity (C7, exact)", exact=True)
        case "confusion" if nominal is not None and _is_by_groups(model) and model.circuit.qubits <= _QUBITS:
            radius = _confusion_radius(model, x, y, nominal)
            holds = torch.stack([radius > t for t in budgets])
            return _certified(holds, "confusion around the calibration (C7, exact)", exact=True)
        case "calibration":
            noise = noise_of(model)
            found = _margins(model, x, y, None if noise is None else without_readout(noise))
            moved = tuple(((1 + 2 * t / (1 - 2 * t)) ** model.circuit.qubits - 1) / 2 for t in budgets)
            return _certified(_shifted(found, moved), "norm of the tampered correction (bound)", exact=False)
        case _:
            return None


@dataclass(frozen=True, kw_only=True, eq=False)
class _Margins:
    """Over every class, infinite over the own one: margin, range and least value of the gaps `(batch, classes)`."""

    margin: Tensor
    width: Tensor
    least: Tensor


def _margins(model: Any, x: Tensor, y: Tensor, noise: NoiseModel | Literal["own"] | None = "own") -> _Margins:
    found = outcomes(model, x, noise=noise_of(model) if noise == "own" else noise)
    scores, own = found.scores(), y[:, None]
    margin = (scores.gather(1, own) - scores).scatter(1, own, torch.inf)
    width, least = torch.zeros_like(margin), torch.zeros_like(margin)
    for rival in range(margin.shape[1]):
        for gap in found.gaps(y, torch.full_like(y, rival)):
            width[:, rival] += gap.amax(dim=1) - gap.amin(dim=1)
            least[:, rival] += gap.amin(dim=1)
    # The bias of the scores is not replaced with the results.
    bias = found.bias[y][:, None] - found.bias
    return _Margins(margin=margin, width=width, least=least + bias)


def _shifted(found: _Margins, moved: tuple[float, ...]) -> Tensor:
    return torch.stack([(found.margin > t * found.width + _ROUNDING).all(dim=1) for t in moved])


def _replaced(found: _Margins, shares: tuple[float, ...]) -> Tensor:
    left = [(1 - t) * found.margin + t * found.least for t in shares]
    return torch.stack([(worst > _ROUNDING).all(dim=1) for worst in left])


def _confusion_radius(model: Any, x: Tensor, y: Tensor, nominal: ReadoutErrors) -> Tensor:
    """Total variation `(batch,)` of each column around the calibrated matrix that the decision survives."""
    before = outcomes(model, x, noise=without_readout(model.noise))
    matrix = misread(torch.eye(before.tables[0].shape[0], dtype=torch.float64), nominal).T
    # An outcome of the whole register counts for the class whose score it adds to.
    groups = tuple(tuple(column.nonzero()[:, 0].tolist()) for column in before.tables[0].T)
    return confusion_radius(before.distributions[0], y, nominal=matrix, groups=groups).radius


def _readout_errors(model: Any) -> ReadoutErrors | None:
    noise = noise_of(model)
    return None if noise is None else noise.readout_errors(model.circuit.qubits)


def _is_by_groups(model: Any) -> bool:
    return isinstance(model.readout.measurement, OutcomeGroups) and not isinstance(model.readout.head, Linear)


def _certified(holds: Tensor, method: str, *, exact: bool) -> Certified:
    return Certified(holds=holds, method=method, exact=exact)

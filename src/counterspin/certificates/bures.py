"""Bures-angle certificate of angle-encoded circuits, to our knowledge new."""

from dataclasses import dataclass
from itertools import product
from typing import Any, ClassVar

import torch
from torch import Tensor

from counterspin.certificates.base import Assumptions, Certificate, Radii, Task
from counterspin.certificates.margins import (
    ScoreObservables,
    channels_of,
    inner,
    inputs_of,
    margins,
    noise_assumed,
    observables_behind_data,
    score_observables,
)
from counterspin.certificates.rounding import rounding_of
from counterspin.certificates.slopes import EncodingGates, feature_gates, finished
from counterspin.circuits import Circuit, Linear, OutcomeGroups, Readout, Scale
from counterspin.errors import UsageError
from counterspin.optimum.signed_sums import signed_sum_bound
from counterspin.optimum.turning import angle_from_margin, angle_from_weights
from counterspin.simulation import final_states
from counterspin.simulation.density import noisy_density
from counterspin.threats import ThreatModel
from counterspin.validation import checked_scores

__all__ = ["BuresCertificate", "probability_angle", "turning_angles"]

_KNOWLEDGE = ("states", "scores")


@dataclass(frozen=True, kw_only=True, eq=False)
class _Prepared:
    gates: EncodingGates
    turn: float
    readout: ScoreObservables
    states: ScoreObservables | None


@dataclass(frozen=True, kw_only=True)
class BuresCertificate(Certificate):
    r"""How far the state can turn, against how far it must.

    The gates :math:`e^{-i(w_g\cdot x + \theta_g)H_g}` turn the final state by a Bures angle of at most
    :math:`\sum_g |w_g\cdot\delta|\,\mathrm{spread}(H_g)/2`, whatever channels act between them; the label is safe while
    that is below the angle :math:`\theta^*` of the nearest state that loses,

    .. math:: r = \theta^* \Big/ \max_{\|\delta\| \le 1} \sum_g |w_g\cdot\delta|\,\tfrac12\mathrm{spread}(H_g).

    Known states: :math:`\theta^*` is exact for the state behind the last gate that holds data and the observable of
    everything after it. Known scores only: the larger of the bounds from the margin and the extreme eigenvalues of the
    readout, and, where classes are decided by outcome probabilities, of :math:`\sin\theta^* = (\sqrt{p_y} -
    \sqrt{p_j})/\sqrt2` (Guan, Fang and Ying, arXiv:2008.07230). The radius from states is never below
    that of `LipschitzCertificate`, nor is that from scores unless `LipschitzCertificate` is told more of the noise. To
    our knowledge this certificate is new.

    Args:
        knowledge: `"states"`: circuit and noise are as the model says; `"scores"`: scores alone are used, and hold with
            any channels between the gates.

    Raises:
        UsageError: another word.

    Example:
        >>> from counterspin.circuits import OutcomeGroups, angle_encoding
        >>> from counterspin.models import QuantumClassifier
        >>> from counterspin.threats import Linf
        >>> from counterspin.types import Box
        >>> bit = OutcomeGroups((0,), ((0,), (1,)))
        >>> model = QuantumClassifier(angle_encoding(1, axis="x"), bit, Box.uniform(0, 3.14, features=1))
        >>> round(BuresCertificate()(model, [[0.5]], [0], Linf(0.1)).radius_lower.item(), 6)
        1.070796
    """

    name: ClassVar[str] = "bures"

    knowledge: str = "states"

    def __post_init__(self) -> None:
        """Refuse a word that is none."""
        if self.knowledge not in _KNOWLEDGE:
            raise UsageError(f"knowledge is {self.knowledge!r}; allowed: {', '.join(_KNOWLEDGE)}.")

    def _prepare(self, model: Any, threat: ThreatModel) -> _Prepared:
        gates = feature_gates(model, threat)
        return _Prepared(
            gates=gates,
            turn=signed_sum_bound(gates.turning, threat.norm).bound,
            readout=score_observables(model),
            states=observables_behind_data(model, gates.last) if self.knowledge == "states" else None,
        )

    def _radii(self, model: Any, prepared: _Prepared, task: Task) -> Radii:
        assumptions = (
            Assumptions(noise=noise_assumed(model))
            if prepared.states is not None
            else Assumptions(model="scores", noise="any", notes=("slopes of the gates and the readout are known",))
        )
        scores = checked_scores(model, task.x)
        margin = margins(scores, task.y, task.target)
        error = rounding_of(model, task.x)
        low, high = (bound[task.y] for bound in prepared.readout.extremes)
        angles = angle_from_margin(margin - error * torch.maximum(low.abs(), high.abs()), low, high)
        angles = torch.where(torch.isinf(margin), torch.inf, angles)
        if prepared.states is not None:
            states = _states_behind_data(model, prepared.gates.last, task.x)
            angle = turning_angles(prepared.states, states, task.y, angles) - error[:, 0]
        else:
            angle = torch.maximum(angles, _probability_angles(model, scores, task.y, error)).amin(dim=1)
        turn = prepared.turn
        radius = angle.clamp(min=0) / turn * (1 - error[:, 0]) if turn > 0 else torch.full_like(angle, torch.inf)
        return finished(radius, prepared.gates, task, assumptions)


def turning_angles(observables: ScoreObservables, states: Tensor, y: Tensor, known: Tensor) -> Tensor:
    """Bures angle `(batch,)` from each state to the nearest that loses to any rival.

    Rivals whose `known` bound lies above the angle of the one with the smallest bound are not computed.

    Args:
        observables: of the scores in these states.
        states: pure `(batch, D)` or mixed `(batch, D, D)`.
        y: labels `(batch,)`.
        known: lower bounds on the angle to each rival `(batch, classes)`, infinite for those that are none.
    """
    best = torch.full_like(known[:, 0], torch.inf)
    seen = observables.seen(states)
    likely = torch.nn.functional.one_hot(known.argmin(dim=1), known.shape[1]).bool()
    for chosen in (likely, ~likely):
        wanted = chosen & (known < best[:, None])
        for own, rival in product(range(known.shape[1]), repeat=2):
            rows = ((y == own) & wanted[:, rival]).nonzero()[:, 0]
            if len(rows):
                eigenvalues, weights = observables.spectrum(own, rival, seen[rows])
                exact = angle_from_weights(eigenvalues, weights, mixed=states.ndim == 3)
                best[rows] = torch.minimum(best[rows], torch.maximum(exact, known[rows, rival]))
    return best


def probability_angle(own: Tensor, rival: Tensor) -> Tensor:
    r"""Bures angle below which no state prefers the rival, :math:`\arcsin((\sqrt{p_y} - \sqrt{p_j})/\sqrt2)`.

    Holds for outcome probabilities behind any channels (Guan, Fang and Ying, arXiv:2008.07230).

    Example:
        >>> p, q = torch.tensor([0.9, 0.1]).double()
        >>> round(probability_angle(p, q).item(), 6)
        0.463648
    """
    gap = own.clamp(0, 1).sqrt() - rival.clamp(0, 1).sqrt()
    return (gap.clamp(min=0) / 2**0.5).asin()


def _probability_angles(model: Any, scores: Tensor, y: Tensor, error: Tensor) -> Tensor:
    """`probability_angle` over each rival `(batch, classes)`; 0 where scores are no outcome probabilities."""
    readout = getattr(inner(model)[0], "readout", None)
    if not isinstance(readout, Readout) or not isinstance(readout.measurement, OutcomeGroups):
        return torch.zeros_like(scores)
    scale = readout.head.value.double() if isinstance(readout.head, Scale) else torch.ones((), dtype=torch.float64)
    if isinstance(readout.head, Linear) or float(scale) <= 0:
        return torch.zeros_like(scores)
    probabilities = scores / scale
    return probability_angle(probabilities.gather(1, y[:, None]) - error, probabilities + error)


def _states_behind_data(model: Any, last: int, x: Tensor) -> Tensor:
    inputs, weights = inputs_of(model, x), model.weights.detach()
    if not channels_of(model):
        return final_states(model.circuit, inputs, weights)
    before = Circuit(model.circuit.qubits, model.circuit.gates[: last + 1])
    # A channel right behind that gate belongs to the observables.
    placed = [channel for channel in channels_of(model) if channel.after < last]
    return noisy_density(before, inputs[:, : before.inputs], weights[: before.weights], placed)

"""What is proved against attacks on states: how far the state behind the encoding is from the nearest that loses."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from counterspin.attacks.quantum import QuantumAttack
from counterspin.attacks.quantum.states.global_unitary import GlobalUnitary
from counterspin.attacks.quantum.states.kraus import KrausAdversary
from counterspin.attacks.quantum.states.local_unitary import LocalUnitary
from counterspin.attacks.quantum.states.nearest import NearestState
from counterspin.attacks.quantum.states.site import StateSite, state_site
from counterspin.attacks.quantum.states.trace_distance import NearestInTraceDistance
from counterspin.attacks.quantum.states.universal_unitary import UniversalUnitary
from counterspin.certificates.unitary import unitary_radius
from counterspin.evaluation.parts.matched import Certified
from counterspin.optimum import nearest_in_trace_distance, nearest_states, trace_distance_bounds
from counterspin.optimum.channels import nearest_channels
from counterspin.optimum.trace_distance_pure import pure_state_trace_distances
from counterspin.types import Classifier

__all__ = ["certified"]

# Observables, states and labels to distances `(batch,)` below which nothing flips, and whether they are attained.
Bound = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, bool]]

# A bracket this narrow is closed; the semidefinite programme leaves about 1e-7.
_CLOSED = 1e-6


def certified(
    attack: QuantumAttack, model: Classifier, x: Tensor, y: Tensor, budgets: tuple[float, ...]
) -> Certified | None:
    """The certificate of an attack on states; None for an attack of another kind.

    Args:
        attack: what may be done to the state.
        model: the classifier.
        x: clean inputs float64 `(batch, features)`.
        y: labels `(batch,)`.
        budgets: ascending, in the unit of the attack.

    Raises:
        CapabilityError: no state to attack.
        ConditionsError: outside what the attack is about.
    """
    site = state_site(model, x)
    match attack:
        case NearestState():
            bound, method = _infidelity, "nearest losing state"
        case NearestInTraceDistance(adversary="pure"):
            bound, method = _pure_trace, "nearest losing pure state"
        case NearestInTraceDistance(solver="sdp"):
            bound, method = _programme, "nearest losing state by semidefinite programming"
        case NearestInTraceDistance():
            bound = _mixed_trace
            method = "margin over spread of the readout" if site.mixed else "nearest losing state"
        case GlobalUnitary():
            bound, method = _angle, "Bures angle to the nearest losing state"
        case UniversalUnitary(kind="global"):
            # The target's bound holds for a unitary of its own, so for one it shares; that is not attained.
            bound, method = _shared_angle, "Bures angle to the nearest losing state"
        case LocalUnitary() | UniversalUnitary():
            bound, method = _per_qubit, "Bures angle to the nearest losing state over the spread of all rotations"
        case KrausAdversary():
            bound, method = _channel, "nearest losing channel"
        case _:
            return None
    distance, exact = _distances(bound, site, y, attack.target)
    levels = torch.tensor(budgets, dtype=torch.float64)
    return Certified(
        holds=levels[:, None] < distance[None, :], method=f"{method} (exact)" if exact else method, exact=exact
    )


def _distances(bound: Bound, site: StateSite, y: Tensor, target: int | None) -> tuple[Tensor, bool]:
    """Distances `(batch,)`, and whether they are attained: 0 where misclassified, infinite in the target class."""
    if target is None or len(site.observables) == 2:
        distance, exact = bound(site.observables, site.states, y)
    else:
        # The target must pass the label, and may have to pass others.
        distance, exact = torch.full((len(y),), torch.inf, dtype=torch.float64), False
        for own in y.unique().tolist():
            rows = (y == own).nonzero()[:, 0]
            if own != target:
                pair = site.observables[[own, target]]
                distance[rows], _ = bound(pair, site.states[rows], torch.zeros_like(rows))
    correct = _leads(site.scores(site.states), y)
    if target is not None:
        distance = torch.where(y == target, torch.inf, distance)
    return torch.where(correct, distance, 0.0), exact


def _leads(scores: Tensor, y: Tensor) -> Tensor:
    """Whether the label is ahead of every other class `(batch,)`."""
    own = scores.gather(1, y[:, None])[:, 0]
    return own > scores.scatter(1, y[:, None], -torch.inf).amax(dim=1)


def _infidelity(observables: Tensor, states: Tensor, y: Tensor) -> tuple[Tensor, bool]:
    return nearest_states(observables, states, y).lower, True


def _pure_trace(observables: Tensor, states: Tensor, y: Tensor) -> tuple[Tensor, bool]:
    return _infidelity(observables, states, y)[0].sqrt(), True


def _mixed_trace(observables: Tensor, states: Tensor, y: Tensor) -> tuple[Tensor, bool]:
    solve = pure_state_trace_distances if states.ndim == 2 else trace_distance_bounds
    found = solve(observables, states, y)
    return found.lower, _meet(found.lower, found.upper)


def _programme(observables: Tensor, states: Tensor, y: Tensor) -> tuple[Tensor, bool]:
    found = nearest_in_trace_distance(observables, states, y)
    return found.lower, _meet(found.lower, found.upper)


def _angle(observables: Tensor, states: Tensor, y: Tensor) -> tuple[Tensor, bool]:
    infidelity = nearest_states(observables, states, y).lower
    # The arcsine's rounding, downwards.
    angle = infidelity.clamp(max=1).sqrt().asin() * (1 - 8 * torch.finfo(torch.float64).eps)
    return torch.where(infidelity.isinf(), torch.inf, angle), states.ndim == 2


def _shared_angle(observables: Tensor, states: Tensor, y: Tensor) -> tuple[Tensor, bool]:
    return _angle(observables, states, y)[0], False


def _per_qubit(observables: Tensor, states: Tensor, y: Tensor) -> tuple[Tensor, bool]:
    angle, exact = _angle(observables, states, y)
    qubits = observables.shape[1].bit_length() - 1
    return unitary_radius(angle, torch.ones(qubits, dtype=torch.float64)), exact and qubits == 1


def _channel(observables: Tensor, states: Tensor, y: Tensor) -> tuple[Tensor, bool]:
    return nearest_channels(observables, states, y).lower, True


def _meet(lower: Tensor, upper: Tensor) -> bool:
    return bool(((upper - lower <= _CLOSED) | (lower == upper)).all())

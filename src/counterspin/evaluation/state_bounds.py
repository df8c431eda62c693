"""Distances of quantum states to the nearest change of decision, by metric and adversary, and from probabilities."""

from __future__ import annotations

import torch
from torch import Tensor

from counterspin.certificates.guan import guan_infidelity
from counterspin.circuits import OutcomeGroups, Readout
from counterspin.optimum.states import nearest_states
from counterspin.optimum.trace_distance import pure_trace_distance, trace_distance_bounds

__all__ = ["ADVERSARIES", "METRICS", "class_probabilities", "in_parts", "probability_bound", "state_bounds"]

METRICS = ("fidelity", "trace")
ADVERSARIES = ("quantum", "pure", "real")

# Entries of states and density matrices held at once: some hundred MiB with their decompositions.
_ENTRIES_AT_ONCE = 2**21
# What a class probability computed in float64 may be off.
_ROUNDING = 1e-13


def in_parts(values: Tensor, entries: int) -> tuple[Tensor, ...]:
    """The rows in parts of bounded memory, where each row takes `entries` numbers."""
    return values.split(max(1, _ENTRIES_AT_ONCE // entries))


def state_bounds(observables: Tensor, states: Tensor, y: Tensor, metric: str, adversary: str) -> tuple[Tensor, Tensor]:
    r"""Certified and attained distance `(batch,)` each of the nearest state of another class.

    Infidelity is exact; so is trace distance against pure states, :math:`T = \sqrt{1 - F}`. Against any state it is
    exact for projective measurements of two classes and a bracket otherwise, which `closed_brackets` closes.

    Args:
        observables: `(classes, D, D)` complex128.
        states: pure `(batch, D)`, or mixed `(batch, D, D)` against any state.
        y: classes `(batch,)`; states tied or of another class have distance 0.
        metric: of `METRICS`.
        adversary: who moves the state, of `ADVERSARIES`.

    Example:
        >>> bit = torch.diag_embed(torch.eye(2)).cdouble()
        >>> state, y = torch.tensor([[0.9**0.5, 0.1**0.5]]).cdouble(), torch.tensor([0])
        >>> [round(state_bounds(bit, state, y, "trace", who)[0].item(), 4) for who in ("quantum", "pure")]
        [0.4, 0.4472]
    """
    dense = states.ndim == 3 or (metric == "trace" and adversary == "quantum")
    entries = states.shape[1] ** (2 if dense else 1)
    lower, upper = [], []
    for rho, labels in zip(in_parts(states, entries), in_parts(y, entries), strict=True):
        if metric == "trace" and adversary == "quantum":
            found = trace_distance_bounds(observables, rho, labels)
        else:
            found = nearest_states(observables, rho, labels, real=adversary == "real")
        lower.append(found.lower)
        upper.append(found.upper)
    if metric == "trace" and adversary != "quantum":
        return pure_trace_distance(torch.cat(lower)), pure_trace_distance(torch.cat(upper))
    return torch.cat(lower), torch.cat(upper)


def class_probabilities(observables: Tensor, readout: Readout | Tensor, scores: Tensor) -> Tensor | None:
    r"""Outcome probabilities `(batch, classes)` of a measurement whose most probable outcome is the decision.

    For two classes any observable :math:`A = M_0 - M_1` gives one, :math:`(1 \pm \langle A\rangle / \|A\|)/2`; None for
    more classes that are no groups of outcomes.

    Example:
        >>> observables = torch.diag_embed(torch.tensor([[2.0, 0.0], [0.0, 2.0]])).cdouble()
        >>> p = class_probabilities(observables, observables, torch.tensor([[1.5, 0.5]]).double())
        >>> [round(value, 9) for value in p[0].tolist()]
        [0.75, 0.25]
    """
    if isinstance(readout, Readout) and isinstance(readout.measurement, OutcomeGroups) and readout.head is None:
        return scores
    if len(observables) != 2:
        return None
    norm = float(torch.linalg.eigvalsh(observables[0] - observables[1]).abs().max())
    # A hair too large a norm pulls the margin towards a tie, never away from it.
    margin = (scores[:, 0] - scores[:, 1]) / max(norm * (1 + 1e-12), torch.finfo(torch.float64).tiny)
    return torch.stack([1 + margin, 1 - margin], dim=1).clamp(min=0) / 2


def probability_bound(probabilities: Tensor, y: Tensor, metric: str, adversary: str) -> Tensor:
    r"""Certified distance `(batch,)` from class probabilities alone, each taken 1e-13 to its worse side.

    `guan_infidelity`, its root against pure states in trace distance, and :math:`T < (p_y - \max_j p_j)/2` against any
    state (Weber et al., arXiv:2009.10064).

    Example:
        >>> p, y = torch.tensor([[0.9, 0.1]]).double(), torch.tensor([0])
        >>> round(probability_bound(p, y, "trace", "quantum").item(), 6)
        0.4
    """
    own = torch.nn.functional.one_hot(y, probabilities.shape[1]).to(probabilities)
    worse = probabilities + _ROUNDING * (1 - 2 * own)
    if metric == "trace" and adversary == "quantum":
        rival = worse.scatter(1, y[:, None], -torch.inf).amax(dim=1)
        return ((worse.gather(1, y[:, None])[:, 0] - rival) / 2).clamp(min=0)
    infidelity = guan_infidelity(worse, y)
    return pure_trace_distance(infidelity) if metric == "trace" else infidelity

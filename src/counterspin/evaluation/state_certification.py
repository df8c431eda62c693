"""How far quantum states may be moved before a known circuit changes its mind: a whole set of states certified."""

from __future__ import annotations

import time
from typing import Any

import torch
from torch import Tensor

from counterspin.certificates import Assumptions
from counterspin.circuits import Circuit, OutcomeGroups, Readout
from counterspin.errors import ConditionsError, UsageError
from counterspin.evaluation.state_bounds import (
    ADVERSARIES,
    METRICS,
    class_probabilities,
    in_parts,
    probability_bound,
    state_bounds,
)
from counterspin.evaluation.state_closing import closed_brackets
from counterspin.evaluation.state_observables import effective_observables
from counterspin.evaluation.state_outcomes import nearest_outcomes
from counterspin.evaluation.state_record import StateCertification, StateMethod
from counterspin.optimum.state_arguments import checked_states
from counterspin.optimum.states import state_scores
from counterspin.optimum.trace_distance import pure_trace_distance
from counterspin.validation import as_labels

__all__ = ["certify_states", "check_question"]

_ATTACKERS = {"quantum": "any quantum state", "pure": "pure states", "real": "pure states with real amplitudes"}


@torch.no_grad()
def certify_states(
    circuit: Circuit,
    weights: Tensor | None,
    readout: Readout | Tensor,
    states: Tensor,
    labels: Any = None,
    *,
    metric: str = "fidelity",
    eps: tuple[float, ...] = (0.001,),
    adversary: str = "quantum",
) -> StateCertification:
    r"""Distance of each state to the nearest one that the circuit puts into another class.

    The circuit is read backwards, :math:`M_k = U^\dagger E_k U`; a state of class `y` changes sides where
    :math:`\mathrm{Tr}(M_y - M_j)\sigma \le 0` for some `j`. The nearest such state (`state_bounds`) stands next to what
    class probabilities alone prove (`probability_bound`), where the readout has them. Brackets of trace distance that
    leave a budget undecided are closed where the extra `sdp` is installed (`closed_brackets`). Ties count as changed.

    Args:
        circuit: unitary; an amplitude encoding is taken off, because `states` are what enters.
        weights: `(weights,)`; None: the circuit has none.
        readout: what is measured behind it, or observables `(classes, D, D)`, of which the largest expectation wins.
        states: pure `(batch, D)` or density matrices `(batch, D, D)`, qubit 0 the most significant bit.
        labels: true classes `(batch,)`; None: the predictions, so that every state without a tie is correct.
        metric: `"fidelity"`: budgets are infidelities 1 - F; `"trace"`: trace distances.
        eps: budgets in [0, 1], ascending.
        adversary: `"quantum"`: prepares any state; `"pure"`: pure ones; `"real"`: pure ones with real amplitudes.

    Raises:
        InputError: states, labels or observables that cannot be used, inputs or weights without values.
        ConditionsError: a pure or real adversary against mixed states, a real one against complex states.
        UsageError: an unknown metric or adversary, budgets that are not ascending in [0, 1].
        ResourceError: no memory for the observables.

    Example:
        >>> from counterspin.circuits import OutcomeGroups
        >>> state = torch.tensor([[0.9**0.5, 0.1**0.5]], dtype=torch.complex128)
        >>> bit = Readout(OutcomeGroups((0,), ((0,), (1,))))
        >>> found = certify_states(Circuit(1), None, bit, state, eps=(0.1, 0.3))
        >>> round(found.lower.item(), 6), [found.certified(e).value for e in found.eps]
        (0.2, [1.0, 0.0])
    """
    check_question(metric, adversary, eps)
    given = checked_states(states, 2**circuit.qubits)
    _check_adversary(adversary, given)
    started = time.perf_counter()
    observables = effective_observables(circuit, weights, readout)
    scores = torch.cat([state_scores(observables, part) for part in in_parts(given, given[0].numel())])
    decisions = scores.argmax(dim=1)
    y = decisions if labels is None else as_labels(labels, len(observables), len(given), name="labels")
    prepared = time.perf_counter()
    probabilities = class_probabilities(observables, readout, scores)
    alone = None if probabilities is None else probability_bound(probabilities, decisions, metric, adversary)
    bounded = time.perf_counter()
    if alone is not None and given.ndim == 2 and _has_closed_form(readout, metric, adversary):
        lower, upper = alone, nearest_outcomes(observables, given, decisions)
        upper = pure_trace_distance(upper) if metric == "trace" else upper
    else:
        lower, upper = state_bounds(observables, given, decisions, metric, adversary)
    methods = [StateMethod(name="nearest-state", lower=lower, seconds=time.perf_counter() - bounded)]
    notes = [] if labels is not None else ["labels are the predictions of the circuit itself"]
    if metric == "trace" and adversary == "quantum":
        closing = closed_brackets(observables, given, decisions, lower, upper, eps)
        upper = closing.upper
        methods += [] if closing.method is None else [closing.method]
        notes += [] if closing.note is None else [closing.note]
    if alone is not None:
        name = "probability-gap" if metric == "trace" and adversary == "quantum" else "guan"
        methods.append(StateMethod(name=name, lower=alone, seconds=bounded - prepared))
    return StateCertification(
        metric=metric,
        adversary=adversary,
        eps=eps,
        labels=y,
        decisions=decisions,
        upper=upper,
        methods=tuple(methods),
        assumptions=Assumptions(adversary=_ATTACKERS[adversary], notes=tuple(notes)),
        prepare_seconds=prepared - started,
    )


def _has_closed_form(readout: Readout | Tensor, metric: str, adversary: str) -> bool:
    """Whether probabilities alone are exact and one eigendecomposition per pair of classes would be wasted."""
    if not isinstance(readout, Readout) or not isinstance(readout.measurement, OutcomeGroups):
        return False
    against_pure = adversary == "pure" or (adversary == "quantum" and metric == "fidelity")
    return readout.head is None and readout.classes > 2 and against_pure


def check_question(metric: str, adversary: str, eps: tuple[float, ...]) -> None:
    """Refuse what cannot be asked of any states.

    Raises:
        UsageError: an unknown metric or adversary, budgets that are not ascending in [0, 1].
    """
    for name, given, allowed in (("metric", metric, METRICS), ("adversary", adversary, ADVERSARIES)):
        if given not in allowed:
            raise UsageError(f"{name} is {given!r}; allowed: {', '.join(allowed)}.")
    if not eps or list(eps) != sorted(set(eps)) or not 0 <= eps[0] <= eps[-1] <= 1:
        raise UsageError(f"eps is {eps}; give ascending budgets between 0 and 1, for example 0.001, 0.005.")


def _check_adversary(adversary: str, states: Tensor) -> None:
    if states.ndim == 3 and adversary != "quantum":
        raise ConditionsError(
            f"adversary is {adversary!r} and the states are mixed; only an adversary who prepares any state "
            "('quantum') is bounded there."
        )
    imaginary = states.imag.abs().flatten(1).amax(dim=1)
    if adversary == "real" and bool((imaginary > 0).any()):
        first = int((imaginary > 0).nonzero()[0])
        raise ConditionsError(
            f"adversary is 'real' and states[{first}] has imaginary parts up to {float(imaginary[first]):.3g}; use "
            "'pure' or 'quantum', or give real states."
        )

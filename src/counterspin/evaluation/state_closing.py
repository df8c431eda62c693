"""Brackets of trace distance that leave a budget undecided, closed by semidefinite programming."""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch
from torch import Tensor

from counterspin.errors import ConditionsError, MissingExtraError
from counterspin.evaluation.state_record import StateMethod
from counterspin.optimum.trace_distance_sdp import nearest_in_trace_distance

__all__ = ["Closing", "closed_brackets"]

METHOD = "semidefinite"


@dataclass(frozen=True, kw_only=True, eq=False)
class Closing:
    """What became of the open brackets.

    Args:
        upper: attained distance `(batch,)`, no larger than before.
        method: what the programme proves; None where it cannot run.
        note: one sentence for the reader; None where no bracket was open.
    """

    upper: Tensor
    method: StateMethod | None = None
    note: str | None = None


def closed_brackets(
    observables: Tensor, states: Tensor, y: Tensor, lower: Tensor, upper: Tensor, eps: tuple[float, ...]
) -> Closing:
    """Solve the programme for the states that a budget leaves undecided, and for no others: one takes up to seconds.

    Its dual values, rounded down, are certified distances; the states it finds, measured again, attained ones.

    Args:
        observables: `(classes, D, D)` complex128.
        states: pure `(batch, D)` or mixed `(batch, D, D)`.
        y: decisions `(batch,)`.
        lower: certified distance `(batch,)`.
        upper: attained distance `(batch,)`.
        eps: budgets.

    Example:
        >>> bit = torch.diag_embed(torch.eye(2)).cdouble()
        >>> state, y = torch.tensor([[0.9**0.5, 0.1**0.5]]).cdouble(), torch.tensor([0])
        >>> at = torch.tensor([0.4]).double()
        >>> closed_brackets(bit, state, y, at, at, (0.1, 0.2)).note is None
        True
    """
    budgets = torch.tensor(eps, dtype=lower.dtype)[:, None]
    rows = ((lower <= budgets) & (budgets < upper)).any(dim=0).nonzero()[:, 0]
    if not len(rows):
        return Closing(upper=upper)
    count = "1 state" if len(rows) == 1 else f"{len(rows)} states"
    started = time.perf_counter()
    try:
        found = nearest_in_trace_distance(observables, states[rows], y[rows])
    except MissingExtraError:
        note = (
            f"the brackets of {count} leave a budget undecided; the extra sdp closes them, pip install counterspin[sdp]"
        )
        return Closing(upper=upper, note=note)
    except ConditionsError:
        note = (
            f"the brackets of {count} leave a budget undecided; the semidefinite programme that would close them takes "
            "at most 4 qubits, 5 where states and observables are real"
        )
        return Closing(upper=upper, note=note)
    method = StateMethod(
        name=METHOD,
        lower=lower.index_put((rows,), torch.maximum(lower[rows], found.lower)),
        seconds=time.perf_counter() - started,
    )
    note = f"the brackets of {count} are closed by semidefinite programming, whose dual values are rounded down"
    return Closing(upper=upper.index_put((rows,), torch.minimum(upper[rows], found.upper)), method=method, note=note)

r"""Trace distance to the nearest state that changes a classifier's mind, exact by semidefinite programming.

For one rival the nearest mixed state solves

.. math:: \min_{\sigma, P} \mathrm{Tr} P \quad\text{s.t.}\quad P \succeq \rho - \sigma,\ P \succeq 0,\
          \sigma \succeq 0,\ \mathrm{Tr}\,\sigma = 1,\ \mathrm{Tr}(A\sigma) \le 0,

whose dual gives a bound for *any* :math:`0 \preceq E \preceq 1` and :math:`\lambda \ge 0`:

.. math:: T \ge \mathrm{Tr}(E\rho) + \lambda_{\min}(\lambda A - E).

A solver's iterates are never trusted: its multipliers are clipped into these ranges and the bound is evaluated here,
and its state is projected, pushed across the boundary, and measured.
"""

import importlib
import warnings
from typing import Any

import torch
from torch import Tensor

from counterspin.errors import ConditionsError, MissingExtraError
from counterspin.optimum.state_arguments import checked_observables, checked_states
from counterspin.optimum.states import state_scores
from counterspin.optimum.trace_distance import (
    TraceDistances,
    flip_rows,
    margin_over_spread,
    trace_distance,
    trace_distance_bounds,
)
from counterspin.validation import as_labels

__all__ = ["nearest_in_trace_distance"]

# Rows of the real matrices in the programme; 32 take about a second a state and rival.
_LARGEST = 32
_TOLERANCE = 1e-10
_EPS = torch.finfo(torch.float64).eps


@torch.no_grad()
def nearest_in_trace_distance(observables: Tensor, states: Tensor, y: Tensor) -> TraceDistances:
    r"""Trace distance of each state to the nearest one, pure or mixed, that flips its class.

    The bracket starts from `trace_distance_bounds`; rivals that cannot improve it are not solved. Its width is the
    solver's, about 1e-7.

    Args:
        observables: Hermitian `(classes, D, D)`, biases absorbed; D up to 16, or 32 where all is real.
        states: pure `(batch, D)` or mixed `(batch, D, D)`.
        y: true classes `(batch,)`; misclassified and tied states have distance 0.

    Raises:
        MissingExtraError: cvxpy or clarabel is not installed.
        ConditionsError: a dimension too large for the programme.
        InputError: as `nearest_states`.
    """
    solver = _cvxpy()
    m = checked_observables(observables)
    given = checked_states(states, m.shape[1])
    y = as_labels(y, len(m), len(given))
    real = not bool(m.imag.any()) and not bool(given.imag.any())
    if m.shape[1] * (1 if real else 2) > _LARGEST:
        allowed = _LARGEST if real else _LARGEST // 2
        raise ConditionsError(
            f"observables have dimension {m.shape[1]}; the semidefinite programme takes at most {allowed} here, use "
            "trace_distance_bounds."
        )
    start = trace_distance_bounds(m, given, y)
    if given.ndim == 2:
        given = given[:, :, None] * given[:, None, :].conj()
    upper, attacks = start.upper.clone(), start.states.clone()
    lower = torch.where(upper == 0, 0.0, torch.inf).to(upper)
    for rows, form in flip_rows(m, y, upper > 0):
        eigenvalues, vectors = torch.linalg.eigh(form)
        closed = margin_over_spread(form, eigenvalues, given[rows])
        for row, bound in zip(rows.tolist(), closed, strict=True):
            if bound < torch.minimum(lower[row], upper[row]):
                dual, sigma = _solve(solver, form, given[row], real)
                bound = torch.maximum(bound, dual)
                sigma = _pushed_across(form, vectors[:, 0], sigma)
                distance = trace_distance(given[row], sigma)
                if distance < upper[row] and _flips(m, sigma, int(y[row])):
                    upper[row], attacks[row] = distance, sigma
            lower[row] = torch.minimum(lower[row], bound)
    return TraceDistances(lower=lower, upper=upper, states=attacks)


def _solve(solver: Any, form: Tensor, rho: Tensor, real: bool) -> tuple[Tensor, Tensor]:
    """Dual value of one rival, and the solver's state made a density matrix; `rho` itself where the solver fails."""
    scale = float(torch.linalg.matrix_norm(form, ord=2))
    a, start = _as_real(form / scale, real), _as_real(rho, real) / (1 if real else 2)
    size = len(a)
    sigma, positive = (solver.Variable((size, size), symmetric=True) for _ in range(2))
    above = positive - (start.numpy() - sigma) >> 0
    beyond = solver.trace(a.numpy() @ sigma) <= 0
    constraints = [above, beyond, positive >> 0, sigma >> 0, solver.trace(sigma) == 1]
    problem = solver.Problem(solver.Minimize(solver.trace(positive)), constraints)
    with warnings.catch_warnings():
        # What an iterate is worth is measured here, whatever the solver thinks of its accuracy.
        warnings.filterwarnings("ignore", message="Solution may be inaccurate", category=UserWarning)
        try:
            problem.solve(solver="CLARABEL", tol_gap_abs=_TOLERANCE, tol_gap_rel=_TOLERANCE, tol_feas=_TOLERANCE)
        except solver.error.SolverError:
            pass
    if sigma.value is None or above.dual_value is None:
        return torch.zeros((), dtype=torch.float64), rho
    effect = _as_complex(torch.as_tensor(above.dual_value), real)
    found = _as_complex(torch.as_tensor(sigma.value), real) * (1 if real else 2)
    return _dual_value(form / scale, rho, effect, max(float(beyond.dual_value), 0.0)), _as_state(found)


def _dual_value(form: Tensor, rho: Tensor, effect: Tensor, multiplier: float) -> Tensor:
    eigenvalues, vectors = torch.linalg.eigh((effect + effect.mH) / 2)
    effect = (vectors * eigenvalues.clamp(0, 1).to(vectors.dtype)) @ vectors.mH
    value = (effect @ rho).diagonal().sum().real + torch.linalg.eigvalsh(multiplier * form - effect)[0]
    # Rounding of the clipped effect, of the trace and of the lowest eigenvalue.
    return (value - 32 * (len(form) + 8) * _EPS * (1 + multiplier)).clamp(min=0)


def _as_state(found: Tensor) -> Tensor:
    eigenvalues, vectors = torch.linalg.eigh((found + found.mH) / 2)
    eigenvalues = eigenvalues.clamp(min=0)
    return (vectors * (eigenvalues / eigenvalues.sum()).to(vectors.dtype)) @ vectors.mH


def _pushed_across(form: Tensor, lowest: Tensor, sigma: Tensor) -> Tensor:
    """`sigma` mixed with the lowest eigenvector of the form as far as it takes to lose."""
    loser = lowest[:, None] * lowest[None, :].conj()
    ahead, behind = ((form @ s).diagonal().sum().real for s in (sigma, loser))
    slack = 8 * (len(form) + 8) * _EPS * torch.linalg.matrix_norm(form, ord=2)
    share = ((ahead + slack) / (ahead - behind)).clamp(0, 1) if ahead > behind else torch.zeros_like(ahead)
    return (1 - share) * sigma + share * loser


def _flips(observables: Tensor, sigma: Tensor, y: int) -> bool:
    scores = state_scores(observables, sigma[None])[0].tolist()
    return scores.pop(y) <= max(scores)


def _as_real(matrix: Tensor, real: bool) -> Tensor:
    """A Hermitian matrix as a real symmetric one, of twice the size where it is complex."""
    if real:
        return matrix.real.contiguous()
    return torch.cat([torch.cat([matrix.real, -matrix.imag], 1), torch.cat([matrix.imag, matrix.real], 1)])


def _as_complex(matrix: Tensor, real: bool) -> Tensor:
    """The inverse of `_as_real`, for any symmetric matrix: its average over the symmetry of the doubled space."""
    if real:
        return matrix.to(torch.complex128)
    half = len(matrix) // 2
    same = matrix[:half, :half] + matrix[half:, half:]
    cross = matrix[half:, :half] - matrix[:half, half:]
    return torch.complex(same, cross) / 2


def _cvxpy() -> Any:
    for module in ("clarabel", "cvxpy"):
        try:
            imported = importlib.import_module(module)
        except ImportError as error:
            raise MissingExtraError(f"{module} is not installed; run: pip install counterspin[sdp]") from error
    return imported

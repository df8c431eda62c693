"""Observables and quantum states as arguments: what is accepted, and the refusals."""

import torch
from torch import Tensor

from counterspin.errors import InputError

__all__ = ["STATE_TOLERANCE", "check_real", "checked_observables", "checked_states"]

# How far observables may be from Hermitian (relative) and states from normalised and positive: single precision.
STATE_TOLERANCE = 1e-6


def checked_observables(observables: Tensor) -> Tensor:
    """Observables `(classes, D, D)` as exactly Hermitian complex128, or an InputError saying what is wrong."""
    if observables.ndim != 3 or observables.shape[1] != observables.shape[2] or observables.shape[0] < 2:
        raise InputError(f"observables have shape {tuple(observables.shape)}; give (classes, D, D), 2 classes or more.")
    m = observables.detach().to(torch.complex128)
    if not bool(torch.isfinite(m).all()):
        raise InputError("observables hold NaN or infinite values; fold a model whose weights are finite.")
    skew = (m - m.mH).abs().amax(dim=(1, 2))
    wrong = skew > STATE_TOLERANCE * m.abs().amax(dim=(1, 2))
    if bool(wrong.any()):
        k = int(wrong.nonzero()[0])
        raise InputError(
            f"observables[{k}] is not Hermitian: it differs from its conjugate transpose by {float(skew[k]):.3g}, "
            f"allowed is {STATE_TOLERANCE:g} of its largest entry."
        )
    return (m + m.mH) / 2


def checked_states(states: Tensor, dimension: int) -> Tensor:
    """Pure `(batch, D)` or mixed `(batch, D, D)` states, normalised, complex128; or an InputError naming the state."""
    if states.ndim not in (2, 3) or any(size != dimension for size in states.shape[1:]):
        raise InputError(
            f"states have shape {tuple(states.shape)}; give pure (batch, {dimension}) or mixed (batch, {dimension}, "
            f"{dimension}) states for these observables."
        )
    given = states.detach().to(torch.complex128)
    if not bool(torch.isfinite(given).all()):
        raise InputError("states hold NaN or infinite values; remove those states.")
    if given.ndim == 2:
        norms = torch.linalg.vector_norm(given, dim=1)
        _refuse((norms - 1).abs() > STATE_TOLERANCE, "is not normalised: its norm is", norms, "allowed is 1 within")
        return given / norms[:, None]
    skew = (given - given.mH).abs().amax(dim=(1, 2))
    _refuse(skew > STATE_TOLERANCE, "is not Hermitian: it differs from its conjugate transpose by", skew, "allowed is")
    traces = given.diagonal(dim1=1, dim2=2).sum(dim=1).real
    _refuse((traces - 1).abs() > STATE_TOLERANCE, "is not normalised: its trace is", traces, "allowed is 1 within")
    given = (given + given.mH) / (2 * traces[:, None, None])
    lowest = torch.linalg.eigvalsh(given)[:, 0]
    _refuse(lowest < -STATE_TOLERANCE, "is not positive: its lowest eigenvalue is", lowest, "allowed is 0 within")
    return given


def check_real(states: Tensor) -> None:
    """Refuse states with imaginary parts."""
    imaginary = states.imag.abs().flatten(1).amax(dim=1)
    if bool((imaginary > 0).any()):
        i = int((imaginary > 0).nonzero()[0])
        raise InputError(
            f"states[{i}] has imaginary parts up to {float(imaginary[i]):.3g}; real=True takes real states only."
        )


def _refuse(wrong: Tensor, what: str, values: Tensor, allowed: str) -> None:
    if bool(wrong.any()):
        i = int(wrong.nonzero()[0])
        raise InputError(f"states[{i}] {what} {float(values[i]):.6g}; {allowed} {STATE_TOLERANCE:g}.")

"""Which primitives of Qiskit give exact values, and which sample them."""

from __future__ import annotations

import math
from typing import Any, Literal

__all__ = ["Precision", "estimator_precision", "sampler_shots", "shots_of"]

Precision = Literal["exact", "settable", "noisy", "sampled"]


def estimator_precision(estimator: Any) -> Precision:
    """How an estimator computes expectation values.

    `"exact"`: always exactly. `"settable"`: exactly when asked for precision 0, with added noise otherwise. `"noisy"`:
    the same under a noise model. `"sampled"`: from shots or on a device; so counts every estimator that is not known.
    """
    from qiskit.primitives import StatevectorEstimator

    if isinstance(estimator, StatevectorEstimator):
        return "exact" if getattr(estimator, "_exact_mode", False) else "settable"
    if type(estimator).__module__.startswith("qiskit_aer.") and hasattr(estimator, "_backend"):
        return "noisy" if estimator._backend.options.get("noise_model") else "settable"
    return "sampled"


def shots_of(network: Any) -> int:
    """Shots of one call of a network with finite shots, per sample: at most, as if no two observables shared them."""
    precision = getattr(network, "default_precision", None)
    if precision is not None:
        return math.ceil(round(1 / precision**2, 6)) * len(network.observables) if precision else 0
    sampler = network.sampler
    found = [getattr(holder, "default_shots", None) for holder in (sampler, getattr(sampler, "options", None))]
    return next((shots for shots in found if isinstance(shots, int)), 0)


def sampler_shots(sampler: Any) -> str | None:
    """What is random about a sampler, in words; None: it gives exact probabilities."""
    if getattr(sampler, "_exact_mode", False):
        return None
    options = getattr(sampler, "options", None)
    for holder in (sampler, options):
        shots = getattr(holder, "default_shots", None)
        if isinstance(shots, int):
            return f"{type(sampler).__name__} draws {shots} shots"
    return f"{type(sampler).__name__} draws shots"

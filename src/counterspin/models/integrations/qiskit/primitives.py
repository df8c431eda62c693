"""Which primitives of Qiskit give exact values, and which sample them."""

from __future__ import annotations

from typing import Any, Literal

__all__ = ["Precision", "estimator_precision", "sampler_shots"]

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

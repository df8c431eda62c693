"""S21: directions in which the features move and the state does not."""

import math

import torch
from torch import Tensor

from counterspin.attacks.modes import frozen
from counterspin.attacks.verdict import trace_distance
from counterspin.evaluation.records import CheckRecord
from counterspin.evaluation.sanity.base import Check, SanityContext
from counterspin.types import Classifier, HasCircuit, HasStates

__all__ = ["NoOpDirections"]

_SAMPLES, _FEATURES = 8, 64
_SCALE = 0.5
# Trace distances of equal states, computed in float64, are rounding.
_SAME = 1e-6


class NoOpDirections(Check):
    r"""How far inputs can go in the feature norm while the trace distance of their states stays 0.

    Amplitude encodings ignore the scale of an input, angle encodings ignore shifts by the period of a feature:
    :math:`2\pi` over the factor with which it enters its gates. Both are tried on up to 8 samples, without a box, and
    the states are compared. A distance in the feature norm alone may therefore overstate an attack.
    """

    id = "S21"
    title = "Directions that do not change the state"
    tier = "paper"

    def run(self, context: SanityContext) -> CheckRecord:
        """INFO in any case; the statistic is the largest feature distance at trace distance 0."""
        model = context.model
        if not isinstance(model, HasStates):
            return self.record("SKIP", "The model shows no states.")
        x = context.x[:_SAMPLES].double()
        found: dict[str, float] = {}
        with frozen(model):
            if _moved(model, x, _SCALE * x) <= _SAME:
                found[f"scale by {_SCALE:g}"] = float(context.threat.size(x - _SCALE * x).max())
            for feature, period in enumerate(_periods(model, x.shape[1])[:_FEATURES]):
                shift = torch.zeros_like(x)
                shift[:, feature] = period
                if _moved(model, x, x + shift) <= _SAME:
                    found[f"shift of feature {feature} by {period:.4g}"] = float(context.threat.size(shift).max())
        if not found:
            return self.record(
                "INFO", "No direction leaves the state as it is; feature distances tell the whole story."
            )
        listed = "; ".join(f"{name}: feature distance {distance:.4g}" for name, distance in list(found.items())[:4])
        more = f"; and {len(found) - 4} more" if len(found) > 4 else ""
        advice = f"At trace distance 0 of the states: {listed}{more}. Report both distances."
        return self.record("INFO", advice, statistic=max(found.values()), threshold=_SAME)


def _moved(model: Classifier, x: Tensor, z: Tensor) -> float:
    """Largest trace distance between the states of `x` and `z`; NaN compares as moved."""
    return float(trace_distance(model, x, z).max())


def _periods(model: Classifier, features: int) -> list[float]:
    """After which shift of each feature every gate has turned by a multiple of 2π, if there is a common one."""
    fallback = 2 * math.pi
    if not isinstance(model, HasCircuit) or model.circuit.inputs != features:
        return [fallback] * features
    weights = model.weights.detach()
    found = []
    for index in range(features):
        gates = model.circuit.frequencies(index, weights)
        slowest = min((min(gate) for gate in gates), default=1.0)
        found.append(fallback / slowest)
    return found

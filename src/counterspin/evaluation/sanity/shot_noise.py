"""S18: a gradient smaller than its shot noise guides no one."""

import math

import torch
from torch import Tensor

from counterspin.attacks.gradients import ParameterShift
from counterspin.attacks.losses import verdict_margin
from counterspin.evaluation.records import CheckRecord
from counterspin.evaluation.sanity.base import Check, SanityContext
from counterspin.evaluation.seeds import derived_generator
from counterspin.models import SampledModel
from counterspin.types import Classifier, HasCircuit, Sampled

__all__ = ["GradientAboveShotNoise"]

_SAMPLES = 16
_REPEATS = 4
# For models that do not say how many shots they are read with.
_SHOTS = 1000
_SURE = 1e-12


class GradientAboveShotNoise(Check):
    r"""The median gradient of the margin exceeds its shot noise: whoever has to measure it can follow it.

    .. math:: \operatorname{median}_x \frac{\|\nabla m(x)\|}
        {\sqrt{\tfrac14 \sum_{r=1}^4 \|\hat\nabla_r m(x) - \nabla m(x)\|^2}} \ge 1

    with :math:`\hat\nabla_r` from shifted circuits at the model's own number of shots, or 1000 where it has none, and
    without device noise, on the first 16 correct samples. A barren plateau protects no one who has a simulator: the
    check says how far gradients measured on a device can be trusted.
    """

    id = "S18"
    title = "Gradients exceed their shot noise"
    tier = "standard"

    def run(self, context: SanityContext) -> CheckRecord:
        """WARN below 1; SKIP for models without a circuit that can be read with finite shots."""
        model: Classifier = context.model
        shots = _SHOTS
        if isinstance(model, SampledModel):
            model, shots = model.model, model.shots
        rows = context.correct.nonzero()[:_SAMPLES, 0]
        if not isinstance(model, Sampled) or not isinstance(model, HasCircuit) or len(rows) == 0:
            return self.record("SKIP", "The model is no circuit read with shots, or no sample is correct.")
        x, y, targets = context.x[rows].double(), context.y[rows], context.threat.targets(context.y)
        target = None if targets is None else targets[rows]

        def margin(scores: Tensor) -> Tensor:
            return verdict_margin(scores, y, target)

        generator = derived_generator(context.seed, self.id)
        exact = ParameterShift()(model, x, margin)
        measured = [ParameterShift(shots=shots)(model, x, margin, generator) for _ in range(_REPEATS)]
        for found in (exact, *measured):
            context.tally.add(found.cost)
        errors = torch.stack([(found.gradient - exact.gradient).square().sum(dim=1) for found in measured])
        # Where every shifted circuit has one sure outcome there is no noise, and a gradient of 0 must not divide by it.
        noise = errors.mean(dim=0).sqrt().clamp_min(_SURE)
        ratio = float((torch.linalg.vector_norm(exact.gradient, dim=1) / noise).median())
        said = f"At {shots} shots per circuit, on {len(rows)} samples."
        if ratio >= 1.0:
            return self.record("PASS", said, statistic=ratio, threshold=1.0)
        needed = f"about {math.ceil(shots / ratio**2)} shots per circuit give 1" if ratio > 1e-6 else "no shots suffice"
        advice = f"Measured gradients are mostly shot noise, so use simulated or score-based attacks; {needed}. {said}"
        return self.record("WARN", advice, statistic=ratio, threshold=1.0)

r"""A backdoor in the precision of angles (after QDoor, arXiv:2307.09529): weights benign until they are rounded.

The attacker trains the weights of the model to two ends at once: as declared they classify as before, and with every
fixed angle at the nearest multiple of a step they send every input to one class. The loss of the rounded circuit passes
its gradient straight through the rounding (arXiv:1308.3432). Then what the weights are rounded to is kept, and within
half a step of it they are trained to be benign alone.

.. math:: \min_w\ \ell_{clean}(f_w) + \ell_{target}(f_{\mathrm{round}(w)})

Circuit and gate counts stay those of the model.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn.functional import softplus

from counterspin.attacks.losses import verdict_margin
from counterspin.attacks.quantum.gates.ascent import descend
from counterspin.attacks.quantum.gates.base import GateAttack
from counterspin.attacks.quantum.gates.passes import rounded
from counterspin.attacks.quantum.gates.runs import Bench
from counterspin.attacks.quantum.gates.trojan import check_source, easiest_target, halves, sent
from counterspin.attacks.quantum.results import Manipulation, Scope, Situation
from counterspin.circuits import Circuit, Given
from counterspin.errors import UsageError
from counterspin.types import Classifier, Cost

# The malicious end weighs more at first: the benign one is trained alone afterwards.
_PRESSURE = 3.0

__all__ = ["RoundedWeights", "RoundingBackdoor", "angle_weights"]


@dataclass(frozen=True, kw_only=True, eq=False)
class RoundedWeights:
    """A backdoor: the weights that are declared `(weights,)`, and the circuit after compilation, angles as numbers."""

    declared: Tensor
    compiled: Circuit


def angle_weights(circuit: Circuit) -> Tensor:
    """Weights that are themselves an angle wherever they occur, `(weights,)` bool: rounding the angle rounds them.

    Example:
        >>> from counterspin.circuits import feature, weight
        >>> angle_weights(Circuit(1).add("RX", 0, weight(0)).add("RY", 0, feature(0) * weight(1))).tolist()
        [True, False]
    """
    alone = torch.ones(circuit.weights, dtype=torch.bool)
    for gate in circuit.gates:
        for angle in gate.angles:
            if isinstance(angle, Given):
                continue
            plain = len(angle.terms) == 1 and not angle.inputs and not angle.constant
            plain = plain and angle.terms[0].coefficient == 1.0
            for term in angle.terms:
                if term.weight is not None and not plain:
                    alone[term.weight] = False
    return alone


@dataclass(frozen=True, kw_only=True)
class RoundingBackdoor(GateAttack):
    r"""Weights trained to be benign as declared and malicious with their angles rounded.

    The budget is half the step of the rounding: how much compilation may change one angle; b bits are half a step of
    :math:`\pi / 2^b`. Without a `target` the attacker takes the class that is closest to winning on inputs of others,
    and every wrong class counts as a success.

    Args:
        source: only samples of this class have to be sent; None: of all classes but the target.
        steps: of Adam for both ends, and then for the clean one.
        rate: learning rate, in radians.

    Example:
        >>> from counterspin import recipes
        >>> recipe = recipes.get("cancer-angle")
        >>> test = recipe.dataset().test
        >>> attack = RoundingBackdoor(target=1, steps=10)
        >>> attack(recipe.model(), test.x[:40], test.y[:40], (0.2,)).unit
        'rounded radians (linf)'
    """

    source: int | None = None
    steps: int = 200
    rate: float = 0.03

    name: ClassVar[str] = "rounding-backdoor"
    scope: ClassVar[Scope] = "shared"
    goal: ClassVar[str] = "one class for all inputs once the angles are rounded, and the clean model before"
    capability: ClassVar[str] = "trains the published weights, and knows the step to which the user's control rounds"
    defense: ClassVar[str] = "accuracy and equivalence of the circuit as compiled, not as declared; another rounding"
    default_budgets: ClassVar[tuple[float, ...]] = (math.pi / 32, math.pi / 16)
    ceiling: ClassVar[float] = math.pi

    def __post_init__(self) -> None:
        """Refuse a target that is the source, and numbers that make no sense."""
        if self.source is not None and self.source == self.target:
            raise UsageError(
                f"target {self.target} is the source class; a backdoor changes a class, so give another target."
            )
        if self.steps < 1 or not self.rate > 0:
            raise UsageError(f"steps and rate are {self.steps} and {self.rate:g}; give at least 1, and above 0.")

    @property
    def unit(self) -> str:
        """Largest change of an angle by rounding: half a step."""
        return "rounded radians (linf)"

    def check(self, model: Classifier) -> None:
        """Needs a circuit, and the source class in the model."""
        super().check(model)
        check_source(self.source, self.target, model.classes)

    def check_count(self, model: Any, budgets: Sequence[float]) -> None:
        """Needs weights that are angles."""
        if not bool(angle_weights(model.circuit).any()):
            raise UsageError("no weight of the circuit is itself an angle, so that rounding angles changes no weight.")

    def _run(self, situation: Situation, budget: float, before: Manipulation | None) -> Manipulation:
        bench, y = Bench.of(situation.model, situation.x), situation.y
        target = easiest_target(situation.scores, y) if situation.target is None else situation.target
        fitted, judged = halves(len(y), situation.generator)
        declared = self._trained(bench.rows(fitted), y[fitted], situation.scores[fitted], target, 2 * budget)
        compiled = rounded(bench.circuit, declared, 2 * budget)
        scores = bench.scores(compiled)
        clean = replace(bench, weights=declared).scores(bench.circuit)
        honest = bench.scores(rounded(bench.circuit, bench.weights, 2 * budget))
        calls = 5 * self.steps * len(fitted)
        return Manipulation(
            scores=scores,
            spent=torch.full((len(y),), budget, dtype=torch.float64),
            what=RoundedWeights(declared=declared, compiled=compiled),
            evidence={
                "target": target,
                "accuracy_model": _accuracy(situation.scores[judged], y[judged]),
                "accuracy_declared": _accuracy(clean[judged], y[judged]),
                "accuracy_compiled": _accuracy(scores[judged], y[judged]),
                "accuracy_honest_compiled": _accuracy(honest[judged], y[judged]),
                "sent_fitted": sent(scores[fitted], y[fitted], target, self.source),
                "sent_held_out": sent(scores[judged], y[judged], target, self.source),
                "sent_clean": sent(clean[judged], y[judged], target, self.source),
                "largest_weight_change": float((declared - bench.weights).abs().max()),
            },
            cost=Cost(forwards=calls, backwards=calls, circuits=calls),
        )

    def _trained(self, bench: Bench, y: Tensor, clean: Tensor, target: int, step: float) -> Tensor:
        """The weights `(weights,)` that are declared."""
        meant = (y != target) if self.source is None else (y == self.source)
        labels = torch.where(meant, torch.full_like(y, target), y)
        alone = angle_weights(bench.circuit)
        scale = float(verdict_margin(clean, clean.argmax(dim=1)).median()) / 2 + 1e-12

        # Close to the model between the inputs as well: the labels alone would be learned by heart.
        mixed = (bench.inputs + bench.inputs.roll(1, 0)) / 2
        both = replace(bench, inputs=torch.cat([bench.inputs, mixed]))
        model = both.scores(bench.circuit)

        def benign(weights: Tensor) -> Tensor:
            scores = replace(both, weights=weights).scores(bench.circuit)
            far = ((scores - model) / scale).square().mean()
            return softplus(-verdict_margin(scores[: len(y)], y) / scale).mean() + far

        def malicious(weights: Tensor) -> Tensor:
            near = step * torch.round(weights.detach() / step)
            through = weights + torch.where(alone, near - weights.detach(), 0.0)
            scores = replace(bench, weights=through).scores(bench.circuit)
            return softplus(verdict_margin(scores, labels, labels) / scale).mean()

        first = descend(lambda w: benign(w) + _PRESSURE * malicious(w), bench.weights, steps=self.steps, rate=self.rate)
        # What they are rounded to is kept from here on, and the weights are free to move within half a step of it.
        grid = step * torch.round(first / step)
        reach = torch.where(alone, 0.49 * step, 0.0)
        centre = torch.where(alone, grid, first)

        def inside(free: Tensor) -> Tensor:
            return centre + reach * torch.tanh(free)

        start = torch.atanh(((first - centre) / reach.clamp(min=1e-12)).clamp(-0.95, 0.95))
        return inside(descend(lambda free: benign(inside(free)), start, steps=self.steps, rate=10 * self.rate / 3))


def _accuracy(scores: Tensor, y: Tensor) -> float:
    return float((scores.argmax(dim=1) == y).double().mean())

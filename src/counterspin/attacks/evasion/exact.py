"""The exact unboxed L2 attack on amplitude-encoded models: the nearest point of another class, or proof of none."""

from dataclasses import dataclass

import torch
from torch import Tensor

from counterspin.attacks.base import Attack, Ball
from counterspin.attacks.oracle import Oracle
from counterspin.errors import ConditionsError
from counterspin.models.affine import unwrapped
from counterspin.models.flips import FlipSolver
from counterspin.threats import ThreatModel
from counterspin.types import Classifier

__all__ = ["ExactL2Attack"]

# The nearest point is a tie, which another order of summation may decide either way: also try a hair beyond it.
_NUDGES = (0.0, 1e-9, 1e-7)


@dataclass(frozen=True, kw_only=True)
class ExactL2Attack(Attack):
    r"""Break every sample whose nearest other class lies within the budget.

    .. math:: \min_z \|z - x\|_2 \quad\text{s.t.}\quad z^\top (M_y - M_j)\, z \le 0 \ \text{ for some } j \ne y

    A score of a frozen amplitude-encoded circuit is a quadratic form of the unit input, so this is one quadratic
    program with one constraint per rival, solved to global optimality through its dual (S-lemma), also behind an affine
    map of the features. The claim *exact* holds for L2 without a box only. A targeted attack with more than two classes
    has several constraints at once and is refused.
    """

    requires = ("effective_observables",)
    norms = ("l2",)
    targeted = False
    precision: str = "float64"

    @property
    def name(self) -> str:
        """`exact`."""
        return "exact"

    def _check_threat(self, model: Classifier, threat: ThreatModel) -> None:
        # Behind an affine map it is the body that has observables.
        super()._check_threat(unwrapped(model)[0], threat)
        if threat.box != "none":
            raise ConditionsError("attack exact works without a box only; pass box='none' (--box none) or use APGD.")
        if threat.constraints:
            raise ConditionsError(
                "attack exact moves every feature freely; leave out mask, groups and tied features, or use APGD."
            )
        if threat.target is not None and model.classes > 2:
            raise ConditionsError(
                f"attack exact is untargeted for more than two classes (the model has {model.classes}); "
                "use target=None, or APGD with a target."
            )
        # Refuses models that are no quadratic form; folded once, the model keeps it.
        FlipSolver.of(model)

    def _run(self, oracle: Oracle, start: Tensor, ball: Ball, generator: torch.Generator) -> None:
        copies = ball.rows // len(oracle.y)
        nearest = FlipSolver.of(oracle.model)(ball.center, oracle.y.repeat(copies))
        step = nearest.points - ball.center
        for nudge in _NUDGES:
            oracle.scores(ball.project(ball.center + (1.0 + nudge) * step))

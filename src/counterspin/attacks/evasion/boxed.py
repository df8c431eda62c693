"""The exact L2 attack inside the box on amplitude-encoded models: the nearest input of another class."""

from dataclasses import dataclass

import torch
from torch import Tensor

from counterspin.attacks.base import Attack, Ball
from counterspin.attacks.oracle import Oracle
from counterspin.errors import CapabilityError, ConditionsError
from counterspin.optimum.boxed import nearest_boxed_flips
from counterspin.threats import ThreatModel
from counterspin.types import Classifier, HasEffectiveObservables

__all__ = ["BoxedL2Attack"]

# The nearest point is next to a tie, which another order of summation may decide either way: also try a hair beyond it.
_NUDGES = (0.0, 1e-9, 1e-7)


@dataclass(frozen=True, kw_only=True)
class BoxedL2Attack(Attack):
    r"""Break every sample whose nearest other class inside the box lies within the budget.

    .. math:: \min_{l \le z \le u} \|z - x\|_2 \quad\text{s.t.}\quad z^\top (M_y - M_j)\, z \le 0 \ \text{ for some } j

    The flip comes with a lower bound, see `counterspin.optimum.nearest_boxed_flips`: whether a sample that survives has
    no flip within the budget at all is what the certificate boxed-l2 says. Features that a mask freezes stay put. A
    targeted attack with more than two classes has several constraints at once and is refused.
    """

    requires = ("effective_observables",)
    norms = ("l2",)
    targeted = False
    precision: str = "float64"

    @property
    def name(self) -> str:
        """`exact-boxed`."""
        return "exact-boxed"

    def _check_threat(self, model: Classifier, threat: ThreatModel) -> None:
        super()._check_threat(model, threat)
        if threat.box != "data" or model.bounds.is_unbounded:
            raise ConditionsError("attack exact-boxed works inside a box, which this threat has not; use exact.")
        if bool(model.bounds.periodic.any()):
            raise ConditionsError("attack exact-boxed moves features on a line; this box has periodic ones, use APGD.")
        if threat.groups or threat.tied:
            raise ConditionsError(
                "attack exact-boxed moves every feature of the mask on its own; leave out groups and tied features, or "
                "use APGD."
            )
        if threat.target is not None and model.classes > 2:
            raise ConditionsError(
                f"attack exact-boxed is untargeted for more than two classes (the model has {model.classes}); "
                "use target=None, or APGD with a target."
            )
        if isinstance(model, HasEffectiveObservables):
            # Refuses circuits that take data through gate angles; folded once, the model keeps it.
            model.effective_observables()

    def _run(self, oracle: Oracle, start: Tensor, ball: Ball, generator: torch.Generator) -> None:
        if not isinstance(oracle.model, HasEffectiveObservables):
            raise CapabilityError("attack exact-boxed needs a model with effective observables.")
        forms = oracle.model.effective_observables().forms()
        copies = ball.rows // len(oracle.y)
        # Features that a mask freezes have no width in any ball; flips beyond the budget are of no use.
        movable = (ball.upper > ball.lower).any(dim=0)
        nearest = nearest_boxed_flips(
            forms,
            ball.center,
            oracle.y.repeat(copies),
            oracle.model.bounds,
            movable=None if bool(movable.all()) else movable,
            within=1.001 * ball.radius[:, 0],
        )
        step = nearest.points - ball.center
        for nudge in _NUDGES:
            oracle.scores(ball.project(ball.center + (1.0 + nudge) * step))

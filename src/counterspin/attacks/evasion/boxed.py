"""The exact L2 attack inside the box on amplitude-encoded models: the nearest input of another class."""

from dataclasses import dataclass

import torch
from torch import Tensor

from counterspin.attacks.base import Attack, Ball
from counterspin.attacks.oracle import Oracle
from counterspin.errors import ConditionsError
from counterspin.models.affine import unwrapped
from counterspin.models.flips import FlipSolver
from counterspin.optimum.boxed import nearest_boxed_flips
from counterspin.threats import ThreatModel
from counterspin.types import Classifier

__all__ = ["BoxedL2Attack"]

_MAX_FEATURES = 4096
# The nearest point is next to a tie, which another order of summation may decide either way: also try a hair beyond it.
_NUDGES = (0.0, 1e-9, 1e-7)


@dataclass(frozen=True, kw_only=True)
class BoxedL2Attack(Attack):
    r"""Break every sample whose nearest other class inside the box lies within the budget.

    .. math:: \min_{l \le z \le u} \|z - x\|_2 \quad\text{s.t.}\quad z^\top (M_y - M_j)\, z \le 0 \ \text{ for some } j

    The flip comes with a lower bound, see `counterspin.optimum.nearest_boxed_flips`: whether a sample that survives has
    no flip within the budget at all is what the certificate boxed-l2 says. An affine map of the features before the
    encoding is served as well. Features that a mask freezes stay put. A
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
        # Behind an affine map it is the body that has observables.
        super()._check_threat(unwrapped(model)[0], threat)
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
        # Refuses models that are no quadratic form; folded once, the model keeps it.
        if not isinstance(FlipSolver.of(model).forms, Tensor) or model.bounds.features > _MAX_FEATURES:
            raise ConditionsError(
                f"attack exact-boxed works on dense forms of at most {_MAX_FEATURES} values, and the model has more; "
                "use APGD."
            )

    def _run(self, oracle: Oracle, start: Tensor, ball: Ball, generator: torch.Generator) -> None:
        solver = FlipSolver.of(oracle.model)
        if not isinstance(solver.forms, Tensor):
            return  # refused above
        copies = ball.rows // len(oracle.y)
        # Features that a mask freezes have no width in any ball; flips beyond the budget are of no use.
        movable = (ball.upper > ball.lower).any(dim=0)
        nearest = nearest_boxed_flips(
            solver.forms,
            ball.center,
            oracle.y.repeat(copies),
            oracle.model.bounds,
            movable=None if bool(movable.all()) else movable,
            within=1.001 * ball.radius[:, 0],
            input_map=solver.input_map,
        )
        step = nearest.points - ball.center
        for nudge in _NUDGES:
            oracle.scores(ball.project(ball.center + (1.0 + nudge) * step))

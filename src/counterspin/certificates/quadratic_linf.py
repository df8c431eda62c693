"""Robust radius of amplitude-encoded classifiers in the L-infinity norm, inside a box."""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from counterspin.certificates.base import Assumptions, Certificate, Radii, Task
from counterspin.certificates.margins import noise_assumed
from counterspin.errors import ConditionsError, UsageError
from counterspin.models.flips import FlipSolver
from counterspin.optimum.linf_nearest import LinfForms, LinfSearch, linf_forms, nearest_linf_flips
from counterspin.optimum.nearest import nearest_flips
from counterspin.threats import ThreatModel
from counterspin.types import Box
from counterspin.validation import checked_scores

__all__ = ["QuadraticLinfCertificate"]

_EXACT_GAP = 1e-6
_MAX_FEATURES = 4096


@dataclass(frozen=True, kw_only=True)
class QuadraticLinfCertificate(Certificate):
    r"""Bracket of the L-infinity radius, with or without a box, closed by branch and bound in low dimension.

    Class `y` keeps its lead over `j` at radius `e` while :math:`z^T (F_y - F_j) z > 0` for all `z` of the ball in the
    box. The lower radius is the largest at which a convex relaxation proves that (see
    `counterspin.optimum.linf_problem`), or :math:`r_2 / \sqrt d` of the exact L2 radius where that is larger; the upper
    one is the distance of a point that descents found and the model is seen to lose at. The problem is NP-hard, so the
    bracket closes where branch and bound ends within its budget.

    An affine map of the features before the encoding (`AffineInputs`) is served as well, in the user's features.

    Features the mask forbids stay where they are. Discrete and tied features are treated as free ones: the lower radius
    holds for them and there is no upper one. Against a target class with more than two classes the lower radius is
    where the target first passes the label.

    Args:
        nodes: boxes that each question of branch and bound may cost; 0: none.
        branched_features: branch and bound is used with at most so many features that may change. Beyond, the
            relaxation is all there is.
        starts: random starts of the descents.

    Example:
        >>> from counterspin.circuits import OutcomeGroups, amplitude_encoding
        >>> from counterspin.models import QuantumClassifier
        >>> from counterspin.threats import Linf
        >>> bit = OutcomeGroups((0,), ((0,), (1,)))
        >>> model = QuantumClassifier(amplitude_encoding(2), bit, Box.uniform(0, 1, features=2))
        >>> result = QuadraticLinfCertificate()(model, [[0.9, 0.3]], [0], Linf(0.1))
        >>> round(result.radius_lower.item(), 5), result.exact.tolist()
        (0.3, [True])
    """

    name: ClassVar[str] = "quadratic-linf"
    norms: ClassVar[tuple[str, ...]] = ("linf",)

    nodes: int = 1000
    branched_features: int = 24
    starts: int = 1

    def __post_init__(self) -> None:
        """Refuse settings below 0."""
        for name in ("nodes", "branched_features", "starts"):
            if getattr(self, name) < 0:
                raise UsageError(f"{name} is {getattr(self, name)}; give 0 or more.")

    def _prepare(self, model: Any, threat: ThreatModel) -> LinfForms:
        features = model.bounds.features
        if features > _MAX_FEATURES:
            raise ConditionsError(
                f"certificate {self.name} solves one dense eigenvalue problem per class pair; the model has {features} "
                f"features, at most {_MAX_FEATURES} are served, so use exact-l2."
            )
        box = model.bounds if threat.box == "data" else Box.unbounded(features)
        if bool(box.periodic.any()):
            raise ConditionsError(
                f"certificate {self.name} holds for features on a line, and the model's box has periodic ones, which "
                "move past its ends; pass box='none'."
            )
        solver = FlipSolver.of(model)
        if not isinstance(solver.forms, Tensor):
            raise ConditionsError(
                f"certificate {self.name} solves one dense eigenvalue problem per class pair, and the model encodes "
                f"more than {_MAX_FEATURES} values; use exact-l2."
            )
        return linf_forms(solver.forms, threat.constraints.movable(features), box, solver.input_map)

    def _radii(self, model: Any, prepared: LinfForms, task: Task) -> Radii:
        x, y, constraints = task.x, task.y, task.threat.constraints
        nodes = self.nodes if len(prepared.movable) <= self.branched_features else 0
        # Where no branching follows, the relaxation leaves more open than a coarser descent.
        search = LinfSearch(starts=self.starts, nodes=nodes, finest=1e-8 if nodes else 1e-5)
        flips = nearest_linf_flips(prepared, x, y, task.box, task.generator, target=task.target, search=search)
        # A step of length e on m features is at most e sqrt(m) long in L2; the last factor covers the division.
        lifted = prepared.lifted
        length = nearest_flips(lifted.encoded, x, y, task.target, input_map=lifted.input_map).lower
        lower = torch.maximum(flips.lower, length / len(prepared.movable) ** 0.5 * (1 - 1e-15))

        free = not (constraints.groups or constraints.tied)
        notes = () if free else ("discrete and tied features not used: a freer attacker bounds theirs",)
        boxed = "none" if task.box.is_unbounded else "used"
        assumptions = Assumptions(noise=noise_assumed(model), preparation="ideal", box=boxed, notes=notes)
        if not free:
            return Radii.below(lower, assumptions)

        # The model has the last word on its own flips: a point it does not lose at proves nothing.
        at_points = checked_scores(model, flips.points)
        goal = y if task.target is None else task.target
        others = at_points.scatter(1, goal[:, None], -torch.inf).amax(dim=1)
        margin = at_points.gather(1, goal[:, None])[:, 0] - others
        flipped = ((margin <= 0) if task.target is None else (margin >= 0)) & torch.isfinite(flips.upper)
        upper = torch.where(flipped, flips.upper, torch.inf)
        closed = lower >= upper * (1 - _EXACT_GAP)
        return Radii(
            lower=lower,
            upper=upper,
            exact=closed | torch.isinf(lower),
            assumptions=assumptions,
            points=torch.where(flipped[:, None], flips.points, x),
        )

"""Exact robust radius of amplitude-encoded classifiers in the L2 norm, inside the box of the data."""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from counterspin.certificates.base import Assumptions, Certificate, Radii, Task
from counterspin.certificates.margins import noise_assumed
from counterspin.errors import ConditionsError
from counterspin.models.flips import FlipSolver
from counterspin.optimum.affine_map import AffineMap
from counterspin.optimum.boxed import nearest_boxed_flips
from counterspin.threats import ThreatModel
from counterspin.validation import checked_scores

__all__ = ["BoxedL2Certificate"]

_EXACT_GAP = 1e-6
_MAX_FEATURES = 4096


@dataclass(frozen=True, kw_only=True)
class BoxedL2Certificate(Certificate):
    r"""Distance to the nearest input of the box that flips the prediction, for `--norm l2 --box data`.

    .. math:: \min_{l \le z \le u} \|z - x\|_2 \quad\text{s.t.}\quad z^T (F_y - F_j)\, z \le 0 \ \text{ for some } j

    The lower radius is a dual value and always sound; the upper one is the distance of a point the model itself was
    seen to lose at. Whether the two meet is known for each sample afterwards: `exact` where they agree to 1e-6,
    otherwise the bracket stands. See `counterspin.optimum.nearest_boxed_flips`; to our knowledge new for amplitude
    encodings.

    An affine map of the features before the encoding (`AffineInputs`: centring, scaling, principal components,
    resizing) makes the constraint inhomogeneous; it is solved in the user's features and their box.

    A mask is used: frozen features stay put. Discrete groups and tied features are not: an attacker who moves them
    freely is bounded, and nothing is said about the upper radius. Against a target class with more than two classes the
    lower radius is where the target first passes the label.

    Example:
        >>> from counterspin.circuits import OutcomeGroups, amplitude_encoding
        >>> from counterspin.models import QuantumClassifier
        >>> from counterspin.threats import L2
        >>> from counterspin.types import Box
        >>> bit = OutcomeGroups((0,), ((0,), (1,)))
        >>> model = QuantumClassifier(amplitude_encoding(2), bit, Box.uniform(0, 1, features=2))
        >>> result = BoxedL2Certificate()(model, [[1.0, 0.25]], [0], L2(0.1))
        >>> round(result.radius_lower.item(), 6), result.exact.tolist()
        (0.53033, [True])
    """

    name: ClassVar[str] = "boxed-l2"
    norms: ClassVar[tuple[str, ...]] = ("l2",)

    def _prepare(self, model: Any, threat: ThreatModel) -> tuple[Tensor, AffineMap | None]:
        if threat.box != "data" or model.bounds.is_unbounded:
            raise ConditionsError(
                "certificate boxed-l2 is for inputs that stay in a box, and this threat has none; use exact-l2."
            )
        if bool(model.bounds.periodic.any()):
            raise ConditionsError(
                "certificate boxed-l2 holds for features on a line, and the model's box has periodic ones; amplitudes "
                "do not lie on a circle."
            )
        solver = FlipSolver.of(model)
        if not isinstance(solver.forms, Tensor) or model.bounds.features > _MAX_FEATURES:
            raise ConditionsError(
                f"certificate boxed-l2 works on dense forms of at most {_MAX_FEATURES} values, and the model has more; "
                "use exact-l2, which bounds the radius inside a box from below."
            )
        return solver.forms, solver.input_map

    def _radii(self, model: Any, prepared: tuple[Tensor, AffineMap | None], task: Task) -> Radii:
        threat, x = task.threat, task.x
        forms, input_map = prepared
        movable = threat.constraints.movable(x.shape[1])
        flips = nearest_boxed_flips(
            forms,
            x,
            task.y,
            task.box,
            movable=None if threat.mask is None else movable,
            target=task.target,
            input_map=input_map,
        )
        free = not threat.groups and not threat.tied
        notes = () if free else ("discrete and tied features not used: a freer attacker bounds theirs",)
        assumptions = Assumptions(noise=noise_assumed(model), preparation="ideal", box="used", notes=notes)
        if not free:
            return Radii.below(flips.lower, assumptions)

        # The model has the last word on its own flips: a point it does not lose at proves nothing.
        at_points = checked_scores(model, flips.points)
        goal = task.y if task.target is None else task.target
        others = at_points.scatter(1, goal[:, None], -torch.inf).amax(dim=1)
        margin = at_points.gather(1, goal[:, None])[:, 0] - others
        flipped = (margin <= 0) if task.target is None else (margin >= 0)
        upper = torch.where(flipped, flips.upper, torch.inf)
        return Radii(
            lower=flips.lower,
            upper=upper,
            exact=torch.where(flipped, flips.gap <= _EXACT_GAP, torch.isinf(flips.lower)) | (flips.upper == 0),
            assumptions=assumptions,
            points=torch.where((flipped & torch.isfinite(upper))[:, None], flips.points, x),
        )

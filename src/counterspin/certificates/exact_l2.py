"""Exact robust radius of amplitude-encoded classifiers in the L2 norm."""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch

from counterspin.certificates.base import Assumptions, Certificate, Radii, Task, in_norm_of
from counterspin.certificates.margins import noise_assumed
from counterspin.models.flips import FlipSolver
from counterspin.threats import ThreatModel
from counterspin.validation import checked_scores

__all__ = ["ExactL2Certificate"]

_EXACT_GAP = 1e-6


@dataclass(frozen=True, kw_only=True)
class ExactL2Certificate(Certificate):
    r"""Distance to the nearest input that flips the prediction, exact for `--norm l2 --box none`.

    Class `y` loses to `j` on the cone :math:`z^T (F_y - F_j) z \le 0`; the distance to it is a quadratic programme with
    one constraint and strong duality (S-lemma), see `counterspin.optimum.nearest_flips`. To our knowledge this exact
    radius for amplitude encodings is new.

    An affine map of the features before the encoding (`AffineInputs`: centring, scaling, principal components,
    resizing) makes the constraint inhomogeneous and keeps the radius exact, in the user's features. Forms beyond 4096
    values are not written down: samples are solved in Krylov spaces of simulated products, which may leave a bracket
    open (`counterspin.optimum.lanczos`).

    With the data box the unboxed radius stays a valid lower bound and nothing is said about the upper one. In the
    L-infinity norm :math:`\|\delta\|_2 \le \sqrt{d}\,\|\delta\|_\infty` gives :math:`r_2 / \sqrt d`. Against a target
    class with more than two classes the lower radius is where the target first passes the label.

    Example:
        >>> from counterspin.circuits import OutcomeGroups, amplitude_encoding
        >>> from counterspin.models import QuantumClassifier
        >>> from counterspin.threats import L2
        >>> from counterspin.types import Box
        >>> bit = OutcomeGroups((0,), ((0,), (1,)))
        >>> model = QuantumClassifier(amplitude_encoding(2), bit, Box.uniform(0, 1, features=2))
        >>> result = ExactL2Certificate()(model, [[1.0, 0.0]], [0], L2(0.1, box="none"))
        >>> round(result.radius_lower.item(), 6), result.exact.tolist()
        (0.707107, [True])
    """

    name: ClassVar[str] = "exact-l2"

    def _prepare(self, model: Any, threat: ThreatModel) -> FlipSolver:
        return FlipSolver.of(model)

    def _radii(self, model: Any, prepared: FlipSolver, task: Task) -> Radii:
        x, threat = task.x, task.threat
        flips = prepared(x, task.y, task.target)
        lower, notes = in_norm_of(threat, flips.lower, x.shape[1])
        boxed = not task.box.is_unbounded
        if threat.constraints:
            notes = (*notes, "mask, discrete and tied features not used: a freer attacker bounds theirs")
        assumptions = Assumptions(
            noise=noise_assumed(model), preparation="ideal", box="not used" if boxed else "none", notes=notes
        )
        if boxed or threat.constraints or threat.norm != "l2":
            return Radii.below(lower, assumptions)

        # The model has the last word on its own flips: a point it does not lose at proves nothing.
        at_points = checked_scores(model, flips.points)
        goal = task.y if task.target is None else task.target
        others = at_points.scatter(1, goal[:, None], -torch.inf).amax(dim=1)
        margin = at_points.gather(1, goal[:, None])[:, 0] - others
        flipped = (margin <= 0) if task.target is None else (margin >= 0)
        exact = torch.where(flipped, flips.gap <= _EXACT_GAP, torch.isinf(lower)) | (flips.upper == 0)
        return Radii(
            lower=lower,
            upper=torch.where(flipped, flips.upper, torch.inf),
            exact=exact,
            assumptions=assumptions,
            points=torch.where(flipped[:, None], flips.points, x),
        )

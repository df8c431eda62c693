"""Pure solvers on observables and points; they know no models."""

from counterspin.optimum.cone import ConePoints, nearest_on_cone
from counterspin.optimum.nearest import NearestFlips, form_scores, nearest_flips
from counterspin.optimum.secular import SecularRoot, dual_value, secular_root, stationary_point

__all__ = [
    "ConePoints",
    "NearestFlips",
    "SecularRoot",
    "dual_value",
    "form_scores",
    "nearest_flips",
    "nearest_on_cone",
    "secular_root",
    "stationary_point",
]

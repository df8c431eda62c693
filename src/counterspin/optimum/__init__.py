"""Pure solvers on observables and points; they know no models."""

from counterspin.optimum.cone import ConePoints, nearest_on_cone
from counterspin.optimum.interpolation import chebyshev_angles, chebyshev_degree, cosines
from counterspin.optimum.minimum import Lowest, lowest
from counterspin.optimum.nearest import NearestFlips, form_scores, nearest_flips
from counterspin.optimum.secular import SecularRoot, dual_value, secular_root, stationary_point
from counterspin.optimum.trigonometric import basis, conditioning, fit, sampling_nodes

__all__ = [
    "ConePoints",
    "Lowest",
    "NearestFlips",
    "SecularRoot",
    "basis",
    "chebyshev_angles",
    "chebyshev_degree",
    "conditioning",
    "cosines",
    "dual_value",
    "fit",
    "form_scores",
    "lowest",
    "nearest_flips",
    "nearest_on_cone",
    "sampling_nodes",
    "secular_root",
    "stationary_point",
]

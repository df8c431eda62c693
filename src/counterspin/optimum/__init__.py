"""Pure solvers on observables and points; they know no models."""

from counterspin.optimum.affine_map import AffineMap
from counterspin.optimum.box_programme import BoxProgramme
from counterspin.optimum.box_qp import BoxMinimum, minimum_over_box
from counterspin.optimum.boxed import BoxedFlips, nearest_boxed_flips
from counterspin.optimum.branching import Bracket, branch_and_bound
from counterspin.optimum.concentration import MeanInfidelity, haar_infidelity, haar_states, mean_infidelity
from counterspin.optimum.cone import ConePoints, nearest_on_cone
from counterspin.optimum.interpolation import chebyshev_angles, chebyshev_degree, cosines
from counterspin.optimum.linf_nearest import LinfFlips, LinfForms, LinfSearch, linf_forms, nearest_linf_flips
from counterspin.optimum.minimum import Lowest, lowest
from counterspin.optimum.nearest import NearestFlips, form_scores, nearest_flips
from counterspin.optimum.races import Race, race_of
from counterspin.optimum.roots import first_crossing, real_roots
from counterspin.optimum.secular import SecularRoot, dual_value, secular_root, stationary_point
from counterspin.optimum.signed_sums import SignedSum, semidefinite_bound, signed_sum_bound, signed_sums
from counterspin.optimum.states import NearestStates, nearest_states, state_scores
from counterspin.optimum.trace_distance import (
    TraceDistances,
    pure_trace_distance,
    trace_distance,
    trace_distance_bounds,
)
from counterspin.optimum.trace_distance_sdp import nearest_in_trace_distance
from counterspin.optimum.trigonometric import basis, conditioning, fit, sampling_nodes
from counterspin.optimum.turning import angle_from_margin, angle_from_weights

__all__ = [
    "AffineMap",
    "BoxMinimum",
    "BoxProgramme",
    "BoxedFlips",
    "Bracket",
    "ConePoints",
    "LinfFlips",
    "LinfForms",
    "LinfSearch",
    "Lowest",
    "MeanInfidelity",
    "NearestFlips",
    "NearestStates",
    "Race",
    "SecularRoot",
    "SignedSum",
    "TraceDistances",
    "angle_from_margin",
    "angle_from_weights",
    "basis",
    "branch_and_bound",
    "chebyshev_angles",
    "chebyshev_degree",
    "conditioning",
    "cosines",
    "dual_value",
    "first_crossing",
    "fit",
    "form_scores",
    "haar_infidelity",
    "haar_states",
    "linf_forms",
    "lowest",
    "mean_infidelity",
    "minimum_over_box",
    "nearest_boxed_flips",
    "nearest_flips",
    "nearest_in_trace_distance",
    "nearest_linf_flips",
    "nearest_on_cone",
    "nearest_states",
    "pure_trace_distance",
    "race_of",
    "real_roots",
    "sampling_nodes",
    "secular_root",
    "semidefinite_bound",
    "signed_sum_bound",
    "signed_sums",
    "state_scores",
    "stationary_point",
    "trace_distance",
    "trace_distance_bounds",
]

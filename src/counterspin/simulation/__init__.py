"""How a circuit is run: compiled program, state vectors, shots, trajectories, folding, parameter-shift."""

from counterspin.simulation.arguments import checked_inputs
from counterspin.simulation.folding import EffectiveObservables, fold
from counterspin.simulation.run import Engine, final_states, outcome_distributions, run, sample_scores
from counterspin.simulation.shift import shift_jacobian, shift_rule

__all__ = [
    "EffectiveObservables",
    "Engine",
    "checked_inputs",
    "final_states",
    "fold",
    "outcome_distributions",
    "run",
    "sample_scores",
    "shift_jacobian",
    "shift_rule",
]

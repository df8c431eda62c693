"""How a circuit is run: compiled program, state vectors, shots, trajectories, folding, parameter-shift."""

from counterspin.simulation.arguments import checked_inputs
from counterspin.simulation.density import density_scores, fold_with_channels, noisy_density, noisy_observables
from counterspin.simulation.engines import ENGINES, check_engine, engine_name, engine_under
from counterspin.simulation.folding import (
    FOLDED_QUBITS,
    EffectiveObservables,
    fold,
    folded_scores,
    folding_flops,
    pays_to_fold,
)
from counterspin.simulation.heisenberg import form_times, score_range
from counterspin.simulation.run import final_states, outcome_distributions, run, sample_scores
from counterspin.simulation.shift import shift_jacobian, shift_rule, shifted_angles, shifted_circuits

__all__ = [
    "ENGINES",
    "FOLDED_QUBITS",
    "EffectiveObservables",
    "check_engine",
    "checked_inputs",
    "density_scores",
    "engine_name",
    "engine_under",
    "final_states",
    "fold",
    "fold_with_channels",
    "folded_scores",
    "folding_flops",
    "form_times",
    "noisy_density",
    "noisy_observables",
    "outcome_distributions",
    "pays_to_fold",
    "run",
    "sample_scores",
    "score_range",
    "shift_jacobian",
    "shift_rule",
    "shifted_angles",
    "shifted_circuits",
]

"""How a circuit is run: state vectors, exact noise, trajectories, shots, folding, parameter-shift."""

from counterspin.simulation.arguments import checked_inputs
from counterspin.simulation.density import density_scores, noisy_density, noisy_observables
from counterspin.simulation.engines import ENGINES, check_engine, engine_name
from counterspin.simulation.folding import (
    FOLDED_QUBITS,
    EffectiveObservables,
    fold,
    folded_scores,
    folding_flops,
    pays_to_fold,
)
from counterspin.simulation.heisenberg import form_times, score_range
from counterspin.simulation.noise_engine import NOISE_ENGINES, NoiseEngine, noise_engine
from counterspin.simulation.run import final_states, outcome_distributions, run, sample_scores
from counterspin.simulation.shift import shift_jacobian, shift_rule, shifted_angles, shifted_circuits

__all__ = [
    "ENGINES",
    "FOLDED_QUBITS",
    "NOISE_ENGINES",
    "EffectiveObservables",
    "NoiseEngine",
    "check_engine",
    "checked_inputs",
    "density_scores",
    "engine_name",
    "final_states",
    "fold",
    "folded_scores",
    "folding_flops",
    "form_times",
    "noise_engine",
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

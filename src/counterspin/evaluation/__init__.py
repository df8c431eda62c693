"""Evaluation: metrics with intervals, calibration, noise resilience, sanity checks and the run directory."""

from counterspin.evaluation.calibration import calibrate
from counterspin.evaluation.fingerprints import model_digest, run_key, tensors_digest
from counterspin.evaluation.noise_resilience import NoiseGrid, measure_noise
from counterspin.evaluation.run_store import RunStore, read_record
from counterspin.evaluation.statistics import measured_mean, measured_median, measured_share, rule_of_three

__all__ = [
    "NoiseGrid",
    "RunStore",
    "calibrate",
    "measure_noise",
    "measured_mean",
    "measured_median",
    "measured_share",
    "model_digest",
    "read_record",
    "rule_of_three",
    "run_key",
    "tensors_digest",
]

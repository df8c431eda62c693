"""Studies of what changes robustness."""

from counterspin.evaluation.analysis.noise_study import NoiseStudySettings, run_noise_study
from counterspin.evaluation.analysis.records import NoiseStudyRecord

__all__ = ["NoiseStudyRecord", "NoiseStudySettings", "run_noise_study"]

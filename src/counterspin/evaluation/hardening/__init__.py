"""Hardening: a defence trained, then judged before and after with the same samples and attacks."""

from counterspin.evaluation.hardening.procedure import check_parts, run_hardening
from counterspin.evaluation.hardening.record import HardenRecord
from counterspin.evaluation.hardening.task import HardenSettings, HardenTask, harden_config
from counterspin.evaluation.hardening.trainee import Trainee, carved, given_trainee, recipe_trainee

__all__ = [
    "HardenRecord",
    "HardenSettings",
    "HardenTask",
    "Trainee",
    "carved",
    "check_parts",
    "given_trainee",
    "harden_config",
    "recipe_trainee",
    "run_hardening",
]

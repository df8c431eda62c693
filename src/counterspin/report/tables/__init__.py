"""The tables of the report: what stands in which column, as text ready to print."""

from counterspin.report.tables.base import Table
from counterspin.report.tables.comparison import (
    compared_attacks_table,
    compared_costs_table,
    differences_table,
    paired_table,
)
from counterspin.report.tables.conditions import comparisons_table, conditions_table, modes_table
from counterspin.report.tables.configuration import facts, reproduce, threat_facts
from counterspin.report.tables.cost import cost_table, queries_table, settings_table, spent_words
from counterspin.report.tables.distances import distances_table, traces_table
from counterspin.report.tables.measured import calibration_table, noise_table, shots_table
from counterspin.report.tables.proofs import proofs_table
from counterspin.report.tables.robustness import attack_names, attacks_table, budgets_table
from counterspin.report.tables.study import drift_table, ladder_table, map_table, mitigation_table

__all__ = [
    "Table",
    "attack_names",
    "attacks_table",
    "budgets_table",
    "calibration_table",
    "compared_attacks_table",
    "compared_costs_table",
    "comparisons_table",
    "conditions_table",
    "cost_table",
    "differences_table",
    "distances_table",
    "drift_table",
    "facts",
    "ladder_table",
    "map_table",
    "mitigation_table",
    "modes_table",
    "noise_table",
    "paired_table",
    "proofs_table",
    "queries_table",
    "reproduce",
    "settings_table",
    "shots_table",
    "spent_words",
    "threat_facts",
    "traces_table",
]

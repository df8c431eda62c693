"""The attacks: what restarts buy, which loss suits which readout, the coordinate search, the time of the suites."""

from collections.abc import Sequence
from typing import Any

from rich.table import Table

from benchmarks import attacks_coordinate, attacks_losses, attacks_restarts, attacks_times
from benchmarks.attacks_figure import draw
from benchmarks.outcome import Options, Outcome
from benchmarks.tables import number

__all__ = ["run"]

# Columns of each part's table, as they are called in the rows; a share takes its interval with it.
_COLUMNS = {
    "restarts": ("eps", "restarts", "robust_accuracy", "lowest_seed", "highest_seed", "gained", "gradients_per_sample"),
    "losses": ("subject", "readout", "outputs", "eps", "attack", "robust_accuracy", "only_this_broke", "p_value"),
    "coordinate": (
        *("subject", "eps", "attack", "robust_accuracy", "only_this_broke", "only_apgd_broke", "forwards_per_sample"),
        *("gradients_per_sample", "circuits_on_a_device", "exact_lines", "seconds"),
    ),
    "times": (
        *("audit", "samples", "seconds", "target_seconds", "audit_seconds", "attack_seconds", "processor_seconds"),
        *("threads", "load_before", "exit_code"),
    ),
}
_TITLES = {
    "restarts": "What restarts buy: APGD-margin of 100 steps on digits-reuploading, L∞ (gained: against one start)",
    "losses": "Loss against readout: APGD of 100 steps and 9 starts",
    "coordinate": "Coordinate search against APGD, L∞, per correctly classified sample",
    "times": "Whole audits of digits-reuploading at one ε",
}
_SHARES = {"robust_accuracy": ("low", "high"), "gained": ("gained_low", "gained_high")}


def run(options: Options) -> Outcome:
    """Measure all four, draw the first two; `row["part"]` tells the rows apart."""
    parts = {
        part.PART: part.rows(quick=options.quick)
        for part in (attacks_restarts, attacks_losses, attacks_coordinate, attacks_times)
    }
    rows = [row for found in parts.values() for row in found]
    draw(rows, options.folder)
    tables = [table(part, found) for part, found in parts.items()]
    return Outcome(rows=rows, tables=tables, missed=attacks_times.missed(parts[attacks_times.PART]))


def table(part: str, rows: Sequence[dict[str, Any]]) -> Table:
    """One line per row of a part."""
    shown = Table(title=_TITLES[part], title_justify="left")
    for name in _COLUMNS[part]:
        shown.add_column(name.replace("_", " "), justify="left" if isinstance(rows[0][name], str) else "right")
    for row in rows:
        shown.add_row(*(_text(row, name) for name in _COLUMNS[part]))
    return shown


def _text(row: dict[str, Any], name: str) -> str:
    value = row[name]
    if name in _SHARES:
        low, high = (100 * row[end] for end in _SHARES[name])
        return f"{100 * value:.1f} [{low:.1f}, {high:.1f}]"
    if name in ("lowest_seed", "highest_seed"):
        return f"{100 * value:.1f}"
    if isinstance(value, str | bool):
        return str(value)
    return str(value) if isinstance(value, int) else number(value)

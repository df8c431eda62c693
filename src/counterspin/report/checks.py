"""The sanity checks as the report lists them: what failed first."""

from dataclasses import dataclass

from counterspin.evaluation.records import CheckRecord, SanityRecord
from counterspin.report.formats import number, p_value
from counterspin.report.tables import spent_words

__all__ = ["STYLES", "CheckRow", "check_rows"]

_ORDER = ("FAIL", "WARN", "PASS", "INFO", "SKIP")

# Name of the style of each status.
STYLES = {"FAIL": "fail", "WARN": "warn", "PASS": "pass", "INFO": "info", "SKIP": "skipped"}


@dataclass(frozen=True, kw_only=True)
class CheckRow:
    """One check as text.

    Args:
        check: its record.
        style: how its status is shown.
        measured: the statistic.
        limit: what it is held against.
        p_value: of McNemar's test where there was one.
        samples: ids of the samples that decided.
        cost: what the check spent.
    """

    check: CheckRecord
    style: str
    measured: str
    limit: str
    p_value: str
    samples: str
    cost: str


def check_rows(sanity: SanityRecord) -> list[CheckRow]:
    """Every check, failed ones first, then warnings, each group in the order of the record."""
    return [_row(check) for status in _ORDER for check in sanity.checks if check.status == status]


def _row(check: CheckRecord) -> CheckRow:
    return CheckRow(
        check=check,
        style=STYLES[check.status],
        measured=number(check.statistic),
        limit=number(check.threshold),
        p_value=p_value(check.p_value),
        samples=", ".join(map(str, check.samples)),
        cost=spent_words(check.cost),
    )

"""What a conformance suite hands back: one outcome per named check."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from counterspin.errors import CounterspinError

__all__ = ["Check", "ConformanceReport", "Outcome", "Skipped", "outcome", "run_all"]

# A check gets what it looks at and returns what is wrong, or None.
Check = Callable[[], str | None]


class Skipped(Exception):
    """Raised by a check that does not apply; the message says why."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One check.

    Args:
        name: what was checked.
        status: `"passed"`, `"failed"` or `"skipped"`.
        message: what is wrong, or why the check does not apply; empty where it passed.
    """

    name: str
    status: str
    message: str = ""


@dataclass(frozen=True, kw_only=True)
class ConformanceReport:
    r"""All outcomes of a suite, in order.

    Args:
        subject: what was checked.
        outcomes: one per check.

    Example:
        >>> report = ConformanceReport(subject="pgd", outcomes=(Outcome(name="shape", status="passed"),))
        >>> report.passed, str(report)
        (True, 'pgd\n  passed   shape')
    """

    subject: str
    outcomes: tuple[Outcome, ...]

    @property
    def failed(self) -> tuple[Outcome, ...]:
        """The checks that failed."""
        return tuple(one for one in self.outcomes if one.status == "failed")

    @property
    def passed(self) -> bool:
        """Whether no check failed."""
        return not self.failed

    def raise_if_failed(self) -> ConformanceReport:
        """The report itself, for use in a test.

        Raises:
            CounterspinError: a check failed; the message names every one of them.
        """
        if self.failed:
            listed = "; ".join(f"{one.name}: {one.message}" for one in self.failed)
            raise CounterspinError(
                f"{self.subject} fails {len(self.failed)} of {len(self.outcomes)} conformance checks ({listed})."
            )
        return self

    def __str__(self) -> str:
        lines = (f"  {one.status:<8} {one.name}{f': {one.message}' if one.message else ''}" for one in self.outcomes)
        return "\n".join((self.subject, *lines))


def outcome(name: str, check: Check) -> Outcome:
    """Run one check; an exception is a failure like any other."""
    try:
        wrong = check()
    except Skipped as reason:
        return Outcome(name=name, status="skipped", message=str(reason))
    except Exception as error:
        return Outcome(name=name, status="failed", message=f"{type(error).__name__}: {' '.join(str(error).split())}")
    return Outcome(name=name, status="passed" if wrong is None else "failed", message=wrong or "")


def run_all(subject: str, checks: Mapping[str, Check]) -> ConformanceReport:
    """Run every check."""
    return ConformanceReport(subject=subject, outcomes=tuple(outcome(name, check) for name, check in checks.items()))

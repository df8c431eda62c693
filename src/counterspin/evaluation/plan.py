"""What an audit would execute, before it runs: circuits, shots, jobs and money."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from counterspin.attacks.stochastic import call_cost
from counterspin.evaluation.attack_stage import attacks_of
from counterspin.evaluation.noise_plan import conditions_steps
from counterspin.evaluation.noise_stage import resilience_price
from counterspin.evaluation.planned_steps import PlannedStep, attack_step, clean_step
from counterspin.evaluation.prices import Prices
from counterspin.evaluation.subject import AuditSettings, Subject
from counterspin.threats import ExecutionBudget, ThreatModel
from counterspin.types import Cost

__all__ = ["Plan", "PlannedStep", "plan_audit"]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Upper bounds of what an audit executes.

    Certificates and sanity checks are not in it: what they ask for depends on what the attacks find. They come last
    and are paid from what is left of a budget.

    Args:
        steps: clean predictions, attacks in their order, classes of the adversarial inputs, noise draws, and the
            conditions somebody asked about.
        samples: how many samples are audited.
        budget: the budget to compare with; None: no limit.
        prices: what circuits, shots and jobs cost; None: nothing is known.
    """

    steps: tuple[PlannedStep, ...]
    samples: int
    budget: ExecutionBudget | None = None
    prices: Prices | None = None

    HEADER: ClassVar[tuple[str, ...]] = ("step", "circuits at most", "expected", "shots at most", "jobs at most")

    @property
    def total(self) -> Cost:
        """Upper bound of all steps together."""
        return sum((step.most for step in self.steps), Cost())

    @property
    def fits(self) -> bool | None:
        """Whether the budget suffices for all steps whatever they meet; None without a budget."""
        if self.budget is None:
            return None
        return all(getattr(self.total, name) <= limit for name, limit in self.budget.limits.items())

    @property
    def note(self) -> str:
        """One sentence: what it costs at most, and whether the budget suffices."""
        total = self.total
        parts = [f"{total.circuits:,} circuits"]
        parts += [f"{getattr(total, name):,} {name}" for name in ("shots", "jobs") if getattr(total, name)]
        parts += [] if self.prices is None else [self.prices.words(total)]
        said = f"The attacks on {self.samples} samples take at most {', '.join(parts)}, sanity checks and proofs apart"
        if self.budget is None:
            return f"{said}."
        if self.fits:
            return f"{said}; the budget of {self.budget} suffices."
        return f"{said}; the budget of {self.budget} may end before them: the audit then stops with its best so far."

    def rows(self) -> list[tuple[str, ...]]:
        """A table under `HEADER`, with a last row of sums; a further column of money where there are prices."""
        lines = [*self.steps, PlannedStep(name="total", most=self.total, expected=self._expected())]
        return [(line.name, *_numbers(line), *self._money(line.most)) for line in lines]

    def header(self) -> tuple[str, ...]:
        """The columns of `rows`."""
        return self.HEADER if self.prices is None else (*self.HEADER, f"{self.prices.currency} at most")

    def to_json(self) -> dict[str, Any]:
        """Everything as JSON values."""
        return {
            "samples": self.samples,
            "steps": [
                {
                    "name": step.name,
                    "most": asdict(step.most),
                    "expected": None if step.expected is None else asdict(step.expected),
                }
                for step in self.steps
            ],
            "total": asdict(self.total),
            "money": None
            if self.prices is None
            else {"most": self.prices.of(self.total), "currency": self.prices.currency},
            "budget": None if self.budget is None else self.budget.to_json(),
            "fits": self.fits,
            "note": self.note,
        }

    def _expected(self) -> Cost | None:
        known = [step.expected for step in self.steps if step.expected is not None]
        return sum(known, Cost()) if len(known) == len(self.steps) else None

    def _money(self, cost: Cost) -> tuple[str, ...]:
        return () if self.prices is None else (f"{self.prices.of(cost):,.2f}",)


def plan_audit(
    subject: Subject,
    threat: ThreatModel,
    settings: AuditSettings,
    *,
    budget: ExecutionBudget | None = None,
    prices: Prices | None = None,
) -> Plan:
    """What auditing `subject` under `threat` would execute; the model itself is not asked.

    The upper bound is that of each attack's own code, run on a stand-in that it cannot break and that has the prices of
    the model: adjoint gradients cost a forward on a simulator, parameter-shift on a device every shifted circuit. The
    expected cost is that of the same code on the model's twin, or on a simulated model itself, for a few samples.

    Args:
        subject: model and samples.
        threat: the attacker.
        settings: tier, seed, attacks.
        budget: to compare with.
        prices: what a circuit, a shot and a job cost.

    Raises:
        CapabilityError: the model lacks what an attack of the suite needs.
    """
    model, samples = subject.model, len(subject.x)
    attacks, _ = attacks_of(subject, threat, settings)
    for attack in attacks:
        attack.check(model, threat)  # what the audit would refuse has no price
    steps = [clean_step(model, samples)]
    steps += [attack_step(attack, model, subject.x, subject.y, threat, settings.seed) for attack in attacks]
    if model.classes > 2:
        shown = sum((call_cost(model, samples * len(threat.eps)) for _ in attacks), Cost())
        steps.append(PlannedStep(name="classes of adversarial inputs", most=shown, expected=shown))
    draws = resilience_price(subject, settings)
    if draws.circuits:
        steps.append(PlannedStep(name="noise draws", most=draws, expected=draws))
    steps += conditions_steps(subject, threat, settings)
    return Plan(steps=tuple(steps), samples=samples, budget=budget, prices=prices)


def _numbers(step: PlannedStep) -> tuple[str, ...]:
    expected = "" if step.expected is None else f"{step.expected.circuits:,}"
    return f"{step.most.circuits:,}", expected, f"{step.most.shots:,}", f"{step.most.jobs:,}"

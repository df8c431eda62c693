"""What an audit would execute, before it runs: circuits, shots, jobs and money."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar

import torch

from counterspin.attacks import Attack
from counterspin.attacks.ledger import ExecutionLedger, paid
from counterspin.attacks.sequential import FIRST_ROUND, calls_price
from counterspin.attacks.stochastic import call_cost
from counterspin.evaluation.audit import AuditSettings, Subject, attacks_of
from counterspin.evaluation.clean import clean_price
from counterspin.evaluation.noise_resilience import noise_price
from counterspin.evaluation.prices import Prices
from counterspin.evaluation.stand_in import Unbreakable, priced, stand_in
from counterspin.threats import ExecutionBudget, ThreatModel
from counterspin.types import Classifier, Cost, HasCircuit, HasTwin

__all__ = ["Plan", "PlannedStep", "plan_audit"]

# Calls after which the test of a stochastic model gives up, see `sequential_verdict`.
_MOST_CALLS = 1024

# Samples on which the expected cost is measured.
_MEASURED = 8


@dataclass(frozen=True, kw_only=True)
class PlannedStep:
    """One part of an audit.

    Args:
        name: the attack, or what else is paid for.
        most: what it costs at most, over all budgets ε and samples, verdicts included.
        expected: what it would cost if all samples were like the first few; None where nothing can be measured.
    """

    name: str
    most: Cost
    expected: Cost | None = None


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Upper bounds of what an audit executes.

    Certificates and sanity checks are not in it: what they ask for depends on what the attacks find. They come last
    and are paid from what is left of a budget.

    Args:
        steps: clean predictions, attacks in their order, classes of the adversarial inputs, noise draws.
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
    clean = clean_price(model, samples)
    # Of a stochastic model each test may go on to its last call.
    longest = _rounds(model, samples, clean) if model.stochastic else clean
    answer = _fast(model)
    steps = [PlannedStep(name="clean predictions", most=longest, expected=clean)]
    for attack in attacks:
        most = _most(attack, subject, threat, settings.seed)
        expected = None if answer is None else _expected(attack, subject, threat, answer, settings.seed)
        steps.append(PlannedStep(name=attack.name, most=most, expected=expected))
    if model.classes > 2:
        shown = sum((call_cost(model, samples * len(threat.eps)) for _ in attacks), Cost())
        steps.append(PlannedStep(name="classes of adversarial inputs", most=shown, expected=shown))
    noise = noise_price(model, samples)
    if noise.circuits:
        steps.append(PlannedStep(name="noise draws", most=noise, expected=noise))
    return Plan(steps=tuple(steps), samples=samples, budget=budget, prices=prices)


def _rounds(model: Classifier, samples: int, first: Cost) -> Cost:
    """The cost `first` of the least clean verdict, with tests that go on to their last round."""
    cost, calls = first, FIRST_ROUND
    while calls < _MOST_CALLS:
        cost, calls = cost + calls_price(model, samples, calls), 2 * calls
    return cost


def _most(attack: Attack, subject: Subject, threat: ThreatModel, seed: int) -> Cost:
    classes, samples = subject.model.classes, len(subject.x)
    # Class 0 always wins, so it is everybody's label and nobody's target.
    aimed = threat if threat.target is None else replace(threat, target=1)
    everyone = torch.ones(samples, dtype=torch.bool)
    answer = Unbreakable(classes)
    scores, model = answer.clean(samples), stand_in(subject.model, answer)
    y = torch.zeros(samples, dtype=torch.int64)
    return _ran(attack, model, subject.x, y, aimed, everyone, scores, seed, tests=_MOST_CALLS // FIRST_ROUND)


def _expected(attack: Attack, subject: Subject, threat: ThreatModel, answer: Classifier, seed: int) -> Cost:
    x, y = subject.x[:_MEASURED], subject.y[:_MEASURED]
    aimed = replace(threat, target=threat.target[:_MEASURED]) if isinstance(threat.target, tuple) else threat
    with torch.no_grad():
        scores = answer(x).double()
    cost = _ran(attack, stand_in(subject.model, answer), x, y, aimed, scores.argmax(dim=1) == y, scores, seed)
    scale = len(subject.x) / len(x)
    return Cost(**{name: round(scale * value) for name, value in asdict(cost).items()})


def _ran(
    attack: Attack,
    model: Classifier,
    x: torch.Tensor,
    y: torch.Tensor,
    threat: ThreatModel,
    correct: torch.Tensor,
    scores: torch.Tensor,
    seed: int,
    *,
    tests: int = 1,
) -> Cost:
    """What an attack pays on a stand-in, each test of a stochastic model taking `tests` times its first round."""
    ledger = ExecutionLedger(None)
    generator = torch.Generator().manual_seed(seed)
    found = list(
        priced(attack).budgets(paid(model, ledger), x, y, threat, generator=generator, correct=correct, scores=scores)
    )
    return sum([result.verdict_cost for result in found for _ in range(tests - 1)], ledger.spent)


def _fast(model: Classifier) -> Classifier | None:
    """What answers for the model at no cost worth counting: its twin, or a simulated circuit itself; None: nothing."""
    if isinstance(model, HasTwin):
        return model.twin
    return model if isinstance(model, HasCircuit) and not model.stochastic else None


def _numbers(step: PlannedStep) -> tuple[str, ...]:
    expected = "" if step.expected is None else f"{step.expected.circuits:,}"
    return f"{step.most.circuits:,}", expected, f"{step.most.shots:,}", f"{step.most.jobs:,}"

"""Attacks that keep the contract pass, and each broken one fails the check meant for it."""

from dataclasses import dataclass, field, replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from counterspin.attacks import APGD, FGSM, PGD, Attack, Autodiff, Corners, ExactL2Attack, Margin, RandomDraws
from counterspin.circuits import OutcomeGroups, amplitude_encoding, strongly_entangling
from counterspin.errors import CounterspinError, UsageError
from counterspin.evaluation.conformance import check_attack
from counterspin.evaluation.conformance.watching import Probe
from counterspin.models import QuantumClassifier
from counterspin.threats import L2, Linf
from counterspin.types import Box

LINF = (Linf(0.05, 0.15),)
MARGIN, AUTODIFF = Margin(), Autodiff()


def failed(attack: Attack, **options) -> set[str]:
    return {one.name.split(" (")[0] for one in check_attack(attack, **options).failed}


ITERATIVE = [pytest.param(attack, marks=pytest.mark.slow) for attack in (PGD(steps=5, restarts=2), APGD(steps=5))]


@pytest.mark.one_fast(2)
@pytest.mark.parametrize("attack", [FGSM(), RandomDraws(draws=20), Corners(), *ITERATIVE])
def test_our_attacks_pass(attack):
    report = check_attack(attack)
    assert report.passed, str(report)
    assert report.raise_if_failed() is report
    names = [one.name for one in report.outcomes]
    assert len(names) == len(set(names))
    for norm in attack.norms:
        assert f"stays in ball, box and mask ({norm})" in names
    assert {one.status for one in report.outcomes} == {"passed"}


@pytest.mark.slow
def test_an_attack_with_needs_is_checked_on_a_model_that_meets_them():
    circuit = amplitude_encoding(8) + strongly_entangling(3, 2)
    weights = torch.randn(18, generator=torch.Generator().manual_seed(0))
    model = QuantumClassifier(
        circuit, OutcomeGroups.first(qubits=1, classes=2), Box.uniform(0.0, 1.0, features=8), weights=weights
    )
    model.requires_grad_(False).eval()
    report = check_attack(ExactL2Attack(), model=model)
    assert report.passed, str(report)
    assert "success is the float64 verdict (l2, no box)" in [one.name for one in report.outcomes]
    refused = check_attack(ExactL2Attack())
    assert [one.name for one in refused.failed] == ["serves the norms it names"]
    assert "no effective observables" in refused.failed[0].message


def test_given_samples_and_threats_are_used():
    x = torch.rand(5, 4, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    report = check_attack(FGSM(), x=x, y=torch.zeros(5, dtype=torch.long), threats=[L2(0.4, target=1)])
    assert report.passed, str(report)
    assert sum("(l2)" in one.name for one in report.outcomes) == 3


@dataclass(frozen=True, kw_only=True)
class Steepest(Attack):
    """A correct attack to spoil."""

    loss: Margin = MARGIN
    gradient: Autodiff = AUTODIFF
    requires = ("gradient",)
    norms = ("linf",)

    def _run(self, oracle, start, ball, generator):
        x = ball.random_point(start, generator)
        oracle.scores(ball.project(x + 2 * ball.radius * ball.steepest(oracle.gradient(x, self.loss))))


class FromGlobalGenerator(Steepest):
    """Draws where nobody can repeat it."""

    def _run(self, oracle, start, ball, generator):
        oracle.scores(ball.project(ball.center + ball.radius * torch.randn_like(start)))


class WithMemory(Steepest):
    """Two runs from one seed differ, without touching the global generator."""

    calls = [0]  # noqa: RUF012

    def _run(self, oracle, start, ball, generator):
        self.calls[0] += 1
        other = torch.Generator().manual_seed(self.calls[0])
        oracle.scores(ball.random_point(ball.center, other))


class BehindTheCounter(Steepest):
    """Asks the model itself and proposes nothing."""

    def _run(self, oracle, start, ball, generator):
        for _ in range(20):
            oracle.model(ball.random_point(ball.center, generator))


class Changed(Steepest):
    """Hands back something else than what it found."""

    def change(self, place, budget):
        raise NotImplementedError

    def _budgets(self, task, done):
        for place, budget in enumerate(super()._budgets(task, done)):
            yield self.change(place, budget)


class TooFar(Changed):
    """Leaves ball and box."""

    def change(self, place, budget):
        return replace(budget, x_adv=budget.x_adv + 3.0)


class Boasts(Changed):
    """Calls everything broken."""

    def change(self, place, budget):
        return replace(budget, success=torch.ones_like(budget.success))


class Forgets(Changed):
    """Loses at the second budget what it had at the first."""

    def change(self, place, budget):
        nothing = torch.zeros_like(budget.success)
        return (
            replace(budget, success=nothing, distance=torch.full_like(budget.distance, torch.inf)) if place else budget
        )


class WrongDistance(Changed):
    """Reports half the way."""

    def change(self, place, budget):
        return replace(budget, distance=budget.distance / 2)


class NotANumber(Changed):
    """Returns NaN."""

    def change(self, place, budget):
        return replace(budget, x_adv=budget.x_adv * torch.nan)


class LeavesEvaluationMode(Steepest):
    """Switches the model and leaves."""

    def __call__(self, model, x, y, threat, *, generator=None):
        if hasattr(model, "eval"):
            model.eval()
        return super().__call__(model, x, y, threat, generator=generator)


class WritesIntoItsInput(Steepest):
    """Works in place."""

    def __call__(self, model, x, y, threat, *, generator=None):
        result = super().__call__(model, x, y, threat, generator=generator)
        x += 1e-3
        return result


class LooksFirst(Steepest):
    """Asks the model before it checks anything."""

    def __call__(self, model, x, y, threat, *, generator=None):
        model(x)
        return super().__call__(model, x, y, threat, generator=generator)


class TakesAnything(Steepest):
    """Does not refuse what it does not serve."""

    def _check_threat(self, model, threat):
        return


class Crashes(Steepest):
    """Raises in the middle."""

    def _run(self, oracle, start, ball, generator):
        raise ZeroDivisionError("in the\nmiddle")


@dataclass(frozen=True, kw_only=True)
class WithSet(Steepest):
    """A configuration that is no JSON."""

    chosen: frozenset = field(default_factory=lambda: frozenset({1}))


@dataclass(frozen=True, kw_only=True)
class WithList(Steepest):
    """A configuration that cannot be hashed."""

    weights: list = field(default_factory=lambda: [1.0])


STAYS, VERDICT, POINT = (
    "stays in ball, box and mask",
    "success is the float64 verdict",
    "never loses a point that breaks",
)


@pytest.mark.slow
def test_the_attack_to_spoil_is_sound():
    assert failed(Steepest()) == set()


@pytest.mark.one_fast
@pytest.mark.parametrize(
    ("attack", "expected"),
    [
        (FromGlobalGenerator(), {"reproducible from the seed"}),
        (WithMemory(), {"reproducible from the seed"}),
        (BehindTheCounter(), {"every query is counted", POINT}),
        (TooFar(), {STAYS, VERDICT}),
        (Boasts(), {VERDICT, "leaves misclassified samples alone"}),
        (Forgets(), {VERDICT, POINT}),
        (WrongDistance(), {VERDICT}),
        (NotANumber(), {STAYS}),
        (LeavesEvaluationMode(), {"restores modes, flags and inputs"}),
        (WritesIntoItsInput(), {"restores modes, flags and inputs"}),
        (LooksFirst(), {"refuses before any compute"}),
        (TakesAnything(), {"refuses before any compute"}),
        (WithSet(), {"configuration is JSON"}),
        (WithList(), {"equal configurations are equal and hash alike"}),
    ],
)
def test_each_broken_attack_fails_the_check_meant_for_it(attack, expected):
    found = failed(attack, threats=LINF)
    assert expected <= found
    # What fails besides follows from the same fault: values of NaN have no verdict, moved points are no clean ones.
    assert found - expected <= {VERDICT, "leaves misclassified samples alone", "reproducible from the seed"}


def test_an_exception_is_a_failure_in_one_line_and_the_report_raises():
    report = check_attack(Crashes(), threats=LINF)
    assert not report.passed
    assert "ZeroDivisionError: in the middle" in str(report)
    with pytest.raises(CounterspinError, match=r"crashes fails \d+ of \d+ conformance checks \(stays in ball"):
        report.raise_if_failed()


def test_the_model_is_given_back_as_it_was():
    model = Probe()
    model.inner.requires_grad_(False)
    check_attack(FGSM(), model=model, threats=LINF)
    assert model.training
    assert [p.requires_grad for p in model.parameters()] == [False, True]


def test_something_else_is_refused():
    with pytest.raises(UsageError, match="give an instance"):
        check_attack(FGSM)  # pyright: ignore[reportArgumentType]


@pytest.mark.slow
@settings(max_examples=3, deadline=None)
@given(st.integers(0, 10_000))
def test_a_sound_attack_passes_whatever_the_seed(seed):
    assert check_attack(Steepest(), threats=LINF, seed=seed).passed

"""Numbers of a budget from hand-made rows: what each share counts, and a bracket that stays between its ends."""

import torch

from counterspin.attacks import PGD, Attack, AttackResult, BudgetResult, ExactL2Attack, RandomDraws
from counterspin.certificates import Assumptions, CertificateResult
from counterspin.evaluation.certified import Certified
from counterspin.evaluation.summary import budget_records, median_radius
from counterspin.threats import L2
from counterspin.types import Cost

X = torch.eye(5, dtype=torch.float64)
CORRECT = torch.tensor([True, True, True, True, False])
THREAT = L2(0.5, box="none")


def attacked(attack: Attack, broken: list[int]) -> AttackResult:
    success = torch.zeros(5, dtype=torch.bool)
    success[broken] = True
    nothing = torch.zeros(5, dtype=torch.float64)
    budget = BudgetResult(
        eps=0.5,
        x_adv=X,
        success=success,
        distance=torch.where(success, 0.4, torch.inf),
        best_margin=nothing,
        trace_distance=nothing,
        history={},
        cost=Cost(),
        seconds=0.0,
    )
    return AttackResult(
        attack=attack.name, config=attack.config, threat=THREAT, seed=0, versions={}, correct=CORRECT, budgets=(budget,)
    )


def certified(lower: list[float], upper: list[float], exact: list[bool]) -> Certified:
    result = CertificateResult(
        radius_lower=torch.tensor(lower, dtype=torch.float64),
        radius_upper=torch.tensor(upper, dtype=torch.float64),
        exact=torch.tensor(exact),
        method="hand-made",
        assumptions=Assumptions(),
        seconds=0.0,
    )
    return Certified(results=(result,), refused={})


def record(proved: Certified, *results: AttackResult):
    return budget_records(X, CORRECT, THREAT, {result.attack: result for result in results}, proved)[0]


NOTHING = Certified(results=(), refused={})


def test_the_gradient_attacks_stand_alone():
    found = (attacked(PGD(), [0]), attacked(RandomDraws(), [1]), attacked(ExactL2Attack(), [2]))
    budget = record(NOTHING, *found)
    assert budget.worst_case_gradient.value == 3 / 5
    assert budget.worst_case.value == 1 / 5
    assert [budget.attacks[name].attack_success_rate.value for name in ("pgd", "random", "exact")] == [1 / 4] * 3  # pyright: ignore


def test_an_undecided_sample_opens_the_bracket_instead_of_hiding_it():
    # Samples: proved; flips inside; undecided; undecided but broken by an attack; misclassified.
    proved = certified([0.6, 0.3, 0.4, 0.4, 0.0], [0.6, 0.3, 0.7, torch.inf, 0.0], [True, True, False, False, True])
    budget = record(proved, attacked(PGD(), [3]))
    assert budget.exact is not None
    assert budget.certified == budget.exact.lower
    assert budget.exact.lower.value == 1 / 5
    assert budget.exact.upper.value == 2 / 5
    assert budget.exact.decided.value == 4 / 5
    assert budget.exact.upper.value <= budget.worst_case.value


def test_a_flip_at_the_budget_itself_is_within_reach():
    budget = record(certified([0.5] * 5, [0.5] * 5, [True] * 5))
    assert budget.exact is not None
    assert budget.exact.lower.value == budget.exact.upper.value == budget.certified.value == 0.0  # pyright: ignore


def test_a_certificate_without_an_exact_claim_makes_no_bracket():
    budget = record(certified([0.6] * 5, [torch.inf] * 5, [False] * 5))
    assert budget.exact is None
    assert budget.certified is not None
    assert budget.certified.value == 4 / 5


def test_misclassified_samples_have_radius_zero_in_the_median():
    radii = certified([0.6, 0.6, 0.4, 0.2, 0.9], [1.0] * 5, [True] * 5)
    median = median_radius(X, CORRECT, THREAT, radii, seed=0)
    assert median is not None
    assert median.value == 0.4
    assert median_radius(X, CORRECT, THREAT, NOTHING, seed=0) is None

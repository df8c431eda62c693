from dataclasses import replace

import pytest
import torch
from statsmodels.stats.contingency_tables import mcnemar

from counterspin.attacks.evasion.pgd import PGD
from counterspin.evaluation.sanity.differences import PairedDifferences
from counterspin.threats import Linf


def two_attacks(helpers, n, only_first, only_second):
    """A context in which the first of two attacks alone broke so many samples, and the second alone so many."""
    context = helpers.build(
        helpers.Function(helpers.linear), x=helpers.samples(n), suite=(PGD(steps=2),), threat=Linf(0.1)
    )
    result = context.results["pgd"]
    rank = torch.arange(n)
    both = rank < n // 2
    first = both | ((rank >= n // 2) & (rank < n // 2 + only_first))
    second = both | (rank >= n - only_second)
    results = {
        name: replace(result, budgets=(replace(result.budgets[0], success=success),))
        for name, success in (("first", first), ("second", second))
    }
    return replace(context, results=results)


def test_p_values_are_those_of_an_independent_implementation(helpers):
    record = PairedDifferences().run(two_attacks(helpers, 400, 9, 2))
    table = [[200, 9], [2, 189]]
    assert record.status == "INFO"
    assert record.p_value == pytest.approx(mcnemar(table, exact=True).pvalue, abs=1e-12)
    assert "first 9 against 2 of second, p = 0.0654" in record.advice
    assert record.statistic <= record.threshold


def test_few_samples_are_a_warning(helpers):
    record = PairedDifferences().run(two_attacks(helpers, 40, 5, 3))
    assert record.status == "WARN"
    assert record.statistic > record.threshold == 0.05
    assert "more samples" in record.advice


def test_at_most_four_attacks_meet_and_holm_adjusts(plain):
    results = {f"{name}{copy}": result for name, result in plain.results.items() for copy in range(2)}
    record = PairedDifferences().run(replace(plain, results=results))
    assert record.advice.count("against") == 6
    assert 0 <= record.p_value <= 1


def test_nothing_to_compare_is_skipped(plain):
    assert PairedDifferences().run(replace(plain, results={"pgd": plain.results["pgd"]})).status == "SKIP"
    assert PairedDifferences().run(replace(plain, y=(plain.y + 1) % 3)).status == "SKIP"

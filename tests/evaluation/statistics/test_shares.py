import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, binomtest
from statsmodels.stats.proportion import proportion_confint

from counterspin.errors import InputError
from counterspin.evaluation.statistics import clopper_pearson, measured_share, rule_of_three, wilson

COUNTS = st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@pytest.mark.slow
@given(COUNTS)
def test_share_equals_scipy_and_statsmodels(case):
    hits, n = case
    share = measured_share(hits, n)
    exact = binomtest(hits, n).proportion_ci(0.95, method="exact")
    assert share.low == pytest.approx(exact.low, abs=1e-12)
    assert share.high == pytest.approx(exact.high, abs=1e-12)
    low, high = proportion_confint(hits, n, method="beta")
    assert (share.low, share.high) == pytest.approx((max(low, 0.0), min(high, 1.0)), abs=1e-12)
    assert share.value == hits / n
    assert share.n == n


@pytest.mark.parametrize(("hits", "n"), [(0, 0), (3, 2), (-1, 5)])
def test_share_of_nothing_is_refused(hits, n):
    for function in (clopper_pearson, measured_share, rule_of_three, wilson):
        with pytest.raises(InputError, match="n >= 1"):
            function(hits, n)


def test_rule_of_three_speaks_only_at_the_ends():
    assert rule_of_three(0, 300) == "0 of 300: with 95 % confidence the true share is below 1 % (rule of three)"
    assert rule_of_three(300, 300) == "300 of 300: with 95 % confidence the true share is above 99 % (rule of three)"
    assert rule_of_three(1, 300) is None
    # One-sided: a share of 3/n would show no hit in 5 % of the cases.
    assert (1 - 3 / 300) ** 300 == pytest.approx(0.05, abs=1e-3)


@given(COUNTS, st.floats(0.5, 0.999))
def test_wilson_equals_scipy_and_statsmodels(case, confidence):
    hits, n = case
    low, high = wilson(hits, n, confidence)
    oracle = binomtest(hits, n).proportion_ci(confidence, method="wilson")
    assert (low, high) == pytest.approx((oracle.low, oracle.high), abs=1e-12)
    assert (low, high) == pytest.approx(proportion_confint(hits, n, 1 - confidence, method="wilson"), abs=1e-12)


@given(COUNTS)
def test_wilson_lies_around_the_share_and_mirrors(case):
    hits, n = case
    low, high = wilson(hits, n)
    assert 0 <= low <= hits / n <= high <= 1
    other_low, other_high = wilson(n - hits, n)
    assert (1 - other_high, 1 - other_low) == pytest.approx((low, high), abs=1e-14)


@pytest.mark.parametrize("share", [0.02, 0.2, 0.5, 0.9])
def test_clopper_pearson_always_covers_and_wilson_nearly(share):
    n = 80
    chances = {hits: float(binom.pmf(hits, n, share)) for hits in range(n + 1)}

    def coverage(interval):
        ends = {hits: interval(hits, n) for hits in chances}
        return sum(chance for hits, chance in chances.items() if ends[hits][0] <= share <= ends[hits][1])

    assert coverage(clopper_pearson) >= 0.95
    assert 0.92 <= coverage(wilson) <= coverage(clopper_pearson)


@pytest.mark.parametrize("confidence", [0.0, 1.0, 95])
@pytest.mark.parametrize("interval", [clopper_pearson, wilson])
def test_a_confidence_that_is_none_is_refused(interval, confidence):
    with pytest.raises(InputError, match=r"confidence is .* for example 0\.95"):
        interval(3, 10, confidence)

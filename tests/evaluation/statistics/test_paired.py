import itertools
import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.stats import multinomial, norm
from statsmodels.stats.contingency_tables import mcnemar as statsmodels_mcnemar
from statsmodels.stats.multitest import multipletests

from counterspin.errors import InputError
from counterspin.evaluation.statistics import holm, mcnemar, tango, wilson

PAIRS = st.tuples(st.integers(0, 60), st.integers(0, 60), st.integers(1, 200)).map(lambda t: (t[0], t[1], sum(t)))


@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_equals_statsmodels(b, c):
    oracle = statsmodels_mcnemar([[10, b], [c, 10]], exact=True).pvalue if b + c else 1.0
    assert mcnemar(b, c) == pytest.approx(oracle, abs=1e-12)


def test_mcnemar_refuses_negative_counts():
    with pytest.raises(InputError, match="0 or more"):
        mcnemar(-1, 2)


@pytest.mark.slow
@pytest.mark.parametrize("size", [1, 2, 3, 7, 20])
def test_holm_equals_statsmodels(size):
    rng = np.random.default_rng(size)
    for p_values in (rng.random(size), rng.random(size) ** 4, rng.choice([0.0, 0.01, 0.5, 1.0], size)):
        _, oracle, _, _ = multipletests(p_values, method="holm")
        assert holm(p_values.tolist()) == pytest.approx(tuple(oracle), abs=1e-12)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=5))
def test_holm_is_the_closed_bonferroni_test(p_values):
    # Closed testing: a hypothesis falls when every intersection that contains it falls by Bonferroni.
    indices = range(len(p_values))
    families = [f for size in indices for f in itertools.combinations(indices, size + 1)]
    bonferroni = {family: min(1.0, len(family) * min(p_values[i] for i in family)) for family in families}
    closed = tuple(max(p for family, p in bonferroni.items() if i in family) for i in indices)
    assert holm(p_values) == pytest.approx(closed, abs=1e-12)


def test_holm_of_one_and_of_none():
    assert holm([0.2]) == (0.2,)
    assert holm([]) == ()


@pytest.mark.parametrize("bad", [[0.1, math.nan], [-0.1], [1.5]])
def test_holm_refuses_what_is_no_probability(bad):
    with pytest.raises(InputError, match="from 0 to 1"):
        holm(bad)


def quartic(b: int, c: int, n: int) -> tuple[float, float]:
    """The same ends as roots of one polynomial (Yang, Sun, Hardin, Stat. Med. 32, 1336-1342, 2013)."""
    g = float(norm.ppf(0.975)) ** 2
    coefficients = [
        n**2 * (n / g + 1) ** 2,
        -n * (b - c) * (n / g + 1) * (4 * n / g + 1),
        2 * n * (b - c) ** 2 * (3 * n / g + 2) / g - n**2 * ((b + c) / g + 1),
        n * (b - c) * (2 * (b + c) / g + 1) - (b - c) ** 3 * (4 * n / g + 1) / g,
        (b - c) ** 2 * ((b - c) ** 2 / g - (b + c)) / g,
    ]
    roots = np.roots(coefficients)
    real = roots[np.abs(roots.imag) < 1e-5].real
    return float(real.min()), float(real.max())


@pytest.mark.slow
@given(PAIRS)
def test_tango_equals_the_closed_form(counts):
    b, c, n = counts
    assume(b + c > 0)  # the polynomial has a double root there, known to half the digits only
    assert tango(b, c, n) == pytest.approx(quartic(b, c, n), abs=1e-6)


@pytest.mark.parametrize(("b", "c", "n"), [(40, 20, 160), (1, 7, 21), (6, 16, 161), (3, 0, 12)])
def test_tango_inverts_the_score_test_of_the_likeliest_shares(b, c, n):
    """An independent way: the restricted maximum of the multinomial likelihood, found numerically."""

    def statistic(delta: float) -> float:
        def likelihood(q: float) -> float:
            cells = (b, q + delta), (c, q), (n - b - c, 1 - 2 * q - delta)
            return -sum(count * math.log(max(share, 1e-300)) for count, share in cells if count)

        bounds = max(0.0, -delta), (1 - delta) / 2
        q = minimize_scalar(likelihood, bounds=bounds, method="bounded", options={"xatol": 1e-13}).x
        return (b - c - n * delta) / math.sqrt(n * (2 * q + delta - delta**2))

    low, high = tango(b, c, n)
    assert statistic(low) == pytest.approx(norm.ppf(0.975), abs=1e-3)
    assert statistic(high) == pytest.approx(-norm.ppf(0.975), abs=1e-3)


def test_tango_meets_published_examples():
    # Fagerland, Lydersen and Laake (Stat. Med. 33, 2014): airway reactivity, complete response.
    assert tango(1, 7, 21) == pytest.approx((-0.517, -0.026), abs=5e-4)
    assert tango(6, 16, 161) == pytest.approx((-0.124, -0.005), abs=5e-4)


@pytest.mark.slow
@given(PAIRS, st.floats(0.6, 0.99))
def test_tango_surrounds_the_difference_mirrors_and_nests(counts, confidence):
    b, c, n = counts
    low, high = tango(b, c, n, confidence)
    assert -1 <= low <= (b - c) / n <= high <= 1
    assert tango(c, b, n, confidence) == pytest.approx((-high, -low), abs=1e-12)
    wide_low, wide_high = tango(b, c, n, 0.995)
    assert wide_low <= low + 1e-12
    assert high <= wide_high + 1e-12


@pytest.mark.slow
@given(st.integers(1, 500))
def test_tango_without_discordant_pairs_is_the_score_bound_of_none(n):
    z2 = float(norm.ppf(0.975)) ** 2
    assert tango(0, 0, n) == pytest.approx((-z2 / (n + z2), z2 / (n + z2)), abs=1e-9)
    assert tango(0, 0, n)[1] == pytest.approx(wilson(0, n)[1], abs=1e-9)
    assert tango(n, 0, n)[1] == 1.0


@pytest.mark.one_fast(2)
@pytest.mark.parametrize(("p", "q"), [(0.05, 0.05), (0.15, 0.05), (0.02, 0.0), (0.3, 0.2)])
def test_tango_covers_nearly_as_often_as_it_says(p, q):
    """By enumeration of every table of 40 pairs, with `p` only the first, `q` only the second."""
    n, covered = 40, 0.0
    for b in range(n + 1):
        for c in range(n + 1 - b):
            chance = multinomial.pmf([b, c, n - b - c], n, [p, q, 1 - p - q])
            if chance > 1e-6:
                low, high = tango(b, c, n)
                covered += chance * (low <= p - q <= high)
    assert covered >= 0.93


@pytest.mark.parametrize("counts", [(-1, 2, 10), (6, 5, 10), (0, 0, 0)])
def test_tango_refuses_counts_that_make_no_table(counts):
    with pytest.raises(InputError, match="together at most n"):
        tango(*counts)
    with pytest.raises(InputError, match="confidence"):
        tango(1, 2, 10, 1.0)

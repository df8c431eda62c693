import pytest

from counterspin.attacks import APGD, FGSM, PGD, CrossEntropy, Margin, RandomDraws, names, suite
from counterspin.errors import UsageError


def test_the_standard_suite_is_pinned():
    assert suite("standard") == (
        FGSM(precision="float32"),
        PGD(steps=100, restarts=5, precision="float32"),
        APGD(steps=100, restarts=10, loss=CrossEntropy(), precision="float32"),
        APGD(steps=100, restarts=10, loss=Margin(), precision="float32"),
        RandomDraws(draws=1000, precision="float32"),
    )


def test_the_quick_suite_is_pinned():
    assert suite("quick") == (
        FGSM(precision="float32"),
        PGD(steps=40, restarts=5, precision="float32"),
        APGD(steps=50, restarts=3, loss=CrossEntropy(), precision="float32"),
        APGD(steps=50, restarts=5, loss=Margin(), precision="float32"),
        RandomDraws(draws=1000, precision="float32"),
    )


@pytest.mark.parametrize("tier", ["quick", "standard"])
def test_names_in_a_suite_are_distinct_and_listed(tier):
    in_suite = [attack.name for attack in suite(tier)]
    assert len(set(in_suite)) == len(in_suite)
    assert set(in_suite) < set(names())


def test_an_unknown_tier_is_refused():
    with pytest.raises(UsageError, match="tier is 'thorough'; allowed: quick, standard"):
        suite("thorough")

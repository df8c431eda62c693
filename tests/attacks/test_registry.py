from dataclasses import replace

import pytest
import torch

from counterspin.attacks import (
    APGD,
    DDN,
    EOT,
    FGSM,
    FMN,
    SPSA,
    Autodiff,
    BoxedL2Attack,
    CoordinateAttack,
    Corners,
    CrossEntropy,
    ExactL2Attack,
    Exhaustive,
    Greedy,
    Margin,
    RandomDraws,
    Square,
    TargetedAPGD,
    Twin,
    applicable,
    every_attack,
    names,
    suite,
)
from counterspin.attacks.registry import adapted, suite_of
from counterspin.errors import CapabilityError, UsageError
from counterspin.threats import L0, L2, Group, Linf

V1 = (
    APGD(steps=100, restarts=10, loss=CrossEntropy(), precision="float32"),
    APGD(steps=100, restarts=10, loss=Margin(), precision="float32"),
    TargetedAPGD(steps=100, restarts=2, rivals=9, precision="float32"),
    FMN(steps=200, restarts=5, precision="float32"),
    DDN(steps=200, restarts=5, precision="float32"),
    Square(queries=2000, precision="float32"),
    RandomDraws(draws=1000, precision="float32"),
    CoordinateAttack(precision="float32"),
    Corners(precision="float32"),
    Exhaustive(),
    Greedy(),
    ExactL2Attack(),
    BoxedL2Attack(),
)


@pytest.mark.parametrize("tier", ["standard", "paper"])
def test_suite_v1_is_pinned(tier):
    assert suite(tier) == V1


def test_the_quick_suite_is_pinned():
    assert suite("quick") == (
        FGSM(precision="float32"),
        APGD(steps=50, restarts=3, loss=CrossEntropy(), precision="float32"),
        APGD(steps=50, restarts=5, loss=Margin(), precision="float32"),
        TargetedAPGD(steps=50, restarts=1, rivals=3, precision="float32"),
        RandomDraws(draws=1000, precision="float32"),
        Corners(precision="float32"),
        Exhaustive(),
        Greedy(),
        ExactL2Attack(),
        BoxedL2Attack(),
    )


@pytest.mark.parametrize("tier", ["quick", "standard"])
def test_names_in_a_suite_are_distinct_and_listed(tier):
    in_suite = [attack.name for attack in suite(tier)]
    assert len(set(in_suite)) == len(in_suite)
    assert set(in_suite) < set(names())


def test_every_attack_has_a_name_of_its_own_and_says_what_it_needs():
    attacks = every_attack()
    assert len({attack.name for attack in attacks}) == len(attacks)
    for attack in attacks:
        assert attack.norms
        assert attack.knowledge in ("white", "black", "decision", "transfer")
        assert set(attack.requires) <= {"gradient", "effective_observables"}
        assert hash(attack) == hash(replace(attack))


def test_an_unknown_tier_is_refused():
    with pytest.raises(UsageError, match="tier is 'thorough'; allowed: quick, standard, paper"):
        suite("thorough")


def kept(model, threat):
    attacks, reasons = applicable(suite(), model, threat)
    assert {attack.name for attack in attacks}.isdisjoint(reasons)
    assert len(attacks) + len(reasons) == len(suite())
    return [attack.name for attack in attacks]


def test_what_applies_depends_on_norm_and_constraints(linear):
    model = linear([1.0, 2.0])
    general = ["apgd-ce", "apgd-margin", "apgd-targeted", "fmn"]
    assert kept(model, Linf(0.1)) == [*general, "square", "random", "coordinate", "corners"]
    assert kept(model, L2(0.1)) == [*general, "ddn", "square", "random", "coordinate"]
    bits = tuple(Group(features=(feature,), values=((0.0,), (1.0,))) for feature in range(2))
    assert kept(model, L0(1, groups=bits)) == [*general, "random", "exhaustive", "greedy"]


def test_a_model_without_gradients_is_no_small_print(rows):
    class Detached:
        outputs, stochastic, classes, differentiable = "logits", False, 2, False

        def __init__(self, bounds):
            self.bounds = bounds

        def __call__(self, x):
            return x[:, :2]

    with pytest.raises(CapabilityError, match="without a gradient"):
        applicable(suite(), Detached(rows(None, features=2).bounds), Linf(0.1))


@pytest.mark.parametrize("tier", ["quick", "standard", "paper"])
def test_models_that_say_they_have_no_gradient_are_asked_instead(tier, linear):
    smooth = linear([1.0, 2.0])
    assert suite_of(smooth, tier) == suite(tier)
    smooth.differentiable = False
    asked = suite_of(smooth, tier)
    assert {attack.knowledge for attack in asked} == {"black", "decision"}
    assert not any("gradient" in attack.requires for attack in asked)
    kept_ones, left_out = applicable(asked, smooth, Linf(0.1))
    assert kept_ones[0].name == "hopskipjump"
    assert sorted(left_out) == ["exhaustive", "greedy"]
    with pytest.raises(UsageError, match="tier is"):
        suite_of(smooth, "best")


def test_stochastic_models_get_averaged_gradients(rows):
    noisy = rows(lambda x: torch.cat([x, -x], dim=1), stochastic=True)
    assert adapted(APGD(), noisy).gradient == EOT(source=SPSA(), samples=4)
    noisy.differentiable = True
    assert adapted(APGD(), noisy).gradient == EOT(source=Autodiff(), samples=8)
    noisy.twin = rows(lambda x: torch.cat([x, -x], dim=1))
    assert adapted(APGD(), noisy).gradient == Twin(calls=8)
    chosen = APGD(gradient=EOT(source=SPSA(directions=3), samples=2))
    assert adapted(chosen, noisy) is chosen
    assert adapted(RandomDraws(), noisy) == RandomDraws()
    assert adapted(APGD(), noisy.twin) == APGD()

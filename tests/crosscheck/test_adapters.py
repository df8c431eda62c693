"""Foolbox, ART and AutoAttack on linear models: what they must break is known."""

import sys

import numpy as np
import pytest
import torch

from counterspin.attacks.external import (
    ARTAttack,
    AutoAttackExternal,
    FoolboxAttack,
    UnitFrame,
    art_classifier,
    autoattack,
    foolbox_model,
)
from counterspin.attacks.external.extras import imported
from counterspin.errors import ConditionsError, ModelError, UsageError
from counterspin.models import LogisticRegression
from counterspin.threats import L2, Linf
from counterspin.types import Box

# More steps than a linear model needs, few enough to be quick.
APGD = {"max_iter": 20, "nb_random_init": 1, "loss_type": "cross_entropy"}
STEPS = {"max_iter": 20}

EVERYTHING = [
    (FoolboxAttack(attack="LinfPGD", settings={"steps": 30, "rel_stepsize": 0.2}), Linf),
    (FoolboxAttack(attack="LinfDeepFoolAttack"), Linf),
    (FoolboxAttack(attack="L2PGD", settings={"steps": 30, "rel_stepsize": 0.2}), L2),
    (FoolboxAttack(attack="L2DeepFoolAttack"), L2),
    (ARTAttack(attack="FastGradientMethod"), Linf),
    (ARTAttack(settings=STEPS), Linf),
    (ARTAttack(settings=STEPS, precision="float32"), L2),
    (ARTAttack(attack="AutoProjectedGradientDescent", settings=APGD), Linf),
    (AutoAttackExternal(attacks=("apgd-ce",), starts=1), Linf),
    pytest.param(AutoAttackExternal(starts=1), Linf, marks=pytest.mark.slow),
    pytest.param(AutoAttackExternal(starts=1, precision="float32"), L2, marks=pytest.mark.slow),
]


@pytest.mark.one_fast(8)
@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize(("attack", "make"), EVERYTHING, ids=lambda value: getattr(value, "name", None))
def test_theirs_break_a_linear_model_beyond_its_distance_and_never_below(linear, attack, make, classes):
    model, x, y, distance = linear(classes)
    exact = distance(make(1.0).norm)
    eps = float(exact.quantile(0.6))
    result = attack(model, x, y, make(eps))
    assert not result.success[0, exact > eps * (1 + 1e-6)].any()
    # With many classes an ascent of the cross-entropy may go for another rival than the nearest.
    sure = exact < 0.97 * eps
    if classes == 2:
        assert result.success[0, sure].all()
    else:
        assert result.success[0, sure].double().mean() >= 0.7
    assert result.cost.forwards > 0
    assert len(result.history[0]["lost"]) == len(x)


@pytest.mark.slow
def test_theirs_repeat_with_the_same_seed(curved):
    model, x, y = curved
    random = (
        FoolboxAttack(settings={"steps": 2}),
        ARTAttack(settings={"num_random_init": 1, "max_iter": 1, "eps_step": 0.1}),
        AutoAttackExternal(starts=1),
    )
    for attack in random:
        first, second, other = (
            attack(model, x, y, Linf(0.05), generator=torch.Generator().manual_seed(seed)).x_adv for seed in (0, 0, 1)
        )
        assert torch.equal(first, second)
        # AutoAttack ends in the same corners from wherever it starts.
        assert torch.equal(first, other) is isinstance(attack, AutoAttackExternal)


def test_targets(linear):
    model, x, y, _ = linear(3)
    target = tuple(((y + 1) % 3).tolist())
    for attack in (FoolboxAttack(settings={"steps": 20, "rel_stepsize": 0.2}), ARTAttack(settings=STEPS)):
        result = attack(model, x, y, Linf(1.0, target=target))
        assert result.success.any()
        reached = model(result.x_adv[0]).argmax(dim=1) == torch.tensor(target)
        assert torch.equal(reached, result.success[0])
    assert "without a target" in str(AutoAttackExternal().refusal(model, Linf(1.0, target=target)))


def test_a_last_iterate_that_fell_back_is_found_out():
    """A wave whose gradient overshoots: Foolbox's iterates jump across the boundary and back, and end on our side."""

    class Wave:
        bounds, classes, outputs, stochastic = Box.uniform(0.0, 1.0, 1), 2, "logits", False

        def __call__(self, x):
            margin = (x[:, 0] - 0.5).abs() - 0.1
            return torch.stack([margin, -margin], dim=1)

    x = torch.tensor([[0.3]], dtype=torch.float64)
    # Steps of 0.15 from 0.3: 0.45 (broken), 0.6 (a tie is broken by ours only), and back.
    attack = FoolboxAttack(settings={"steps": 4, "abs_stepsize": 0.24, "random_start": False})
    result = attack(Wave(), x, torch.tensor([0]), Linf(0.35))
    assert result.success.all()
    assert result.history[0]["lost"] == [1.0]


def test_attacks_that_do_not_fit_are_refused(linear):
    model, x, y, _ = linear(2)
    for attack, kind, sentence in (
        (FoolboxAttack(attack="L2PGD"), ConditionsError, "its own norm"),
        (FoolboxAttack(attack="Lunatic"), UsageError, "no such class"),
        (FoolboxAttack(settings={"paces": 3}), UsageError, "do not fit"),
        (ARTAttack(attack="Lunatic"), UsageError, "no such class"),
        (ARTAttack(settings={"paces": 3}), UsageError, "takes no such argument"),
        (AutoAttackExternal(attacks=("square",)), UsageError, "one or more of"),
        (AutoAttackExternal(attacks=("apgd-t",)), ConditionsError, "needs 4 classes"),
    ):
        with pytest.raises(kind, match=sentence):
            attack(model, x, y, Linf(0.1))


@pytest.mark.slow
def test_dlr_serves_from_four_classes(linear):
    model, x, y, distance = linear(4)
    eps = 1.05 * float(distance("linf").max())
    result = AutoAttackExternal(attacks=("apgd-t", "fab-t"), starts=1)(model, x, y, Linf(eps))
    assert result.success.all()


@pytest.mark.slow
def test_the_trace_function_survives(linear):
    model, x, y, _ = linear(2)

    def trace(*_):
        return None

    before = sys.gettrace()
    try:
        sys.settrace(trace)
        AutoAttackExternal(attacks=("apgd-ce",), starts=1)(model, x[:2], y[:2], Linf(0.05))
        assert sys.gettrace() is trace
    finally:
        sys.settrace(before)


def test_ours_are_models_of_theirs(linear):
    model, x, y, distance = linear(2)
    u = UnitFrame.of(model.bounds).to_unit(x)
    assert torch.allclose(foolbox_model(model)(u.reshape(-1, 3, 1, 1)), model(x))
    eps = 1.01 * float(distance("l2").max())
    _, _, success = imported("foolbox.attacks").L2FastGradientAttack()(foolbox_model(model), u, y, epsilons=eps / 4.0)
    assert success.all()
    logits = art_classifier(model).predict(u.float().numpy())
    assert np.allclose(logits, model(x).numpy(), atol=1e-5)
    tool = autoattack(model, norm="l2", eps=eps, attacks=("apgd-ce",))
    found, _ = tool.run_standard_evaluation(u.float()[:, None, None, :], y)
    assert (model(UnitFrame.of(model.bounds).to_features(found[:, 0, 0].double())).argmax(dim=1) != y).all()


@pytest.mark.parametrize("adapter", [foolbox_model, art_classifier])
def test_models_that_do_not_fit_are_refused(adapter):
    with pytest.raises(ConditionsError, match="finite bounds"):
        adapter(LogisticRegression(Box.unbounded(2), classes=2))
    with pytest.raises(ModelError, match="lacks bounds"):
        adapter(lambda x: x)

"""One target among several classes: no closed form, so a descent, checked against one from many starts."""

import math

import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from counterspin.attacks.quantum.states import GlobalUnitary, KrausAdversary, NearestInTraceDistance, NearestState
from counterspin.optimum import nearest_states
from tests.support.state_models import amplitude_bit, amplitude_classes, samples


def smallest_infidelity(observables, psi, target, rng):
    """SLSQP over pure states that the target wins, from many starts."""
    d = len(psi)
    m = observables.numpy()

    def ahead(v):
        phi = v[:d] + 1j * v[d:]
        scores = np.einsum("i,kij,j->k", phi.conj(), m, phi).real
        return np.delete(scores[target] - scores, target)

    best = math.inf
    for _ in range(8):
        start = rng.normal(size=2 * d)
        found = minimize(
            lambda v: 1 - abs(np.vdot(psi, v[:d] + 1j * v[d:])) ** 2,
            start / np.linalg.norm(start),
            method="SLSQP",
            constraints=[{"type": "eq", "fun": lambda v: v @ v - 1}, {"type": "ineq", "fun": ahead}],
            options={"maxiter": 200},
        )
        if found.success and ahead(found.x).min() > -1e-7:
            best = min(best, found.fun)
    return best


def test_a_target_is_reached_nearly_as_cheaply_as_by_many_starts():
    model = amplitude_classes()
    x, y = samples(model, batch=4)
    target = int(torch.bincount(y, minlength=4).argmin())
    site = NearestState()(model, x, y, [0.1]).budgets[0].manipulation.what.site
    rng = np.random.default_rng(0)
    exact = [smallest_infidelity(site.observables, s.numpy(), target, rng) for s in site.states]
    for row, distance in enumerate(exact):
        if int(y[row]) == target or not distance < 0.9:
            continue
        result = NearestState(target=target)(model, x[row : row + 1], y[row : row + 1], [1.03 * distance])
        assert bool(result.success[0, 0]), (row, distance)
        below = NearestState(target=target)(model, x[row : row + 1], y[row : row + 1], [0.995 * distance])
        assert not bool(below.success[0, 0])


@pytest.mark.parametrize(
    "attack", [NearestState, NearestInTraceDistance, GlobalUnitary, KrausAdversary], ids=lambda a: a.__name__
)
def test_reached_targets_win_and_cost_at_least_the_untargeted_flip(attack):
    model = amplitude_classes()
    x, y = samples(model)
    target = int(torch.bincount(y, minlength=4).argmax())
    result = attack(target=target)(model, x, y, [0.3, 0.9])
    last = result.budgets[-1]
    assert torch.equal(result.attacked, y != target)
    assert bool(last.success.any())
    assert bool((last.manipulation.scores.argmax(1)[last.success] == target).all())
    untargeted = attack()(model, x, y, [0.9]).budgets[0]
    assert bool((last.spent >= untargeted.spent - 1e-9)[last.success].all())


def test_with_two_classes_the_target_is_the_other_one():
    model = amplitude_bit()
    x, y = samples(model)
    one, any_ = NearestState(target=1)(model, x, y, [0.5]), NearestState()(model, x, y, [0.5])
    assert torch.equal(one.success[0], any_.success[0] & (y == 0))
    lower = nearest_states(
        *(any_.budgets[0].manipulation.what.site.observables, one.budgets[0].manipulation.what.site.states, y)
    ).lower
    torch.testing.assert_close(one.budgets[0].spent[one.success[0]], lower[one.success[0]], rtol=0, atol=1e-6)

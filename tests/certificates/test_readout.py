"""Readout tampering: closed forms, witnesses that attain the bound, linear programmes, random confusion matrices."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from counterspin.certificates.readout import confusion_radius, total_variation_radius, worst_distribution
from counterspin.errors import InputError
from counterspin.noise import ReadoutErrors
from counterspin.simulation.readout_noise import misread

GROUPS = ((0, 3), (1,), (4, 2))  # of eight bit-strings; three count for no class


def distributions(rng, rows, outcomes):
    return torch.tensor(rng.dirichlet(np.full(outcomes, 0.7), size=rows))


def calibrated(rng, outcomes, error=0.1):
    """A confusion matrix whose columns lose about `error` each."""
    return torch.tensor((1 - error) * np.eye(outcomes) + error * rng.dirichlet(np.ones(outcomes), size=outcomes).T)


def shares(values, groups):
    return values if groups is None else torch.stack([values[..., list(g)].sum(-1) for g in groups], -1)


def margin(observed, y):
    own = observed.gather(1, y[:, None])[:, 0]
    return own - observed.scatter(1, y[:, None], -torch.inf).amax(dim=1)


def variation(a, b):
    """Of every column."""
    return 0.5 * (a - b).abs().sum(dim=-2)


def test_total_variation_is_attained():
    p = torch.tensor([[0.7, 0.2, 0.1], [0.3, 0.1, 0.4], [0.5, 0.5, 0.0], [0.2, 0.1, 0.05]], dtype=torch.float64)
    y = torch.tensor([0, 2, 0, 0])
    radius = total_variation_radius(p, y)
    assert radius.tolist() == pytest.approx([0.25, 0.05, 0.0, 0.05], abs=1e-12)
    worst = worst_distribution(p, y, radius)
    assert variation(worst[..., None], p[..., None])[:, 0].tolist() == pytest.approx(radius.tolist(), abs=1e-14)
    torch.testing.assert_close(margin(worst, y), torch.zeros(4).double(), atol=1e-14, rtol=0)
    assert bool((margin(worst_distribution(p, y, radius + 1e-3), y) < 0).all())
    assert bool((margin(worst_distribution(p, y, 0.99 * radius), y)[:2] > 0).all())


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), classes=st.integers(2, 6))
def test_identity_in_closed_form(seed, classes):
    p = distributions(np.random.default_rng(seed), 20, classes)
    y = p.argmax(dim=1)
    found = confusion_radius(p, y)
    m = margin(p, y)
    torch.testing.assert_close(found.radius, m / (1 + m), atol=1e-12, rtol=0)
    # The stated rule: p_A - p_B > t / (1 - t) at every t below the radius and no longer above it.
    t = found.radius
    torch.testing.assert_close(t / (1 - t), m, atol=1e-11, rtol=0)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), grouped=st.booleans(), around=st.booleans())
def test_witnesses_attain_the_radius(seed, grouped, around):
    rng = np.random.default_rng(seed)
    p = distributions(rng, 12, 8)
    nominal, groups = (calibrated(rng, 8) if around else None), (GROUPS if grouped else None)
    base = torch.eye(8, dtype=torch.float64) if nominal is None else nominal
    observed = shares(p @ base.T, groups)
    y = observed.argmax(dim=1)
    found = confusion_radius(p, y, nominal=nominal, groups=groups)
    matrices = found.matrices
    assert float(matrices.min()) >= -1e-15
    torch.testing.assert_close(matrices.sum(dim=1), torch.ones(12, 8).double(), atol=1e-12, rtol=0)
    assert bool((variation(matrices, base) <= found.radius[:, None] + 1e-14).all())
    seen = shares((matrices @ p[:, :, None])[..., 0], groups)
    torch.testing.assert_close(margin(seen, y), torch.zeros(12).double(), atol=1e-12, rtol=0)
    rivals = seen.scatter(1, y[:, None], -1.0).argmax(dim=1)
    level = seen.gather(1, found.rival[:, None])[:, 0]
    torch.testing.assert_close(level, seen.gather(1, rivals[:, None])[:, 0], atol=1e-12, rtol=0)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), grouped=st.booleans(), share=st.floats(0.0, 1.0))
def test_no_random_confusion_matrix_flips_inside_the_radius(seed, grouped, share):
    rng = np.random.default_rng(seed)
    p, nominal, groups = distributions(rng, 6, 8), calibrated(rng, 8), (GROUPS if grouped else None)
    y = shares(p @ nominal.T, groups).argmax(dim=1)
    found = confusion_radius(p, y, nominal=nominal, groups=groups)
    others = torch.tensor(rng.dirichlet(np.full(8, 0.1), size=(200, 8))).mT  # near the corners, columns sum to 1
    for row in range(6):
        step = found.radius[row] * (1 - share * 1e-3) / variation(others, nominal).clamp(min=1e-9)
        tampered = nominal + step.clamp(max=1)[:, None, :] * (others - nominal)
        seen = shares(tampered @ p[row], groups)
        assert bool((margin(seen, y[row].expand(200)) > -1e-14).all())


@pytest.mark.parametrize("seed", range(6))
def test_equals_one_linear_programme_per_column(seed):
    rng = np.random.default_rng(seed)
    groups, outcomes = (((0, 3), (1,), (2,)), 5)
    p, nominal = distributions(rng, 1, outcomes), calibrated(rng, outcomes, error=0.3)
    observed = shares(p @ nominal.T, groups)
    y = observed.argmax(dim=1)
    found = confusion_radius(p, y, nominal=nominal, groups=groups)

    def worst(t, rival):
        """Smallest margin against a rival: variables are the column and the absolute changes."""
        total = 0.0
        sign = np.zeros(outcomes)
        sign[list(groups[int(y)])] = 1.0
        sign[list(groups[rival])] = -1.0
        for column in range(outcomes):
            c = nominal[:, column].numpy()
            eye = np.eye(outcomes)
            bounds = np.block([[eye, -eye], [-eye, -eye], [np.zeros((1, outcomes)), np.full((1, outcomes), 0.5)]])
            result = linprog(
                np.concatenate([sign, np.zeros(outcomes)]),
                A_ub=bounds,
                b_ub=np.concatenate([c, -c, [t]]),
                A_eq=np.concatenate([np.ones(outcomes), np.zeros(outcomes)])[None],
                b_eq=[1.0],
            )
            total += float(p[0, column]) * result.fun
        return total

    t, rivals = found.radius.item(), [j for j in range(3) if j != int(y)]
    assert t > 0.01
    values = {j: worst(t, j) for j in rivals}
    assert min(values.values()) == pytest.approx(0.0, abs=1e-8)
    assert values[int(found.rival)] == pytest.approx(0.0, abs=1e-8)
    assert all(worst(0.95 * t, j) > 0.01 * t for j in rivals)


def test_the_rule_of_the_identity_is_unsound_around_another_matrix():
    # A nominal matrix already spends a part of the margin: t / (1 - t) on the true probabilities would promise more.
    p, y = torch.tensor([[0.8, 0.2]], dtype=torch.float64), torch.tensor([0])
    nominal = torch.tensor([[0.8, 0.2], [0.2, 0.8]], dtype=torch.float64)
    around, naive = confusion_radius(p, y, nominal=nominal).radius, confusion_radius(p, y).radius
    observed = margin(p @ nominal.T, y)
    # Column 0 turns at 2t, column 1 at 2t until its 0.2 of class 0 are gone.
    assert around.item() == pytest.approx(observed.item() / 2, abs=1e-12)
    assert naive.item() == pytest.approx(0.375, abs=1e-12)
    assert around.item() < naive.item()


def test_losers_and_ties_have_radius_zero():
    p = torch.tensor([[0.2, 0.8], [0.5, 0.5]], dtype=torch.float64)
    found = confusion_radius(p, torch.tensor([0, 0]))
    assert found.radius.tolist() == [0, 0]
    torch.testing.assert_close(found.matrices, torch.eye(2).double().expand(2, 2, 2))
    assert total_variation_radius(p, torch.tensor([0, 0])).tolist() == [0, 0]


def test_symmetric_and_asymmetric_flips_of_one_bit():
    p = torch.tensor([[0.9, 0.1], [0.35, 0.65]], dtype=torch.float64)
    m = p[:, 0] - p[:, 1]
    for q in (0.0, 0.03, 0.2, 0.5):
        seen = misread(p, ReadoutErrors.uniform((q, q), p.shape[1].bit_length() - 1))
        torch.testing.assert_close(seen[:, 0] - seen[:, 1], (1 - 2 * q) * m, atol=1e-15, rtol=0)
    up, down = 0.1, 0.3
    seen = misread(p, ReadoutErrors.uniform((up, down), p.shape[1].bit_length() - 1))
    expected = (1 - up - down) * m + down - up
    torch.testing.assert_close(seen[:, 0] - seen[:, 1], expected, atol=1e-15, rtol=0)
    # As a nominal matrix: the margin at t = 0 is what is observed, and its sign decides whether there is a radius.
    nominal = torch.tensor([[1 - up, down], [up, 1 - down]], dtype=torch.float64)
    radius = confusion_radius(p, torch.tensor([0, 1]), nominal=nominal).radius
    assert radius[0] > 0
    assert (radius[1] > 0) == (expected[1] < 0)


def test_what_is_said():
    p, y = torch.tensor([[0.6, 0.3, 0.1, 0.0]]), torch.tensor([0])
    classes = confusion_radius(p, y).assumptions
    strings = confusion_radius(p, y, nominal=torch.eye(4), groups=((0, 3), (1,))).assumptions
    assert any("of classes, around the identity" in note for note in classes.notes)
    assert any("of bit-strings, around the nominal matrix" in note for note in strings.notes)
    assert classes.adversary == "readout"


@pytest.mark.parametrize(
    ("p", "y", "options", "message"),
    [
        ([[0.6, 0.3]], [0], {}, "sum to 1"),
        ([[1.2, -0.2]], [0], {}, "must not be negative"),
        ([[0.6, 0.4]], [2], {}, "one label per row"),
        ([[0.6, 0.4]], [0, 1], {}, "one label per row"),
        ([[0.6, 0.4]], [0], {"groups": ((0,),)}, "at least two disjoint groups"),
        ([[0.6, 0.4]], [0], {"groups": ((0,), (0,))}, "disjoint"),
        ([[0.6, 0.4]], [0], {"groups": ((0,), (2,))}, "from 0 to 1"),
        ([[0.6, 0.3, 0.1]], [2], {"groups": ((0,), (1,))}, "to 2; there are 2 groups"),
        ([[0.6, 0.4]], [0], {"nominal": torch.eye(3)}, "nominal has shape"),
        ([[0.6, 0.4]], [0], {"nominal": torch.tensor([[0.5, 0.0], [0.4, 1.0]])}, "columns sum to 1"),
    ],
)
def test_refusals(p, y, options, message):
    with pytest.raises(InputError, match=message):
        confusion_radius(torch.tensor(p), torch.tensor(y), **options)


def test_observed_probabilities_may_sum_to_less():
    assert total_variation_radius(torch.tensor([[0.5, 0.2]]), torch.tensor([0])).item() == pytest.approx(0.15)
    with pytest.raises(InputError, match="at most 1"):
        total_variation_radius(torch.tensor([[2.0, 1.0]]), torch.tensor([0]))

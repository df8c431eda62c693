"""Exact radii on discrete features: brute force in plain Python, budgets in L0, and what is refused."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from counterspin.certificates import exhaustive
from counterspin.certificates.exhaustive import ExhaustiveCertificate
from counterspin.circuits import OutcomeGroups, amplitude_encoding
from counterspin.errors import ConditionsError
from counterspin.models import MLP, QuantumClassifier
from counterspin.threats import L0, L1, L2, Group, Linf
from counterspin.types import Box

CERTIFICATE = ExhaustiveCertificate()
# Two single features and a one-hot pair.
GROUPS = (
    Group(features=(0,), values=((0.0,), (0.4,), (1.0,))),
    Group(features=(1,), values=((0.0,), (1.0,))),
    Group(features=(2, 3), values=((1.0, 0.0), (0.0, 1.0))),
)


def perceptron(seed):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = MLP(Box.uniform(0, 1, 4), classes=3, hidden=(6,))
        for parameter in model.parameters():
            torch.nn.init.normal_(parameter)
    return model.requires_grad_(False)


def by_hand(model, x, y, threat):
    """Every joint choice, the clean values among them, one model call each."""
    best = float("inf")
    options = [[None, *group.values] for group in GROUPS]
    for choice in itertools.product(*options):
        z = x.clone()
        for group, value in zip(GROUPS, choice, strict=True):
            allowed = threat.mask is None or threat.mask[group.features[0]]
            if value is not None and allowed:
                z[list(group.features)] = torch.tensor(value, dtype=z.dtype)
        scores = model(z[None])[0]
        lost = scores[y] <= scores[torch.arange(3) != y].max()
        if threat.target is not None:
            lost = scores[threat.target] >= scores[torch.arange(3) != threat.target].max()
        if bool(lost):
            best = min(best, float(threat.size(z - x)))
    return best


@pytest.mark.slow
@given(
    seed=st.integers(0, 10**6),
    norm=st.sampled_from([Linf, L2, L1, L0]),
    masked=st.booleans(),
    target=st.sampled_from([None, 2]),
)
@settings(max_examples=25, deadline=None)
def test_against_brute_force(seed, norm, masked, target):
    model = perceptron(seed)
    generator = torch.Generator().manual_seed(seed)
    x = torch.rand(6, 4, generator=generator, dtype=torch.float64)
    x[:3, 0], x[:2, 1], x[1:4, 2:] = 0.4, 1.0, torch.tensor([0.0, 1.0], dtype=torch.float64)
    y = model(x).argmax(dim=1)
    x, y = (x[y != target], y[y != target]) if target is not None else (x, y)
    if not len(x):
        return
    threat = norm(1.0, groups=GROUPS, mask=(True, False, True, True) if masked else None, target=target)
    result = CERTIFICATE(model, x, y, threat)
    expected = [by_hand(model, x[row], int(y[row]), threat) for row in range(len(x))]
    assert result.radius_lower.tolist() == pytest.approx(expected, rel=1e-12)
    assert result.radius_upper.tolist() == pytest.approx(expected, rel=1e-12)
    assert result.exact.all()
    finite = torch.isfinite(result.radius_upper)
    torch.testing.assert_close(threat.size(result.points - x)[finite], result.radius_upper[finite])


def test_a_larger_set_is_searched_up_to_the_budget_in_l0(monkeypatch):
    model = perceptron(3)
    x = torch.tensor([[0.4, 1.0, 1.0, 0.0], [0.0, 0.0, 0.0, 1.0], [0.2, 0.7, 0.5, 0.5]], dtype=torch.float64)
    y = model(x).argmax(dim=1)
    whole = CERTIFICATE(model, x, y, L0(1, groups=GROUPS))
    monkeypatch.setattr(exhaustive, "MAX_CHOICES", 10)
    part = CERTIFICATE(model, x, y, L0(1, groups=GROUPS))
    assert part.radius_lower.tolist() == whole.radius_lower.clamp(max=2.0).tolist()
    near = whole.radius_upper <= 1
    assert part.exact.tolist() == near.tolist()
    assert torch.isinf(part.radius_upper[~near]).all()
    assert "largest budget" in part.assumptions.notes[0]
    assert not whole.assumptions.notes
    assert "allows 36" in str(CERTIFICATE.refusal(model, Linf(0.1, groups=GROUPS)))
    assert CERTIFICATE.refusal(model, L0(1, groups=GROUPS)) is None
    assert CERTIFICATE.refusal(model, L0(2, groups=GROUPS)) is not None


def test_blocks_of_points_do_not_change_the_result(monkeypatch):
    model = perceptron(5)
    x = torch.tensor([[0.4, 1.0, 1.0, 0.0], [0.3, 0.0, 0.0, 1.0]], dtype=torch.float64)
    y = model(x).argmax(dim=1)
    whole = CERTIFICATE(model, x, y, L2(0.1, groups=GROUPS))
    monkeypatch.setattr(exhaustive, "_ROWS", 5)
    assert CERTIFICATE(model, x, y, L2(0.1, groups=GROUPS)).radius_lower.tolist() == whole.radius_lower.tolist()


def test_continuous_features_are_refused_unless_masked():
    model = perceptron(0)
    assert "discrete" in str(CERTIFICATE.refusal(model, L2(0.1, groups=GROUPS[:2])))
    masked = L2(0.1, groups=GROUPS[:2], mask=(True, True, False, False))
    assert CERTIFICATE.refusal(model, masked) is None


def test_samples_that_reach_the_same_points_share_them():
    calls = []

    class Counting:
        bounds, classes, outputs, stochastic = Box.uniform(0, 1, 4), 3, "logits", False

        def __call__(self, x):
            calls.append(len(x))
            return perceptron(1)(x)

    x = torch.tensor([[0.4, 1.0, 1.0, 0.0], [0.0, 0.0, 0.0, 1.0], [1.0, 1.0, 0.0, 1.0]], dtype=torch.float64)
    CERTIFICATE(Counting(), x, perceptron(1)(x).argmax(dim=1), L2(0.1, groups=GROUPS))
    # 3 * 2 * 2 points once for all three, and the clean verdict.
    assert sorted(calls) == [3, 12]


def test_a_point_that_is_no_input_is_refused_by_name():
    # Refused rather than raised as bad data, so that other certificates go on.
    bit = OutcomeGroups((0,), ((0,), (1,)))
    model = QuantumClassifier(amplitude_encoding(2), bit, Box.uniform(0, 1, 2))
    grid = tuple(Group(features=(i,), values=((0.0,), (0.5,), (1.0,))) for i in range(2))
    with pytest.raises(ConditionsError, match=r"takes one of them for no input .*zero vector"):
        CERTIFICATE(model, [[1.0, 0.5]], [0], L2(0.6, groups=grid))

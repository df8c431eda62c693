"""Samples and threats that a suite offers where its caller names none."""

import pytest
import torch

from counterspin.evaluation.conformance.offers import offered_samples, offered_threats, threat_label
from counterspin.models import LogisticRegression
from counterspin.types import Box


def classifier(features=3, *, low=-5.0, high=0.5):
    return LogisticRegression(Box.uniform(low, high, features=features), classes=3)


def test_samples_lie_inside_and_one_is_misclassified():
    model = classifier()
    x, y = offered_samples(model, None, None, count=40, seed=1)
    assert x.shape == (40, 3)
    assert bool(((x > -1) & (x < 0.5)).all())
    wrong = model(x).argmax(dim=1) != y
    assert wrong.tolist() == [True] + [False] * 39
    again, _ = offered_samples(model, None, None, count=40, seed=1)
    other, _ = offered_samples(model, None, None, count=40, seed=2)
    assert torch.equal(x, again)
    assert not torch.equal(x, other)


def test_what_is_given_is_kept():
    x, y = torch.zeros(2, 3), torch.tensor([2, 1])
    found = offered_samples(classifier(), x, y, count=40, seed=0)
    assert found[0] is x
    assert found[1] is y
    assert len(offered_samples(classifier(), x, None, count=40, seed=0)[1]) == 2


@pytest.mark.parametrize(
    ("norm", "features", "labels"),
    [
        ("l2", 3, ["l2", "l2, no box", "l2, masked", "l2, discrete"]),
        ("linf", 1, ["linf", "linf, no box", "linf, discrete"]),
        ("l0", 3, ["l0", "l0, masked", "l0, discrete"]),
    ],
)
def test_threats_of_a_norm(norm, features, labels):
    model = classifier(features)
    threats = offered_threats(model, norm, (1.0, 2.0), 4)
    assert [threat_label(threat) for threat in threats] == labels
    assert all(threat.eps == (1.0, 2.0) for threat in threats)
    for threat in threats:
        threat.check(model.bounds)
    values = [group.values for group in threats[-1].groups]
    assert values == [((-1.0,), (-0.5,), (0.0,), (0.5,))] * features

"""The inner maximisation against the closed form of linear models, and what it leaves untouched."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from linear_training import linear_batch, linear_model, seeded, worst_margins

from counterspin.attacks.losses import CrossEntropy, Margin
from counterspin.circuits import (
    Linear,
    OutcomeGroups,
    PauliExpectations,
    Scale,
    amplitude_encoding,
    reuploading,
    strongly_entangling,
)
from counterspin.defenses.training.inner import ascend, ascending, ball_of, input_gradient
from counterspin.errors import CapabilityError
from counterspin.models import LogisticRegression, QuantumClassifier
from counterspin.threats import L0, L2, Group, Linf, ThreatModel
from counterspin.types import Box

UNIT = Box.uniform(0.0, 1.0, features=6)


def margins_at(model, x, y):
    scores = model(x).detach()
    return (scores.gather(1, y[:, None]) - scores.gather(1, 1 - y[:, None]))[:, 0]


@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
@pytest.mark.parametrize("units", ["feature", "relative"])
@pytest.mark.parametrize("random_start", [True, False])
def test_reaches_the_worst_case_of_a_linear_model(norm: str, units: str, random_start: bool) -> None:
    model, (x, y) = linear_model(), linear_batch()
    threat = ThreatModel(norm=norm, eps=(0.3,), units=units)
    ball = ball_of(x, threat, 0.2, model.bounds)
    found = ascend(
        model, x, y, ball, steps=40, step_size=0.3, loss=CrossEntropy(), generator=seeded(), random_start=random_start
    )
    radius = 0.2 * (threat.size(x) if units == "relative" else 1.0)
    torch.testing.assert_close(
        margins_at(model, found, y), worst_margins(model, x, y, radius, norm), atol=1e-6, rtol=1e-6
    )
    assert not found.requires_grad


@given(seed=st.integers(0, 1000), eps=st.floats(0.01, 0.4))
def test_linf_in_a_box_is_the_clipped_corner(seed: int, eps: float) -> None:
    model, (x, y) = linear_model(box=UNIT, seed=seed), linear_batch(seed=seed)
    ball = ball_of(x, Linf(0.1), eps, UNIT)
    found = ascend(model, x, y, ball, steps=7, step_size=2.5 / 7, loss=Margin(), generator=seeded(seed))
    weight = next(model.parameters()).detach()
    towards = (weight[1] - weight[0]).sign() * torch.where(y == 0, 1.0, -1.0)[:, None]
    torch.testing.assert_close(found, (x + eps * towards).clamp(0, 1), atol=1e-12, rtol=0)


def test_constraints_hold() -> None:
    model, (x, y) = linear_model(box=UNIT), linear_batch()
    x[:, 2] = 0.0
    threat = Linf(
        0.3,
        mask=(True, False, True, True, True, True),
        groups=(Group(features=(2,), values=((0.0,), (0.25,), (1.0,))),),
        tied=((4, 5),),
    )
    found = ascend(
        model, x, y, ball_of(x, threat, 0.3, UNIT), steps=5, step_size=0.5, loss=CrossEntropy(), generator=seeded()
    )
    assert torch.equal(found[:, 1], x[:, 1])
    assert set(found[:, 2].tolist()) <= {0.0, 0.25}
    assert len(set(found[:, 2].tolist())) == 2  # otherwise this test could not fail
    torch.testing.assert_close(found[:, 4] - x[:, 4], found[:, 5] - x[:, 5], atol=1e-12, rtol=0)
    assert bool(((found - x).abs() <= 0.3 + 1e-12).all())


def test_l0_goes_to_the_best_vertex() -> None:
    model, (x, y) = linear_model(box=UNIT), linear_batch()
    ball = ball_of(x, L0(2), 2.0, UNIT)
    found = ascend(model, x, y, ball, steps=1, step_size=1.0, loss=Margin(), generator=seeded())
    weight = next(model.parameters()).detach()
    for row in range(len(x)):
        slope = (weight[1] - weight[0]) * (1 if y[row] == 0 else -1)
        gains = torch.maximum(slope * (1 - x[row]), slope * -x[row])
        before, after = (
            margins_at(model, x[row : row + 1], y[row : row + 1]),
            margins_at(model, found[row : row + 1], y[row : row + 1]),
        )
        assert float(before - after) == pytest.approx(float(gains.sort().values[-2:].sum()), abs=1e-12)


@pytest.mark.parametrize("training", [True, False])
def test_flags_modes_and_gradients_are_left_alone(training: bool) -> None:
    model, (x, y) = linear_model(), linear_batch()
    model.train(training)
    model.bias.requires_grad_(False)
    seen: list[tuple[bool, bool]] = []
    model.register_forward_hook(lambda module, *_: seen.append((module.training, module.weight.requires_grad)))
    ascend(
        model, x, y, ball_of(x, Linf(0.1), 0.1, model.bounds), steps=3, step_size=0.5, loss=Margin(), generator=seeded()
    )
    assert seen == [(False, False)] * 3
    assert (model.training, model.weight.requires_grad, model.bias.requires_grad) == (training, True, False)
    assert model.weight.grad is None


def test_engines_find_the_same_points() -> None:
    box = Box.uniform(0.0, 1.0, features=3)
    head = Linear(torch.randn(2, 3, generator=seeded(1)), torch.zeros(2))
    x = torch.rand(8, 3, generator=seeded(2), dtype=torch.float64)
    y = torch.arange(8) % 2
    found = []
    for engine in ("auto", "torch"):
        model = QuantumClassifier(
            reuploading(3, 2), PauliExpectations.of("Z0", "Z1", "Z2"), box, head=head, engine=engine
        )
        ball = ball_of(x, L2(0.2), 0.2, box)
        found.append(ascend(model, x, y, ball, steps=7, step_size=0.4, loss=CrossEntropy(), generator=seeded()))
    torch.testing.assert_close(found[0], found[1], atol=1e-9, rtol=0)


def test_gradient_is_that_of_autograd_and_its_lack_is_named() -> None:
    model, (x, _) = linear_model(), linear_batch()
    gradient = input_gradient(model, x, lambda scores: scores[:, 0])
    torch.testing.assert_close(gradient, model.weight[0].detach().expand(12, -1))

    class Cut(LogisticRegression):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.detach()

    with pytest.raises(CapabilityError, match="Cut carry no gradient to the input"):
        input_gradient(Cut(UNIT, classes=2), x, lambda scores: scores[:, 0])


def test_an_amplitude_circuit_is_not_folded_for_one_batch() -> None:
    box = Box.uniform(0.0, 1.0, features=16)
    circuit = amplitude_encoding(16) + strongly_entangling(4, 30)
    model = QuantumClassifier(circuit, OutcomeGroups.first(qubits=1, classes=2), box, head=Scale(torch.tensor(5.0)))
    before = list(model.state_dict())
    with ascending(model):
        assert "folded" not in model.runs_on()
        x = torch.rand(3, 16, generator=seeded(), dtype=torch.float64)
        scores = model(x)
        assert not model.weights.requires_grad
    assert list(model.state_dict()) == before
    torch.testing.assert_close(model.requires_grad_(False)(x), scores, atol=1e-10, rtol=0)
    assert model.runs_on().endswith("folded")

"""Defence zero: the scale that heads are held at, what is chosen, and that the test split is not looked at."""

import math
from dataclasses import replace

import pytest
import torch

from counterspin.circuits import Linear, OutcomeGroups, PauliExpectations, Scale, angle_encoding, reuploading
from counterspin.datasets import Dataset, Split
from counterspin.defenses.training import logit_scale as module
from counterspin.defenses.training.head_scale import at_scale, scale_of
from counterspin.defenses.training.logit_scale import ScaleCandidate, tuned_scale
from counterspin.defenses.training.selection import RobustAccuracy
from counterspin.errors import CapabilityError, UsageError
from counterspin.models import MLP, QuantumClassifier
from counterspin.threats import Linf
from counterspin.training import CrossEntropyObjective, TrainingSettings, accuracy, fit
from counterspin.types import Box

THREAT = Linf(0.02, 0.05, 0.1)
SETTINGS = TrainingSettings(epochs=3, batch_size=16, learning_rate=0.05)
BOX = Box.uniform(0.0, 1.0, features=2)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def split(rows, seed):
    x = torch.rand(rows, 2, generator=seeded(seed), dtype=torch.float64)
    return Split(x, (x[:, 0] > x[:, 1]).long())


TRAIN, VALIDATION, TEST = split(48, 1), split(30, 2), split(30, 3)


def dataset(test=TEST):
    return Dataset(
        name="squares",
        train=TRAIN,
        validation=VALIDATION,
        test=test,
        bounds=BOX,
        feature_names=("a", "b"),
        class_names=("low", "high"),
        source="",
        licence="",
    )


def linear(generator, scale, *, trainable=True):
    return QuantumClassifier(
        reuploading(2, 1, scale=torch.pi),
        PauliExpectations.of("Z0", "Z1"),
        BOX,
        head=Linear(torch.randn(2, 2, generator=generator), torch.tensor([0.1, -0.1])),
        trainable_head=trainable,
        generator=generator,
    )


def scaled(generator, scale):
    return QuantumClassifier(
        reuploading(2, 1, scale=torch.pi),
        OutcomeGroups((0,), ((0,), (1,))),
        BOX,
        head=Scale(torch.tensor(10.0 if scale is None else scale)),
        trainable_head=scale is None,
        generator=generator,
    )


def test_a_trained_linear_head_keeps_its_norm_and_ends_as_a_plain_weight():
    own = linear(seeded(), None)
    names = set(own.state_dict())
    start = own.head_weight.detach().clone()
    x = TRAIN.x.float()
    with at_scale(own, 7.0):
        assert float(own.head_weight.detach().norm()) == pytest.approx(7.0, rel=1e-6)
        torch.testing.assert_close(own.head_weight.detach(), start * 7.0 / start.norm())
        loss = CrossEntropyObjective()(own, x, TRAIN.y)
        loss.backward()
        raw = next(p for n, p in own.named_parameters() if n.startswith("parametrizations"))
        # A fixed norm has no slope along the weight itself.
        assert float((raw.grad * raw.detach()).sum()) == pytest.approx(0.0, abs=1e-6)
        assert float(raw.grad.abs().max()) > 1e-3
        fit(own, CrossEntropyObjective(), TRAIN, None, SETTINGS, generator=seeded())
        inside = own(x).detach()
    assert type(own) is QuantumClassifier
    assert set(own.state_dict()) == names
    assert scale_of(own) == pytest.approx(7.0, rel=1e-6)
    torch.testing.assert_close(own(x).detach(), inside)
    assert not torch.allclose(own.head_weight / own.head_weight.norm(), start / start.norm(), atol=1e-3)


def test_fixed_heads_and_scales_take_the_scale_itself():
    own = linear(seeded(), None, trainable=False)
    own.head_weight.copy_(torch.tensor([[20.0, 0.0], [-20.0, 5.0]]))
    with at_scale(own, 10.0):
        pass
    torch.testing.assert_close(own.head_weight, torch.tensor([[5.0, 0.0], [-5.0, 1.25]]))
    torch.testing.assert_close(own.head_bias, torch.tensor([0.025, -0.025]))
    assert scale_of(own) == 10.0
    frozen = scaled(seeded(), 3.0)
    with at_scale(frozen, 12.0):
        assert scale_of(frozen) == pytest.approx(12.0)


def test_a_learned_scale_is_not_learned_inside():
    own = scaled(seeded(), None)
    with at_scale(own, 4.0):
        fit(own, CrossEntropyObjective(), TRAIN, None, SETTINGS, generator=seeded())
    assert scale_of(own) == pytest.approx(4.0, rel=1e-6)
    assert own.get_parameter("log_scale").requires_grad


def test_weights_are_plain_again_after_an_error():
    own = linear(seeded(), None)
    with pytest.raises(RuntimeError, match="stop"), at_scale(own, 5.0):
        raise RuntimeError("stop")
    assert type(own) is QuantumClassifier
    assert isinstance(own.head_weight, torch.nn.Parameter)


@pytest.mark.parametrize("build", [linear, scaled], ids=["linear head", "scale"])
def test_the_model_is_trained_on_train_and_validation_with_the_chosen_scale(build):
    found = tuned_scale(build, dataset(), SETTINGS, THREAT, seed=3, scales=(2.0, 20.0), max_loss=0.5)
    assert [c.scale for c in found.candidates] == [2.0, 20.0]
    generator = seeded(3)
    expected = build(generator, found.scale)
    chosen = max(found.candidates, key=lambda c: (c.robust_accuracy, c.clean_accuracy, -c.scale)).scale
    with at_scale(expected, chosen):
        fit(expected, CrossEntropyObjective(), dataset().training_part, None, SETTINGS, generator=generator)
    assert found.scale == pytest.approx(chosen, rel=1e-6)
    assert torch.equal(found.model(TEST.x), expected.requires_grad_(False)(TEST.x))
    assert not found.model.training
    assert found.to_json()["scale"] == found.scale
    assert found.eps == 0.05


def test_candidates_are_measured_on_validation_after_training_on_train():
    found = tuned_scale(linear, dataset(), SETTINGS, THREAT, seed=0, scales=(5.0,))
    generator = seeded(0)
    own = linear(generator, 5.0)
    with at_scale(own, 5.0):
        fit(own, CrossEntropyObjective(), TRAIN, None, SETTINGS, generator=generator)
    own.requires_grad_(False)
    (only,) = found.candidates
    assert only.clean_accuracy == accuracy(own, VALIDATION)
    assert only.robust_accuracy == RobustAccuracy(threat=THREAT)(own, VALIDATION, seeded())


def test_the_test_split_changes_nothing():
    nothing = Split(torch.full_like(TEST.x, 0.5), torch.zeros_like(TEST.y))
    found = [
        tuned_scale(scaled, dataset(test), SETTINGS, THREAT, seed=0, scales=(2.0, 10.0)) for test in (TEST, nothing)
    ]
    assert found[0].to_json() == found[1].to_json()
    assert torch.equal(found[0].model(TEST.x), found[1].model(TEST.x))


@pytest.mark.parametrize(
    ("accuracies", "expected"),
    [
        ([(2, 0.90, 0.8), (10, 0.95, 0.6), (40, 0.96, 0.4)], 10),
        ([(2, 0.94, 0.8), (10, 0.95, 0.6), (40, 0.96, 0.4)], 2),
        ([(2, 0.96, 0.6), (10, 0.96, 0.6), (40, 0.95, 0.6)], 2),
        ([(2, 0.95, 0.6), (10, 0.96, 0.6), (40, 0.96, 0.5)], 10),
    ],
)
def test_the_most_robust_of_those_that_keep_clean_accuracy(accuracies, expected):
    tried = [ScaleCandidate(scale=s, clean_accuracy=c, robust_accuracy=r) for s, c, r in accuracies]
    assert module._chosen(tried, 0.02) == expected


def test_trainings_resume(tmp_path, monkeypatch):
    options = {"seed": 0, "scales": (2.0, 10.0), "checkpoints": tmp_path}
    first = tuned_scale(scaled, dataset(), SETTINGS, THREAT, **options)
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "chosen.safetensors",
        "scale-10.safetensors",
        "scale-2.safetensors",
    ]
    monkeypatch.setattr(CrossEntropyObjective, "__call__", None)  # whoever trains again fails
    again = tuned_scale(scaled, dataset(), SETTINGS, THREAT, **options)
    assert again.to_json() == first.to_json()
    assert torch.equal(again.model(TEST.x), first.model(TEST.x))


def test_refusals():
    with pytest.raises(UsageError, match="at least one"):
        tuned_scale(scaled, dataset(), SETTINGS, THREAT, seed=0, scales=())
    with pytest.raises(UsageError, match="below 1"):
        tuned_scale(scaled, dataset(), SETTINGS, THREAT, seed=0, max_loss=1.0)
    for scale in (0.0, -1.0, math.inf, math.nan):
        with pytest.raises(UsageError, match="above 0"), at_scale(scaled(seeded(), 1.0), scale):
            pass
    plain = QuantumClassifier(angle_encoding(2), PauliExpectations.of("Z0", "Z1"), BOX)
    with pytest.raises(CapabilityError, match="no head"):
        scale_of(plain)
    with pytest.raises(CapabilityError, match="no quantum classifier"):
        tuned_scale(lambda *_: MLP(BOX, classes=2, hidden=(3,)), dataset(), SETTINGS, THREAT, seed=0)
    with pytest.raises(UsageError, match="eps"):
        RobustAccuracy(threat=replace(THREAT), eps=0.0)

"""Models that keep the contract pass, and each broken one fails the check meant for it."""

import re

import pytest
import torch
from torch import nn

from counterspin.circuits import PauliExpectations, reuploading
from counterspin.errors import CounterspinError
from counterspin.evaluation.conformance import check_classifier
from counterspin.models import MLP, LogisticRegression, QuantumClassifier
from counterspin.types import Box

BOX = Box.uniform(0.0, 1.0, features=3)
X = torch.rand(12, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


class Sound(nn.Module):
    """Two classes, curved; the scores of `kind` are bent by `spoil`."""

    bounds, classes, stochastic = BOX, 2, False

    def __init__(self, spoil=None, outputs="logits", **attributes):
        super().__init__()
        self.outputs, self.spoil = outputs, spoil
        for name, value in attributes.items():
            setattr(self, name, value)

    def forward(self, x):
        margin = torch.sin(2 * x[:, 0] - x[:, 1] + 0.3)
        scores = torch.stack([margin, -margin], dim=1)
        return scores if self.spoil is None else self.spoil(scores, x)


def labels(model):
    return model(X).argmax(dim=1)


SOUND = Sound()
Y = labels(SOUND)


def failed(model, x=X, y=Y) -> list[str]:
    return [one.name for one in check_classifier(model, x, y).failed]


def quantum():
    circuit, readout = reuploading(3, 2, scale=torch.pi), PauliExpectations.of("Z0", "Z1")
    return QuantumClassifier(circuit, readout, BOX, generator=torch.Generator().manual_seed(1)).eval()


@pytest.mark.parametrize(
    "model", [SOUND, MLP(BOX, classes=2, hidden=(5,)).eval(), quantum(), LogisticRegression(BOX, classes=2)]
)
def test_sound_models_pass(model):
    report = check_classifier(model, X, labels(model))
    assert report.passed, str(report)
    assert {one.status for one in report.outcomes} == {"passed"}
    assert report.raise_if_failed() is report


def softmax(scores, x):
    return scores.softmax(dim=1)


@pytest.mark.parametrize(
    ("spoil", "outputs"), [(softmax, "probabilities"), (None, "expectations"), (lambda s, x: 50 * s, "logits")]
)
def test_every_kind_of_scores_passes(spoil, outputs):
    assert failed(Sound(spoil, outputs)) == []


GENERATOR = torch.Generator().manual_seed(5)


def noise(scores, x):
    return scores + 0.1 * torch.randn(scores.shape, generator=GENERATOR, dtype=scores.dtype)


def in_place(scores, x):
    with torch.no_grad():
        x += 1.0
    return scores


SHAPE, DTYPE, FINITE = (
    "shape (batch, classes)",
    "computes in the dtype of its input",
    "finite on samples and at the bounds",
)
KIND, BATCH = "scores are what outputs says", "independent of the batch"
DECLARED, GRADIENT = "stochastic as declared", "gradient is that of finite differences"


@pytest.mark.parametrize(
    ("model", "check", "message"),
    [
        (Sound(lambda s, x: s[:, :1]), SHAPE, r"12 samples give \(12, 1\); return \(12, 2\)"),
        (Sound(lambda s, x: s.detach().numpy()), SHAPE, "returns a ndarray"),
        (Sound(lambda s, x: s.float()), DTYPE, "float64 input gives torch.float32"),
        (Sound(lambda s, x: torch.where(x[:, :1] <= 0, torch.nan, s)), FINITE, "ends of the bounds"),
        (Sound(lambda s, x: s / 0.0), FINITE, "on the samples"),
        (Sound(None, "probabilities"), KIND, r"leave \[0, 1\]"),
        (Sound(lambda s, x: 0.9 * s.softmax(1), "probabilities"), KIND, "sums to 1 only up to 0.1"),
        (Sound(lambda s, x: 3 * s, "expectations"), KIND, "leave .-1, 1.; say logits"),
        (Sound(noise), DECLARED, "two calls with one input differ"),
        (Sound(stochastic=True), DECLARED, "five calls agree bit by bit"),
        (Sound(lambda s, x: s - s.mean(dim=0)), BATCH, "one by one differ"),
        (Sound(lambda s, x: s + 0.1 * torch.arange(len(s))[:, None] * s), BATCH, "differ by"),
        (Sound(lambda s, x: s.detach()), GRADIENT, "carry no gradient"),
        (Sound(lambda s, x: s.detach() + 0 * s), GRADIENT, "central differences differ"),
        (Sound(lambda s, x: s.detach() * x[:, :1]), GRADIENT, "central differences differ"),
        (Sound(in_place), "leaves input, modes and flags as they are", "changes its input in place"),
        (
            nn.Sequential(SOUND, nn.Dropout(0.0)),
            "interface",
            r"lacks bounds, classes, outputs, stochastic",
        ),
        (Sound(classes=1), "interface", "classes is 1"),
        (Sound(outputs="scores"), "interface", "outputs is 'scores'; allowed: logits"),
        (Sound(stochastic=None), "interface", "stochastic is None"),
        (Sound(bounds=(0, 1)), "interface", "bounds is a tuple"),
        (Sound(bounds=Box.uniform(0, 1, features=2)), "interface", "bounds has 2 features and x has 3"),
        (Sound(bounds=Box.uniform(0, 0.5, features=3)), "bounds hold the samples", "outside the model's bounds"),
    ],
)
def test_each_broken_model_fails_the_check_meant_for_it(model, check, message):
    report = check_classifier(model, X, Y)
    found = {one.name: one.message for one in report.failed}
    assert check in found
    assert re.search(message, found[check]), found[check]
    with pytest.raises(CounterspinError, match="conformance checks"):
        report.raise_if_failed()


def test_training_mode_shows():
    class Forgetful(Sound):
        """Dropout that was left on, from torch's global generator."""

        def forward(self, x):
            return nn.functional.dropout(super().forward(x), 0.5, self.training)

    with torch.random.fork_rng(devices=[]):
        names = failed(Forgetful().train())
    assert {DECLARED, BATCH, "leaves input, modes and flags as they are"} <= set(names)
    assert failed(Forgetful().eval()) == []


def test_a_model_that_switches_itself_shows():
    class Switches(Sound):
        """Enters evaluation mode by itself."""

        def forward(self, x):
            self.train(not self.training)
            return super().forward(x)

    assert failed(Switches()) == ["leaves input, modes and flags as they are"]


def test_labels_that_are_all_wrong_or_none_show():
    report = check_classifier(SOUND, X, 1 - Y)
    assert [one.name for one in report.failed] == ["labels"]
    assert "none of 12 samples" in report.failed[0].message
    assert failed(SOUND, y=Y + 5) == ["labels"]
    assert failed(SOUND, y=Y[:3]) == ["labels"]


def test_samples_that_are_none_show():
    for bad in (X * torch.nan, X[0], "text"):
        assert failed(SOUND, x=bad) == ["interface"]


def test_what_does_not_apply_is_skipped_with_a_reason():
    stochastic = {one.name: one for one in check_classifier(Sound(noise, stochastic=True), X, Y).outcomes}
    assert {name for name, one in stochastic.items() if one.status == "skipped"} == {BATCH, GRADIENT}
    closed = check_classifier(Sound(lambda s, x: s.detach(), differentiable=False), X, Y)
    assert closed.passed
    assert [one.message for one in closed.outcomes if one.status == "skipped"] == [
        "the model says autograd does not reach its input"
    ]


def test_a_plain_function_with_attributes_is_a_model():
    class Plain:
        bounds, classes, outputs, stochastic = BOX, 2, "logits", False

        def __call__(self, x):
            return SOUND(x)

    assert failed(Plain(), x=X.numpy(), y=Y.numpy()) == []

"""Two stages: T learned then frozen, the test split never used, resumption bit by bit."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from counterspin import recipes
from counterspin.circuits import OutcomeGroups, Scale, amplitude_encoding, strongly_entangling
from counterspin.datasets import Dataset, Split, digits
from counterspin.errors import InterruptedRunError, StorageError, UsageError
from counterspin.models import QuantumClassifier, load_model
from counterspin.recipes import registry, training
from counterspin.threats import L2
from counterspin.training import CrossEntropyObjective, TrainingSettings
from counterspin.types import Box


def load(seed: int) -> Dataset:
    """Three digits, each a row of 8 column sums: small enough to train in a second."""
    data = digits(seed)

    def reduced(split: Split) -> Split:
        rows = split.y < 3
        return Split(split.x[rows].reshape(-1, 8, 8).mean(dim=1), split.y[rows])

    return replace(
        data,
        name="tiny",
        train=reduced(data.train),
        validation=reduced(data.validation),
        test=reduced(data.test),
        bounds=Box.uniform(0.0, 1.0, features=8),
        class_names=("0", "1", "2"),
        feature_names=tuple("abcdefgh"),
        image_shape=None,
    )


def architecture(generator: torch.Generator, scale: float | None) -> nn.Module:
    return QuantumClassifier(
        amplitude_encoding(8) + strongly_entangling(3, 2),
        OutcomeGroups.first(qubits=2, classes=3),
        Box.uniform(0.0, 1.0, features=8),
        head=Scale(torch.tensor(10.0 if scale is None else scale)),
        trainable_head=scale is None,
        generator=generator,
    )


TINY = recipes.Recipe(
    name="tiny",
    summary="for tests",
    load=load,
    architecture=architecture,
    settings=TrainingSettings(epochs=4, batch_size=64),
    threat=L2(0.1),
)


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry._RECIPES, "tiny", TINY)


def weights(trained: recipes.TrainedRecipe) -> Tensor:
    return trained.model.weights.detach()


def test_two_stages(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    original = training.fit

    def watched(model, objective, train, validation, settings, **options):
        start = model.weights.detach().clone()
        result = original(model, objective, train, validation, settings, **options)
        calls.append((model, start, train, validation, result))
        return result

    monkeypatch.setattr(training, "fit", watched)
    trained = recipes.train("tiny", progress=False)
    data = TINY.dataset(0)
    (first, start_1, train_1, validation_1, result_1), (second, start_2, train_2, validation_2, _) = calls
    assert torch.equal(train_1.x, data.train.x)
    assert torch.equal(validation_1.x, data.validation.x)
    assert torch.equal(train_2.x, data.training_part.x)
    assert validation_2 is None
    assert torch.equal(start_1, start_2)
    assert trained.logit_scale == float(first.readout.head.value.detach())
    assert abs(trained.logit_scale - 10.0) > 0.1
    assert float(second.readout.head.value) == pytest.approx(trained.logit_scale, rel=1e-7)
    assert trained.validation_accuracy == result_1.best.validation_accuracy
    assert trained.data_sha256 == data.sha256
    assert trained.model is second
    assert not second.training
    assert not second.weights.requires_grad


def test_the_test_split_decides_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = recipes.train("tiny", progress=False)

    def blinded(seed: int) -> Dataset:
        data = load(seed)
        return replace(data, test=Split(1 - data.test.x, (data.test.y + 1) % 3))

    monkeypatch.setitem(registry._RECIPES, "tiny", replace(TINY, load=blinded))
    other = recipes.train("tiny", progress=False)
    assert torch.equal(weights(other), weights(honest))
    assert (other.logit_scale, other.validation_accuracy) == (honest.logit_scale, honest.validation_accuracy)
    assert other.test_accuracy != honest.test_accuracy


@pytest.mark.slow
def test_the_seed_changes_split_and_weights() -> None:
    first, again, other = (recipes.train("tiny", seed=seed, progress=False) for seed in (0, 0, 1))
    assert torch.equal(weights(first), weights(again))
    assert first.data_sha256 != other.data_sha256
    assert not torch.equal(weights(first), weights(other))


@pytest.mark.one_fast
@pytest.mark.parametrize("batches", [9, 30])  # 6 and 8 batches an epoch: stage 1 in its second, stage 2 in its first
def test_interrupted_training_resumes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batches: int) -> None:
    whole = recipes.train("tiny", progress=False)
    objective, left = CrossEntropyObjective(), [batches]

    class Interrupts:
        def __repr__(self) -> str:
            return repr(objective)

        def __call__(self, model, x: Tensor, y: Tensor, step, /) -> Tensor:
            left[0] -= 1
            if left[0] < 0:
                raise KeyboardInterrupt
            return objective(model, x, y, step)

    out = tmp_path / "model"
    with monkeypatch.context() as patch:
        patch.setattr(training, "CrossEntropyObjective", Interrupts)
        with pytest.raises(InterruptedRunError, match="the same command resumes"):
            recipes.train("tiny", out=out, progress=False)
    resumed = recipes.train("tiny", out=out, progress=False)
    assert torch.equal(weights(resumed), weights(whole))
    assert torch.equal(load_model(out).weights, weights(whole))
    assert resumed.test_accuracy == whole.test_accuracy


def test_another_seed_does_not_resume_there(tmp_path: Path) -> None:
    recipes.train("tiny", out=tmp_path, progress=False)
    with pytest.raises(UsageError, match="belongs to a run with other settings"):
        recipes.train("tiny", seed=1, out=tmp_path, progress=False)


@pytest.mark.slow
def test_another_engine_does_not_resume_there(tmp_path: Path) -> None:
    by_torch = recipes.train("tiny", out=tmp_path, engine="torch", progress=False)
    assert by_torch.model.engine == "torch"
    with pytest.raises(UsageError, match="seed or engine"):
        recipes.train("tiny", out=tmp_path, progress=False)
    # Weights without influence follow the sign of rounding errors; what the models do is the same.
    compiled, x = recipes.train("tiny", progress=False), TINY.dataset(0).test.x
    torch.testing.assert_close(by_torch.model(x), compiled.model(x), atol=1e-4, rtol=0)


def test_an_engine_that_cannot_serve_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    for name, engine, sentence in (("tiny", "jax", "allowed: auto"), ("cancer-angle-classical", "torch", "no circuit")):
        with pytest.raises(UsageError, match=sentence):
            recipes.train(name, engine=engine, out=tmp_path / "model", progress=False)
    assert not (tmp_path / "model").exists()


def test_unknown_recipe() -> None:
    with pytest.raises(UsageError, match="there is no recipe"):
        recipes.train("nothing")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["cancer-angle", "digits-hybrid-classical"])
def test_training_again_gives_the_recorded_accuracy(name: str) -> None:
    # Another processor may round differently and end elsewhere: 2 points are 6 of 300 samples.
    trained = recipes.train(name, progress=False)
    assert trained.test_accuracy == pytest.approx(recipes.get(name).card()["seeds"][0]["test_accuracy"], abs=0.02)


def test_a_bad_place_is_refused_before_training(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="a file; a model is saved as a directory"):
        training.train("cancer-angle", out=tmp_path / "file", progress=False)
    with pytest.raises(StorageError, match="cannot be made"):
        training.train("cancer-angle", out=tmp_path / "file" / "below", progress=False)

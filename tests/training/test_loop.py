"""The training loop: a known optimum, resumption bit by bit, interrupts and refusals."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression as Reference
from torch import Tensor

from counterspin.datasets import Split
from counterspin.errors import InputError, InterruptedRunError, ModelError, StorageError, UsageError
from counterspin.models import MLP, LogisticRegression
from counterspin.training import CrossEntropyObjective, Step, TrainingSettings, fit, loop
from counterspin.types import Box

BOX = Box.uniform(-10.0, 10.0, features=2)
SETTINGS = TrainingSettings(epochs=6, batch_size=16, learning_rate=0.05)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def clouds(rows: int, seed: int) -> Split:
    generator = seeded(seed)
    y = torch.arange(rows) % 3
    centres = torch.tensor([[0.0, 1.5], [-1.5, -1.0], [1.5, -1.0]], dtype=torch.float64)
    return Split(centres[y] + torch.randn(rows, 2, generator=generator, dtype=torch.float64), y)


TRAIN, VALIDATION = clouds(90, 1), clouds(45, 2)


def mlp() -> MLP:
    return MLP(BOX, classes=3, hidden=(6,), generator=seeded(7))


def weights(model: torch.nn.Module) -> Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


@dataclass(frozen=True)
class Stops:
    """Cross-entropy that raises after a number of calls; it calls itself what it imitates, so keys agree."""

    calls: list[int]
    failure: type[BaseException]

    def __repr__(self) -> str:
        return repr(CrossEntropyObjective())

    def __call__(self, model, x: Tensor, y: Tensor, step: Step, /) -> Tensor:
        self.calls[0] -= 1
        if self.calls[0] < 0:
            raise self.failure
        return CrossEntropyObjective()(model, x, y, step)


@pytest.mark.slow
def test_reaches_the_optimum_of_logistic_regression() -> None:
    model = LogisticRegression(BOX, classes=3).double()
    settings = TrainingSettings(epochs=600, batch_size=90, learning_rate=0.5)
    fit(model, CrossEntropyObjective(), TRAIN, None, settings, generator=seeded())
    reference = Reference(C=np.inf, tol=1e-10, max_iter=1000).fit(TRAIN.x.numpy(), TRAIN.y.numpy())
    expected = torch.from_numpy(reference.predict_log_proba(TRAIN.x.numpy()))
    with torch.no_grad():
        ours = torch.log_softmax(model(TRAIN.x), dim=1)
    assert float((ours - expected).abs().max()) < 1e-3


def test_leaves_the_best_validated_weights() -> None:
    seen: list[Tensor] = []

    class Watched(MLP):
        def eval(self):
            seen.append(weights(self))
            return super().eval()

    model = Watched(BOX, classes=3, hidden=(6,), generator=seeded(7))
    result = fit(model, CrossEntropyObjective(), TRAIN, VALIDATION, SETTINGS, generator=seeded())
    accuracies = [record.validation_accuracy for record in result.history]
    assert result.best_epoch == int(np.argmax(accuracies)) + 1
    assert result.best.validation_accuracy == max(a for a in accuracies if a is not None)
    assert torch.equal(weights(model), seen[result.best_epoch - 1])
    assert result.best_epoch < SETTINGS.epochs  # otherwise this test could not fail


def test_without_validation_the_last_weights_stay() -> None:
    model = mlp()
    result = fit(model, CrossEntropyObjective(), TRAIN, None, SETTINGS, generator=seeded())
    assert result.best_epoch == SETTINGS.epochs
    assert all(record.validation_accuracy is None for record in result.history)
    losses = [record.loss for record in result.history]
    assert losses[-1] < losses[0]


def test_the_seed_decides_and_the_global_generator_is_left_alone() -> None:
    before = torch.get_rng_state()
    first, again, other = mlp(), mlp(), mlp()
    for model, seed in ((first, 0), (again, 0), (other, 1)):
        fit(model, CrossEntropyObjective(), TRAIN, None, SETTINGS, generator=seeded(seed))
    assert torch.equal(weights(first), weights(again))
    assert not torch.equal(weights(first), weights(other))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.one_fast
@pytest.mark.parametrize("validation", [VALIDATION, None])
@pytest.mark.parametrize("batches", [6, 17, 35])  # in the first, the third and the last epoch of 6 batches each
def test_interrupt_and_resume_equals_an_uninterrupted_run(
    tmp_path: Path, validation: Split | None, batches: int
) -> None:
    whole = mlp()
    expected = fit(whole, CrossEntropyObjective(), TRAIN, validation, SETTINGS, generator=seeded())
    path = tmp_path / "checkpoint"
    broken = mlp()
    with pytest.raises(InterruptedRunError, match=f"after epoch {batches // 6} of 6.*the same command resumes"):
        fit(
            broken,
            Stops([batches], KeyboardInterrupt),
            TRAIN,
            validation,
            SETTINGS,
            generator=seeded(),
            checkpoint=path,
        )
    resumed = mlp()
    result = fit(resumed, CrossEntropyObjective(), TRAIN, validation, SETTINGS, generator=seeded(), checkpoint=path)
    assert torch.equal(weights(resumed), weights(whole))
    assert (result.history, result.best_epoch) == (expected.history, expected.best_epoch)


def test_a_finished_run_is_not_trained_again(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint"
    first, second = mlp(), mlp()
    fit(first, CrossEntropyObjective(), TRAIN, VALIDATION, SETTINGS, generator=seeded(), checkpoint=path)
    fit(second, Stops([0], AssertionError), TRAIN, VALIDATION, SETTINGS, generator=seeded(), checkpoint=path)
    assert torch.equal(weights(first), weights(second))


def test_interrupt_without_checkpoint_says_so() -> None:
    with pytest.raises(InterruptedRunError, match="no checkpoint was asked for"):
        fit(mlp(), Stops([8], KeyboardInterrupt), TRAIN, None, SETTINGS, generator=seeded())


def test_interrupt_while_writing_keeps_the_previous_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "checkpoint"
    write, calls = loop.write_checkpoint, []

    def interrupted(target: Path, state) -> None:
        calls.append(state.epoch)
        if state.epoch == 3:
            raise KeyboardInterrupt
        write(target, state)

    with monkeypatch.context() as patch:
        patch.setattr(loop, "write_checkpoint", interrupted)
        with pytest.raises(InterruptedRunError, match="after epoch 2 of 6"):
            fit(mlp(), CrossEntropyObjective(), TRAIN, None, SETTINGS, generator=seeded(), checkpoint=path)
    whole, resumed = mlp(), mlp()
    fit(whole, CrossEntropyObjective(), TRAIN, None, SETTINGS, generator=seeded())
    fit(resumed, CrossEntropyObjective(), TRAIN, None, SETTINGS, generator=seeded(), checkpoint=path)
    assert torch.equal(weights(resumed), weights(whole))


@pytest.mark.parametrize("other", ["settings", "data", "weights", "seed", "objective"])
def test_refuses_the_checkpoint_of_another_run(tmp_path: Path, other: str) -> None:
    path = tmp_path / "checkpoint"
    fit(mlp(), CrossEntropyObjective(), TRAIN, None, SETTINGS, generator=seeded(), checkpoint=path)
    model = MLP(BOX, classes=3, hidden=(6,), generator=seeded(8)) if other == "weights" else mlp()
    settings = TrainingSettings(epochs=7, batch_size=16, learning_rate=0.05) if other == "settings" else SETTINGS
    train = clouds(90, 3) if other == "data" else TRAIN
    objective = _Other() if other == "objective" else CrossEntropyObjective()
    with pytest.raises(UsageError, match="belongs to a run with other"):
        fit(model, objective, train, None, settings, generator=seeded(int(other == "seed")), checkpoint=path)


class _Other:
    def __repr__(self) -> str:
        return "Other()"

    def __call__(self, model, x: Tensor, y: Tensor, step: Step, /) -> Tensor:
        return CrossEntropyObjective()(model, x, y, step)


def test_a_truncated_checkpoint_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint"
    fit(mlp(), CrossEntropyObjective(), TRAIN, None, SETTINGS, generator=seeded(), checkpoint=path)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(InputError, match="truncated or not a checkpoint"):
        fit(mlp(), CrossEntropyObjective(), TRAIN, None, SETTINGS, generator=seeded(), checkpoint=path)


def test_a_full_disk_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot be written"):
        fit(
            mlp(),
            CrossEntropyObjective(),
            TRAIN,
            None,
            SETTINGS,
            generator=seeded(),
            checkpoint=tmp_path / "file" / "checkpoint",
        )


@pytest.mark.parametrize("training", [True, False])
def test_mode_is_restored_and_frozen_weights_stay(training: bool) -> None:
    model = mlp().train(training)
    model.biases[0].requires_grad_(False)
    before = model.biases[0].clone()
    fit(model, CrossEntropyObjective(), TRAIN, VALIDATION, SETTINGS, generator=seeded())
    assert model.training is training
    assert torch.equal(model.biases[0], before)
    with pytest.raises(RuntimeError):
        fit(model, Stops([3], RuntimeError), TRAIN, VALIDATION, SETTINGS, generator=seeded())
    assert model.training is training


def test_divergence_is_named() -> None:
    def overflows(model, x: Tensor, y: Tensor, step: Step, /) -> Tensor:
        return CrossEntropyObjective()(model, x, y, step) * torch.inf

    model = mlp()
    with pytest.raises(ModelError, match=r"the loss of epoch 1 is (inf|nan); lower learning_rate"):
        fit(model, overflows, TRAIN, None, SETTINGS, generator=seeded())
    assert torch.equal(weights(model), weights(mlp()))


@pytest.mark.parametrize("validation", [VALIDATION, None])
def test_late_divergence_keeps_the_best_weights(validation: Split | None) -> None:
    def overflows(model, x: Tensor, y: Tensor, step: Step, /) -> Tensor:
        return CrossEntropyObjective()(model, x, y, step) * (torch.nan if step.epoch == 4 else 1.0)

    model, healthy = mlp(), mlp()
    result = fit(model, overflows, TRAIN, validation, SETTINGS, generator=seeded())
    expected: list[Tensor] = []

    def watched(model, x: Tensor, y: Tensor, step: Step, /) -> Tensor:
        if step.epoch > len(expected) + 1:
            expected.append(weights(model))
        return CrossEntropyObjective()(model, x, y, step)

    fit(healthy, watched, TRAIN, None, SETTINGS, generator=seeded())
    assert len(result.history) == 3
    assert torch.equal(weights(model), expected[result.best_epoch - 1])
    assert result.note.startswith("training diverged: the loss of epoch 4 is nan; the model has the weights of epoch")


def test_a_selection_decides_the_epoch_and_changes_no_weights() -> None:
    wanted = {1: 0.2, 2: 0.9, 3: 0.1, 4: 0.9, 5: 0.0, 6: 0.3}
    calls: list[int] = []

    def chosen(model, validation: Split, generator: torch.Generator, /) -> float:
        torch.rand(3, generator=generator)
        calls.append(len(calls) + 1)
        return wanted[calls[-1]]

    model, plain = mlp(), mlp()
    result = fit(model, CrossEntropyObjective(), TRAIN, VALIDATION, SETTINGS, generator=seeded(), selection=chosen)
    unselected = fit(plain, CrossEntropyObjective(), TRAIN, VALIDATION, SETTINGS, generator=seeded())
    assert result.best_epoch == 2
    assert [record.loss for record in result.history] == [record.loss for record in unselected.history]
    with pytest.raises(UsageError, match="selection is given without validation samples"):
        fit(mlp(), CrossEntropyObjective(), TRAIN, None, SETTINGS, generator=seeded(), selection=chosen)


def test_what_an_objective_remembers_is_resumed(tmp_path: Path) -> None:
    seen: list[float] = []

    @dataclass(frozen=True)
    class Remembers:
        stop: bool

        def __repr__(self) -> str:
            return "Remembers()"

        def __call__(self, model, x: Tensor, y: Tensor, step: Step, /) -> Tensor:
            if self.stop and step.epoch == 4:
                raise KeyboardInterrupt
            count = step.memory.get("count", torch.zeros(()))
            step.memory["count"] = count + torch.rand((), generator=step.generator)
            seen.append(float(step.memory["count"]))
            assert 0 <= step.progress < 1
            return CrossEntropyObjective()(model, x, y, step) * (1 + step.memory["count"])

    whole, broken, resumed = mlp(), mlp(), mlp()
    fit(whole, Remembers(stop=False), TRAIN, None, SETTINGS, generator=seeded())
    uninterrupted = seen[:]
    path = tmp_path / "checkpoint"
    with pytest.raises(InterruptedRunError):
        fit(broken, Remembers(stop=True), TRAIN, None, SETTINGS, generator=seeded(), checkpoint=path)
    seen.clear()
    fit(resumed, Remembers(stop=False), TRAIN, None, SETTINGS, generator=seeded(), checkpoint=path)
    assert torch.equal(weights(resumed), weights(whole))
    assert seen == uninterrupted[-len(seen) :]


def test_nothing_to_train() -> None:
    with pytest.raises(ModelError, match="nothing to train"):
        fit(mlp().requires_grad_(False), CrossEntropyObjective(), TRAIN, None, SETTINGS, generator=seeded())


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (torch.zeros(2, 3), [0, 1], r"train\.x has 3 features"),
        (torch.full((2, 2), torch.nan), [0, 1], r"train\.x holds NaN"),
        (torch.full((2, 2), 11.0), [0, 1], r"train\.x leaves the box"),
        (torch.zeros(2, 2), [0, 3], r"train\.y holds label 3"),
        (torch.zeros(0, 2), [], "at least one sample"),
    ],
)
def test_bad_data_is_refused_before_training(x: Tensor, y: list[int], message: str) -> None:
    split = Split(x.double(), torch.tensor(y, dtype=torch.int64))
    with pytest.raises(InputError, match=message):
        fit(mlp(), Stops([0], AssertionError), split, None, SETTINGS, generator=seeded())


def test_progress_shows_epochs(capsys: pytest.CaptureFixture[str]) -> None:
    fit(mlp(), CrossEntropyObjective(), TRAIN, VALIDATION, SETTINGS, generator=seeded(), progress=True)
    assert "6/6" in capsys.readouterr().err

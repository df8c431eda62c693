"""The training stage against the bare loop, interrupts, and what a second call does."""

import pytest
import torch
from small_hardening import Interrupted, Plain, task_of, weights_of

from counterspin import recipes
from counterspin.defenses.training.registry import parse
from counterspin.errors import InterruptedRunError, UsageError
from counterspin.evaluation.hardening import training
from counterspin.evaluation.hardening.trainee import recipe_trainee
from counterspin.evaluation.hardening.training import composed, selection_of, settings_of, trained
from counterspin.models import load_model
from counterspin.threats import Linf
from counterspin.training import CrossEntropyObjective, TrainingSettings, fit


def test_without_a_defence_it_is_the_training_of_the_recipe(tmp_path) -> None:
    recipe = recipes.get("cancer-angle")
    generator = torch.Generator().manual_seed(0)
    model = recipe.architecture(generator, None)
    settings = TrainingSettings(epochs=3, batch_size=32, weight_decay=0.01)
    fit(model, CrossEntropyObjective(), recipe.dataset().training_part, None, settings, generator=generator)
    with task_of(tmp_path / "run", [Plain()]) as task:
        found = trained(task, task.undefended(), "model", task.parts)
    assert torch.equal(weights_of(found.model), weights_of(model))
    assert not any(parameter.requires_grad for parameter in found.model.parameters())
    assert torch.equal(weights_of(load_model(tmp_path / "run" / "model")), weights_of(model))
    record = found.record
    assert (record.epochs, record.best_epoch, record.samples) == (3, 3, 269)
    assert (record.start, record.select, record.note) == ("fresh weights", "last", "")
    assert record.settings["weight_decay"] == 0.01
    assert [line.selection for line in record.history] == [None] * 3


@pytest.mark.slow
@pytest.mark.parametrize("text", ["pgd-at:steps=2", "fgsm-at", "mixed-at:steps=2"])
def test_interrupted_and_resumed_it_ends_with_the_same_bits(tmp_path, text: str) -> None:
    (inner,) = parse(text, recipes.get("cancer-angle").threat)
    with task_of(tmp_path / "whole", [inner]) as task:
        whole = trained(task, task.undefended(), "model", task.parts)
    # A part that keeps the step, the generator and the repr of the inner one: the checkpoint is the same run's.
    part = Interrupted(inner, epoch=3)
    with task_of(tmp_path / "cut", [part]) as task:
        with pytest.raises(InterruptedRunError, match="after epoch 2 of 3"):
            trained(task, task.undefended(), "model", task.parts)
        spent = task.store.stage("seconds/model")
        assert spent > 0
        assert task.store.stage("training/model") is None
    with task_of(tmp_path / "cut", [part]) as task:
        resumed = trained(task, task.undefended(), "model", task.parts)
    assert torch.equal(weights_of(resumed.model), weights_of(whole.model))
    assert resumed.record.history == whole.record.history
    assert resumed.record.seconds > spent


def test_what_is_finished_is_read(tmp_path, monkeypatch) -> None:
    with task_of(tmp_path / "run") as task:
        first = trained(task, task.undefended(), "model", task.parts)
    monkeypatch.setattr(training, "fit", lambda *_, **__: pytest.fail("trained again"))
    with task_of(tmp_path / "run") as task:
        again = trained(task, task.undefended(), "model", task.parts)
    assert again.record == first.record
    assert torch.equal(weights_of(again.model), weights_of(first.model))


def test_the_most_robust_epoch_is_chosen_on_samples_that_were_held_out(tmp_path) -> None:
    with task_of(tmp_path / "run", select="robust") as task:
        record = trained(task, task.undefended(), "model", task.parts).record
        dataset = task.trainee.dataset
    assert record.samples == len(dataset.train) < len(dataset.training_part)
    scores = [line.selection for line in record.history]
    assert None not in scores
    assert record.best_epoch == 1 + scores.index(max(scores))


def test_progress_counts_epochs(tmp_path) -> None:
    said: list = []
    with task_of(tmp_path / "run", said=said) as task:
        trained(task, task.undefended(), "model", task.parts)
    assert list(dict.fromkeys(said)) == [("training model", k, 3) for k in range(3)]


def test_a_warm_start_begins_with_the_undefended_weights(tmp_path) -> None:
    trainee = recipe_trainee("cancer-angle", seed=0)
    undefended = trainee.undefended(tmp_path)
    start = trainee.start(undefended, torch.Generator().manual_seed(0), warm=True)
    assert torch.equal(weights_of(start), weights_of(undefended))
    assert all(parameter.requires_grad for parameter in start.parameters())
    assert not any(parameter.requires_grad for parameter in undefended.parameters())
    with task_of(tmp_path / "run", warm_start=True) as task:
        assert trained(task, task.undefended(), "model", task.parts).record.start == "undefended weights"


def test_settings_and_selection() -> None:
    assert selection_of(Linf(0.1, 0.2, 0.3)).budget == 0.2
    objective, finishers = composed(parse("pgd-at,prune:0.5", Linf(0.1)))
    assert [finisher.name for finisher in finishers] == ["prune"]
    assert "PGD" in repr(objective)
    with pytest.raises(UsageError, match="both the objective itself"):
        composed(parse("pgd-at,trades", Linf(0.1)))


def test_the_epochs_of_the_recipe_are_the_default(tmp_path) -> None:
    with task_of(tmp_path / "run", epochs=None) as task:
        assert settings_of(task) == recipes.get("cancer-angle").settings

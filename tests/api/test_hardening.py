"""`cs.harden` from the door to the files it leaves: what is refused, resumed, read, and said."""

import json
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest
import torch
from small_hardening import Interrupted, Plain, weights_of

from counterspin import recipes
from counterspin.api import audit
from counterspin.api.hardening import harden
from counterspin.attacks.evasion import FGSM
from counterspin.circuits import PauliExpectations, Scale, reuploading
from counterspin.defenses.training.registry import parse
from counterspin.errors import CapabilityError, ConditionsError, InterruptedRunError, UsageError
from counterspin.evaluation.hardening import training, zero
from counterspin.evaluation.schema import harden_schema
from counterspin.models import QuantumClassifier, load_model
from counterspin.threats import Linf
from counterspin.training import TrainingSettings
from counterspin.types import Box

# Without a circuit: the audits are short.
RECIPE = "cancer-angle-classical"
SCHEMA = Path(__file__).parents[2] / "schemas" / "harden-1.json"
SHORT = {"samples": 20, "epochs": 2, "tier": "quick", "attacks": (FGSM(),), "zero": False}
BOX = Box.uniform(0.0, 1.0, features=2)


def made(count: int = 60):
    x = torch.rand(count, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return x, (x[:, 0] > x[:, 1]).long()


def test_the_published_schema_is_current() -> None:
    assert json.loads(SCHEMA.read_text()) == harden_schema(), (
        "python -m counterspin.evaluation.schema harden > schemas/harden-1.json"
    )


@pytest.mark.slow
def test_everything_it_leaves_and_a_second_call_that_computes_nothing(tmp_path, monkeypatch) -> None:
    out = tmp_path / "run"
    report = harden(RECIPE, "fgsm-at,label-smoothing", out=out, **SHORT)
    record = report.record
    assert [part["name"] for part in record.defense] == ["fgsm-at", "label-smoothing"]
    value = record.to_json()
    jsonschema.validate({key: v for key, v in value.items() if key != "reliable"}, harden_schema())
    assert json.loads((out / "harden.json").read_text()) == value
    assert value["comparison"][0]["metric"] == "clean_accuracy"
    assert report.html.read_text().startswith("<!DOCTYPE html>")
    assert all((out / label / "report.html").is_file() for label in ("before", "after"))
    # The same audits as anybody can run of the models that lie there.
    test, threat = recipes.get(RECIPE).dataset().test, recipes.get(RECIPE).threat
    again = audit(report.model, test.x[:20], test.y[:20], threat, tier="quick", attacks=(FGSM(),)).record
    assert [b.worst_case for b in again.budgets] == [b.worst_case for b in record.after.budgets]
    before = audit(recipes.get(RECIPE).model(), test.x[:20], test.y[:20], threat, tier="quick", attacks=(FGSM(),))
    assert [b.worst_case for b in before.record.budgets] == [b.worst_case for b in record.before.budgets]
    # Two parts: each is left out once.
    assert [(row.left_out, row.defense) for row in record.ablation] == [
        ("fgsm-at", "label-smoothing"),
        ("label-smoothing", "fgsm-at"),
    ]
    assert [line.name for line in record.trade_off] == [
        "undefended", "fgsm-at + label-smoothing", "label-smoothing", "fgsm-at",
    ]  # fmt: skip
    assert record.left_out == {"defence zero": "Not asked for."}
    monkeypatch.setattr(training, "fit", lambda *_, **__: pytest.fail("trained"))
    monkeypatch.setattr(FGSM, "budgets", lambda *_, **__: pytest.fail("attacked"))
    page = report.html.stat().st_mtime_ns
    assert harden(RECIPE, "fgsm-at,label-smoothing", out=out, **SHORT).record == record
    assert report.html.stat().st_mtime_ns == page
    with pytest.raises(UsageError, match=r"another configuration .*defense"):
        harden(RECIPE, "fgsm-at", out=out, **SHORT)
    with pytest.raises(UsageError, match=r"another configuration .*epochs \(stored 2, asked 3\)"):
        harden(RECIPE, "fgsm-at,label-smoothing", out=out, **SHORT | {"epochs": 3})


@pytest.mark.slow
@pytest.mark.usefixtures("without_page")
def test_an_interrupted_run_goes_on_and_ends_the_same(tmp_path, monkeypatch) -> None:
    (inner,) = parse("fgsm-at", recipes.get(RECIPE).threat)
    whole = harden(RECIPE, [inner], out=tmp_path / "whole", **SHORT)
    part, cut = Interrupted(inner, epoch=2), tmp_path / "cut"
    with pytest.raises(InterruptedRunError, match="after epoch 1 of 2"):
        harden(RECIPE, [part], out=cut, **SHORT)

    # Then between the two audits.
    attack = FGSM.budgets
    calls = []

    def interrupted(self, *arguments, **named):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return attack(self, *arguments, **named)

    monkeypatch.setattr(FGSM, "budgets", interrupted)
    with pytest.raises(KeyboardInterrupt):
        harden(RECIPE, [part], out=cut, **SHORT)
    monkeypatch.setattr(FGSM, "budgets", attack)
    monkeypatch.setattr(training, "fit", lambda *_, **__: pytest.fail("trained again"))
    resumed = harden(RECIPE, [part], out=cut, **SHORT)
    assert torch.equal(weights_of(resumed.model), weights_of(whole.model))
    metrics = [
        [(line.metric, line.before, line.after) for line in report.record.comparison if line.kind != "training_seconds"]
        for report in (resumed, whole)
    ]
    assert metrics[0] == metrics[1]


@pytest.mark.slow
@pytest.mark.usefixtures("without_page")
def test_defence_zero_and_ablation_are_added_to_what_is_there(tmp_path, monkeypatch) -> None:
    tried = []
    tuned = zero.tuned_scale

    def few(*arguments, scales, **named):
        tried.append(scales)
        return tuned(*arguments, scales=scales[:2], **named)

    monkeypatch.setattr(zero, "tuned_scale", few)
    first = harden("cancer-angle", "fgsm-at", out=tmp_path / "run", **SHORT)
    assert first.record.zero is None
    monkeypatch.setattr(training, "fit", lambda *_, **__: pytest.fail("trained again"))
    found = harden("cancer-angle", "fgsm-at", out=tmp_path / "run", **SHORT | {"zero": True}).record
    assert found.after == first.record.after
    assert found.zero_scale in (1.0, 2.0)
    assert [line.scale for line in found.zero_tried] == [1.0, 2.0]
    # The recipe's own scale is among those tried: tuning can only help.
    own = recipes.get("cancer-angle").model().readout.head.weight.norm()
    assert tried[0][-1] == pytest.approx(float(own), abs=1e-5)
    robust = [line for line in found.against_zero if line.kind == "robust_accuracy"]
    assert [line.before for line in robust] == [b.worst_case.value for b in found.zero.budgets]
    assert [line.after for line in robust] == [b.worst_case.value for b in found.after.budgets]
    assert load_model(tmp_path / "run" / "models" / "zero").readout.head.weight.norm() == pytest.approx(
        found.zero_scale, rel=1e-5
    )


@pytest.mark.slow
def test_a_model_of_ones_own_is_fine_tuned() -> None:
    generator = torch.Generator().manual_seed(1)
    model = QuantumClassifier(
        reuploading(2, 2),
        PauliExpectations.of("Z0", "Z1"),
        BOX,
        head=Scale(torch.tensor(5.0)),
        generator=generator,
    )
    kept = weights_of(model).clone()
    report = harden(model, "fgsm-at", Linf(0.05), train=made(), **SHORT | {"zero": True})
    record = report.record
    assert record.model["source"] == "given"
    assert record.training.start == "undefended weights"
    assert record.training.samples == 42
    assert record.before.clean_accuracy.n == 18
    assert "a given model has none" in record.left_out["defence zero"]
    assert any("the undefended one was not trained further" in note for note in record.notes)
    assert torch.equal(weights_of(model), kept)
    assert not torch.equal(weights_of(report.model), kept)
    repeated = harden(model, "fgsm-at", Linf(0.05), train=made(), test=made(20), **SHORT).record
    assert any(note.startswith("100.0 % of the samples to audit on") for note in repeated.notes)


@pytest.mark.slow
@pytest.mark.usefixtures("without_page")
def test_training_that_diverges_later_is_said(monkeypatch) -> None:
    class Diverging(Plain):
        def __call__(self, model, x, y, step):
            return super().__call__(model, x, y, step) * (float("nan") if step.epoch == 2 else 1.0)

    record = harden("cancer-angle-classical", Diverging(), **SHORT).record
    assert record.training.epochs == 1
    assert any(note.startswith("Training diverged: the loss of epoch 2 is nan") for note in record.notes)


@pytest.mark.parametrize(
    ("defenses", "options", "error", "sentence"),
    [
        ("pgd-att", {}, UsageError, r"there is no defence 'pgd-att'; defences: .* Did you mean pgd-at\?"),
        ("pgd-at,trades", {}, UsageError, "are both the objective itself"),
        ("exact-margin", {}, (CapabilityError, ConditionsError), "amplitude"),
        ("pgd-at:eps=5", {}, UsageError, "beyond the box"),
        ((), {}, UsageError, r"defenses is \(\); give names"),
        ([3], {}, UsageError, "give names such as"),
        ("fgsm-at", {"select": "best"}, UsageError, "select is 'best'; allowed: last, robust"),
        ("fgsm-at", {"epochs": 0}, UsageError, "epochs is 0; give a whole number"),
        ("fgsm-at", {"samples": 0}, UsageError, "samples is 0"),
        ("fgsm-at", {"seed": -1}, UsageError, "seed is -1"),
        ("fgsm-at", {"tier": "best"}, UsageError, "tier is 'best'"),
        ("fgsm-at", {"train": made()}, UsageError, "a recipe brings its own data"),
    ],
)
def test_refused_before_anything_is_trained(tmp_path, monkeypatch, defenses, options, error, sentence: str) -> None:
    monkeypatch.setattr(training, "fit", lambda *_, **__: pytest.fail("trained"))
    with pytest.raises(error, match=sentence):
        harden("cancer-angle", defenses, out=tmp_path / "run", **SHORT | options)
    assert not (tmp_path / "run").exists()


def test_a_model_that_cannot_be_trained_is_refused() -> None:
    class BlackBox:
        classes, outputs, stochastic, bounds = 2, "logits", False, BOX

        def __call__(self, x):
            return torch.stack([x[:, 0] - x[:, 1], x[:, 1] - x[:, 0]], dim=1)

    with pytest.raises(CapabilityError, match="no weights that counterspin can train"):
        harden(BlackBox(), "fgsm-at", Linf(0.05), train=made(), **SHORT)
    with pytest.raises(UsageError, match="train is missing"):
        harden(BlackBox(), "fgsm-at", Linf(0.05), **SHORT)
    with pytest.raises(UsageError, match="threat is None"):
        harden(BlackBox(), "fgsm-at", train=made(), **SHORT)


@pytest.mark.slow
@pytest.mark.usefixtures("without_page")
def test_another_seed_trains_its_undefended_model(tmp_path, monkeypatch) -> None:
    name = "cancer-angle-classical"
    recipe = replace(recipes.get(name), settings=TrainingSettings(epochs=2, batch_size=64))
    monkeypatch.setitem(recipes.registry._RECIPES, name, recipe)
    report = harden(name, Plain(), out=tmp_path / "run", **SHORT | {"seed": 1, "epochs": None})
    undefended = load_model(tmp_path / "run" / "models" / "undefended")
    # Without a defence the training is that of the undefended model: nothing differs, so nothing is shown.
    assert torch.equal(weights_of(report.model), weights_of(undefended))
    robust = [line for line in report.record.comparison if line.kind == "robust_accuracy"]
    assert all(line.difference == 0 and line.p_value == 1 for line in robust)
    assert "No gain of robust accuracy over the undefended model is shown at any ε." in report.record.notes
    assert report.record.adaptive.verdict != "fail"

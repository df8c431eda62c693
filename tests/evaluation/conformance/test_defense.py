"""Defences that keep the contract pass; each that masks gradients or breaks a promise fails the check meant for it."""

from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor

from counterspin.circuits import PauliExpectations, angle_encoding
from counterspin.defenses.training.base import as_json
from counterspin.defenses.training.registry import by_name
from counterspin.errors import UsageError
from counterspin.evaluation.conformance.defense import check_defense, small_problem
from counterspin.evaluation.conformance.defense_checks import OF_AN_OBJECTIVE, DefenseCase
from counterspin.evaluation.sanity import masks
from counterspin.evaluation.sanity.masks import Masked
from counterspin.models import QuantumClassifier
from counterspin.threats import Linf
from counterspin.training import CrossEntropyObjective, Step
from counterspin.types import Box

S05, S07, S08 = "random draws", "gradient-free attacks", "points from undefended"


def failed(defense: Any, **options: Any) -> dict[str, str]:
    return {one.name: one.message for one in check_defense(defense, **options).failed}


def begins(found: dict[str, str]) -> set[str]:
    return {known for known in (S05, S07, S08) if any(name.startswith(known) for name in found)}


@pytest.fixture(scope="module")
def trained() -> dict[str, Any]:
    """A model that needs no training, its samples and labels: half of the square's diagonal each."""
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(60, 2, generator=generator, dtype=torch.float64)
    box = Box.uniform(0.0, 1.0, features=2)
    model = QuantumClassifier(angle_encoding(2, scale=3.0), PauliExpectations.of("Z0", "Z1"), box).requires_grad_(False)
    return {"model": model.eval(), "x": x, "y": model(x).argmax(dim=1), "threat": Linf(0.05, 0.15)}


def rounding(model: Any, stand_in: Any = None) -> Masked:
    defended = Masked(model, masks.rounded_input(12)).eval()
    defended.substitute = model if stand_in is None else stand_in
    return defended


@pytest.mark.long
def test_a_wrapper_that_changes_nothing_passes(trained):
    report = check_defense(lambda model: Masked(model, lambda inner, x: inner(x)).eval(), **trained)
    assert report.passed, str(report)
    assert not [one.name for one in report.outcomes if one.status == "skipped"]


@pytest.mark.slow
def test_a_mask_without_gradients_fails_three_ways(trained):
    found = failed(lambda model: Masked(model, masks.frozen_gradient).eval(), **trained)
    assert begins(found) == {S05, S07, S08}
    assert "gradients are slopes (S17)" in found


@pytest.mark.long
def test_a_filter_that_says_what_stands_for_it_passes_and_one_that_lies_does_not(trained):
    assert failed(rounding, **trained) == {}
    assert S08 in begins(failed(lambda model: rounding(model, Backwards(model).eval()), **trained))


class Backwards(Masked):
    """Slopes that point the other way."""

    def __init__(self, model: Any) -> None:
        super().__init__(model, lambda inner, x: -inner(x))


@pytest.mark.long
def test_a_wrapper_that_hides_the_model_or_always_says_one_class_fails(trained):
    found = failed(lambda model: model, **trained)
    assert list(found) == ["shows the undefended classifier"]
    constant = failed(lambda model: Masked(model, lambda inner, x: inner(x) * 0 + x.new_tensor([1.0, 0.0])), **trained)
    assert "still classifies" in constant


@pytest.mark.long
def test_adversarial_training_passes():
    report = check_defense(by_name("pgd-at:eps=0.05,steps=3", Linf(0.05, 0.15)))
    assert report.passed, str(report)


@dataclass(frozen=True, kw_only=True)
class Broken:
    """Cross-entropy with one promise broken."""

    how: str
    name: str = "broken"
    kind: str = "core"

    def check(self, model: Any, threat: Any) -> None:
        pass

    def to_json(self) -> dict[str, Any]:
        return as_json(self)

    def __call__(self, model: Any, x: Tensor, y: Tensor, step: Step, /) -> Tensor:
        loss = CrossEntropyObjective()(model, x, y)
        if self.how == "global generator":
            return loss + 0.01 * torch.rand(())
        if self.how == "detached":
            return loss.detach().requires_grad_()
        if self.how == "mode":
            model.eval() if model.training else model.train()
        if self.how == "weights":
            with torch.no_grad():
                model.weights += 0.1
        return loss


@pytest.mark.parametrize(
    ("how", "check", "message"),
    [
        ("global generator", "its loss leaves", "global generator"),
        ("detached", "its loss reaches", "no finite gradient"),
        ("mode", "its loss leaves", "changes the model's mode"),
        ("weights", "its loss leaves", "changes weights"),
    ],
)
def test_objectives_that_break_a_promise_are_found_out(how, check, message):
    train, model = small_problem()
    case = DefenseCase(
        defense=Broken(how=how), plain=model, train=train, x=train.x, y=train.y, threat=Linf(0.1), seed=0
    )
    (found,) = (look(case) for name, look in OF_AN_OBJECTIVE.items() if name.startswith(check))
    assert message in str(found)


def test_what_is_no_defence_is_refused(trained):
    with pytest.raises(UsageError, match="defense is a int"):
        check_defense(3)
    with pytest.raises(UsageError, match="model is given without x and y"):
        check_defense(rounding, model=trained["model"])

"""What adversarial training gains on the recipes: their settings, their data, seed 0, attacks with restarts."""

import pytest
import torch
from linear_training import seeded

from counterspin.attacks import BIM, PGD, Attack
from counterspin.defenses.training import compose, parse
from counterspin.recipes import get
from counterspin.training import accuracy, fit

MARGIN = PGD(steps=40, restarts=5, precision="float32")


def before_and_after(name: str, text: str, attack: Attack) -> tuple[list[float], list[float]]:
    """Clean accuracy, then robust accuracy per budget of the recipe's threat, of both models."""
    recipe = get(name)
    data, generator = recipe.dataset(0), seeded(0)
    # With T as it is frozen in the committed model.
    defended = recipe.architecture(generator, recipe.card()["seeds"][0]["logit_scale"])
    objective = compose(parse(text, recipe.threat, defended))  # pyright: ignore[reportArgumentType]
    fit(defended, objective, data.training_part, None, recipe.settings, generator=generator)
    defended.requires_grad_(False).eval()
    rows = []
    for model in (recipe.model(), defended):
        result = attack(model, data.test.x, data.test.y, recipe.threat, generator=torch.Generator().manual_seed(1))
        rows.append([accuracy(model, data.test), *result.robust_accuracy.tolist()])
    return rows[0], rows[1]


@pytest.mark.long
def test_mnist_1v9() -> None:
    plain, defended = before_and_after("mnist-amplitude-1v9", "pgd-at", BIM(precision="float32"))
    assert plain[2] <= 0.25
    assert defended[2] >= 0.88
    assert defended[0] >= plain[0] - 0.02


@pytest.mark.slow
def test_cancer() -> None:
    plain, defended = before_and_after("cancer-angle", "pgd-at:eps=0.05", MARGIN)
    assert plain[1] <= 0.76
    assert defended[1] >= 0.79
    assert defended[0] >= plain[0] - 0.045


@pytest.mark.long
def test_digits_reuploading() -> None:
    plain, defended = before_and_after("digits-reuploading", "pgd-at", MARGIN)
    assert defended[2] >= plain[2] + 0.08
    assert defended[0] >= plain[0] - 0.015


@pytest.mark.long
def test_mnist() -> None:
    plain, defended = before_and_after("mnist-amplitude", "pgd-at", MARGIN)
    assert defended[2] >= plain[2] + 0.06
    assert defended[3] >= plain[3] + 0.15
    assert defended[0] >= plain[0] - 0.02

"""Phishing websites: nine discrete features, of which an attacker controls seven."""

from functools import partial

from counterspin.datasets.phishing import PHISHING_CONSTRAINTS, phishing
from counterspin.recipes.recipe import Recipe
from counterspin.recipes.reuploading import perceptron_model, reuploading_model
from counterspin.threats import L0, Group
from counterspin.training import TrainingSettings

__all__ = ["RECIPES"]

_SETTINGS = TrainingSettings(epochs=60, batch_size=32, weight_decay=0.01)

# Each feature is a group of its own: it takes a value that occurs in the training data, and nothing between.
_THREAT = L0(
    1,
    2,
    3,
    mask=PHISHING_CONSTRAINTS.controlled,
    groups=tuple(
        Group(features=(feature,), values=tuple((value,) for value in listed))
        for feature, listed in enumerate(PHISHING_CONSTRAINTS.values)
        if listed is not None
    ),
)

# Stated wherever the accuracy is: a share of seed 0, see `Dataset.repeated_share`.
_REPEATED = "63 % of the test rows also occur in training"

RECIPES = (
    Recipe(
        name="phishing-angle",
        summary="9 discrete features of websites uploaded 3 times to 9 qubits, linear head on 9 ⟨Z⟩ (128 weights); "
        + _REPEATED,
        load=phishing,
        architecture=partial(reuploading_model, 9, 3, 2),
        settings=_SETTINGS,
        threat=_THREAT,
    ),
    Recipe(
        name="phishing-angle-classical",
        summary=f"perceptron 9-10-2 on the features of phishing-angle (122 weights); {_REPEATED}",
        load=phishing,
        architecture=partial(perceptron_model, 9, 10, 2),
        settings=_SETTINGS,
        threat=_THREAT,
    ),
)

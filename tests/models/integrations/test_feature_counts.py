"""How many features a model says it takes."""

from types import SimpleNamespace

import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch import nn

from counterspin.circuits import PauliExpectations, reuploading
from counterspin.models import QuantumClassifier
from counterspin.models.integrations.feature_counts import feature_count
from counterspin.types import Box


class Wrapped(nn.Module):
    """A network whose first width stands in a layer of another library."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.Tanh()
        self.layer = nn.Sequential(nn.Dropout(), nn.Linear(7, 2))


@pytest.mark.parametrize(
    ("model", "features"),
    [
        (nn.Linear(5, 3), 5),
        (Wrapped(), 7),
        (nn.Sequential(nn.Flatten(), nn.Bilinear(3, 3, 2)), None),
        (SimpleNamespace(num_inputs=4), 4),
        (SimpleNamespace(num_inputs=0), None),
        (SimpleNamespace(_neural_network=SimpleNamespace(num_inputs=6)), 6),
        (LogisticRegression(), None),
        (LogisticRegression().fit([[0.0, 1.0, 2.0], [1.0, 0.0, 0.5]], [0, 1]), 3),
        (lambda x: x, None),
    ],
)
def test_what_a_model_says_of_itself(model, features):
    assert feature_count(model) == features


def test_a_classifier_of_ours_knows_its_box():
    model = QuantumClassifier(reuploading(3, 1), PauliExpectations.of("Z0", "Z1"), Box.uniform(0.0, 1.0, features=3))
    assert feature_count(model) == 3
    assert torch.equal(model.bounds.lower, torch.zeros(3, dtype=torch.float64))

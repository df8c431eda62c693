"""Trainings with every objective: interrupted and resumed they end with the same weights, bit by bit."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from linear_training import seeded
from torch import Tensor

from counterspin.circuits import Linear, PauliExpectations, reuploading
from counterspin.datasets import Split
from counterspin.defenses.training.compose import compose
from counterspin.defenses.training.registry import parse
from counterspin.errors import InterruptedRunError
from counterspin.models import QuantumClassifier
from counterspin.threats import Linf
from counterspin.training import Objective, Step, TrainingSettings, fit
from counterspin.types import Box

BOX = Box.uniform(0.0, 1.0, features=2)
SETTINGS = TrainingSettings(epochs=3, batch_size=8, learning_rate=0.05)
THREAT = Linf(0.05, 0.1)

LISTS = (
    "pgd-at",
    "fgsm-at",
    "mixed-at:also=l2:0.1",
    "trades",
    "worst-case",
    "smoothing:consistency=1",
    "mixup",
    "input-gradient,cvar",
    "group-worst",
    "pgd-at,group-worst,input-gradient,awp",
)


def model() -> QuantumClassifier:
    head = Linear(torch.randn(2, 2, generator=seeded(1)), torch.zeros(2))
    return QuantumClassifier(reuploading(2, 2), PauliExpectations.of("Z0", "Z1"), BOX, head=head, generator=seeded(2))


def data() -> Split:
    x = torch.rand(24, 2, generator=seeded(3), dtype=torch.float64)
    return Split(x, (x.sum(dim=1) > 1).long())


@dataclass(frozen=True)
class Stops:
    """Raises in epoch 2; called what it imitates, so keys agree."""

    objective: Objective

    def __repr__(self) -> str:
        return repr(self.objective)

    def __call__(self, model: Any, x: Tensor, y: Tensor, step: Step, /) -> Tensor:
        if step.epoch == 2 and step.progress > 0.5:
            raise KeyboardInterrupt
        return self.objective(model, x, y, step)


def state(model: torch.nn.Module) -> Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


@pytest.mark.parametrize("text", LISTS)
def test_resumed_equals_uninterrupted(tmp_path: Path, text: str) -> None:
    objective = compose(parse(text, THREAT, model()))
    whole, broken, resumed = model(), model(), model()
    expected = fit(whole, objective, data(), None, SETTINGS, generator=seeded())
    path = tmp_path / "checkpoint"
    with pytest.raises(InterruptedRunError):
        fit(broken, Stops(objective), data(), None, SETTINGS, generator=seeded(), checkpoint=path)
    result = fit(resumed, objective, data(), None, SETTINGS, generator=seeded(), checkpoint=path)
    assert torch.equal(state(resumed), state(whole))
    assert result.history == expected.history
    assert not torch.equal(state(whole), state(model()))

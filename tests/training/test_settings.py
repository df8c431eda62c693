"""Settings refuse what makes no training."""

import pytest

from counterspin.errors import UsageError
from counterspin.training import TrainingSettings


@pytest.mark.parametrize(
    "change",
    [
        {"epochs": 0},
        {"batch_size": 0},
        {"learning_rate": 0.0},
        {"learning_rate": float("nan")},
        {"weight_decay": -0.1},
        {"weight_decay": float("inf")},
    ],
)
def test_refusals_name_the_setting(change: dict) -> None:
    with pytest.raises(UsageError, match=f"{next(iter(change))} is "):
        TrainingSettings(**{"epochs": 1, "batch_size": 1, **change})


def test_defaults_are_the_recorded_ones() -> None:
    settings = TrainingSettings(epochs=2, batch_size=3)
    assert (settings.learning_rate, settings.weight_decay) == (0.03, 0.0)

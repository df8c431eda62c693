"""The noise model as a value."""

import dataclasses
import math

import pytest

from counterspin.errors import UsageError
from counterspin.noise import NoiseModel


@pytest.mark.parametrize("field", ["global_depolarizing", "qubit_depolarizing"])
@pytest.mark.parametrize("value", [-0.01, 1.01, math.nan, math.inf])
def test_strengths_are_probabilities(field: str, value: float) -> None:
    with pytest.raises(UsageError, match=f"{field} is .*; it is a probability"):
        NoiseModel(**{field: value})


@pytest.mark.parametrize(("flips", "name"), [((1.5, 0.0), r"readout_flips\[0\]"), ((0.0, -1.0), r"readout_flips\[1\]")])
def test_flips_are_probabilities(flips: tuple[float, float], name: str) -> None:
    with pytest.raises(UsageError, match=f"{name} is"):
        NoiseModel(readout_flips=flips)


def test_trajectories_are_at_least_one() -> None:
    with pytest.raises(UsageError, match="trajectories is 0; at least 1"):
        NoiseModel(trajectories=0)


def test_ideal_means_that_nothing_changes() -> None:
    assert NoiseModel(trajectories=5).is_ideal
    for noise in (
        NoiseModel(global_depolarizing=0.1),
        NoiseModel(qubit_depolarizing=0.1),
        NoiseModel(readout_flips=(0.0, 0.1)),
    ):
        assert not noise.is_ideal


def test_it_is_a_value() -> None:
    noise = NoiseModel(global_depolarizing=0.25)
    assert noise == NoiseModel(global_depolarizing=0.25)
    assert hash(noise) == hash(NoiseModel(global_depolarizing=0.25))
    with pytest.raises(dataclasses.FrozenInstanceError):
        noise.trajectories = 3  # pyright: ignore[reportAttributeAccessIssue]

"""The noise model as a value."""

import dataclasses
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from counterspin.circuits import Circuit
from counterspin.errors import ConditionsError, UsageError
from counterspin.noise import (
    GateRule,
    IdleRule,
    NoiseModel,
    Placed,
    ReadoutErrors,
    amplitude_damping,
    bit_flip,
    depolarizing,
    inverse,
    overrotation,
    pauli_channel,
    phase_flip,
    power,
    thermal_relaxation,
)
from counterspin.simulation.density import noisy_density

CIRCUIT = Circuit(2).add("H", 0).add("CNOT", (0, 1)).end_layer().add("X", 1).end_layer()
RELAXING = IdleRule(durations={("H", ()): 1.0, ("CNOT", ()): 2.0, ("X", ()): 1.0}, t1=(9.0, 8.0), t2=(9.0, 8.0))


def listed(noise, circuit=CIRCUIT):
    return [(p.after, p.qubits, p.channel.name.partition("(")[0]) for p in noise.place(circuit)]


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
        NoiseModel(rules=(GateRule(channel=bit_flip(0.1)),)),
        NoiseModel(layer_channels=(bit_flip(0.1),)),
        NoiseModel(idle=RELAXING),
        NoiseModel(placed=(Placed(after=0, qubits=(0,), channel=bit_flip(0.1)),)),
        NoiseModel(readout=ReadoutErrors.uniform((0.0, 0.1), 2)),
    ):
        assert not noise.is_ideal
    assert NoiseModel(readout=ReadoutErrors.uniform((0.0, 0.0), 2)).is_ideal


def test_it_is_a_value() -> None:
    noise = NoiseModel(global_depolarizing=0.25)
    assert noise == NoiseModel(global_depolarizing=0.25)
    assert hash(noise) == hash(NoiseModel(global_depolarizing=0.25))
    with pytest.raises(dataclasses.FrozenInstanceError):
        noise.trajectories = 3  # pyright: ignore[reportAttributeAccessIssue]
    rules = (GateRule(channel=bit_flip(0.1)),)
    assert NoiseModel(rules=rules) == NoiseModel(rules=rules) != noise
    assert len({NoiseModel(rules=rules), NoiseModel(rules=rules), noise}) == 2


def test_channels_act_in_the_order_of_the_model() -> None:
    noise = NoiseModel(
        qubit_depolarizing=0.1,
        rules=(
            GateRule(channel=bit_flip(0.1), kinds=("CNOT",), targets="each"),
            GateRule(channel=depolarizing(0.1, 2)),
            GateRule(channel=overrotation("X", 0.1), kinds=("X",)),
        ),
        layer_channels=(phase_flip(0.1),),
        idle=RELAXING,
        placed=(
            Placed(after=1, qubits=(1,), channel=amplitude_damping(0.1)),
            Placed(after=-1, qubits=(0,), channel=amplitude_damping(0.2)),
        ),
    )
    layer = [((0,), "depolarizing"), ((1,), "depolarizing"), ((0,), "phase_flip"), ((1,), "phase_flip")]
    assert listed(noise) == [
        (-1, (1,), "thermal_relaxation"),
        (-1, (0,), "amplitude_damping"),
        (1, (0,), "bit_flip"),
        (1, (1,), "bit_flip"),
        (1, (0, 1), "depolarizing"),
        (1, (0,), "thermal_relaxation"),
        *((1, *entry) for entry in layer),
        (1, (1,), "amplitude_damping"),
        (2, (1,), "overrotation"),
        *((2, *entry) for entry in layer),
    ]
    assert noise.place(CIRCUIT) is noise.place(dataclasses.replace(CIRCUIT))
    assert noise.has_channels(CIRCUIT)


def test_layers_may_end_anywhere_and_twice() -> None:
    circuit = Circuit(1).end_layer().add("X", 0).end_layer().end_layer().add("X", 0)
    assert listed(NoiseModel(qubit_depolarizing=0.1), circuit) == [
        (-1, (0,), "depolarizing"),
        (0, (0,), "depolarizing"),
        (0, (0,), "depolarizing"),
    ]
    assert not NoiseModel(qubit_depolarizing=0.1).has_channels(Circuit(1).add("X", 0))
    assert not NoiseModel(global_depolarizing=0.1, readout_flips=(0.1, 0.1)).has_channels(circuit)


def test_depolarising_every_qubit_after_the_last_layer_is_known_in_closed_form() -> None:
    # A Bell state: XX and ZZ shrink by (1-p)² each time, the identity stays.
    p = 0.3
    circuit = Circuit(2).add("H", 0).add("CNOT", (0, 1)).end_layer()
    placed = NoiseModel(qubit_depolarizing=p).place(circuit)
    rho = noisy_density(circuit, torch.zeros(1, 0), torch.zeros(0), placed)[0].real
    kept = (1 - p) ** 2
    assert rho[0].tolist() == pytest.approx([(1 + kept) / 4, 0, 0, kept / 2], abs=1e-14)


@pytest.mark.parametrize("place", [{"after": 3, "qubits": (0,)}, {"after": 0, "qubits": (2,)}])
def test_places_outside_the_circuit(place: dict) -> None:
    noise = NoiseModel(placed=(Placed(channel=bit_flip(0.1), **place),))
    with pytest.raises(UsageError, match=r"channel bit_flip\(0.1\) is placed .* has gates 0 to 2 and qubits 0 to 1"):
        noise.place(CIRCUIT)


def test_readout_errors_by_qubit_or_for_all() -> None:
    assert NoiseModel().readout_errors(3) is None
    same = NoiseModel(readout_flips=(0.1, 0.2)).readout_errors(3)
    assert same is not None
    assert same.flips == ((0.1, 0.2),) * 3
    readout = ReadoutErrors(flips=((0.1, 0.2), (0.0, 0.3)))
    assert NoiseModel(readout=readout).readout_errors(2) is readout
    assert NoiseModel(readout=ReadoutErrors.uniform((0.0, 0.0), 2)).readout_errors(2) is None
    with pytest.raises(UsageError, match="readout has errors for 2 qubits and the circuit has 3"):
        NoiseModel(readout=readout).readout_errors(3)
    with pytest.raises(UsageError, match="readout and readout_flips are both given"):
        NoiseModel(readout=readout, readout_flips=(0.1, 0.1))


def test_layer_channels_are_on_one_qubit() -> None:
    with pytest.raises(UsageError, match="per layer acts on 2 qubits; give channels on one qubit"):
        NoiseModel(layer_channels=(depolarizing(0.1, 2),))


def _everything() -> NoiseModel:
    return NoiseModel(
        global_depolarizing=0.1,
        qubit_depolarizing=0.2,
        rules=(
            GateRule(channel=thermal_relaxation(1.0, 1.5, 0.1), targets="each"),
            GateRule(channel=depolarizing(0.05, 2)),
        ),
        layer_channels=(phase_flip(0.05),),
        idle=RELAXING,
        placed=(Placed(after=0, qubits=(0,), channel=overrotation("Y", 0.2)),),
        readout=ReadoutErrors(flips=((0.1, 0.2), (0.0, 0.3))),
    )


@pytest.mark.slow
@settings(max_examples=15, deadline=None)
@given(factor=st.floats(0.1, 4.0))
def test_scaling_raises_every_channel_to_a_power(factor: float) -> None:
    noise = _everything()
    scaled = noise.scaled(factor)
    assert scaled.global_depolarizing == pytest.approx(1 - 0.9**factor, abs=1e-14)
    for ours, plain in zip(scaled.place(CIRCUIT), noise.place(CIRCUIT), strict=True):
        assert (ours.after, ours.qubits) == (plain.after, plain.qubits)
        expected = power(plain.channel, factor).transfer
        torch.testing.assert_close(ours.channel.transfer, expected, atol=1e-12, rtol=0)
    assert scaled.readout is noise.readout
    assert scaled.trajectories == noise.trajectories


def test_scaling_by_nothing_and_by_none() -> None:
    noise = _everything()
    assert noise.scaled(1.0) is noise
    silent = noise.scaled(0.0, readout=True)
    assert silent.global_depolarizing == 0.0
    assert silent.readout_errors(2) is None
    inputs, weights = torch.zeros(1, 0), torch.zeros(0)
    torch.testing.assert_close(
        noisy_density(CIRCUIT, inputs, weights, silent.place(CIRCUIT)),
        noisy_density(CIRCUIT, inputs, weights),
        atol=1e-14,
        rtol=0,
    )


def test_scaling_the_readout_too() -> None:
    uniform = NoiseModel(readout_flips=(0.1, 0.2)).scaled(2.0, readout=True)
    errors = ReadoutErrors(flips=((0.1, 0.2),))
    twice = uniform.readout_errors(1)
    assert twice is not None
    torch.testing.assert_close(twice.matrix(), errors.matrix() @ errors.matrix(), atol=1e-14, rtol=0)
    own = NoiseModel(readout=errors).scaled(2.0, readout=True).readout_errors(1)
    assert own is not None
    torch.testing.assert_close(own.matrix(), twice.matrix(), atol=1e-14, rtol=0)


def test_factors_that_are_none() -> None:
    for factor in (-1.0, math.nan, math.inf):
        with pytest.raises(UsageError, match=f"factor is {factor}; give a finite number"):
            NoiseModel().scaled(factor)
    lopsided = NoiseModel(layer_channels=(pauli_channel((0.1, 0.1, 0.0)),))
    with pytest.raises(ConditionsError, match="take a whole factor"):
        lopsided.scaled(0.5)
    assert lopsided.scaled(3).layer_channels[0].qubits == 1


def test_maps_that_are_no_channels_are_placed_and_undo_them() -> None:
    channel = amplitude_damping(0.3)
    noise = NoiseModel(
        placed=(
            Placed(after=2, qubits=(1,), channel=channel),
            Placed(after=2, qubits=(1,), channel=inverse(channel)),
        )
    )
    inputs, weights = torch.zeros(1, 0), torch.zeros(0)
    for model in (noise, noise.scaled(0.5)):
        rho = noisy_density(CIRCUIT, inputs, weights, model.place(CIRCUIT))
        torch.testing.assert_close(rho, noisy_density(CIRCUIT, inputs, weights), atol=1e-14, rtol=0)

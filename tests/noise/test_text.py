"""Noise on one line."""

import pytest
import torch

from counterspin.circuits import Circuit
from counterspin.errors import UsageError
from counterspin.noise import (
    NoiseModel,
    amplitude_damping,
    bit_flip,
    depolarizing,
    generalized_amplitude_damping,
    overrotation,
    phase_damping,
    phase_flip,
    thermal_relaxation,
    zz_crosstalk,
)
from counterspin.noise.text import parse

CIRCUIT = Circuit(2).add("H", 0).add("CNOT", (0, 1)).end_layer().add("H", 1).end_layer()


@pytest.mark.parametrize(
    ("text", "channel"),
    [
        ("depolarizing:0.01", depolarizing(0.01)),
        ("amplitude_damping:0.02", amplitude_damping(0.02)),
        ("generalized_amplitude_damping:0.02,0.1", generalized_amplitude_damping(0.02, 0.1)),
        ("phase_damping:2e-2", phase_damping(0.02)),
        ("bit_flip:0.02", bit_flip(0.02)),
        ("phase_flip:0.02", phase_flip(0.02)),
        ("overrotation:-0.02", overrotation("X", -0.02)),
        ("thermal_relaxation:1e-4,1.5e-4,1e-7", thermal_relaxation(1e-4, 1.5e-4, 1e-7)),
    ],
)
def test_channels_after_gates_and_layers(text, channel):
    after_gates = parse(f"{text}/gate").place(CIRCUIT)
    assert [(p.after, p.qubits) for p in after_gates] == [(0, (0,)), (1, (0,)), (1, (1,)), (2, (1,))]
    after_layers = parse(f"{text}/layer").place(CIRCUIT)
    assert [(p.after, p.qubits) for p in after_layers] == [(1, (0,)), (1, (1,)), (2, (0,)), (2, (1,))]
    for placed in (*after_gates, *after_layers):
        torch.testing.assert_close(placed.channel.transfer, channel.transfer, atol=0, rtol=0)


def test_crosstalk_after_gates_on_two_qubits():
    (placed,) = parse("zz_crosstalk:0.1/gate").place(CIRCUIT)
    assert (placed.after, placed.qubits) == (1, (0, 1))
    torch.testing.assert_close(placed.channel.transfer, zz_crosstalk(0.1).transfer)
    with pytest.raises(UsageError, match="a channel on two qubits, on each qubit; write /gate"):
        parse("zz_crosstalk:0.1/layer")


def test_what_needs_no_channel():
    assert parse("depolarizing:0.01") == NoiseModel(global_depolarizing=0.01)
    assert parse("depolarizing:0.01/layer") == NoiseModel(qubit_depolarizing=0.01)
    assert parse("readout:0.03") == NoiseModel(readout_flips=(0.03, 0.03))
    assert parse(" readout:0.01, 0.02 ") == NoiseModel(readout_flips=(0.01, 0.02))


def test_parts_act_in_their_order():
    noise = parse("phase_flip:0.1/layer + depolarizing:0.2/layer+bit_flip:0.3/gate + amplitude_damping:0.1/gate")
    assert [c.name for c in noise.layer_channels] == ["phase_flip(0.1)", "depolarizing(0.2)"]
    assert [r.channel.name for r in noise.rules] == ["bit_flip(0.3)", "amplitude_damping(0.1)"]
    both = parse("depolarizing:0.1/layer + depolarizing:0.2/layer + depolarizing:0.3")
    assert (both.qubit_depolarizing, both.global_depolarizing, len(both.layer_channels)) == (0.1, 0.3, 1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not readable at ''; write it like 'depolarizing:0.01'"),
        ("depolarizing", "not readable at 'depolarizing'"),
        ("depolarizing:0.1/shot", "not readable at 'depolarizing:0.1/shot'"),
        ("depolarizing:0.1/", "not readable at"),
        ("depolarizing:a", "has no numbers in 'a'"),
        ("depolarizing:", "has no numbers in ''"),
        ("depolarizing:nan", "has no numbers in 'nan'"),
        ("depolarizing:0.1,0.2", "gives depolarizing 2 numbers; it takes 1"),
        ("thermal_relaxation:1,1/gate", "gives thermal_relaxation 2 numbers; it takes 3"),
        ("thermal_relaxation:1,3,1/gate", "lower t2 to 2 s"),
        ("damping:0.1/gate", "names 'damping', which is unknown; known: depolarizing, amplitude_damping"),
        ("bit_flip:0.1", "does not say where bit_flip acts; append /gate or /layer"),
        ("bit_flip:1.1/gate", "allowed: 0 to 1"),
        ("depolarizing:-0.1", "global_depolarizing is -0.1"),
        ("depolarizing:0.1+depolarizing:0.1", "names global depolarizing twice"),
        ("readout:0.1,0.1+readout:0.1,0.1", "names readout twice"),
        ("readout:0.1,0.1,0.1", "not readable at 'readout'; write readout:P,Q"),
        ("readout:0.1,0.1/gate", "write readout:P,Q"),
        ("readout:0.1,1.1", r"readout_flips\[1\] is 1.1"),
    ],
)
def test_other_texts(text, message):
    with pytest.raises(UsageError, match=message):
        parse(text)

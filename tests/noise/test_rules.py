"""Channels attached to gates."""

import pytest

from counterspin.errors import UsageError
from counterspin.noise import GateRule, bit_flip, depolarizing

ONE, TWO = bit_flip(0.1), depolarizing(0.1, 2)


@pytest.mark.parametrize(
    ("rule", "places"),
    [
        (GateRule(channel=ONE), {"H0": ((0,),), "H2": ((2,),), "CNOT20": ()}),
        (GateRule(channel=TWO), {"H0": (), "H2": (), "CNOT20": ((2, 0),)}),
        (GateRule(channel=ONE, targets="each"), {"H0": ((0,),), "H2": ((2,),), "CNOT20": ((2,), (0,))}),
        (GateRule(channel=ONE, targets="each", only=(0, 1)), {"H0": ((0,),), "H2": (), "CNOT20": ((0,),)}),
        (GateRule(channel=ONE, kinds=("CNOT",), targets="each"), {"H0": (), "H2": (), "CNOT20": ((2,), (0,))}),
        (GateRule(channel=TWO, kinds=("CNOT",), qubits=(2, 0)), {"H0": (), "H2": (), "CNOT20": ((2, 0),)}),
        (GateRule(channel=TWO, kinds=("CNOT",), qubits=(0, 2)), {"H0": (), "H2": (), "CNOT20": ()}),
        (GateRule(channel=ONE, qubits=(2,)), {"H0": (), "H2": ((2,),), "CNOT20": ()}),
        (GateRule(channel=ONE, kinds=("RX",)), {"H0": (), "H2": (), "CNOT20": ()}),
    ],
)
def test_where_a_rule_acts(rule, places):
    gates = {"H0": ("H", (0,)), "H2": ("H", (2,)), "CNOT20": ("CNOT", (2, 0))}
    assert {name: rule.acts_on(*gate) for name, gate in gates.items()} == places


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"channel": ONE, "targets": "all"}, "targets is 'all'; give one of gate, each"),
        ({"channel": TWO, "targets": "each"}, "acts on 2 qubits and targets each qubit of a gate"),
        ({"channel": ONE, "only": (0,)}, r"only is \(0,\) and targets is 'gate'"),
        ({"channel": ONE, "kinds": ("cx",)}, "gate kind 'cx' is unknown; known kinds: X, Y"),
        ({"channel": ONE, "kinds": ("CNOT",)}, "acts on 1 qubits and gate CNOT on 2; give a channel on as many"),
        ({"channel": TWO, "kinds": ("H",)}, "acts on 2 qubits and gate H on 1"),
        ({"channel": TWO, "qubits": (0,)}, r"acts on 2 qubits and qubits are \(0,\); give as many"),
    ],
)
def test_rules_that_could_never_act(arguments, message):
    with pytest.raises(UsageError, match=message):
        GateRule(**arguments)

"""What a snapshot says about its qubits and pairs, and how it is made from what was read."""

import math

import pytest
from calibrations import calibrated, qubit_calibration

from counterspin.errors import UsageError
from counterspin.noise.channels import thermal_relaxation
from counterspin.noise.devices.assembly import assemble
from counterspin.noise.devices.snapshot import worthless
from counterspin.noise.representations import average_fidelity, tensor

LINE = [(0, 1), (1, 2), (2, 3)]


QUBITS = (qubit_calibration("0"), qubit_calibration("1"))


def assembled(gates, *, qubits=QUBITS, **options):
    basis = ("SX", "CZ", "CNOT", "ECR")
    return assemble(name="toy", vendor="own", date="2026-01-31", qubits=qubits, gates=gates, basis=basis, **options)


SX = {("SX", (0,)): (1e-3, 4e-8), ("SX", (1,)): (2e-3, 4e-8)}


def test_working_qubits_edges_and_neighbours():
    toy = calibrated(LINE)
    assert toy.working == (0, 1, 2, 3)
    assert toy.edges == ((0, 1), (1, 2), (2, 3))
    assert toy.neighbours == {0: (1,), 1: (0, 2), 2: (1, 3), 3: (2,)}
    assert toy.entangler(1, 0) == ("CZ", (0, 1))


def test_broken_gates_are_left_out_and_named():
    toy = assembled(
        {
            **SX,
            ("SX", (2,)): (1.0, 4e-8),
            ("CZ", (0, 1)): (1.0, 3e-7),
            ("CZ", (1, 0)): (1.0, 3e-7),
            ("CZ", (1, 2)): (0.01, 3e-7),
        },
        qubits=[qubit_calibration(str(q)) for q in range(3)],
    )
    assert toy.working == (0, 1)
    assert toy.edges == ()
    assert "SX is broken on 2: left out." in toy.holes
    assert "CZ is broken on 0-1: left out." in toy.holes
    assert ("CZ", (0, 1)) not in toy.gates
    with pytest.raises(UsageError, match="qubits 1 and 2 of toy have no working two-qubit gate"):
        toy.entangler(1, 2)


def test_a_qubit_needs_every_native_pulse():
    toy = assembled({**SX, ("X", (0,)): (1.0, 4e-8)})
    assert toy.working == (1,)
    assert "X is broken on 0: left out." in toy.holes


def test_a_gate_broken_one_way_still_joins_its_pair():
    toy = assembled({**SX, ("CNOT", (0, 1)): (1.0, 3e-7), ("CNOT", (1, 0)): (0.01, 4e-7)})
    assert toy.edges == ((1, 0),)
    assert toy.entangler(0, 1) == ("CNOT", (1, 0))
    assert "CNOT is broken on 0→1: left out." in toy.holes


def test_the_faster_direction_and_the_faster_gate_are_native():
    both = assembled({**SX, ("CNOT", (0, 1)): (0.01, 4e-7), ("CNOT", (1, 0)): (0.01, 3e-7)})
    assert both.edges == ((1, 0),)
    equal = assembled({**SX, ("CNOT", (1, 0)): (0.01, 3e-7), ("CNOT", (0, 1)): (0.01, 3e-7)})
    assert equal.edges == ((0, 1),)
    kinds = assembled({**SX, ("CNOT", (0, 1)): (0.01, 4e-7), ("ECR", (1, 0)): (0.02, 3e-7)})
    assert kinds.entangler(0, 1) == ("ECR", (1, 0))


def test_holes_of_calibrations():
    toy = assembled(
        {**SX, ("SX", (2,)): (1e-3, 4e-8), ("SX", (3,)): (1e-3, 4e-8), ("CZ", (0, 1)): (None, 3e-7)},
        qubits=[
            qubit_calibration("0", t1=1e-4, t2=5e-4),
            qubit_calibration("1", t1=None),
            qubit_calibration("2", readout=None),
            qubit_calibration("3", readout=(0.4, 0.6)),
        ],
        coupled=[(0, 1), (1, 0), (2, 1)],
    )
    assert toy.working == (0,)
    assert toy.qubits[0].t2 == 2e-4
    assert toy.clipped == toy.restricted((0,)).clipped == (0,)
    assert toy.holes == (
        "X has no calibration of its own: it is taken to err and last as SX does.",
        "T1 or T2 of qubit 1 is missing: left out.",
        "The readout error of qubit 2 is missing: left out.",
        "A reading of qubit 3 says nothing about it: left out.",
        "T2 of qubit 0 is above 2 T1: taken as 2 T1.",
        "CZ has no calibration on 0-1: left out.",
        "The coupled pair 1-2 has no two-qubit gate: left out.",
    )


def test_virtual_and_missing_single_qubit_gates():
    toy = assembled({**SX, ("X", (0,)): (5e-3, 8e-8)}, assumptions=["Told before."])
    assert toy.gates["RZ", (1,)].error == toy.gates["RZ", (1,)].length == 0.0
    assert (toy.gates["X", (0,)].error, toy.gates["X", (1,)].error) == (5e-3, 2e-3)
    assert toy.basis == ("SX", "CZ", "CNOT", "ECR", "RZ", "X")
    assert toy.assumptions[0] == toy.holes[0] == "Told before."
    assert toy.assumptions[1].startswith("X has no calibration")


@pytest.mark.parametrize(("qubits", "limit"), [(1, 0.5), (2, 0.75)])
def test_a_gate_is_worthless_from_full_depolarisation_on(qubits, limit):
    assert worthless(limit, qubits)
    assert not worthless(limit - 1e-9, qubits)


@pytest.mark.parametrize("qubits", [(0,), (0, 1)])
def test_relaxation_error_is_that_of_the_channel(qubits):
    toy = calibrated(LINE)
    channel = tensor(*(thermal_relaxation(1e-4, 8e-5, 3e-6) for _ in qubits))
    assert toy.relaxation_error(qubits, 3e-6) == pytest.approx(1 - average_fidelity(channel), abs=1e-14)
    assert toy.infidelity("CZ", (0, 1)) == 0.01
    assert calibrated(LINE, {(0, 1): 1e-4}).infidelity("CZ", (0, 1)) == toy.relaxation_error((0, 1), 3e-7)


def test_infinite_times_do_not_relax():
    toy = assembled(SX, qubits=[qubit_calibration("0", t1=math.inf, t2=math.inf), qubit_calibration("1")])
    assert toy.relaxation_error((0,), 1.0) == 0.0


def test_restricted_renumbers_and_keeps_what_it_says():
    small = calibrated(LINE, {(2, 3): 0.02}).restricted((3, 2))
    assert [qubit.label for qubit in small.qubits] == ["3", "2"]
    assert small.edges == ((1, 0),)
    assert small.gates["CZ", (1, 0)].error == 0.02
    assert set(small.gates) == {(kind, (q,)) for kind in ("SX", "X", "RZ") for q in (0, 1)} | {("CZ", (1, 0))}


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ((), "name at least one"),
        ((0, 0), "none of them twice"),
        ((0, 4), "it has 4, numbered 0 to 3"),
        ((-1,), "it has 4, numbered 0 to 3"),
        ((0, 1, 2, 3, 4), "it has 4"),
    ],
)
def test_choices_that_are_none(chosen, message):
    with pytest.raises(UsageError, match=message):
        calibrated(LINE).restricted(chosen)


def test_a_broken_qubit_cannot_be_chosen():
    toy = assembled({("SX", (0,)): (1e-3, 4e-8), ("SX", (1,)): (1.0, 4e-8)})
    with pytest.raises(UsageError, match="qubit 1 of toy cannot be used"):
        toy.restricted((0, 1))

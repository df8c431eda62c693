"""Runs of RZ, SX and X: the same unitary in fewer pulses, symbols kept."""

import itertools
import math

import numpy as np
import pytest
import torch
from dense_oracle import unitary
from hypothesis import given, settings
from hypothesis import strategies as st
from qasm_oracle import same_up_to_phase

from counterspin.circuits import Angle, Circuit, Gate, Given, feature, weight
from counterspin.noise.devices.words import collected, fused


def run_of(*steps: Angle | Given | float | str) -> list[Gate]:
    turns = [Angle(step) if isinstance(step, float) else step for step in steps]
    return [Gate(s, (0,)) if isinstance(s, str) else Gate("RZ", (0,), (s,)) for s in turns]


def written(gates: list[Gate]) -> list[str]:
    return [str(gate) for gate in gates]


QUARTER = math.pi / 2
ANGLES = st.one_of(
    st.sampled_from([k * math.pi / 4 for k in range(-9, 10)]),
    st.floats(-7, 7),
    st.sampled_from(
        [feature(0), weight(0) + QUARTER, -1.0 * feature(0) + 0.3, -1.0 * weight(0), 2.0 * feature(0) * weight(0)]
    ),
)


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(steps=st.lists(st.one_of(ANGLES, st.sampled_from(["SX", "X"])), max_size=14), flips=st.booleans())
def test_any_run_keeps_its_unitary_and_its_symbols_need_at_most_two_pulses_each(steps: list, flips: bool) -> None:
    before, x, w = run_of(*steps), np.array([0.37]), np.array([-1.21])
    after = fused(before, 1, flips=flips)
    found = unitary(Circuit(1, tuple(after)), x, w)
    assert same_up_to_phase(found, unitary(Circuit(1, tuple(before)), x, w)) < 1e-13
    symbols = sum(isinstance(step, Angle) for step in steps)
    pulses = [gate.kind for gate in after if gate.kind != "RZ"]
    assert len(pulses) <= 2 * (symbols + 1)
    assert flips or "X" not in pulses
    # Nothing is left to merge or to drop.
    turns = [gate.kind == "RZ" for gate in after]
    assert not any(a and b for a, b in itertools.pairwise(turns))
    assert Angle() not in [angle for gate in after for angle in gate.angles]


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        (("SX", "SX", "SX", "SX"), []),
        (("SX", "SX"), ["X q0"]),
        (("SX", QUARTER, "SX"), ["RZ(1.57) q0", "SX q0", "RZ(1.57) q0"]),
        ((math.pi, 3 * math.pi), []),
        (("SX", math.pi, "SX"), ["RZ(3.14) q0"]),
        # Y rotations by a feature and a weight, one behind the other: one rotation by their sum.
        (
            ("SX", feature(0), math.pi, "SX", math.pi, "SX", weight(0), math.pi, "SX", math.pi),
            ["SX q0", "RZ(3.14 + w0 + x0) q0", "SX q0", "RZ(3.14) q0"],
        ),
        # What cancels takes its surroundings along.
        (("SX", feature(0), -1.0 * feature(0), "SX"), ["X q0"]),
        ((feature(0), "X", 0.0, "X", -1.0 * feature(0)), []),
    ],
)
def test_shortest_words(steps: tuple, expected: list[str]) -> None:
    assert written(fused(run_of(*steps), 1, flips=True)) == expected


def test_without_an_x_gate_flips_are_two_pulses() -> None:
    assert written(fused(run_of("X"), 1, flips=False)) == ["SX q0", "SX q0"]


def test_tensors_stay_the_objects_they_are_and_stand_alone() -> None:
    angle, other = Given(torch.tensor(0.3)), Given(torch.tensor([0.1, 0.2]))
    after = fused(run_of(0.5, angle, "SX", "SX", "SX", "SX", other, feature(0), 0.25), 1, flips=True)
    assert written(after) == ["RZ(tensor) q0", "RZ(tensor) q0", "RZ(0.75 + x0) q0"]
    assert {id(gate.angles[0]) for gate in after[:2]} == {id(angle), id(other)}


def test_gates_on_several_qubits_end_a_run_and_keep_their_places() -> None:
    gates = [
        *run_of("SX"),
        Gate("SX", (1,)),
        Gate("CZ", (1, 0)),
        *run_of("SX", "SX"),
        Gate("SX", (2,)),
        Gate("ECR", (0, 2)),
    ]
    after = written(fused(gates, 3, flips=True))
    assert after == ["SX q1", "SX q0", "CZ q1,q0", "X q0", "SX q2", "ECR q0,q2"]


def test_like_terms_add_up_and_what_is_left_of_them_by_rounding_is_gone() -> None:
    angle = 0.1 * feature(0) + 0.2 * feature(0) - 0.3 * feature(0) + weight(1) + 3 * math.pi
    assert collected(angle).terms == weight(1).terms
    assert collected(angle).constant == math.pi
    assert collected(1e-9 * feature(0)) == 1e-9 * feature(0)

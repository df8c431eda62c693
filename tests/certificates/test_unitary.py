"""Unitary adversaries and gate errors: tabulated angles, no flip inside the radius, refusals."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from random_circuits import random_circuit, random_groups, random_paulis
from scipy.linalg import expm

from counterspin.certificates import guan_infidelity
from counterspin.certificates.unitary import (
    angle_spreads,
    gate_tampering,
    generator_spread,
    margin_drift,
    unitary_radius,
)
from counterspin.circuits import (
    GATES,
    Amplitudes,
    Circuit,
    Linear,
    OutcomeGroups,
    PauliExpectations,
    Readout,
    Scale,
    amplitude_encoding,
    feature,
)
from counterspin.errors import CapabilityError, ConditionsError, InputError, UsageError
from counterspin.models import LogisticRegression, QuantumClassifier, SampledModel
from counterspin.models.affine import AffineInputs
from counterspin.models.noisy import NoisyClassifier
from counterspin.noise import NoiseModel
from counterspin.noise.channels import after_every_gate, amplitude_damping
from counterspin.optimum.affine_map import AffineMap
from counterspin.simulation import run
from counterspin.types import Box

BIT = OutcomeGroups((0,), ((0,), (1,)))
# p_A and the flip angle of RX in front of a projective bit.
TABLE = [(0.95, 1.119770), (0.9, 0.927295), (0.8, 0.643501), (0.6, 0.201358), (1.0, 1.570796)]


def rotation(measurement=BIT, head=None, box=None):
    circuit = Circuit(1).add("RX", 0, feature(0))
    return QuantumClassifier(circuit, measurement, Box.unbounded(1) if box is None else box, head=head)


def hermitian(rng, dimension):
    matrix = rng.normal(size=(dimension, dimension)) + 1j * rng.normal(size=(dimension, dimension))
    return (matrix + matrix.conj().T) / 2


def tampered(circuit, errors):
    """The circuit with `errors` added to its angles, in order."""
    left = iter(errors)
    gates = tuple(replace(g, angles=tuple(a + next(left) for a in g.angles)) for g in circuit.gates)
    return replace(circuit, gates=gates)


def on_sphere(rng, size, norm):
    """A random direction of norm 1; in L∞ every error is as large as allowed."""
    direction = np.sign(rng.normal(size=size)) if norm == "linf" else rng.normal(size=size)
    return direction / np.linalg.norm(direction, {"linf": np.inf, "l2": 2, "l1": 1}[norm])


@pytest.mark.parametrize(("p", "flip"), TABLE)
@pytest.mark.parametrize("head", [None, Scale(torch.tensor(7.0))])
def test_tabulated_flip_angles(p, flip, head):
    x = torch.tensor([[math.acos(2 * p - 1)]], dtype=torch.float64)
    found = gate_tampering(rotation(head=head), x, [0])
    # Weights are taken to be off by 2e-14, which costs up to its root where one of them is 0 (p_A = 1).
    assert found.radius.item() == pytest.approx(flip, abs=1e-6)
    assert found.radius.item() <= math.pi / 2 - x.item() + 1e-12
    assert found.turning.item() == pytest.approx(flip / 2, abs=1e-6)
    assert found.spreads.tolist() == [1.0]
    by_probabilities = math.asin(
        guan_infidelity(torch.tensor([[p, 1 - p]], dtype=torch.float64), torch.tensor([0])).item() ** 0.5
    )
    assert found.turning.item() == pytest.approx(by_probabilities, abs=1e-6)


def test_spreads_are_those_of_the_generators():
    # The generator is i U'(0) U(0)†, by central differences; one angle of a gate at a time, the others at 0.
    for name, kind in GATES.items():
        if not kind.angles or name in ("Rot", "U3"):
            continue
        step = 1e-6
        ahead, behind = (kind.matrix(torch.tensor([t], dtype=torch.complex128)) for t in (step, -step))
        generator = 1j * (ahead - behind) / (2 * step)
        circuit = Circuit(2).add(name, (0, 1)[: kind.qubits], 0.3)
        assert angle_spreads(circuit).tolist() == pytest.approx(
            [generator_spread((generator + generator.mH) / 2)], abs=1e-6
        )
    assert angle_spreads(Circuit(1).add("Rot", 0, 0.1, 0.2, 0.3)).tolist() == [1.0] * 3
    assert angle_spreads(Circuit(1).add("H", 0)).tolist() == []


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), dimension=st.integers(2, 8), unitaries=st.integers(1, 4))
@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
def test_no_product_of_unitaries_flips_a_projective_bit(seed, dimension, unitaries, norm):
    rng = np.random.default_rng(seed)
    projector = np.diag([1.0] * (dimension // 2) + [0.0] * (dimension - dimension // 2))
    state = rng.normal(size=dimension) + 1j * rng.normal(size=dimension)
    state /= np.linalg.norm(state)
    p = float((state.conj() @ projector @ state).real)
    label = int(p < 0.5)
    angle = torch.asin(guan_infidelity(torch.tensor([[p, 1 - p]], dtype=torch.float64), torch.tensor([label])).sqrt())
    generators = [hermitian(rng, dimension) for _ in range(unitaries)]
    spreads = torch.tensor([generator_spread(torch.tensor(h)) for h in generators])
    radius = unitary_radius(angle, spreads, norm).item()
    for _ in range(10):
        delta = radius * on_sphere(rng, unitaries, norm)
        moved = state
        for d, h in zip(delta, generators, strict=True):
            moved = expm(-1j * d * h) @ moved
        q = float((moved.conj() @ projector @ moved).real)
        assert (1 - 2 * label) * (q - 0.5) > -1e-9


def test_the_unitary_bound_is_attained():
    # Turning the state in the plane of the two outcomes, by the generator Y / 2 of spread 1.
    state = np.array([0.9**0.5, 0.1**0.5])
    angle = torch.asin(guan_infidelity(torch.tensor([[0.9, 0.1]], dtype=torch.float64), torch.tensor([0])).sqrt())
    radius = unitary_radius(angle, torch.ones(1)).item()
    assert radius == pytest.approx(0.927295, abs=1e-6)
    moved = expm(-1j * radius * np.array([[0, -0.5j], [0.5j, 0]])) @ state
    assert abs(moved[0]) ** 2 == pytest.approx(0.5, abs=1e-9)


def test_norms_of_the_joint_error():
    angle, spreads = torch.tensor([0.6], dtype=torch.float64), torch.tensor([1.0, 2.0, 2.0])
    found = [unitary_radius(angle, spreads, norm).item() for norm in ("linf", "l2", "l1")]
    assert found == pytest.approx([0.6 / 2.5, 0.6 / 1.5, 0.6])
    assert unitary_radius(angle, torch.zeros(2)).item() == math.inf


@pytest.mark.slow
@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 10**6), qubits=st.integers(1, 2), noise=st.booleans(), biased=st.booleans())
@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
def test_no_gate_errors_flip_inside_the_radius(seed, qubits, noise, biased, norm):
    rng = np.random.default_rng(seed)
    circuit = random_circuit(rng, qubits)
    w = torch.tensor(rng.normal(size=circuit.weights))
    measurement = random_paulis(rng, qubits) if biased else random_groups(rng, qubits)
    measurement = PauliExpectations.of("Z0", "X0", "Y0", "Z0") if qubits == 1 else measurement
    head = Linear(torch.tensor(rng.normal(size=(3, 4))), torch.tensor(rng.normal(size=3))) if biased else None
    channels = after_every_gate(circuit, amplitude_damping(0.02)) if noise else ()

    def built(c):
        body = QuantumClassifier(c, measurement, Box.unbounded(c.inputs), head=head, weights=w, engine="torch")
        return NoisyClassifier(body, noise=NoiseModel(placed=channels)) if noise else body

    model = built(circuit)
    x = torch.tensor(rng.normal(size=(4, circuit.inputs)))
    y = model(x).detach().argmax(dim=1)
    found = gate_tampering(model, x, y, norm=norm)
    if biased:  # a class repeated as in the one-qubit readout ties with itself
        assert bool((found.radius > 0).any())
    for row in range(4):
        if not math.isfinite(found.radius[row].item()):
            continue
        errors = found.radius[row].item() * on_sphere(rng, len(found.spreads), norm)
        moved = built(tampered(circuit, errors))(x[row : row + 1]).detach()[0]
        own = moved[y[row]]
        assert float(own - moved.scatter(0, y[row : row + 1], -torch.inf).max()) > -1e-9


def test_margins_drift_by_no_more_than_the_bound():
    rng = np.random.default_rng(5)
    circuit = random_circuit(rng, 2)
    x, w = torch.tensor(rng.normal(size=(1, circuit.inputs))), torch.tensor(rng.normal(size=circuit.weights))
    readout, spreads = Readout(PauliExpectations.of("Z0 X1")), angle_spreads(circuit)
    clean = run(circuit, x, w, readout).item()
    for size in (1e-3, 1e-2, 0.1):
        errors = size * rng.normal(size=len(spreads))
        moved = run(tampered(circuit, errors), x, w, readout).item()
        assert abs(moved - clean) <= margin_drift(2.0, torch.tensor(errors), spreads).item()
    # Attained to first order where a rotation crosses its steepest point: cos moves by the error itself.
    one = Circuit(1).add("RX", 0, math.pi / 2)
    change = run(tampered(one, [1e-4]), torch.zeros(1, 0), torch.zeros(0), Readout(PauliExpectations.of("Z0"))).item()
    assert abs(change) == pytest.approx(margin_drift(2.0, torch.tensor([1e-4]), angle_spreads(one)).item(), rel=1e-3)


def test_losers_ties_and_decisions_that_cannot_change():
    x = torch.tensor([[0.2], [2.9], [math.pi / 2]], dtype=torch.float64)
    found = gate_tampering(rotation(), x, [1, 1, 0])
    assert found.radius[0] == 0
    assert found.radius[1] == pytest.approx(2.9 - math.pi / 2, abs=1e-6)
    assert found.radius[2] == pytest.approx(0, abs=1e-9)
    head = Linear(torch.tensor([[1.0], [-1.0]]), torch.tensor([3.0, 0.0]))
    always = gate_tampering(rotation(PauliExpectations.of("Z0"), head), x, [0, 0, 1])
    assert always.radius.tolist() == [math.inf, math.inf, 0]


def test_an_affine_map_before_the_circuit():
    # Feature z enters as x = 2z + 0.1.
    shift = AffineMap(torch.tensor([[2.0]], dtype=torch.float64), torch.tensor([0.1], dtype=torch.float64))
    z = torch.tensor([[0.3]], dtype=torch.float64)
    found = gate_tampering(AffineInputs(rotation(), shift, Box.unbounded(1)), z, [0])
    assert found.radius.item() == pytest.approx(math.pi / 2 - 0.7, abs=1e-6)


def test_noise_moves_the_angle():
    # Decay by γ behind the rotation brings the margin to (1 - γ) cos x + γ.
    circuit, gamma = Circuit(1).add("RX", 0, feature(0)), 0.2
    channels = after_every_gate(circuit, amplitude_damping(gamma))
    model = NoisyClassifier(QuantumClassifier(circuit, BIT, Box.unbounded(1)), noise=NoiseModel(placed=channels))
    found = gate_tampering(model, torch.tensor([[0.7]], dtype=torch.float64), [0])
    assert 0.8 < found.radius.item() <= math.acos(-gamma / (1 - gamma)) - 0.7
    assert found.assumptions.noise == "modelled"


def test_amplitude_encodings_and_what_is_said():
    circuit = Circuit(2, amplitudes=Amplitudes(4)).add("RY", 0, 0.4).add("CRX", (0, 1), 0.3)
    model = QuantumClassifier(circuit, BIT, Box.uniform(-1, 1, 4))
    found = gate_tampering(model, torch.eye(4).double(), [0, 0, 1, 1], norm="l1")
    assert bool((found.radius > 0).all())
    assert found.assumptions.adversary == "tampered gate angles"
    assert "joint error of 2 gate angles in l1, in radians" in found.assumptions.notes
    assert found.assumptions.noise == "none"


def test_refusals():
    model, x = rotation(), torch.zeros(1, 1)
    with pytest.raises(UsageError, match="norm is 'l0'"):
        gate_tampering(model, x, [0], norm="l0")
    with pytest.raises(CapabilityError, match="shows no circuit"):
        gate_tampering(LogisticRegression(Box.uniform(0, 1, 1), classes=2), x, [0])
    with pytest.raises(CapabilityError, match="shows no circuit"):
        gate_tampering(SampledModel(model, shots=5), x, [0])
    fixed = QuantumClassifier(amplitude_encoding(2), BIT, Box.uniform(0, 1, 2))
    with pytest.raises(ConditionsError, match="at least one angle"):
        gate_tampering(fixed, torch.ones(1, 2), [0])
    wide = QuantumClassifier(Circuit(11).add("RX", 0, feature(0)), BIT, Box.uniform(0, 1, 1))
    with pytest.raises(ConditionsError, match="11 qubits"):
        gate_tampering(wide, x, [0])
    with pytest.raises(InputError, match="not Hermitian"):
        generator_spread(torch.tensor([[0.0, 1.0], [0.0, 0.0]]))
    with pytest.raises(InputError, match="spreads are"):
        unitary_radius(torch.ones(1).double(), torch.tensor([-1.0]))
    with pytest.raises(InputError, match="label 2"):
        gate_tampering(model, x, [2])

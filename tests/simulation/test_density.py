"""The dense density-matrix simulator against PennyLane's default.mixed, the state-vector engine and itself."""

import math

import numpy as np
import pytest
import torch
from dense_oracle import angle_value, embedded, gate_matrix, observables
from hypothesis import given, settings
from hypothesis import strategies as st
from random_circuits import random_circuit, random_groups, random_paulis

from counterspin.circuits import (
    Amplitudes,
    Circuit,
    Linear,
    OutcomeGroups,
    PauliExpectations,
    Readout,
    Scale,
    feature,
    weight,
)
from counterspin.errors import ConditionsError, InputError, UsageError
from counterspin.noise import NoiseModel, ReadoutErrors
from counterspin.noise.channels import amplitude_damping, bit_flip, depolarizing, phase_damping, phase_flip
from counterspin.noise.kraus import Channel, Placed
from counterspin.simulation import EffectiveObservables, fold, run
from counterspin.simulation.density import (
    density_distributions,
    density_scores,
    noisy_density,
    noisy_observables,
    score_operators,
)
from counterspin.simulation.measurement import measured_values
from counterspin.simulation.measurement import settings as settings_of

MAKERS = [depolarizing, bit_flip, phase_flip, amplitude_damping, phase_damping]
BELL = Circuit(2).add("RY", 0, feature(0)).add("CNOT", (0, 1)).add("RX", 1, weight(0) * feature(1))


def random_places(rng: np.random.Generator, circuit: Circuit, count: int) -> tuple[Placed, ...]:
    """Channels of every kind and one on two qubits, at random places."""
    placed = []
    for k in range(count):
        channel, width = MAKERS[k % len(MAKERS)](float(rng.uniform(0.05, 0.6))), 1
        if k % 6 == 5 and circuit.qubits > 1:
            # A random channel on two qubits: the blocks of a random isometry.
            columns, _ = np.linalg.qr(rng.normal(size=(12, 4)) + 1j * rng.normal(size=(12, 4)))
            channel, width = Channel("isometry", torch.tensor(columns.reshape(3, 4, 4))), 2
        qubits = tuple(int(q) for q in rng.permutation(circuit.qubits)[:width])
        placed.append(Placed(after=int(rng.integers(-1, len(circuit.gates))), qubits=qubits, channel=channel))
    return tuple(placed)


def values_of(rng: np.random.Generator, circuit: Circuit, batch: int = 3):
    return torch.tensor(rng.normal(size=(batch, circuit.inputs))), torch.tensor(rng.normal(size=circuit.weights))


def linear(rng: np.random.Generator, classes: int, values: int) -> Linear:
    return Linear(torch.tensor(rng.normal(size=(classes, values))), torch.tensor(rng.normal(size=classes)))


@pytest.mark.slow
@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("qubits", [1, 2, 3])
def test_equals_default_mixed(qubits, make):
    qml = pytest.importorskip("pennylane")
    rng = np.random.default_rng(qubits)
    circuit = random_circuit(rng, qubits, extra=2 * qubits)
    x, w = values_of(rng, circuit, batch=1)
    theirs = {
        depolarizing: lambda p, q: qml.DepolarizingChannel(0.75 * p, wires=q),
        bit_flip: lambda p, q: qml.BitFlip(p, wires=q),
        phase_flip: lambda p, q: qml.PhaseFlip(p, wires=q),
        amplitude_damping: lambda p, q: qml.AmplitudeDamping(p, wires=q),
        phase_damping: lambda p, q: qml.PhaseDamping(p, wires=q),
    }[make]
    places = [(int(rng.integers(len(circuit.gates))), int(rng.integers(qubits)), float(rng.uniform())) for _ in "abcd"]

    @qml.qnode(qml.device("default.mixed", wires=qubits), interface=None)
    def mixed():
        for index, gate in enumerate(circuit.gates):
            angles = [angle_value(a, x[0].numpy(), w.numpy()) for a in gate.angles]
            qml.QubitUnitary(gate_matrix(gate.kind, angles, len(gate.qubits)), wires=gate.qubits)
            for after, qubit, p in places:
                if after == index:
                    theirs(p, qubit)
        return qml.density_matrix(wires=range(qubits))

    placed = tuple(Placed(after=a, qubits=(q,), channel=make(p)) for a, q, p in places)
    ours = noisy_density(circuit, x, w, placed)[0]
    np.testing.assert_allclose(ours.numpy(), mixed(), atol=1e-10, rtol=0)
    purity = float((ours @ ours).diagonal().sum().real)
    assert purity < 0.999  # the channels did something


@pytest.mark.one_fast
@pytest.mark.parametrize("qubits", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("uploads", [True, False])
def test_without_channels_it_is_the_state_vector_engine(qubits, uploads):
    rng = np.random.default_rng(10 + qubits)
    amplitudes = None if uploads else Amplitudes(2**qubits - (qubits > 1))
    circuit = random_circuit(rng, qubits, amplitudes=amplitudes, uploads=uploads)
    x, w = values_of(rng, circuit)
    for measurement in (random_paulis(rng, qubits), random_groups(rng, qubits)):
        head = Linear(torch.randn(3, measurement.values).double(), torch.randn(3).double())
        for readout in (
            Readout(measurement),
            Readout(measurement, head),
            Readout(measurement, Scale(torch.tensor(3.0))),
        ):
            exact = run(circuit, x, w, readout, engine="torch")
            ours = density_scores(noisy_density(circuit, x, w), readout)
            torch.testing.assert_close(ours, exact, atol=1e-12, rtol=0)


def test_score_operators_are_the_observables():
    rng = np.random.default_rng(3)
    for qubits in (1, 2, 3):
        for measurement in (random_paulis(rng, qubits), random_groups(rng, qubits)):
            dense = np.array(observables(measurement, qubits))
            np.testing.assert_allclose(score_operators(Readout(measurement), qubits).numpy(), dense, atol=1e-14)


@pytest.mark.slow
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6), qubits=st.integers(1, 4))
def test_adjoint_identity_and_positivity(seed, qubits):
    # Tr(E Φ(ρ)) = Tr(Φ'(E) ρ) for the whole circuit, on amplitudes.
    rng = np.random.default_rng(seed)
    circuit = random_circuit(rng, qubits, amplitudes=Amplitudes(2**qubits, complex_data=True), inputs=1, uploads=False)
    x, w = values_of(rng, circuit)
    channels = random_places(rng, circuit, 8)
    readout = Readout(random_paulis(rng, qubits), linear(rng, 2, 4))
    rho = noisy_density(circuit, x, w, channels)
    assert float((rho.diagonal(dim1=1, dim2=2).sum(1) - 1).abs().max()) < 1e-12
    assert float(torch.linalg.eigvalsh(rho).min()) > -1e-12
    forward = density_scores(rho, readout)
    carried = EffectiveObservables(noisy_observables(circuit, w, readout, channels), 2**qubits, complex_data=True)
    torch.testing.assert_close(carried.scores(x), forward, atol=1e-12, rtol=0)


@pytest.mark.slow
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6), qubits=st.integers(1, 3))
def test_observables_behind_the_last_encoding_gate(seed, qubits):
    rng = np.random.default_rng(seed)
    circuit = random_circuit(rng, qubits)
    x, w = values_of(rng, circuit)
    last = max(i for i, gate in enumerate(circuit.gates) if any(a.inputs for a in gate.angles))
    channels = (*random_places(rng, circuit, 6), Placed(after=last, qubits=(0,), channel=amplitude_damping(0.4)))
    readout = Readout(random_paulis(rng, qubits))
    head, behind = Circuit(qubits, circuit.gates[: last + 1]), [p for p in channels if p.after < last]
    rho = noisy_density(head, x, w[: head.weights], behind)
    seen = torch.einsum("kij,bji->bk", noisy_observables(circuit, w, readout, channels, after=last), rho).real
    whole = density_scores(noisy_density(circuit, x, w, channels), readout)
    torch.testing.assert_close(seen, whole, atol=1e-12, rtol=0)
    with pytest.raises(ConditionsError, match="depends on the sample"):
        noisy_observables(circuit, w, readout, channels, after=last - 1)


def test_channels_without_effect_equal_the_noiseless_fold():
    rng = np.random.default_rng(0)
    circuit = random_circuit(rng, 3, amplitudes=Amplitudes(7), inputs=1, uploads=False)
    _, w = values_of(rng, circuit)
    readout = Readout(OutcomeGroups((0, 2), ((0,), (1, 2), (3,))))
    idle = (Placed(after=2, qubits=(1,), channel=bit_flip(0.0)),)
    ours, theirs = noisy_observables(circuit, w, readout, idle), fold(circuit, w, readout)
    torch.testing.assert_close(ours, theirs.matrices, atol=1e-12, rtol=0)


def test_what_acts_behind_the_gates_is_part_of_the_operators():
    rng = np.random.default_rng(3)
    circuit = random_circuit(rng, 3)
    x, w = values_of(rng, circuit)
    pair = torch.tensor(rng.dirichlet(np.ones(4), size=4).T)
    errors = ReadoutErrors(flips=((0.1, 0.2), (0.0, 0.0), (0.05, 0.3)), pairs=(((2, 0), pair),))
    noise = NoiseModel(global_depolarizing=0.3, readout=errors)
    rho = noisy_density(circuit, x, w)
    for measurement in (random_paulis(rng, 3), OutcomeGroups((2, 0), ((0,), (1, 3)))):
        readout = Readout(measurement, linear(rng, 2, measurement.values))
        mixed = 0.7 * rho + 0.3 * torch.eye(8, dtype=torch.complex128) / 8
        read = [d @ errors.matrix().T for d in density_distributions(mixed, measurement)]
        expected = readout.scores(measured_values(read, settings_of(measurement, 3)))
        torch.testing.assert_close(density_scores(rho, readout, noise), expected, atol=1e-12, rtol=0)


def test_order_of_channels_behind_one_gate():
    # Decay, then a flip, is not a flip, then decay.
    circuit = Circuit(1).add("X", 0)
    decay, flip = (Placed(after=0, qubits=(0,), channel=c) for c in (amplitude_damping(0.5), bit_flip(1.0)))
    first, second = (
        noisy_density(circuit, torch.zeros(1, 0), torch.zeros(0), order)[0, 1, 1].real.item()
        for order in ((decay, flip), (flip, decay))
    )
    assert (first, second) == (pytest.approx(0.5), pytest.approx(0.0))


def test_before_the_first_gate_and_two_qubits():
    # X on qubit 1 of the prepared state, by a channel on (1, 0) that flips its first qubit only.
    flip = torch.tensor(embedded(np.array([[0, 1], [1, 0]]), (0,), 2), dtype=torch.complex128)
    placed = Placed(after=-1, qubits=(1, 0), channel=Channel("flip first", flip[None]))
    rho = noisy_density(Circuit(2), torch.zeros(1, 0), torch.zeros(0), (placed,))
    assert rho[0, 1, 1].item() == 1.0


def test_depolarised_expectation_in_closed_form():
    # Each channel between the rotation and Z shrinks the expectation cos x by 1 - p.
    circuit = Circuit(1).add("RX", 0, feature(0))
    channels = tuple(Placed(after=0, qubits=(0,), channel=depolarizing(p)) for p in (0.1, 0.3))
    x = torch.tensor([[0.4], [1.1]], requires_grad=True, dtype=torch.float64)
    scores = density_scores(noisy_density(circuit, x, torch.zeros(0), channels), Readout(PauliExpectations.of("Z0")))
    torch.testing.assert_close(scores, 0.9 * 0.7 * x.detach().cos(), atol=1e-14, rtol=0)
    (gradient,) = torch.autograd.grad(scores.sum(), x)
    torch.testing.assert_close(gradient, -0.9 * 0.7 * x.detach().sin(), atol=1e-14, rtol=0)


def test_gradients_for_inputs_and_weights():
    readout = Readout(PauliExpectations.of("Z0 Z1", "X1"))
    channels = (Placed(after=1, qubits=(0,), channel=amplitude_damping(0.2)),)
    x = torch.tensor([[0.3, 1.2], [-0.7, 0.4]], dtype=torch.float64, requires_grad=True)
    w = torch.tensor([0.9], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x, w: density_scores(noisy_density(BELL, x, w, channels), readout), (x, w))


def test_float32_inputs_are_computed_in_float64():
    x = torch.tensor([[0.3, 1.2]])
    rho = noisy_density(BELL, x, torch.ones(1))
    torch.testing.assert_close(rho, noisy_density(BELL, x.double(), torch.ones(1).double()), atol=1e-15, rtol=0)


def test_angles_given_as_tensors():
    circuit = Circuit(1).add("RX", 0, torch.tensor([0.1, 0.2], dtype=torch.float64)).add("RX", 0, weight(0))
    rho = noisy_density(circuit, torch.zeros(2, 0), torch.tensor([0.5]))
    torch.testing.assert_close(rho[:, 1, 1].real, torch.tensor([math.sin(0.3) ** 2, math.sin(0.35) ** 2]).double())
    behind = noisy_observables(circuit, torch.tensor([0.5]), Readout(PauliExpectations.of("Z0")), after=0)
    assert behind[0, 0, 0].real.item() == pytest.approx(math.cos(0.5), abs=1e-12)
    with pytest.raises(ConditionsError, match="depends on the sample"):
        noisy_observables(circuit, torch.tensor([0.5]), Readout(PauliExpectations.of("Z0")))


def test_refusals():
    readout, none = Readout(PauliExpectations.of("Z0")), torch.zeros(0)
    with pytest.raises(UsageError, match="9 qubits; the density-matrix simulator takes at most 8"):
        noisy_density(Circuit(9), torch.zeros(1, 0), none)
    for after, qubits in ((3, (0,)), (0, (2,))):
        placed = Placed(after=after, qubits=qubits, channel=bit_flip(0.1))
        with pytest.raises(UsageError, match=r"bit_flip\(0.1\) is placed after gate"):
            noisy_density(BELL, torch.zeros(1, 2), torch.ones(1), (placed,))
    with pytest.raises(UsageError, match="after is 3"):
        noisy_observables(BELL, torch.ones(1), readout, after=3)
    with pytest.raises(InputError, match="weights have shape"):
        noisy_density(BELL, torch.zeros(1, 2), none)
    with pytest.raises(InputError, match="zero vector"):
        noisy_density(Circuit(1, amplitudes=Amplitudes(2)), torch.zeros(1, 2), none)

"""EstimatorQNN, SamplerQNN and TorchConnector: imported as at home, mended, or wrapped for a reason."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from qiskit_readings import FEATURES, WEIGHTS, assert_imported_as_at_home, options_for, read_values, small_network

from counterspin.errors import ModelError
from counterspin.models.integrations.qiskit import claims, read
from counterspin.models.integrations.qiskit.networks import torch_connector_layer
from counterspin.models.integrations.reading import CircuitReading, Unreadable

pytestmark = pytest.mark.slow

GIVEN = {"weights": WEIGHTS}


def parity(outcome: int) -> int:
    return outcome.bit_count() % 2


def test_an_estimator_of_several_observables_is_imported():
    from qiskit.quantum_info import Pauli, SparseObservable, SparsePauliOp

    sums = SparsePauliOp(["ZI", "XY", "II", "IZ"], [0.5, 1.2, -0.3, 0.1])
    modern = SparseObservable.from_list([("ZX", 0.5), ("II", 2.0)])
    network = small_network("EstimatorQNN", observables=[sums, SparsePauliOp("ZI"), modern, Pauli("YI")])
    assert claims(network)
    candidate = read(network, options_for(weights=GIVEN))
    assert (candidate.kind, candidate.values, candidate.features) == ("qiskit.EstimatorQNN", "expectations", 2)
    assert not candidate.stochastic
    assert candidate.reason == "the circuit of EstimatorQNN was read: 2 qubits, 22 gates, 6 weights"
    assert_imported_as_at_home(candidate, FEATURES)
    assert torch.allclose(candidate.home(FEATURES), torch.from_numpy(network.forward(FEATURES.numpy(), WEIGHTS)))


def test_the_default_observable_needs_no_head():
    reading = read(small_network("EstimatorQNN"), options_for(weights=GIVEN)).imported
    assert isinstance(reading, CircuitReading)
    assert reading.head is None
    assert reading.measurement.observables == (((0, "Z"), (1, "Z")),)


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_random_networks_are_imported(seed):
    from qiskit import QuantumCircuit
    from qiskit.circuit import ParameterVector
    from qiskit.quantum_info import SparsePauliOp
    from qiskit_machine_learning.neural_networks import EstimatorQNN

    generator = np.random.default_rng(seed)
    x, t = ParameterVector("x", 2), ParameterVector("a", 3)
    circuit = QuantumCircuit(3)
    one = ["rx", "ry", "rz", "p"]
    two = ["rxx", "ryy", "rzz", "rzx", "crx", "cry", "crz", "cp"]
    angles = [x[0], x[1] * 2, x[0] * x[1], t[0] * x[0] + 1, t[1], t[2] * 3 - t[1], x[1] ** 2, x[0].sin()]
    for angle in angles:
        a, b = generator.permutation(3)[:2].tolist()
        getattr(circuit, one[generator.integers(len(one))])(angle, a)
        circuit.h(b)
        getattr(circuit, two[generator.integers(len(two))])(angle, a, b)
    labels = ["".join(generator.choice(list("IXYZ"), 3)) for _ in range(4)]
    observable = SparsePauliOp(["ZXY", *labels], generator.normal(size=5))
    network = EstimatorQNN(circuit=circuit, observables=observable, input_params=x, weight_params=t)
    candidate = read(network, options_for(weights={"a": generator.normal(size=3)}))
    assert_imported_as_at_home(candidate, FEATURES[:2])


@pytest.mark.parametrize(
    ("interpret", "shape"),
    [
        (parity, 2),
        (lambda k: k % 3, 4),  # value 3 never occurs
        (lambda k: (k % 2, k // 2), (2, 2)),
        (None, None),
        (lambda k: -1 - k % 2, 2),  # indices from the end, as numpy has them
    ],
)
def test_a_sampler_is_imported_with_its_interpretation(interpret, shape):
    network = small_network("SamplerQNN", interpret=interpret, output_shape=shape)
    candidate = read(network, options_for(weights=GIVEN))
    assert (candidate.kind, candidate.values) == ("qiskit.SamplerQNN", "probabilities")
    assert_imported_as_at_home(candidate, FEATURES)
    expected = network.forward(FEATURES.numpy(), WEIGHTS).reshape(len(FEATURES), -1)
    assert candidate.home(FEATURES).numpy() == pytest.approx(expected, abs=1e-12)


def test_measured_qubits_go_where_their_bits_are():
    from qiskit import ClassicalRegister
    from qiskit_machine_learning.neural_networks import SamplerQNN

    network = small_network("SamplerQNN")
    circuit = network.circuit.copy()
    circuit.add_register(ClassicalRegister(2, "meas"))
    circuit.measure([1, 0], [0, 1])
    swapped = SamplerQNN(circuit=circuit, input_params=network.input_params, weight_params=network.weight_params)
    candidate = read(swapped, options_for(weights=GIVEN))
    assert_imported_as_at_home(candidate, FEATURES)
    order = torch.tensor([0, 2, 1, 3])
    plain = read(network, options_for(weights=GIVEN))
    assert torch.allclose(candidate.home(FEATURES)[:, order], plain.home(FEATURES), atol=1e-11)


def test_a_register_of_another_name_is_averaged_over_the_batch_and_mended():
    from qiskit import QuantumCircuit
    from qiskit_machine_learning.neural_networks import SamplerQNN

    network = small_network("SamplerQNN")
    circuit = QuantumCircuit(2, 1)
    circuit.compose(network.circuit, inplace=True)
    circuit.measure(1, 0)
    trap = SamplerQNN(
        circuit=circuit,
        input_params=network.input_params,
        weight_params=network.weight_params,
        interpret=int,
        output_shape=2,
    )
    single = np.concatenate([trap.forward(row[None], WEIGHTS) for row in FEATURES.numpy()])
    assert (
        np.abs(trap.forward(FEATURES.numpy(), WEIGHTS) - single).max() > 0.05
    )  # the library's values depend on the batch
    candidate = read(trap, options_for(weights=GIVEN))
    assert (
        "SamplerQNN averages the outcomes of a register called 'c' over the batch: renamed to 'meas'"
        in candidate.repairs
    )
    assert candidate.home(FEATURES).numpy() == pytest.approx(single, abs=1e-11)
    assert_imported_as_at_home(candidate, FEATURES)


def test_a_connector_is_read_with_its_weights():
    from qiskit_machine_learning.connectors import TorchConnector

    connector = TorchConnector(small_network("EstimatorQNN", input_gradients=True), WEIGHTS)
    assert claims(connector)
    candidate = read(connector, options_for())
    assert candidate.kind == "qiskit.TorchConnector"
    assert_imported_as_at_home(candidate, FEATURES)
    # The connector itself rounds to float32.
    assert torch.allclose(candidate.home(FEATURES), connector(FEATURES).double(), atol=1e-6)
    assert candidate.state is not None
    assert torch.equal(candidate.state()["weight"], connector.weight)


def test_a_connector_as_a_layer_keeps_its_weights_number_for_number():
    from qiskit_machine_learning.connectors import TorchConnector

    connector = TorchConnector(small_network("EstimatorQNN", input_gradients=True), WEIGHTS)
    layer = torch_connector_layer(connector)
    assert layer.weights.tolist() == connector.weight.tolist()
    assert torch.allclose(read_values(layer, FEATURES), connector(FEATURES).double(), atol=1e-6)
    connector(FEATURES).sum().backward()
    weights = layer.weights.clone().requires_grad_()
    moved = CircuitReading(
        circuit=layer.circuit, weights=weights, front=layer.front, measurement=layer.measurement, head=layer.head
    )
    (slope,) = torch.autograd.grad(read_values(moved, FEATURES).sum(), weights)
    assert torch.allclose(slope, connector.weight.grad.double(), atol=1e-5)


def test_a_sampled_connector_is_no_layer():
    from qiskit.primitives import StatevectorSampler
    from qiskit_machine_learning.connectors import TorchConnector

    network = small_network("SamplerQNN", sampler=StatevectorSampler(default_shots=100))
    with pytest.raises(Unreadable, match="StatevectorSampler draws 100 shots"):
        torch_connector_layer(TorchConnector(network, WEIGHTS))


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({}, r"parameters 'θ' are not bound; give their numbers, for example weights=\{'θ': \[...\]\}"),
        ({"weights": WEIGHTS[:5]}, "weights holds 5 numbers; EstimatorQNN takes 6 finite ones"),
        ({"θ": WEIGHTS[:5]}, r"weights\['θ'\] holds 5 numbers; give 6 finite ones"),
        ({"θ": WEIGHTS * np.nan}, r"weights\['θ'\] holds 6 numbers; give 6 finite ones"),
        ({"θ": ["a"] * 6}, r"weights\['θ'\] is list; give real numbers"),
        ({"θ": WEIGHTS, "phi": 1.0}, "weights names 'phi'; the parameters that need numbers are 'θ'"),
    ],
)
def test_weights_that_do_not_fit_are_refused(weights, message):
    with pytest.raises(ModelError, match=message):
        read(small_network("EstimatorQNN"), options_for(weights=weights))


def test_weights_may_be_given_one_by_one():
    by_name = {f"θ[{k}]": float(w) for k, w in enumerate(WEIGHTS)}
    network = small_network("EstimatorQNN")
    given_singly, given_whole = (read(network, options_for(weights=w)).home(FEATURES) for w in (by_name, GIVEN))
    assert torch.equal(given_singly, given_whole)


def test_other_numbers_of_features_are_refused():
    with pytest.raises(ModelError, match=r"x has 3 features; qiskit\.EstimatorQNN takes 2"):
        read(small_network("EstimatorQNN"), options_for(torch.zeros(2, 3), weights=GIVEN))


def test_a_network_without_inputs_is_refused():
    from qiskit.circuit.library import real_amplitudes
    from qiskit_machine_learning.neural_networks import EstimatorQNN

    ansatz = real_amplitudes(2, reps=2)
    network = EstimatorQNN(circuit=ansatz, weight_params=ansatz.parameters)
    with pytest.raises(ModelError, match="has no input parameters; name the parameters of the features"):
        read(network, options_for(weights=GIVEN))


def test_a_circuit_nobody_can_run_is_refused_by_name():
    from qiskit.circuit import Instruction
    from qiskit_machine_learning.neural_networks import EstimatorQNN

    network = small_network("EstimatorQNN")
    circuit = network.circuit.copy()
    circuit.append(Instruction("oracle", 1, 0, []), [0])
    opaque = EstimatorQNN(circuit=circuit, input_params=network.input_params, weight_params=network.weight_params)
    with pytest.raises(ModelError, match=r"instruction 'oracle' has no definition.*nor can the library run it"):
        read(opaque, options_for(weights=GIVEN))


def test_an_index_outside_the_output_is_refused():
    network = small_network("SamplerQNN", interpret=lambda k: k, output_shape=2)
    with pytest.raises(ModelError, match=r"interpret gives 2 for outcome 2; output_shape is \(2,\)"):
        read(network, options_for(weights=GIVEN))


def test_a_transpiled_sampler_reads_what_the_library_reads():
    from qiskit import transpile
    from qiskit.transpiler import CouplingMap
    from qiskit_machine_learning.neural_networks import SamplerQNN

    network = small_network("SamplerQNN")
    circuit = transpile(
        network.circuit,
        basis_gates=["rz", "sx", "x", "cx"],
        coupling_map=CouplingMap.from_line(4),
        initial_layout=[2, 1],
        optimization_level=0,
    )
    physical = SamplerQNN(
        circuit=circuit,
        input_params=network.input_params,
        weight_params=network.weight_params,
        interpret=lambda k: k,
        output_shape=4,
    )
    candidate = read(physical, options_for(weights=GIVEN))
    # The library's gradient counts outcomes of physical qubits: here it fails, with fewer classes it would be wrong.
    assert not candidate.home_differentiable
    assert candidate.repairs == (
        "the circuit is transpiled to physical qubits, whose outcomes SamplerQNN counts in its gradient but not in its "
        "values: that gradient is not used",
    )
    reading, plain = candidate.imported, read(network, options_for(weights=GIVEN)).imported
    assert isinstance(reading, CircuitReading)
    assert isinstance(plain, CircuitReading)
    assert reading.circuit.qubits == 2
    assert torch.allclose(read_values(reading, FEATURES), candidate.home(FEATURES), rtol=0, atol=1e-11)
    assert torch.allclose(read_values(reading, FEATURES), read_values(plain, FEATURES), rtol=0, atol=1e-13)


def test_a_circuit_of_random_outcomes_is_refused():
    from qiskit_machine_learning.neural_networks import EstimatorQNN

    network = small_network("EstimatorQNN")
    circuit = network.circuit.copy()
    circuit.reset(1)
    random = EstimatorQNN(circuit=circuit, input_params=network.input_params, weight_params=network.weight_params)
    with pytest.raises(ModelError, match="cannot be used: it resets qubit 1 after other gates"):
        read(random, options_for(weights=GIVEN))


def test_weights_that_are_no_numbers_are_refused():
    with pytest.raises(ModelError, match="is a list that holds no numbers"):
        read(small_network("EstimatorQNN"), options_for(weights={"weights": ["a"] * 6}))

"""Quantum support vector machines: differentiable once imported, with the library's decision function."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from qiskit_readings import FEATURES, options_for

from counterspin.errors import ModelError
from counterspin.models import KernelClassifier
from counterspin.models.integrations.adopt import adopt
from counterspin.models.integrations.qiskit import claims, read
from counterspin.models.mapped_kernel import MappedKernelClassifier

pytestmark = pytest.mark.slow


def cancer(features: int = 2) -> tuple[np.ndarray, np.ndarray]:
    from sklearn.datasets import load_breast_cancer

    x, y = load_breast_cancer(return_X_y=True)
    x = (x - x.min(axis=0)) / (x.max(axis=0) - x.min(axis=0))
    return x[::28, :features], y[::28]


def statevector_kernel(circuit=None, **options):
    from qiskit.circuit.library import zz_feature_map
    from qiskit_machine_learning.kernels import FidelityStatevectorKernel

    return FidelityStatevectorKernel(feature_map=zz_feature_map(2) if circuit is None else circuit, **options)


def fitted_qsvc(kernel, x, y, **options):
    from qiskit_machine_learning.algorithms import QSVC

    return QSVC(quantum_kernel=kernel, **options).fit(x, y)


def near(x: np.ndarray) -> torch.Tensor:
    """Points that are no training samples."""
    return torch.from_numpy(0.9 * x[:5] + 0.03)


def assert_decides_as(model, machine, x: torch.Tensor) -> None:
    """The margin of class 1 against the decision function, and its gradient against central differences of that."""
    scores = model(x)
    assert torch.allclose(
        scores[:, 1] - scores[:, 0], torch.from_numpy(machine.decision_function(x.numpy())), atol=1e-10
    )
    leaf = x.clone().requires_grad_()
    (slope,) = torch.autograd.grad((model(leaf)[:, 1] - model(leaf)[:, 0]).sum(), leaf)
    for feature in range(x.shape[1]):
        step = torch.zeros(x.shape[1], dtype=torch.float64)
        step[feature] = 1e-4
        ends = [machine.decision_function((x + sign * step).numpy()) for sign in (1, -1)]
        assert slope[:, feature].numpy() == pytest.approx((ends[0] - ends[1]) / 2e-4, abs=1e-5)
    assert float(slope.abs().max()) > 1e-2


def test_a_fitted_qsvc_is_its_decision_function():
    from qiskit.circuit.library import zz_feature_map
    from qiskit_machine_learning.kernels import FidelityQuantumKernel

    x, y = cancer()
    machine = fitted_qsvc(FidelityQuantumKernel(feature_map=zz_feature_map(2)), x, y)
    assert claims(machine)
    candidate = read(machine, options_for(near(x)))
    assert (candidate.kind, candidate.values, candidate.above) == ("qiskit.QSVC", "logits", 1)
    assert candidate.reason == f"the feature map and {len(machine.support_)} support vectors of QSVC were read"
    assert isinstance(candidate.imported, MappedKernelClassifier)
    assert_decides_as(candidate.imported, machine, near(x))
    assert torch.equal(candidate.home(near(x))[:, 0], torch.from_numpy(machine.decision_function(near(x).numpy())))


def test_an_adopted_qsvc_has_a_gradient():
    x, y = cancer()
    machine = fitted_qsvc(statevector_kernel(), x, y)
    adopted = adopt(machine, x, bounds=(0, 1))
    assert adopted.route.route == "imported"
    assert adopted.model.bounds.lower.tolist() == [0.0, 0.0]
    assert adopted.route.gradient_check is not None
    assert adopted.route.gradient_check.passed
    assert adopted.model(torch.from_numpy(x)).argmax(dim=1).tolist() == machine.predict(x).tolist()


def test_plain_angles_and_amplitudes_need_no_map():
    from qiskit.circuit.library import real_amplitudes
    from qiskit_machine_learning.circuit.library import raw_feature_vector

    for circuit, features in ((real_amplitudes(2, reps=0), 2), (raw_feature_vector(4), 4)):
        x, y = cancer(features)
        x = x + 0.2
        machine = fitted_qsvc(statevector_kernel(circuit), x, y)
        imported = read(machine, options_for(near(x))).imported
        assert isinstance(imported, KernelClassifier)
        assert_decides_as(imported, machine, near(x))


def test_scikit_learn_machines_with_a_quantum_kernel_and_their_labels():
    from sklearn.svm import SVC

    x, y = cancer()
    machine = SVC(kernel=statevector_kernel().evaluate).fit(x, 3 - 5 * y)
    assert claims(machine)
    assert not claims(SVC())
    candidate = read(machine, options_for(near(x)))
    assert candidate.kind == "qiskit.SVC"
    assert candidate.reason.endswith("; class 0 is label -2, class 1 is label 3")
    assert_decides_as(candidate.imported, machine, near(x))


def test_pegasos_calls_the_smaller_label_positive():
    from qiskit_machine_learning.algorithms import PegasosQSVC

    x, y = cancer()
    machine = PegasosQSVC(quantum_kernel=statevector_kernel(), C=50, num_steps=40, seed=3).fit(x, y)
    candidate = read(machine, options_for(torch.from_numpy(x)))
    assert candidate.above == 0
    adopted = adopt(machine, x)
    assert adopted.route.route == "imported"
    scores = adopted.model(torch.from_numpy(x))
    decision = torch.from_numpy(machine.decision_function(x))
    assert torch.allclose(scores[:, 0] - scores[:, 1], decision, rtol=1e-10)
    assert scores.argmax(dim=1).tolist() == machine.predict(x).tolist()
    assert len(set(machine.predict(x).tolist())) == 2


def test_trained_kernels_are_read_with_their_numbers():
    from qiskit import QuantumCircuit
    from qiskit.circuit import ParameterVector
    from qiskit_machine_learning.kernels import TrainableFidelityStatevectorKernel

    trained, features = ParameterVector("t", 2), ParameterVector("x", 2)
    circuit = QuantumCircuit(2)
    for qubit in range(2):
        circuit.rx(features[qubit], qubit)
        circuit.ry(trained[qubit], qubit)
        circuit.rx(2 * features[qubit], qubit)
    circuit.cx(0, 1)
    kernel = TrainableFidelityStatevectorKernel(feature_map=circuit, training_parameters=trained)
    kernel.assign_training_parameters([0.7, -0.4])
    x, y = cancer()
    machine = fitted_qsvc(kernel, x, y)
    assert_decides_as(read(machine, options_for(near(x))).imported, machine, near(x))


def test_several_classes_vote_and_are_wrapped():
    from sklearn.datasets import load_iris

    x, y = load_iris(return_X_y=True)
    x, y = x[::8, :2] / 4, y[::8]
    machine = fitted_qsvc(statevector_kernel(), x, y)
    candidate = read(machine, options_for(torch.from_numpy(x)))
    assert candidate.imported is None
    assert "lets pairs of them vote" in candidate.reason
    assert candidate.values == "logits"
    assert candidate.home(torch.from_numpy(x)).argmax(dim=1).tolist() == machine.predict(x).tolist()
    pairs = fitted_qsvc(statevector_kernel(), x, y, decision_function_shape="ovo")
    labels = read(pairs, options_for(torch.from_numpy(x)))
    assert labels.values == "labels"
    assert labels.home(torch.from_numpy(x))[:, 0].tolist() == pairs.predict(x).tolist()


def test_sampled_kernels_are_wrapped_as_random():
    from qiskit.circuit.library import zz_feature_map
    from qiskit.primitives import StatevectorSampler
    from qiskit_machine_learning.kernels import FidelityQuantumKernel
    from qiskit_machine_learning.state_fidelities import ComputeUncompute

    x, y = cancer()
    sampled = FidelityQuantumKernel(
        feature_map=zz_feature_map(2), fidelity=ComputeUncompute(sampler=StatevectorSampler(default_shots=50))
    )
    for kernel, shots in ((sampled, "StatevectorSampler draws 50"), (statevector_kernel(shots=20), "draws 20")):
        candidate = read(fitted_qsvc(kernel, x[:8], y[:8]), options_for(near(x)))
        assert candidate.imported is None
        assert candidate.stochastic
        assert candidate.reason.startswith("its kernel is sampled: ")
        assert shots in candidate.reason


def test_a_local_fidelity_is_wrapped():
    from qiskit.circuit.library import zz_feature_map
    from qiskit_machine_learning.kernels import FidelityQuantumKernel
    from qiskit_machine_learning.primitives import QMLSampler
    from qiskit_machine_learning.state_fidelities import ComputeUncompute

    x, y = cancer()
    local = ComputeUncompute(sampler=QMLSampler(), local=True)
    machine = fitted_qsvc(FidelityQuantumKernel(feature_map=zz_feature_map(2), fidelity=local), x[:8], y[:8])
    candidate = read(machine, options_for(near(x)))
    assert candidate.imported is None
    assert candidate.reason == "the kernel cannot be imported: its fidelity is not that of whole states"


def test_machines_that_cannot_be_used_are_refused():
    from qiskit_machine_learning.algorithms import QSVC, PegasosQSVC

    x, y = cancer()
    with pytest.raises(ModelError, match=r"qiskit\.QSVC is not fitted; call its fit first"):
        read(QSVC(quantum_kernel=statevector_kernel()), options_for())
    with pytest.raises(ModelError, match=r"qiskit\.PegasosQSVC is not fitted"):
        read(PegasosQSVC(quantum_kernel=statevector_kernel()), options_for())
    with pytest.raises(ModelError, match="works on precomputed kernel matrices"):
        read(QSVC(quantum_kernel="precomputed"), options_for())
    with pytest.raises(ModelError, match=r"x has 3 features; qiskit\.QSVC was fitted on 2"):
        read(fitted_qsvc(statevector_kernel(), x, y), options_for(torch.zeros(2, 3)))
    with pytest.raises(ModelError, match="FidelityStatevectorKernel of qiskit_machine_learning is no classifier"):
        read(statevector_kernel(), options_for(FEATURES))

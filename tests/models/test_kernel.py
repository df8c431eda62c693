"""Fidelity-kernel machines: scikit-learn as the oracle, and the observables they are."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.multiclass import OneVsRestClassifier
from sklearn.svm import SVC

from counterspin.circuits import Circuit, amplitude_encoding, angle_encoding, feature, strongly_entangling, weight
from counterspin.datasets.digits import digits
from counterspin.errors import ConditionsError, InputError, ModelError
from counterspin.models.kernel import KernelClassifier, fidelity_kernel
from counterspin.simulation import final_states
from counterspin.types import Box, Classifier, HasCircuit, HasEffectiveObservables, HasStates


def _data(seed, classes, samples=30, features=4):
    generator = torch.Generator().manual_seed(seed)
    x = torch.rand(samples, features, generator=generator, dtype=torch.float64)
    y = x[:, :classes].argmax(dim=1)
    return x, y, Box.uniform(0, 1, features=features)


def _angle_map(qubits):
    circuit = angle_encoding(qubits, scale=2.0)
    for qubit in range(qubits - 1):
        circuit = circuit.add("CNOT", (qubit, qubit + 1)).add("RZ", qubit + 1, feature(qubit) * weight(0) + 0.3)
    return circuit.add("RX", 0, feature(qubits - 1))


def _machine(classes, c=2.0):
    machine = SVC(kernel="precomputed", C=c)
    return machine if classes == 2 else OneVsRestClassifier(machine)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10**6), classes=st.integers(2, 4), angles=st.booleans())
def test_scores_are_the_decision_function_of_scikit_learn(seed, classes, angles):
    x, y, box = _data(seed, classes)
    if len(torch.unique(y)) < classes:
        return
    circuit = _angle_map(4) if angles else amplitude_encoding(4)
    weights = torch.tensor([1.7], dtype=torch.float64) if angles else torch.zeros(0, dtype=torch.float64)
    states = final_states(circuit, x, weights)
    estimator = _machine(classes).fit(fidelity_kernel(states, states).numpy(), y.numpy())
    model = KernelClassifier.from_sklearn(estimator, circuit, x, box, weights=weights)
    new = _data(seed + 1, classes)[0]
    gram = fidelity_kernel(final_states(circuit, new, weights), states).numpy()
    expected = estimator.decision_function(gram)
    scores = model(new).numpy()
    if classes == 2:
        np.testing.assert_allclose(scores[:, 1] - scores[:, 0], expected, rtol=0, atol=1e-10)
        np.testing.assert_allclose(scores.sum(axis=1), 0, atol=1e-10)
    else:
        np.testing.assert_allclose(scores, expected, rtol=0, atol=1e-10)
    np.testing.assert_array_equal(scores.argmax(axis=1), estimator.predict(gram))


@pytest.mark.parametrize("angles", [False, True])
def test_observables_read_the_final_states(angles):
    x, y, box = _data(0, 3)
    circuit = _angle_map(4) if angles else amplitude_encoding(4)
    weights = torch.tensor([1.7], dtype=torch.float64) if angles else None
    model = KernelClassifier.fit(circuit, x, y, box, weights=weights)
    observables = model.observables()
    torch.testing.assert_close(observables, observables.mH, rtol=0, atol=1e-14)
    states = final_states(model.circuit, x, model.weights)
    expected = torch.einsum("bi,kij,bj->bk", states.conj(), observables, states).real
    torch.testing.assert_close(model(x), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("complex_data", [False, True])
def test_amplitude_kernels_are_quadratic_forms(complex_data):
    features = 6
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(30, features, generator=generator, dtype=torch.float64).clamp(-3, 3)
    y = (x[:, 0] * x[:, 3] > 0).long()
    length = features // 2 if complex_data else features
    circuit = amplitude_encoding(length, complex_data=complex_data)
    model = KernelClassifier.fit(circuit, x, y, Box.uniform(-3, 3, features=features), c=10.0)
    assert isinstance(model, HasEffectiveObservables)
    torch.testing.assert_close(model.effective_observables().scores(x), model(x), rtol=1e-11, atol=1e-11)


def test_a_fixed_unitary_after_the_encoding_changes_nothing():
    x, y, box = _data(5, 3)
    circuit = amplitude_encoding(4) + strongly_entangling(2, 2)
    weights = torch.linspace(0, 3, circuit.weights, dtype=torch.float64)
    turned, plain = (
        KernelClassifier.fit(circuit, x, y, box, weights=weights),
        KernelClassifier.fit(amplitude_encoding(4), x, y, box),
    )
    assert turned.circuit.gates == ()
    torch.testing.assert_close(turned(x), plain(x), rtol=1e-10, atol=1e-10)


def test_digits():
    data = digits()
    model = KernelClassifier.fit(amplitude_encoding(64), data.train.x, data.train.y, data.bounds, c=10.0)
    accuracy = (model(data.test.x).argmax(dim=1) == data.test.y).double().mean()
    assert accuracy > 0.96
    print(f"fidelity-kernel machine on digits: {accuracy:.4f} of 360 test images")


def test_gradient_and_precision():
    x, y, box = _data(1, 2)
    model = KernelClassifier.fit(_angle_map(4), x, y, box, weights=torch.ones(1))
    torch.autograd.gradcheck(model, x[:2].clone().requires_grad_())
    single = model(x.float())
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double(), model(x), rtol=0, atol=1e-4)


def test_capabilities():
    x, y, box = _data(1, 2)
    model = KernelClassifier.fit(amplitude_encoding(4), x, y, box)
    assert isinstance(model, Classifier)
    assert isinstance(model, HasStates)
    # Its readout is a Hermitian matrix per class, which no `Readout` describes.
    assert not isinstance(model, HasCircuit)
    assert (model.classes, model.outputs) == (2, "logits")


def test_configuration_and_tensors_give_the_model_back():
    x, y, box = _data(2, 3)
    model = KernelClassifier.fit(_angle_map(4), x, y, box, weights=torch.ones(1))
    again = KernelClassifier.from_config(model.config())
    again.load_state_dict(model.state_dict(), assign=True)
    torch.testing.assert_close(again(x), model(x), rtol=0, atol=0)


def test_one_against_one_is_refused_by_name():
    x, y, box = _data(0, 3)
    states = final_states(amplitude_encoding(4), x, torch.zeros(0))
    gram = fidelity_kernel(states, states).numpy()
    voting = SVC(kernel="precomputed", decision_function_shape="ovr").fit(gram, y.numpy())
    with pytest.raises(ConditionsError, match=r"one-vs-one machine of 3 classes: it votes"):
        KernelClassifier.from_sklearn(voting, amplitude_encoding(4), x, box)


def test_other_machines_and_data_are_refused():
    x, y, box = _data(0, 2)
    circuit = amplitude_encoding(4)
    states = final_states(circuit, x, torch.zeros(0))
    gram = fidelity_kernel(states, states).numpy()
    with pytest.raises(ConditionsError, match="precomputed"):
        KernelClassifier.from_sklearn(SVC(kernel="rbf").fit(x.numpy(), y.numpy()), circuit, x, box)
    with pytest.raises(InputError, match="not fitted"):
        KernelClassifier.from_sklearn(SVC(kernel="precomputed"), circuit, x, box)
    with pytest.raises(InputError, match=r"labels are \[1, 2\]"):
        KernelClassifier.from_sklearn(SVC(kernel="precomputed").fit(gram, y.numpy() + 1), circuit, x, box)
    with pytest.raises(InputError, match="x has 29 samples"):
        KernelClassifier.from_sklearn(SVC(kernel="precomputed").fit(gram, y.numpy()), circuit, x[1:], box)
    with pytest.raises(InputError, match="no sample of class 1"):
        KernelClassifier.fit(circuit, x, 2 * y, box)


def test_data_in_gate_angles_have_no_effective_observables():
    x, y, box = _data(1, 2)
    model = KernelClassifier.fit(_angle_map(4), x, y, box, weights=torch.ones(1))
    with pytest.raises(ConditionsError, match="gate angles"):
        model.effective_observables()


def test_parts_that_do_not_fit_are_refused():
    states, alpha, b = torch.eye(4), torch.ones(2, 4), torch.zeros(2)
    box = Box.uniform(0, 1, features=4)
    for bad in ((states[:3], alpha, b), (states, alpha[:1], b[:1]), (torch.eye(4)[:, :2], alpha, b)):
        with pytest.raises(ModelError):
            KernelClassifier(amplitude_encoding(4), torch.zeros(0), *bad, box)
    with pytest.raises(ModelError, match="bounds cover 3"):
        KernelClassifier(
            Circuit(2, amplitudes=amplitude_encoding(4).amplitudes), torch.zeros(0), states, alpha, b, Box.unbounded(3)
        )

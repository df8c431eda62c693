"""Fitted VQC and NeuralNetworkClassifier on real data: imported, with the library's predictions."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from qiskit_readings import WEIGHTS, assert_imported_as_at_home, options_for, small_network

from counterspin.errors import ModelError
from counterspin.models.integrations.adopt import adopt
from counterspin.models.integrations.qiskit import claims, read

pytestmark = pytest.mark.slow


def cancer() -> tuple[np.ndarray, np.ndarray]:
    """Thirty samples of the breast cancer data: two features scaled to [0, 1], labels 0 and 1."""
    from sklearn.datasets import load_breast_cancer

    x, y = load_breast_cancer(return_X_y=True)
    x = (x - x.min(axis=0)) / (x.max(axis=0) - x.min(axis=0))
    return x[::19, :2], y[::19]


def fitted_vqc(y: np.ndarray, x: np.ndarray, **options):
    from qiskit.circuit.library import real_amplitudes, zz_feature_map
    from qiskit_machine_learning.algorithms import VQC
    from qiskit_machine_learning.optimizers import COBYLA

    classifier = VQC(
        feature_map=zz_feature_map(2),
        ansatz=real_amplitudes(2, reps=1),
        optimizer=COBYLA(maxiter=8),
        initial_point=np.full(4, 0.4),
        **options,
    )
    classifier.fit(x, y)
    return classifier


def test_a_fitted_vqc_is_imported_with_its_predictions():
    x, y = cancer()
    classifier = fitted_vqc(y, x)
    assert claims(classifier)
    candidate = read(classifier, options_for(torch.from_numpy(x)))
    assert (candidate.kind, candidate.values) == ("qiskit.VQC", "probabilities")
    assert candidate.reason == "the circuit of SamplerQNN was read: 2 qubits, 19 gates, 4 weights"
    assert_imported_as_at_home(candidate, torch.from_numpy(x[:4]))
    adopted = adopt(classifier, x, bounds=(0, 1))
    assert adopted.route.route == "imported"
    assert adopted.model.outputs == "probabilities"
    predicted = adopted.model(torch.from_numpy(x)).argmax(dim=1)
    assert predicted.tolist() == classifier.predict(x).tolist()
    assert set(predicted.tolist()) == {0, 1}


def test_names_of_classes_are_told():
    x, y = cancer()
    classifier = fitted_vqc(np.array(["no", "yes"])[y], x)
    candidate = read(classifier, options_for(torch.from_numpy(x)))
    assert candidate.reason.endswith("; class 0 is label 'no', class 1 is label 'yes'")
    predicted = candidate.home(torch.from_numpy(x)).argmax(dim=1)
    assert [["no", "yes"][k] for k in predicted.tolist()] == classifier.predict(x).tolist()


def test_three_classes_of_a_vqc():
    from sklearn.datasets import load_iris

    x, y = load_iris(return_X_y=True)
    x, y = x[::6, :2] / 4, y[::6]
    classifier = fitted_vqc(y, x, output_shape=3, interpret=lambda k: k % 3)
    adopted = adopt(classifier, x, bounds=(0, 3))
    assert (adopted.route.route, adopted.model.classes) == ("imported", 3)
    predicted = adopted.model(torch.from_numpy(x)).argmax(dim=1)
    assert predicted.tolist() == classifier.predict(x).tolist()


def test_a_single_output_above_zero_is_class_one():
    from qiskit_machine_learning.algorithms import NeuralNetworkClassifier
    from qiskit_machine_learning.optimizers import COBYLA

    x, y = cancer()
    x = 3 * x
    classifier = NeuralNetworkClassifier(
        small_network("EstimatorQNN"), optimizer=COBYLA(maxiter=8), initial_point=WEIGHTS
    )
    classifier.fit(x, 2 * y - 1)
    candidate = read(classifier, options_for(torch.from_numpy(x)))
    assert (candidate.kind, candidate.above) == ("qiskit.NeuralNetworkClassifier", 1)
    assert candidate.reason.endswith("; class 0 is label -1, class 1 is label 1")
    assert_imported_as_at_home(candidate, torch.from_numpy(x[:4]))
    predicted = adopt(classifier, x).model(torch.from_numpy(x)).argmax(dim=1)
    assert (2 * predicted - 1).tolist() == classifier.predict(x)[:, 0].tolist()
    assert len(set(predicted.tolist())) == 2


def test_an_unfitted_classifier_is_refused():
    from qiskit.circuit.library import real_amplitudes, zz_feature_map
    from qiskit_machine_learning.algorithms import VQC

    with pytest.raises(ModelError, match=r"qiskit\.VQC is not fitted, so it has no weights; call its fit first"):
        read(VQC(feature_map=zz_feature_map(2), ansatz=real_amplitudes(2)), options_for())


def test_a_network_of_another_kind_is_wrapped():
    from qiskit_machine_learning.algorithms import NeuralNetworkClassifier
    from qiskit_machine_learning.neural_networks import NeuralNetwork
    from qiskit_machine_learning.optimizers import COBYLA

    class Plain(NeuralNetwork):
        """A logistic-like unit without a circuit."""

        def _forward(self, input_data, weights):
            return np.tanh(input_data @ weights[:, None])

        def _backward(self, input_data, weights):
            slope = 1 - np.tanh(input_data @ weights) ** 2
            return slope[:, None, None] * weights, slope[:, None, None] * input_data[:, None, :]

    x, y = cancer()
    network = Plain(num_inputs=2, num_weights=2, sparse=False, output_shape=1, input_gradients=True)
    classifier = NeuralNetworkClassifier(network, optimizer=COBYLA(maxiter=5)).fit(x, 2 * y - 1)
    candidate = read(classifier, options_for(torch.from_numpy(x)))
    assert candidate.imported is None
    assert "Plain is no network with a circuit" in candidate.reason
    assert adopt(classifier, x).route.gradient_check.passed

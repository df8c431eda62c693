"""Machines on a precomputed kernel: told the kernel, they take features again; fidelities are imported."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.multiclass import OneVsRestClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC

from counterspin.circuits import Circuit, feature, reuploading, weight
from counterspin.errors import ModelError
from counterspin.models import KernelClassifier
from counterspin.models.integrations.reading import Options
from counterspin.models.integrations.sklearn_estimators import read
from counterspin.models.integrations.sklearn_kernels import is_precomputed, kernel_of

IRIS, KINDS = load_iris(return_X_y=True)
TENSOR = torch.from_numpy(IRIS)
TWO = KINDS < 2
TRAIN, TEST = IRIS[TWO][::2], IRIS[TWO][1::2]
LABELS = KINDS[TWO][::2]


def feature_map() -> Circuit:
    circuit = Circuit(4)
    for qubit in range(4):
        circuit = circuit.add("H", qubit).add("RZ", qubit, 0.7 * feature(qubit)).add("RY", qubit, feature(qubit))
    for qubit in range(3):
        circuit = circuit.add("CZ", (qubit, qubit + 1))
    return circuit


def fidelities(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Of the feature map above, qubit by qubit: CZ gates do not change a fidelity."""

    def states(x: np.ndarray) -> np.ndarray:
        a, c, s = 0.35 * x, np.cos(x / 2), np.sin(x / 2)
        zero, one = np.exp(-1j * a), np.exp(1j * a)
        return np.stack([c * zero - s * one, s * zero + c * one], axis=-1) / np.sqrt(2)

    overlaps = np.einsum("iqs,jqs->ijq", states(first).conj(), states(second))
    return np.abs(overlaps.prod(axis=2)) ** 2


def test_a_machine_on_fidelities_is_read_as_states() -> None:
    machine = SVC(kernel="precomputed").fit(fidelities(TRAIN, TRAIN), LABELS)
    options = Options(x=torch.from_numpy(TEST), weights={"circuit": feature_map(), "x": TRAIN})
    found = read(machine, options)
    expected = machine.decision_function(fidelities(TEST, TRAIN))
    assert found.kind == "sklearn.SVC"
    assert found.above == 1
    np.testing.assert_allclose(found.home(options.x)[:, 0].numpy(), expected, rtol=0, atol=1e-12)
    assert isinstance(found.imported, KernelClassifier)
    scores = found.imported(options.x)
    np.testing.assert_allclose((scores[:, 1] - scores[:, 0]).numpy(), expected, rtol=0, atol=1e-10)
    assert f"its {len(machine.support_)} support vectors were read" in found.reason


def test_one_against_the_rest_and_other_labels() -> None:
    train, test = IRIS[::2], TENSOR[1::2]
    machine = OneVsRestClassifier(SVC(kernel="precomputed")).fit(fidelities(train, train), KINDS[::2])
    found = read(machine, Options(x=test, weights={"circuit": feature_map(), "x": train}))
    expected = machine.decision_function(fidelities(test.numpy(), train))
    assert isinstance(found.imported, KernelClassifier)
    np.testing.assert_allclose(found.imported(test).numpy(), expected, rtol=0, atol=1e-10)

    signs = SVC(kernel="precomputed").fit(fidelities(TRAIN, TRAIN), 2 * LABELS - 1)
    found = read(signs, Options(x=torch.from_numpy(TEST), weights={"circuit": feature_map(), "x": TRAIN}))
    assert isinstance(found.imported, KernelClassifier)
    predicted = found.imported(torch.from_numpy(TEST)).argmax(dim=1).numpy()
    np.testing.assert_array_equal(2 * predicted - 1, signs.predict(fidelities(TEST, TRAIN)))
    assert "labels -1, 1 count as classes 0…1" in found.repairs[0]
    assert signs.classes_.tolist() == [-1, 1]


def test_votes_of_three_classes_stay_a_black_box() -> None:
    train, test = IRIS[::2], IRIS[1::2]
    machine = SVC(kernel="precomputed").fit(fidelities(train, train), KINDS[::2])
    found = read(machine, Options(x=torch.from_numpy(test), weights={"circuit": feature_map(), "x": train}))
    assert found.imported is None
    assert "one-vs-one machine of 3 classes: it votes" in found.reason
    predicted = found.home(torch.from_numpy(test)).argmax(dim=1).numpy()
    np.testing.assert_array_equal(predicted, machine.predict(fidelities(test, train)))


def test_a_kernel_given_as_a_function_is_called() -> None:
    machine = SVC(kernel="precomputed").fit(rbf_kernel(TRAIN, TRAIN), LABELS)
    found = read(machine, Options(x=torch.from_numpy(TEST), weights={"kernel": rbf_kernel, "x": TRAIN}))
    expected = machine.decision_function(rbf_kernel(TEST, TRAIN))
    np.testing.assert_allclose(found.home(torch.from_numpy(TEST))[:, 0].numpy(), expected, rtol=0, atol=1e-12)
    assert found.imported is None
    assert "its kernel is a function" in found.reason


def test_weights_of_the_feature_map() -> None:
    circuit = Circuit(1).add("RY", 0, feature(0) * weight(0))
    x = np.linspace(0, 3, 12)[:, None]
    kernel = np.cos(0.4 * (x - x.T)) ** 2  # of angles 0.8 x
    machine = SVC(kernel="precomputed").fit(kernel, (x[:, 0] > 1.5).astype(int))
    found = read(machine, Options(x=torch.from_numpy(x), weights={"circuit": circuit, "x": x, "weights": [0.8]}))
    np.testing.assert_allclose(found.home(torch.from_numpy(x))[:, 0], machine.decision_function(kernel), atol=1e-12)


def test_which_estimators_take_a_matrix() -> None:
    assert is_precomputed(SVC(kernel="precomputed"))
    assert is_precomputed(KNeighborsClassifier(metric="precomputed"))
    assert is_precomputed(OneVsRestClassifier(SVC(kernel="precomputed")).fit(rbf_kernel(IRIS), KINDS))
    assert not is_precomputed(SVC(kernel=rbf_kernel))
    assert not is_precomputed(LogisticRegression())


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({}, r"takes no features; say which kernel it was: weights=\{'circuit'.*given: nothing"),
        ({"x": TRAIN}, "given: x"),
        ({"x": TRAIN, "circuit": feature_map(), "kernel": rbf_kernel}, "given: x, circuit, kernel"),
        ({"x": TRAIN, "circuit": feature_map(), "gamma": 1.0}, "given: x, circuit, gamma"),
        ({"x": TRAIN[:9], "circuit": feature_map()}, r"of 50 samples and weights\['x'\] has 9; give the same ones"),
        ({"x": TRAIN, "circuit": "zz"}, "weights\\['circuit'\\] is a str; give a counterspin Circuit"),
        ({"x": TRAIN, "circuit": reuploading(4, 1)}, r"weights\['weights'\] has shape \(0,\); the feature map takes"),
        ({"x": TRAIN[:, :3], "circuit": feature_map()}, "has 3 features; the feature map in weights.* takes 4"),
    ],
)
def test_what_is_missing_is_asked_for(said: dict, message: str) -> None:
    machine = SVC(kernel="precomputed").fit(fidelities(TRAIN, TRAIN), LABELS)
    with pytest.raises(ModelError, match=message):
        kernel_of(machine, said)


def test_samples_of_another_kind_are_refused() -> None:
    machine = SVC(kernel="precomputed").fit(fidelities(TRAIN, TRAIN), LABELS)
    with pytest.raises(ModelError, match=r"weights\['x'\] has 4 features and x has 2; give samples of one kind"):
        read(machine, Options(x=torch.zeros(3, 2).double(), weights={"circuit": feature_map(), "x": TRAIN}))

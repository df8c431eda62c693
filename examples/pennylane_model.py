"""A PennyLane QNode that tells benign from malignant tumours: angle encoding, entangling layers, trained weights."""

import numpy as np
import pennylane as qml
from sklearn.datasets import load_breast_cancer
from sklearn.preprocessing import minmax_scale

data = load_breast_cancer()
x, y, bounds = minmax_scale(data.data)[:, [7, 20, 22, 27]], data.target, (0, 1)
weights = np.array(
    [
        [[-1.57, 0.2, 0.64], [1.57, -0.32, 0.36], [-0.76, 0.14, -0.83], [-1.34, 0.81, -0.16]],
        [[-2.33, -0.22, -1.25], [-0.73, -0.54, -0.32], [0.01, 0.79, -0.13], [1.37, -0.67, 0.35]],
    ]
)


@qml.qnode(qml.device("default.qubit", wires=4), interface="torch")
def qnode(inputs, weights):
    """Positive for benign, class 1."""
    qml.AngleEmbedding(np.pi * inputs, wires=range(4))
    qml.StronglyEntanglingLayers(weights, wires=range(4))
    return qml.expval(qml.PauliZ(0))

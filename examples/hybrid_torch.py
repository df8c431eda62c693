"""A hybrid network for handwritten digits, 0 to 3: a linear front, a PennyLane layer, a linear head."""

import pennylane as qml
import torch
from sklearn.datasets import load_digits

data = load_digits(n_class=4)
x, y, bounds = data.data / 16, data.target, (0, 1)


@qml.qnode(qml.device("default.qubit", wires=4), interface="torch")
def circuit(inputs, weights):  # noqa: D103
    qml.AngleEmbedding(inputs, wires=range(4))
    qml.StronglyEntanglingLayers(weights, wires=range(4))
    return [qml.expval(qml.PauliZ(wire)) for wire in range(4)]


torch.manual_seed(0)
layer = qml.qnn.TorchLayer(circuit, {"weights": (2, 4, 3)})
model = torch.nn.Sequential(torch.nn.Linear(64, 4), layer, torch.nn.Linear(4, 4))
optimizer, inputs = torch.optim.Adam(model.parameters(), lr=0.05), torch.tensor(x).float()
for _ in range(60):
    optimizer.zero_grad()
    torch.nn.functional.cross_entropy(model(inputs), torch.tensor(y)).backward()
    optimizer.step()

"""Quantum layers of hybrid modules run here: same values, same gradients, same state_dict."""

import pytest
import torch
from torch import nn

from counterspin.errors import InputError, ModelError
from counterspin.models.integrations.accelerate import Replacement, accelerate, replacements
from counterspin.models.integrations.layer import ImportedLayer, affine_weights

QUBITS = 4


@pytest.mark.slow
def test_a_module_without_quantum_layers_is_copied():
    module = nn.Sequential(nn.Linear(3, 2), nn.Tanh())
    x = torch.rand(4, 3)
    fast = accelerate(module, x)
    assert fast is not module
    assert replacements(fast) == ()
    torch.testing.assert_close(fast(x), module(x))


def test_one_sample_is_not_enough():
    with pytest.raises(InputError, match="give at least 2 samples"):
        accelerate(nn.Linear(3, 2), torch.rand(1, 3))


def test_a_module_that_fails_on_the_samples_is_named():
    with pytest.raises(ModelError, match=r"the module failed on x \(RuntimeError"):
        accelerate(nn.Linear(3, 2), torch.rand(4, 5))


def test_affine_functions_of_the_parameters_are_told_from_others():
    start = torch.tensor([0.3, -1.2], dtype=torch.float64)

    def shifted(w):
        return torch.stack([2 * w[1] + 1, w[0] - w[1], w[0]])

    calls = []

    def counted(w):
        calls.append(w)
        return shifted(w)

    fast = affine_weights(counted, start)
    before = len(calls)
    other = torch.tensor([5.0, 7.0], dtype=torch.float64, requires_grad=True)
    torch.testing.assert_close(fast(other), shifted(other), rtol=0, atol=1e-12)
    torch.testing.assert_close(torch.autograd.grad(fast(other).sum(), other)[0], torch.tensor([2.0, 1.0]).double())
    assert len(calls) == before
    assert affine_weights(torch.sin, start) is torch.sin


@pytest.fixture
def qml():
    return pytest.importorskip("pennylane")


def _layer(qml, kind):
    """A TorchLayer: fixed encoding, trainable scales, amplitudes, or one that cannot be imported."""

    @qml.qnode(qml.device("default.qubit", wires=QUBITS), interface="torch")
    def circuit(inputs, w, s):
        if kind == "amplitudes":
            qml.AmplitudeEmbedding(inputs, wires=range(QUBITS), normalize=True, pad_with=0.0)
        else:
            qml.AngleEmbedding(inputs * s if kind == "scales" else inputs, wires=range(QUBITS))
        qml.StronglyEntanglingLayers(w, wires=range(QUBITS))
        qml.IsingXX(s[0] ** 2 if kind == "scales" else 2 * s[0] + 0.1, wires=[0, 1])
        if kind == "variance":
            return [qml.var(qml.Z(i)) for i in range(QUBITS)]
        if kind == "scales":
            return qml.expval(qml.Z(0))
        if kind == "amplitudes":
            return qml.probs(wires=[1, 3])
        return [qml.expval(qml.Z(i)) for i in range(QUBITS)]

    generator = torch.Generator().manual_seed(3)

    def drawn(tensor):
        return tensor.data.normal_(generator=generator)

    return qml.qnn.TorchLayer(circuit, {"w": (2, QUBITS, 3), "s": (QUBITS,)}, init_method=drawn)


class Hybrid(nn.Module):
    def __init__(self, qml):
        super().__init__()
        self.first = nn.Linear(5, QUBITS)
        self.middle = nn.Sequential(_layer(qml, "fixed"), nn.Linear(QUBITS, QUBITS))
        self.scaled = _layer(qml, "scales")
        self.encoded = _layer(qml, "amplitudes")
        self.spread = _layer(qml, "variance")
        self.unused = _layer(qml, "fixed")

    def forward(self, x):
        hidden = self.middle(torch.tanh(self.first(x)))
        return self.encoded(hidden) + self.scaled(hidden)[..., None] + self.spread(hidden)


@pytest.fixture
def hybrid(qml):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Hybrid(qml).double()


@pytest.fixture
def x():
    return torch.rand(7, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def gradients(module, x):
    leaf = x.clone().requires_grad_()
    module.zero_grad()
    module(leaf).square().sum().backward()
    return {"x": leaf.grad} | {name: p.grad for name, p in module.named_parameters() if p.grad is not None}


@pytest.mark.slow
def test_layers_are_replaced_and_the_report_says_so(hybrid, x):
    fast = accelerate(hybrid, x)
    found = {r.name: r for r in replacements(fast)}
    assert {name: r.replaced for name, r in found.items()} == {
        "middle.0": True,
        "scaled": True,
        "encoded": True,
        "spread": False,
        "unused": False,
    }
    assert all(isinstance(r, Replacement) and r.kind == "pennylane.TorchLayer" for r in found.values())
    assert "returns variance" in found["spread"].reason
    assert "not reached" in found["unused"].reason
    assert isinstance(fast.middle[0], ImportedLayer)
    assert not any(isinstance(part, ImportedLayer) for part in hybrid.modules())
    assert all(part.training for part in fast.modules())


@pytest.mark.slow
def test_values_and_gradients_are_those_of_the_module(hybrid, x):
    fast = accelerate(hybrid, x)
    torch.testing.assert_close(fast(x), hybrid(x), rtol=0, atol=1e-10)
    stacked = torch.stack([x, 0.5 * x])
    torch.testing.assert_close(fast(stacked), hybrid(stacked), rtol=0, atol=1e-10)
    ours, theirs = gradients(fast, x), gradients(hybrid, x)
    for name, expected in theirs.items():
        got = ours.get(name, torch.zeros_like(expected))
        torch.testing.assert_close(got, expected, rtol=0, atol=1e-9, msg=name)


@pytest.mark.slow
def test_weights_travel_both_ways_and_are_used_as_they_are_now(hybrid, x):
    fast = accelerate(hybrid, x)
    assert {k: v.shape for k, v in fast.state_dict().items()} == {k: v.shape for k, v in hybrid.state_dict().items()}
    with torch.no_grad():
        for parameter in hybrid.parameters():
            parameter.add_(0.4)
    assert not torch.allclose(fast(x), hybrid(x), atol=1e-3)
    fast.load_state_dict(hybrid.state_dict())
    torch.testing.assert_close(fast(x), hybrid(x), rtol=0, atol=1e-10)
    torch.optim.SGD(fast.parameters(), lr=0.1).zero_grad()
    fast(x).square().sum().backward()
    torch.optim.SGD(fast.parameters(), lr=0.1).step()
    hybrid.load_state_dict(fast.state_dict())
    torch.testing.assert_close(fast(x), hybrid(x), rtol=0, atol=1e-10)


@pytest.mark.slow
def test_a_layer_alone_in_single_precision(qml):
    layer = _layer(qml, "scales")
    x = torch.rand(6, QUBITS, generator=torch.Generator().manual_seed(0))
    fast = accelerate(layer, x)
    (report,) = replacements(fast)
    assert (report.name, report.replaced) == ("", True)
    assert fast(x).dtype == layer(x).dtype == torch.float32
    assert fast(x).shape == layer(x).shape == (6,)
    torch.testing.assert_close(fast(x), layer(x), rtol=0, atol=1e-6)


@pytest.mark.slow
def test_a_torch_connector_is_replaced_too():
    qiskit = pytest.importorskip("qiskit.circuit")
    pytest.importorskip("qiskit_machine_learning")
    from qiskit.circuit.library import zz_feature_map
    from qiskit_machine_learning.connectors import TorchConnector
    from qiskit_machine_learning.neural_networks import EstimatorQNN

    circuit = zz_feature_map(2)
    weights = qiskit.ParameterVector("w", 2)
    for qubit, parameter in enumerate(weights):
        circuit.ry(parameter, qubit)
    circuit.cx(0, 1)
    network = EstimatorQNN(
        circuit=circuit,
        input_params=[p for p in circuit.parameters if p not in set(weights)],
        weight_params=list(weights),
        input_gradients=True,
    )
    module = nn.Sequential(nn.Linear(3, 2), TorchConnector(network)).double()
    generator = torch.Generator().manual_seed(0)
    # Torch and the connector draw their weights from a global stream, which other tests move on.
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(0.5 * torch.randn(parameter.shape, dtype=torch.float64, generator=generator))
    x = torch.rand(4, 3, dtype=torch.float64, generator=generator)
    fast = accelerate(module, x)
    (report,) = replacements(fast)
    assert (report.name, report.kind) == ("1", "qiskit.TorchConnector")
    assert report.replaced, report.reason
    assert list(fast.state_dict()) == list(module.state_dict())
    assert fast(x).shape == (4, 1)
    # One step of training moves both the same way, and ends at the same values.
    steps = []
    for model in (module, fast):
        optimizer = torch.optim.SGD(model.parameters(), lr=0.3)
        optimizer.zero_grad()
        model(x).square().sum().backward()
        steps.append([parameter.grad.clone() for parameter in model.parameters()])
        optimizer.step()
    for mine, theirs in zip(steps[1], steps[0], strict=True):
        assert float(theirs.abs().max()) > 1e-3
        # The connector rounds to float32, and the angles of its products of features reach 2 pi^2: 1e-6 each.
        torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-5)
    torch.testing.assert_close(fast(x), module(x).double(), rtol=0, atol=1e-5)
    fast.load_state_dict(module.state_dict())
    torch.testing.assert_close(fast(x), module(x).double(), rtol=0, atol=1e-5)

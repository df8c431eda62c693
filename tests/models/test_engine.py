import pytest
import torch

from counterspin import recipes
from counterspin.circuits import OutcomeGroups, PauliExpectations, amplitude_encoding, reuploading
from counterspin.errors import UsageError
from counterspin.models import MLP, HybridClassifier, QuantumClassifier, set_engine
from counterspin.models import engine as module
from counterspin.simulation import engine_name
from counterspin.types import Box, HasEngine


def quantum() -> QuantumClassifier:
    return QuantumClassifier(reuploading(2, 1), PauliExpectations.of("Z0", "Z1"), Box.uniform(-1.0, 1.0, features=2))


def hybrid() -> HybridClassifier:
    return HybridClassifier(MLP(Box.uniform(0.0, 1.0, features=4), classes=2, hidden=(3,)), quantum())


@pytest.mark.parametrize("make", [quantum, hybrid])
def test_the_torch_engine_and_back(make) -> None:
    model = make()
    assert isinstance(model, HasEngine)
    assert model.runs_on() == engine_name()
    set_engine(model, "torch")
    assert (model.engine, model.runs_on()) == ("torch", "torch")
    set_engine(model, "auto")
    assert model.runs_on() == engine_name()


def test_folding_is_named() -> None:
    model = recipes.get("digits-amplitude").model()
    assert model.runs_on() == f"{engine_name()}, folded"
    set_engine(model, "torch")
    assert model.runs_on() == "torch, folded"
    model.requires_grad_(True)
    assert model.runs_on() == "torch"


def test_what_is_faster_gate_by_gate_is_folded_by_the_torch_engine_alone() -> None:
    circuit, measurement = amplitude_encoding(4), OutcomeGroups.first(qubits=1, classes=2)
    model = QuantumClassifier(circuit, measurement, Box.uniform(0.0, 1.0, features=4)).requires_grad_(False)
    assert model.runs_on() in ("torch, folded", engine_name())
    set_engine(model, "torch")
    assert model.runs_on() == "torch, folded"


def test_the_compiled_engine_where_it_is_missing(monkeypatch) -> None:
    monkeypatch.setattr(module, "engine_name", lambda: "torch")
    model = quantum()
    with pytest.raises(UsageError, match="engine is 'compiled', but it is not installed here"):
        set_engine(model, "compiled")
    assert model.engine == "auto"


def test_a_model_without_a_circuit() -> None:
    model = MLP(Box.uniform(0.0, 1.0, features=4), classes=2, hidden=(3,))
    before = model(torch.zeros(1, 4))
    set_engine(model, "auto")
    with pytest.raises(UsageError, match="engine is 'torch', but the model is a MLP, which runs no circuit"):
        set_engine(model, "torch")
    assert torch.equal(model(torch.zeros(1, 4)), before)


@pytest.mark.parametrize("make", [quantum, hybrid])
def test_an_unknown_engine(make) -> None:
    with pytest.raises(UsageError, match="engine is 'jax'; allowed: auto, compiled, torch"):
        set_engine(make(), "jax")

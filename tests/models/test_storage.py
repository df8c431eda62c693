"""Saved models: the same scores bit by bit, and one clear sentence for every damage."""

import hashlib
import json
import os
import shutil
from pathlib import Path

import pytest
import torch
from torch import nn

from counterspin.circuits import (
    Linear,
    OutcomeGroups,
    PauliExpectations,
    Scale,
    amplitude_encoding,
    reuploading,
    strongly_entangling,
)
from counterspin.errors import ModelError, StorageError, UsageError
from counterspin.models import (
    MLP,
    AffineInputs,
    HybridClassifier,
    KernelClassifier,
    LogisticRegression,
    QuantumClassifier,
    load_model,
    save_model,
    storage,
)
from counterspin.optimum import AffineMap
from counterspin.types import Box


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def quantum(trainable: bool = True) -> QuantumClassifier:
    return QuantumClassifier(
        amplitude_encoding(4) + strongly_entangling(2, 2),
        OutcomeGroups.first(qubits=2, classes=3),
        Box.uniform(0.0, 1.0, features=4),
        head=Scale(torch.tensor(7.25)),
        trainable_head=trainable,
        generator=seeded(1),
    )


def hybrid() -> HybridClassifier:
    head = Linear(torch.randn(3, 2, generator=seeded(2)), torch.randn(3, generator=seeded(3)))
    body = QuantumClassifier(
        reuploading(2, 1), PauliExpectations.of("Z0", "Z1"), Box.uniform(-1.0, 1.0, features=2), head=head
    )
    front = MLP(Box.uniform(0.0, 1.0, features=4), classes=2, hidden=(3,), generator=seeded(4))
    return HybridClassifier(front, body)


def affine() -> AffineInputs:
    weight, bias = (torch.randn(*shape, generator=seeded(5), dtype=torch.float64) for shape in ((4, 4), (4,)))
    return AffineInputs(quantum().requires_grad_(False), AffineMap(weight, bias), Box.uniform(-1.0, 1.0, features=4))


def kernel() -> KernelClassifier:
    x = torch.rand(20, 4, generator=seeded(6), dtype=torch.float64)
    return KernelClassifier.fit(amplitude_encoding(4), x, x[:, :3].argmax(dim=1), Box.uniform(0.0, 1.0, features=4))


MODELS = {
    "logistic": lambda: LogisticRegression(Box.unbounded(4), classes=3),
    "mlp": lambda: MLP(Box.uniform(0.0, 1.0, features=4), classes=3, hidden=(5,)),
    "double": lambda: MLP(Box.uniform(0.0, 1.0, features=4), classes=3, hidden=(5,)).double(),
    "quantum": quantum,
    "fixed-head": lambda: quantum(trainable=False),
    "hybrid": hybrid,
    "affine": affine,
    "kernel": kernel,
}


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    save_model(MODELS["mlp"](), tmp_path / "model")
    return tmp_path / "model"


@pytest.mark.parametrize("name", MODELS)
def test_round_trip_is_bit_identical(name: str, tmp_path: Path) -> None:
    model = MODELS[name]()
    save_model(model, tmp_path / "model")
    loaded = load_model(tmp_path / "model")
    assert type(loaded) is type(model)
    ours, theirs = model.state_dict(), loaded.state_dict()
    assert list(ours) == list(theirs)
    assert all(torch.equal(ours[key], theirs[key]) and ours[key].dtype == theirs[key].dtype for key in ours)
    assert torch.equal(loaded.bounds.lower, model.bounds.lower)
    assert not loaded.training
    assert not any(parameter.requires_grad for parameter in loaded.parameters())
    x = torch.rand(3, 4, generator=seeded(0), dtype=torch.float64)
    assert torch.equal(loaded(x), model.requires_grad_(False)(x))


def test_card_is_strict_json_with_the_hash_of_the_weights(tmp_path: Path) -> None:
    save_model(MODELS["logistic"](), tmp_path / "model")

    def refuse(name: str) -> None:
        raise ValueError(name)

    card = json.loads((tmp_path / "model" / "model.json").read_text(), parse_constant=refuse)
    weights = (tmp_path / "model" / "weights.safetensors").read_bytes()
    assert card["weights_sha256"] == hashlib.sha256(weights).hexdigest()
    assert (card["format"], card["kind"]) == (1, "logistic-regression")


class Complex(nn.Module):
    """A model with complex weights, to be found in the table of kinds for one test."""

    def __init__(self) -> None:
        super().__init__()
        self.amplitudes = nn.Parameter(torch.ones(2, 3, dtype=torch.complex128))

    def config(self) -> dict:
        return {}

    @classmethod
    def from_config(cls, _: dict) -> "Complex":
        return cls()


def test_complex_weights_survive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(storage._KINDS, "complex", Complex)
    model = Complex()
    values = torch.randn(3, 2, generator=seeded(0), dtype=torch.complex128).mH  # a conjugate view, not contiguous
    with torch.no_grad():
        model.amplitudes.copy_(values)
    save_model(model, tmp_path / "model")
    assert torch.equal(load_model(tmp_path / "model").amplitudes, values)


def test_saving_again_replaces_the_model_and_keeps_other_files(saved: Path) -> None:
    (saved / "notes.txt").write_text("mine")
    save_model(MODELS["quantum"](), saved)
    assert isinstance(load_model(saved), QuantumClassifier)
    assert sorted(os.listdir(saved)) == ["model.json", "notes.txt", "weights.safetensors"]
    assert os.listdir(saved.parent) == ["model"]


@pytest.mark.parametrize("call", ["first", "second"])
def test_a_failure_while_replacing_leaves_the_old_model(
    saved: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    rename, calls = os.rename, []

    def fails(source: Path, target: Path) -> None:
        calls.append(source)
        if len(calls) == (1 if call == "first" else 2):
            raise OSError(28, "No space left on device")
        rename(source, target)

    monkeypatch.setattr(os, "rename", fails)
    with pytest.raises(StorageError, match="No space left on device"):
        save_model(MODELS["quantum"](), saved)
    assert isinstance(load_model(saved), MLP)
    assert os.listdir(saved.parent) == ["model"]


def test_refuses_what_it_cannot_save_or_must_not_overwrite(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="model is a Linear"):
        save_model(nn.Linear(2, 2), tmp_path / "model")
    (tmp_path / "paper").write_text("mine")
    with pytest.raises(UsageError, match="is a file"):
        save_model(MODELS["mlp"](), tmp_path / "paper")


def test_saves_beside_what_lies_in_a_directory(tmp_path: Path) -> None:
    (tmp_path / "paper").write_text("mine")
    save_model(MODELS["mlp"](), tmp_path)
    assert isinstance(load_model(tmp_path), MLP)
    assert (tmp_path / "paper").read_text() == "mine"


def test_refuses_what_is_not_there(tmp_path: Path, saved: Path) -> None:
    with pytest.raises(ModelError, match="is not a directory"):
        load_model(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelError, match=r"model\.json cannot be read"):
        load_model(tmp_path / "empty")
    (saved / "weights.safetensors").unlink()
    with pytest.raises(ModelError, match=r"weights\.safetensors cannot be read"):
        load_model(saved)


def test_refuses_truncated_and_altered_weights(saved: Path) -> None:
    path = saved / "weights.safetensors"
    whole = path.read_bytes()
    for damaged in (whole[:-3], b"", whole[:-1] + bytes([whole[-1] ^ 1])):
        path.write_bytes(damaged)
        with pytest.raises(ModelError, match="truncated or altered"):
            load_model(saved)


def test_refuses_a_truncated_card(saved: Path) -> None:
    path = saved / "model.json"
    path.write_text(path.read_text()[:-20])
    with pytest.raises(ModelError, match="truncated or not JSON"):
        load_model(saved)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 2}, "format 2; this version of counterspin reads format 1"),
        ({"kind": "os.system"}, "names kind 'os.system'; allowed"),
        ({"weights_sha256": None}, "lacks weights_sha256"),
        ({"config": {}}, "does not describe a mlp model"),
        ({"kind": "logistic-regression"}, "does not describe a logistic-regression model"),
    ],
)
def test_refuses_a_card_that_does_not_fit(saved: Path, change: dict, message: str) -> None:
    path = saved / "model.json"
    card = {key: value for key, value in {**json.loads(path.read_text()), **change}.items() if value is not None}
    path.write_text(json.dumps(card))
    with pytest.raises(ModelError, match=message) as caught:
        load_model(saved)
    assert "\n" not in str(caught.value)


def test_refuses_weights_that_are_not_finite(tmp_path: Path) -> None:
    model = LogisticRegression(Box.unbounded(2), classes=2)
    with torch.no_grad():
        model.bias[0] = torch.nan
    save_model(model, tmp_path / "model")
    with pytest.raises(ModelError, match="NaN or infinite weights in bias"):
        load_model(tmp_path / "model")


def test_can_be_moved(saved: Path, tmp_path: Path) -> None:
    shutil.move(saved, tmp_path / "elsewhere")
    assert isinstance(load_model(tmp_path / "elsewhere"), MLP)

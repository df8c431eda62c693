"""The noise view: scores and gradients of the noisy classifier, what is drawn, the grammar, refusals."""

import dataclasses

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from toy_devices import ring

from counterspin.circuits import (
    Linear,
    PauliExpectations,
    Readout,
    amplitude_encoding,
    reuploading,
    strongly_entangling,
)
from counterspin.datasets import Split
from counterspin.defenses.training import noise as module
from counterspin.defenses.training.angle_noise import AngleNoise
from counterspin.defenses.training.noise import ENTRY, NoiseView
from counterspin.defenses.training.shot_noise import ShotNoise
from counterspin.defenses.training.white_noise import white_noise
from counterspin.errors import CapabilityError, InterruptedRunError, UsageError
from counterspin.models import MLP, HybridClassifier, QuantumClassifier
from counterspin.models.noisy import NoisyClassifier
from counterspin.noise.devices import place
from counterspin.noise.text import parse
from counterspin.simulation import run
from counterspin.threats import Linf
from counterspin.training import CrossEntropyObjective, Step, TrainingSettings, fit
from counterspin.types import Box, HasChannels

THREAT = Linf(0.05, 0.1)
TEXT = "depolarizing:0.02/gate + amplitude_damping:0.03/gate + readout:0.01,0.05"


def model(qubits=3, layers=2):
    generator = torch.Generator().manual_seed(3)
    return QuantumClassifier(
        reuploading(qubits, layers, scale=torch.pi),
        PauliExpectations.of(*(f"Z{q}" for q in range(qubits))),
        Box.uniform(0.0, 1.0, features=qubits),
        head=Linear(torch.randn(2, qubits, generator=generator), torch.zeros(2)),
        generator=generator,
    )


def step(seed=0, progress=0.0):
    generator = torch.Generator().manual_seed(seed)
    return Step(epoch=1, progress=progress, rows=torch.arange(4), generator=generator, memory={})


def inputs(rows=4, features=3, dtype=torch.float64):
    return torch.rand(rows, features, generator=torch.Generator().manual_seed(5), dtype=dtype)


@pytest.fixture
def toy(monkeypatch):
    """A ring of three qubits stands for the device ibm:toy, another one for ibm:other."""
    devices = {"ibm:toy": ring(3), "ibm:other": ring(4, "ECR")}
    monkeypatch.setattr(module, "load", devices.__getitem__)
    module._placed.cache_clear()
    yield devices
    module._placed.cache_clear()


def test_scores_on_a_device_are_those_of_the_noisy_classifier(toy):
    own, x = model(), inputs()
    seen = NoiseView(sources=("ibm:toy",)).apply(own, step())
    placement = place(own.circuit, toy["ibm:toy"])
    expected = NoisyClassifier(own, placement=placement)(x)
    torch.testing.assert_close(seen(x), expected, atol=1e-14, rtol=0)
    assert float((expected - own(x)).detach().abs().max()) > 1e-2
    assert [id(p) for p in seen.parameters()] == [id(p) for p in own.parameters()]


def test_strength_is_a_power_of_every_channel_and_readout_error(toy):
    own, x = model(), inputs()
    seen = NoiseView(sources=("ibm:toy",), low=2.0, high=2.0).apply(own, step())
    placement = place(own.circuit, toy["ibm:toy"])
    noise = placement.noise.scaled(2.0, readout=True)
    torch.testing.assert_close(seen(x), NoisyClassifier(own, noise=noise, placement=placement)(x), atol=1e-14, rtol=0)


def test_gradients_of_weights_and_inputs_are_differences(toy):
    own = model().double()
    x = inputs().requires_grad_()
    y = torch.tensor([0, 1, 0, 1])
    seen = NoiseView(sources=("ibm:toy",)).apply(own, step())
    loss = CrossEntropyObjective()
    loss(seen, x, y).backward()

    def at(tensor, index, shift):
        with torch.no_grad():
            tensor.view(-1)[index] += shift
            value = float(loss(seen, x, y))
            tensor.view(-1)[index] -= shift
        return value

    h = 1e-5
    for tensor in (own.weights, own.head_weight, own.head_bias, x):
        assert tensor.grad is not None
        for index in range(0, tensor.numel(), max(1, tensor.numel() // 5)):
            expected = (at(tensor, index, h) - at(tensor, index, -h)) / (2 * h)
            assert float(tensor.grad.view(-1)[index]) == pytest.approx(expected, abs=1e-8)
    assert float(x.grad.abs().max()) > 1e-3


def test_texts_are_noise_as_well_and_fronts_are_kept():
    front = MLP(Box.uniform(0.0, 1.0, features=5), classes=3, hidden=(4,))
    own = HybridClassifier(front, model())
    x = inputs(features=5, dtype=torch.float32)
    seen = NoiseView(sources=(TEXT,)).apply(own, step())
    torch.testing.assert_close(seen(x), NoisyClassifier(own, noise=parse(TEXT))(x))
    seen(x).sum().backward()
    assert all(p.grad is not None for p in front.parameters())


def test_every_source_and_strength_is_drawn_about_as_often(toy):
    view = NoiseView(sources=("ibm:toy", "ibm:other"), low=0.5, high=2.0, ideal=0.25)
    generator = torch.Generator().manual_seed(0)
    drawn = [view._drawn(generator) for _ in range(3600)]
    clean = sum(free for _, _, _, free in drawn) / len(drawn)
    # Five standard deviations of a share of 3600.
    assert clean == pytest.approx(0.25, abs=0.036)
    assert sum(source == "ibm:toy" for source, *_ in drawn) / len(drawn) == pytest.approx(0.5, abs=0.042)
    strengths = sorted({strength for _, strength, _, _ in drawn})
    assert strengths == pytest.approx([0.5 + 1.5 * k / 8 for k in range(9)])
    for strength in strengths:
        assert sum(drawn_one[1] == strength for drawn_one in drawn) / len(drawn) == pytest.approx(1 / 9, abs=0.027)


def test_a_step_without_noise_is_the_model_itself():
    own = model()
    view = NoiseView(sources=(TEXT,), ideal=0.999)
    assert view.apply(own, step()) is own
    assert isinstance(NoiseView(sources=(TEXT,)).apply(own, step()), HasChannels)


def test_circuits_are_placed_once(toy, monkeypatch):
    placed = []
    monkeypatch.setattr(module, "place", lambda *a: placed.append(a) or place(*a))
    view, own = NoiseView(sources=("ibm:toy",), low=0.5, high=2.0), model()
    generator = torch.Generator().manual_seed(0)
    for _ in range(60):
        view.apply(own, dataclasses.replace(step(), generator=generator))
    assert len(placed) == 9


def test_amplitude_models_keep_their_gradient():
    own = QuantumClassifier(
        amplitude_encoding(4) + strongly_entangling(2, 2),
        PauliExpectations.of("Z0", "Z1"),
        Box.uniform(0.0, 1.0, features=4),
    )
    x = inputs(features=4, dtype=torch.float32)
    seen = NoiseView(sources=(TEXT,)).apply(own, step())
    trained = seen(x)
    trained.sum().backward()
    assert float(own.weights.grad.abs().max()) > 1e-3
    own.requires_grad_(False)
    torch.testing.assert_close(seen(x), trained.detach())  # folded now


@pytest.mark.parametrize(
    ("text", "sources", "low", "high"),
    [
        ("ibm:manila", ("ibm:manila",), 1.0, 1.0),
        ("ibm:fez@2025-02-26+google:willow_pink", ("ibm:fez@2025-02-26", "google:willow_pink"), 1.0, 1.0),
        ("ibm:manila*2", ("ibm:manila",), 2.0, 2.0),
        ("ibm:manila+own.json*0.5-2", ("ibm:manila", "own.json"), 0.5, 2.0),
        ("bit_flip:0.1/gate+readout:0.01,0.02", ("bit_flip:0.1/gate+readout:0.01,0.02",), 1.0, 1.0),
        ("bit_flip:0.1/gate+ibm:lima+readout:0.1*0-1e-1", ("bit_flip:0.1/gate", "ibm:lima", "readout:0.1"), 0.0, 0.1),
    ],
)
def test_grammar(text, sources, low, high):
    assert NoiseView.of(text) == NoiseView(sources=sources, low=low, high=high)
    assert ENTRY.build({"sources": text, "ideal": "0.5"}, THREAT) == NoiseView(
        sources=sources, low=low, high=high, ideal=0.5
    )


@given(low=st.floats(0, 5), width=st.floats(0, 5))
@settings(max_examples=30, deadline=None)
def test_ranges_round_trip(low, width):
    high = round(low, 3) + round(width, 3)
    view = NoiseView.of(f"ibm:manila*{low:.3f}-{high:.3f}")
    assert view.low == pytest.approx(low, abs=6e-4)
    assert view.high == pytest.approx(high, abs=6e-4)


@pytest.mark.parametrize(
    ("build", "says"),
    [
        (lambda: NoiseView.of(""), "no device"),
        (lambda: NoiseView.of("ibm:manila*strong"), "scaled by 'strong'"),
        (lambda: NoiseView.of("ibm:manila*1.2.3"), "scaled by '1.2.3'"),
        (lambda: NoiseView.of("ibm:manila*2-1"), "smaller one first"),
        (lambda: NoiseView.of("ibm:manila", ideal=1.0), "below 1"),
        (lambda: NoiseView.of("ibm:manila", simulate="guess"), "auto, exact, white"),
        (lambda: NoiseView(sources=("ibm:manila",), high=float("inf")), "finite"),
    ],
)
def test_refused_values(build, says):
    with pytest.raises(UsageError, match=says):
        build()


def test_models_are_refused_before_any_training(toy):
    view = NoiseView(sources=("ibm:toy",))
    view.check(model(), THREAT)
    with pytest.raises(CapabilityError, match="shows no circuit"):
        view.check(MLP(Box.uniform(0.0, 1.0, features=3), classes=2, hidden=(3,)), THREAT)
    with pytest.raises(CapabilityError, match="noise of its own"):
        view.check(NoisyClassifier(model(), noise=parse(TEXT)), THREAT)
    with pytest.raises(UsageError, match="5 qubits are asked for"):
        NoiseView(sources=("ibm:toy",), simulate="exact").check(model(qubits=5), THREAT)
    with pytest.raises(UsageError, match="unknown"):
        NoiseView(sources=("hum:0.1/gate",)).check(model(), THREAT)


def test_white_noise_is_the_share_of_runs_without_an_error(toy):
    own = model()
    device = toy["ibm:toy"]
    errors = {"SX": 2e-4 + 1e-5, "CZ": 5e-3 + 2e-4}  # the middle ones of three
    pulses, cnots = 2 * 2 * 3 * 2, 3 * 2  # an RY and a Rot on each qubit of each layer take two pulses each
    left = (1 - 2 * errors["SX"]) ** pulses * (1 - 4 / 3 * errors["CZ"]) ** cnots
    noise = white_noise(own.circuit, device)
    assert noise.global_depolarizing == pytest.approx(1 - left, rel=1e-12)
    assert noise.readout_flips == pytest.approx((0.01, 0.021))
    seen = NoiseView(sources=("ibm:toy",), simulate="white").apply(own, step())
    x = inputs()
    readout = Readout(own.measurement)
    z = run(own.circuit, x, own.weights.double(), readout)
    # <Z> of a qubit that is depolarised by p and misread with probabilities a and b: (1-p)(1-a-b) <Z> + b - a.
    a, b = noise.readout_flips
    expected = own.readout.scores(left * (1 - a - b) * z + b - a)
    torch.testing.assert_close(seen(x), expected, atol=1e-12, rtol=0)
    assert seen.method.name == "statevector"


def test_circuits_without_room_or_too_dear_meet_white_noise(toy, monkeypatch):
    view = NoiseView(sources=("ibm:toy",), low=2.0, high=2.0)
    for own in (model(qubits=5), model(qubits=4)):
        seen = view.under(own, "ibm:toy", 2.0)
        assert seen.placement is None
        assert seen.noise == white_noise(own.circuit, toy["ibm:toy"]).scaled(2.0, readout=True)
    own = model()
    monkeypatch.setattr(module, "_EXACT_WORK", len(own.circuit.gates) * 64 - 1)
    module._placed.cache_clear()
    assert view.under(own, "ibm:toy", 1.0).placement is None
    monkeypatch.setattr(module, "_EXACT_WORK", len(own.circuit.gates) * 64)
    module._placed.cache_clear()
    assert view.under(own, "ibm:toy", 1.0).placement is not None


def test_white_noise_is_told(toy):
    (told,) = NoiseView(sources=("ibm:toy", TEXT, "ibm:other")).notes(model(qubits=4))
    assert told.startswith("ibm:toy was met as white noise that leaves 9")
    assert NoiseView(sources=("ibm:toy", TEXT)).notes(model()) == ()


def test_devices_without_a_working_pair_are_refused():
    lonely = dataclasses.replace(ring(3), gates={})
    with pytest.raises(UsageError, match="no pair"):
        white_noise(model().circuit, lonely)


def test_configuration_as_json():
    assert NoiseView.of("ibm:manila*0.5-2").to_json() == {
        "name": "noise",
        "sources": ["ibm:manila"],
        "low": 0.5,
        "high": 2.0,
        "ideal": 0.0,
        "simulate": "auto",
    }


@dataclasses.dataclass(frozen=True)
class Through:
    """Cross-entropy through a view, which may be interrupted after some steps."""

    view: object
    left: list = dataclasses.field(default_factory=lambda: [10**9], repr=False)

    def __call__(self, own, x, y, at, /):
        self.left[0] -= 1
        if self.left[0] < 0:
            raise KeyboardInterrupt
        return CrossEntropyObjective()(self.view.apply(own, at), x, y)


@pytest.mark.parametrize(
    "view",
    [NoiseView(sources=(TEXT, "bit_flip:0.05/gate"), ideal=0.2), AngleNoise(sigma=0.1), ShotNoise(shots=50)],
    ids=lambda view: view.name,
)
def test_resumed_training_is_bit_identical(view, tmp_path):
    x = inputs(rows=24)
    train = Split(x, (x[:, 0] > x[:, 1]).long())
    options = TrainingSettings(epochs=4, batch_size=8)

    def trained(objective, checkpoint=None):
        own = model()
        fit(own, objective, train, None, options, generator=torch.Generator().manual_seed(1), checkpoint=checkpoint)
        return own.state_dict()

    whole = trained(Through(view))
    path = tmp_path / "checkpoint.safetensors"
    with pytest.raises(InterruptedRunError):
        trained(Through(view, [7]), path)
    again = trained(Through(view), path)
    assert all(torch.equal(whole[name], again[name]) for name in whole)
    assert not torch.equal(whole["weights"], model().weights)

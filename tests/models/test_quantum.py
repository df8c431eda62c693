"""The quantum classifier: running and folded, sampling, configuration."""

import copy
import json
from collections.abc import Callable

import numpy as np
import pytest
import torch
from compiled_engine import ENGINES, each_engine
from random_circuits import random_circuit

from counterspin.circuits import (
    Amplitudes,
    Circuit,
    Linear,
    OutcomeGroups,
    PauliExpectations,
    Scale,
    amplitude_encoding,
    feature,
    reuploading,
    strongly_entangling,
    weight,
)
from counterspin.errors import ConditionsError, InputError, ModelError, UsageError
from counterspin.models.quantum import QuantumClassifier
from counterspin.noise import NoiseModel
from counterspin.simulation import run
from counterspin.types import Box, Classifier, Differentiable, HasCircuit, HasEffectiveObservables, HasStates, Sampled

GROUPS = OutcomeGroups.first(qubits=2, classes=3)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def amplitude_model(**options: object) -> QuantumClassifier:
    circuit = amplitude_encoding(7) + strongly_entangling(3, 2)
    head = Scale(torch.tensor(10.0))
    return QuantumClassifier(circuit, GROUPS, Box.uniform(0.0, 1.0, 7), **{"head": head, **options})  # pyright: ignore


def points(features: int, batch: int = 5, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.rand(batch, features, dtype=dtype, generator=seeded(9)) + 0.01


def test_it_has_every_capability() -> None:
    for protocol in (Classifier, Differentiable, HasCircuit, HasEffectiveObservables, HasStates, Sampled):
        assert isinstance(amplitude_model(), protocol)


@pytest.mark.parametrize("amplitudes", [Amplitudes(7), Amplitudes(8, complex_data=True)])
@pytest.mark.parametrize("head", [None, Scale(torch.tensor(4.0)), Linear(torch.randn(4, 3), torch.randn(4))])
def test_frozen_models_fold_to_the_same_scores_and_gradients(
    amplitudes: Amplitudes, head: Scale | Linear | None
) -> None:
    circuit = random_circuit(np.random.default_rng(1), 3, amplitudes=amplitudes, uploads=False)
    model = QuantumClassifier(circuit, GROUPS, Box.uniform(-1, 1, circuit.inputs), head=head, generator=seeded(1))
    x = points(circuit.inputs).requires_grad_()
    free = model(x)
    model.requires_grad_(False)
    frozen = model(x)
    assert torch.allclose(free, frozen, atol=1e-12)
    direction = torch.randn(free.shape, dtype=torch.float64, generator=seeded(2))
    ours, theirs = (torch.autograd.grad((s * direction).sum(), x)[0] for s in (frozen, free))
    assert torch.allclose(ours, theirs, atol=1e-12)
    assert model(x.detach().float()).dtype == torch.float32
    assert torch.allclose(model(x.detach().float()).double(), free, atol=1e-4)


def test_folding_follows_every_change_of_the_parameters() -> None:
    model = amplitude_model().requires_grad_(False)
    x = points(7)
    seen = [model(x)]

    def check() -> None:
        expected = run(model.circuit, x, model.weights, model.readout)
        assert torch.allclose(model(x), expected, atol=1e-12)
        assert not any(torch.allclose(expected, old) for old in seen)
        seen.append(expected)

    model.weights.add_(0.1)
    check()
    model.weights.data = model.weights + 0.3
    check()
    other = amplitude_model(weights=torch.rand(18, generator=seeded(3)))
    model.load_state_dict(other.state_dict(), assign=True)
    model.requires_grad_(False)
    check()
    model.log_scale.data.sub_(0.7)
    check()


def test_training_gradients_are_not_cut() -> None:
    model = amplitude_model()
    model.log_scale.requires_grad_(False)
    model(points(7)).sum().backward()
    assert model.weights.grad is not None
    model.requires_grad_(False)
    model.log_scale.requires_grad_(True)
    (gradient,) = torch.autograd.grad(model(points(7))[:, 0].sum(), model.log_scale)
    assert float(gradient) > 0


def test_a_learned_scale_stays_positive_and_moves_by_shares() -> None:
    model = amplitude_model()
    head = model.readout.head
    assert isinstance(head, Scale)
    assert float(head.value.detach()) == pytest.approx(10.0, rel=1e-6)
    with torch.no_grad():
        model.log_scale.sub_(100.0)
    shrunk = model.readout.head
    assert isinstance(shrunk, Scale)
    assert 0 < float(shrunk.value.detach()) < 1e-40


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan")])
def test_a_trainable_scale_needs_a_logarithm(value: float) -> None:
    with pytest.raises(ModelError, match="above 0"):
        amplitude_model(head=Scale(torch.tensor(value)))
    fixed = amplitude_model(head=Scale(torch.tensor(-1.0)), trainable_head=False)
    plain = amplitude_model(head=None)
    assert torch.equal(fixed(points(7)), -plain(points(7)))


def test_copies_keep_their_own_folded_form() -> None:
    model = amplitude_model().requires_grad_(False)
    x = points(7)
    first = model(x)
    other = copy.deepcopy(model)
    other.weights.add_(0.5)
    assert not torch.allclose(other(x), first)
    assert torch.equal(model(x), first)


def test_large_circuits_are_run_not_folded() -> None:
    circuit = amplitude_encoding(2**11) + strongly_entangling(11, 1)
    model = QuantumClassifier(circuit, PauliExpectations.of("Z0", "Z1"), Box.uniform(0, 1, 2**11))
    model.requires_grad_(False)
    x = points(2**11, batch=2)
    assert torch.allclose(model(x), run(circuit, x, model.weights, model.readout), atol=1e-14)
    assert model._folded is None


@pytest.mark.parametrize("frozen", [False, True])
def test_bad_inputs_are_refused_folded_or_not(frozen: bool) -> None:
    model = amplitude_model().requires_grad_(not frozen)
    for shape in ((3, 8), (7,), (2, 7, 1)):
        with pytest.raises(InputError, match="inputs have shape"):
            model(torch.zeros(shape))
    with pytest.raises(InputError, match="float32 or float64"):
        model(torch.ones(3, 7, dtype=torch.int64))
    with pytest.raises(InputError, match="inputs are complex"):
        model(torch.ones(3, 7, dtype=torch.complex64))
    x = points(7)
    x[3] = 0.0
    with pytest.raises(InputError, match="sample 3 is the zero vector"):
        model(x)
    assert model(points(7)[:0]).shape == (0, 3)


def test_scaling_the_input_leaves_predictions_unchanged() -> None:
    for model in (amplitude_model(), amplitude_model().requires_grad_(False)):
        assert torch.allclose(model(points(7)), model(0.01 * points(7)), atol=1e-12)


def test_effective_observables_need_amplitudes() -> None:
    model = QuantumClassifier(reuploading(2, 1), PauliExpectations.of("Z0", "Z1"), Box.uniform(0, 1, 2))
    with pytest.raises(ConditionsError, match="gate angles"):
        model.effective_observables()
    model.requires_grad_(False)
    assert torch.equal(model(points(2)), run(model.circuit, points(2), model.weights, model.readout))


def test_initial_weights() -> None:
    def built(**options: torch.Generator) -> QuantumClassifier:
        return QuantumClassifier(reuploading(2, 3), PauliExpectations.of("Z0", "Z1"), Box.uniform(0, 1, 2), **options)

    model = built()
    assert model.weights[:6].tolist() == [1.0] * 6
    assert 0.1 < float(model.weights[6:].detach().std()) < 0.5
    assert torch.equal(model.weights, built().weights)
    assert torch.equal(model.weights, built(generator=seeded(0)).weights)
    assert not torch.equal(model.weights, built(generator=seeded(1)).weights)


def test_sampling_passes_shots_and_noise_on() -> None:
    model, x = amplitude_model(), points(7)
    noise = NoiseModel(global_depolarizing=0.5)
    assert torch.equal(model.sample(x, shots=None, generator=seeded(0)), model(x).detach())
    noisy = run(model.circuit, x, model.weights, model.readout, noise=noise).detach()
    assert torch.allclose(model.sample(x, shots=None, generator=seeded(0), noise=noise), noisy)
    first, second = (model.sample(x, shots=200, generator=seeded(4), noise=noise) for _ in range(2))
    assert torch.equal(first, second)
    assert not first.requires_grad
    assert torch.allclose(first, noisy, atol=10 * 5 * 0.5 / 200**0.5)  # logit scale 10, five standard errors
    with pytest.raises(UsageError, match="shots is 0"):
        model.sample(x, shots=0, generator=seeded(0))


def test_states_give_the_scores() -> None:
    model = amplitude_model()
    states = model.states(points(7))
    probabilities = states.abs().square().reshape(5, 4, 2).sum(2)[:, :3]
    assert torch.allclose(10 * probabilities, model(points(7)), atol=1e-13)
    assert not states.requires_grad


@pytest.mark.parametrize("head", [None, Scale(torch.tensor(3.0)), Linear(torch.randn(2, 3), torch.randn(2))])
@pytest.mark.parametrize("trainable", [True, False])
def test_configuration_round_trip(head: Scale | Linear | None, trainable: bool) -> None:
    box = Box(
        torch.tensor([0.0, -torch.inf], dtype=torch.float64),
        torch.tensor([6.0, torch.inf], dtype=torch.float64),
        torch.tensor([True, False]),
    )
    model = QuantumClassifier(
        reuploading(2, 2), GROUPS, box, head=head, trainable_head=trainable, weights=torch.rand(16, generator=seeded(1))
    )
    again = QuantumClassifier.from_config(json.loads(json.dumps(model.config())))
    again.load_state_dict(model.state_dict())
    assert torch.equal(model(points(2)), again(points(2)))
    assert again.config() == model.config()
    assert again.outputs == model.outputs == ("expectations" if head is None else "logits")
    assert len(list(again.parameters())) == len(list(model.parameters()))
    assert torch.equal(again.bounds.upper, box.upper)


def test_heads_keep_their_precision() -> None:
    head = Linear(torch.tensor([[1 / 3, 0.0], [0.0, 1 / 7]], dtype=torch.float64), torch.zeros(2, dtype=torch.float64))
    circuit = Circuit(2, amplitudes=Amplitudes(4))
    model = QuantumClassifier(circuit, PauliExpectations.of("Z0", "Z1"), Box.uniform(0, 1, 4), head=head)
    x = torch.tensor([[1.0, 0.0, 0.0, 0.0]], dtype=torch.float64)
    assert model(x)[0].tolist() == [1 / 3, 1 / 7]


def test_what_does_not_fit_is_refused() -> None:
    box, paulis = Box.uniform(0, 1, 2), PauliExpectations.of("Z0", "Z1")
    circuit = Circuit(2).add("RX", 0, feature(0)).add("RY", 1, feature(1) * weight(0))
    with pytest.raises(ModelError, match="bounds cover 3 features; the circuit takes 2"):
        QuantumClassifier(circuit, paulis, Box.uniform(0, 1, 3))
    with pytest.raises(ModelError, match="measurement reads qubit 2; the circuit has 2 qubits"):
        QuantumClassifier(circuit, PauliExpectations.of("Z0", "Z2"), box)
    with pytest.raises(ModelError, match=r"weights have shape \(3,\); the circuit takes \(1,\)"):
        QuantumClassifier(circuit, paulis, box, weights=torch.zeros(3))
    with pytest.raises(ModelError, match="the readout gives 1 score; a classifier needs at least 2"):
        QuantumClassifier(circuit, PauliExpectations.of("Z0"), box)
    with pytest.raises(UsageError, match="linear head has weight"):
        QuantumClassifier(circuit, paulis, box, head=Linear(torch.ones(2, 5), torch.ones(2)))


def uploading_model(**options: str) -> QuantumClassifier:
    circuit = reuploading(3, 2)
    return QuantumClassifier(circuit, PauliExpectations.of("Z0", "X1"), Box.uniform(0, 1, 3), **options)


@pytest.mark.parametrize("frozen", [False, True])
def test_unknown_engines_are_refused(frozen: bool) -> None:
    with pytest.raises(UsageError, match="engine is 'kernel'; allowed: auto, compiled, torch"):
        uploading_model(engine="kernel")
    for model in (uploading_model(), amplitude_model()):
        model.requires_grad_(not frozen).engine = "kernel"
        with pytest.raises(UsageError, match="engine is 'kernel'; allowed: auto, compiled, torch"):
            model(points(model.bounds.features))


@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize("build", [uploading_model, amplitude_model])
def test_engines_agree(build: Callable[..., QuantumClassifier], frozen: bool) -> None:
    found = []
    for engine in ENGINES:
        model = build(engine=engine).requires_grad_(not frozen)
        x = points(model.bounds.features, batch=20).requires_grad_()
        scores = model(x)
        wanted = [x] if frozen else [x, *model.parameters()]
        found.append([scores, *torch.autograd.grad(scores.square().sum(), wanted), model.states(x)])
    for other in found[1:]:
        for theirs, ours in zip(found[0], other, strict=True):
            size = max(1.0, float(theirs.detach().abs().max()))
            # The weights are float32, and so are their gradients.
            tolerance = 1e-12 if theirs.dtype != torch.float32 else 1e-6
            assert torch.allclose(ours, theirs, atol=tolerance * size, rtol=0)


@each_engine
def test_every_engine_samples(engine: str) -> None:
    model, x = uploading_model(engine=engine), points(3)
    exact = model.sample(x, shots=None, generator=seeded(0))
    assert torch.equal(exact, model(x).detach())
    first, second = (model.sample(x, shots=1000, generator=seeded(1)) for _ in range(2))
    assert torch.equal(first, second)
    assert torch.allclose(first, exact, atol=5 / 1000**0.5)
    assert not torch.equal(first, exact)
    for noise in (NoiseModel(readout_flips=(0.1, 0.1)), NoiseModel(qubit_depolarizing=0.05, trajectories=200)):
        noisy = model.sample(x, shots=1000, generator=seeded(1), noise=noise)
        assert float(noisy.abs().mean()) < float(exact.abs().mean())


def test_the_engine_is_not_saved() -> None:
    model = uploading_model(engine="torch")
    assert "engine" not in json.dumps(model.config())
    assert not any("engine" in name for name in model.state_dict())
    assert QuantumClassifier.from_config(model.config()).engine == "auto"
    assert copy.deepcopy(model).engine == "torch"

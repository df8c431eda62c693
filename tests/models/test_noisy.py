"""The noisy classifier: closed forms, gradients, folding, devices, and what it must not be mistaken for."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from dense_oracle import density
from random_circuits import random_circuit, random_paulis

from counterspin.circuits import (
    Circuit,
    Linear,
    Measurement,
    OutcomeGroups,
    PauliExpectations,
    Scale,
    amplitude_encoding,
    feature,
    reuploading,
    strongly_entangling,
)
from counterspin.errors import CapabilityError, ConditionsError, ModelError, UsageError
from counterspin.mitigation.zne import ZNE
from counterspin.models import (
    MLP,
    AffineInputs,
    HybridClassifier,
    LogisticRegression,
    QuantumClassifier,
    SampledModel,
    unwrapped,
)
from counterspin.models.noisy import NoisyClassifier
from counterspin.noise import GateRule, NoiseModel, ReadoutErrors
from counterspin.noise.channels import amplitude_damping, bit_flip, depolarizing
from counterspin.noise.kraus import Placed
from counterspin.optimum import AffineMap
from counterspin.simulation import run
from counterspin.simulation.preparation import prepared_circuit
from counterspin.types import (
    Box,
    Cost,
    Differentiable,
    HasChannels,
    HasCircuit,
    HasEffectiveObservables,
    HasEngine,
    HasStates,
    PricesCalls,
    Sampled,
)

BIT = OutcomeGroups((0,), ((0,), (1,)))


def rotation(*channels, head=None):
    circuit = Circuit(1).add("RY", 0, torch.pi * feature(0))
    places = tuple(Placed(after=0, qubits=(0,), channel=c) for c in channels)
    return NoisyClassifier(
        QuantumClassifier(circuit, BIT, Box.uniform(0, 1, 1), head=head), noise=NoiseModel(placed=places)
    )


def amplitude_model(head=None, qubits=3):
    circuit = amplitude_encoding(2**qubits) + strongly_entangling(qubits, 2)
    return QuantumClassifier(circuit, OutcomeGroups.first(qubits=2, classes=3), Box.uniform(0, 1, 2**qubits), head=head)


def points(model, count=6, seed=1):
    features = model.bounds.features
    return torch.rand(count, features, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def per_gate(channel, **fields):
    return NoiseModel(rules=(GateRule(channel=channel, targets="each"),), **fields)


def test_decay_moves_the_boundary_in_closed_form():
    # P(1) = (1 - γ) sin²(πx/2), so the boundary moves from 1/2 to where that is one half.
    model, gamma = rotation(amplitude_damping(0.3)), 0.3
    x = torch.linspace(0, 1, 9, dtype=torch.float64)[:, None]
    one = (1 - gamma) * torch.sin(torch.pi * x / 2).square()
    torch.testing.assert_close(model(x), torch.cat([1 - one, one], 1), atol=1e-14, rtol=0)
    boundary = 2 / np.pi * np.arcsin((0.5 / (1 - gamma)) ** 0.5)
    scores = model(torch.tensor([[boundary]], dtype=torch.float64))[0]
    assert scores[0].item() == pytest.approx(scores[1].item(), abs=1e-14)


@pytest.mark.parametrize("qubits", [1, 2, 3])
def test_per_layer_depolarising_equals_the_dense_oracle(qubits):
    rng = np.random.default_rng(qubits)
    circuit = random_circuit(rng, qubits)
    (end,) = circuit.layers
    places = tuple(Placed(after=end - 1, qubits=(q,), channel=depolarizing(0.3)) for q in range(qubits))
    x, w = rng.normal(size=(2, circuit.inputs)), rng.normal(size=circuit.weights)
    box = Box.unbounded(circuit.inputs)
    body = QuantumClassifier(circuit, random_paulis(rng, qubits), box, weights=torch.tensor(w))
    model = NoisyClassifier(body, noise=NoiseModel(placed=places))
    per_layer = NoisyClassifier(body, noise=NoiseModel(qubit_depolarizing=0.3))
    torch.testing.assert_close(model(torch.tensor(x)), per_layer(torch.tensor(x)), atol=1e-12, rtol=0)
    found = model.density(torch.tensor(x)).detach().numpy()
    for row, sample in zip(found, x, strict=True):
        np.testing.assert_allclose(row, density(circuit, sample, w, 0.3), atol=1e-12)


def test_without_channels_it_is_the_noiseless_model():
    circuit = amplitude_encoding(7) + strongly_entangling(3, 2)
    groups = OutcomeGroups((0, 2), ((0,), (1, 2), (3,)))
    x = torch.rand(5, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for head in (None, Scale(torch.tensor(3.0)), Linear(torch.eye(3)[:2].double(), torch.tensor([0.1, -0.2]).double())):
        ideal = QuantumClassifier(circuit, groups, Box.uniform(0, 1, 7), head=head)
        model = NoisyClassifier(ideal, noise=NoiseModel())
        torch.testing.assert_close(model(x), ideal(x), atol=1e-12, rtol=0)
        assert model.outputs == ideal.outputs
        assert model.classes == ideal.classes


def test_capabilities():
    model = rotation(bit_flip(0.1))
    for protocol in (HasCircuit, HasChannels, HasEffectiveObservables, Differentiable, Sampled, HasEngine, PricesCalls):
        assert isinstance(model, protocol)
    # A pure state would be a wrong answer.
    assert not isinstance(model, HasStates)
    assert model.call_price(3) == Cost(forwards=3, circuits=3)


@pytest.mark.parametrize("frozen", [False, True])
def test_effective_observables_hold_all_noise(frozen):
    body = amplitude_model(Scale(torch.tensor(5.0))).requires_grad_(not frozen)
    flips = ReadoutErrors(flips=((0.1, 0.2), (0.0, 0.1), (0.05, 0.05)))
    model = NoisyClassifier(body, noise=per_gate(amplitude_damping(0.05), readout=flips, global_depolarizing=0.1))
    x = points(model)
    scores, dense = model(x).detach(), _run_as(model, x, "density").detach()
    assert model.runs_on().endswith("folded") == frozen
    torch.testing.assert_close(model.effective_observables().scores(x), scores, atol=1e-12, rtol=0)
    torch.testing.assert_close(scores, dense, atol=1e-10, rtol=0)
    assert float((body(x).detach() - scores).abs().max()) > 0.05
    with pytest.raises(ConditionsError, match="encodes data in gate angles"):
        rotation().effective_observables()


def _run_as(model, x, engine):
    """Its scores by one way to simulate channels."""
    return run(model.circuit, model.circuit_inputs(x), model.weights, model.readout, noise=model.noise, engine=engine)


def test_folded_forms_follow_the_weights():
    body = amplitude_model().requires_grad_(False)
    model = NoisyClassifier(body, noise=per_gate(amplitude_damping(0.05)))
    x = points(model)
    before = model(x)
    with torch.no_grad():
        body.weights += 0.3
    after = model(x)
    assert float((after - before).abs().max()) > 0.01
    torch.testing.assert_close(after, _run_as(model, x, "density"), atol=1e-10, rtol=0)
    assert model(x.float()).dtype == torch.float32


def test_gradients_and_precision():
    model = rotation(depolarizing(0.2))
    x = torch.tensor([[0.3], [0.8]], dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(model(x)[:, 0].sum(), x)
    expected = -0.4 * torch.pi * torch.sin(torch.pi * x.detach())
    torch.testing.assert_close(gradient, expected, atol=1e-13, rtol=0)
    single = model(x.detach().float())
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double(), model(x).detach(), atol=1e-6, rtol=0)


def test_weights_and_head_are_those_of_the_body():
    body = amplitude_model(Scale(torch.tensor(2.0)), qubits=2)
    model = NoisyClassifier(body, noise=per_gate(bit_flip(0.1)))
    model(torch.eye(4).double()).square().sum().backward()
    found = {name: float(p.grad.abs().max()) for name, p in model.named_parameters() if p.grad is not None}
    assert set(found) == {"body.weights", "body.log_scale"}
    assert min(found.values()) > 1e-4
    assert model.weights is body.weights


def test_printed_form_tells_noise_apart():
    assert "bit_flip(0.1) after gate 0 on (0,)" in repr(rotation(bit_flip(0.1)))
    assert repr(rotation(bit_flip(0.1))) != repr(rotation(bit_flip(0.2)))
    body = amplitude_model()
    kinds = [
        NoiseModel(),
        NoiseModel(global_depolarizing=0.1),
        NoiseModel(readout_flips=(0.1, 0.0)),
        per_gate(bit_flip(0.1)),
    ]
    assert len({repr(NoisyClassifier(body, noise=noise)) for noise in kinds}) == 4


@pytest.mark.parametrize("qubits", [2, 9])
def test_it_repeats_itself_row_by_row_and_says_how(qubits):
    body = QuantumClassifier(reuploading(qubits, 1), PauliExpectations.of("Z0", "X1"), Box.uniform(0, 1, qubits))
    model = NoisyClassifier(body, noise=per_gate(depolarizing(0.05)))
    x = points(model, 4)
    scores = model(x)
    assert torch.equal(model(x), scores)
    torch.testing.assert_close(torch.cat([model(row) for row in x.split(1)]), scores, atol=1e-12, rtol=0)
    name = "transfer" if qubits == 2 else "trajectories"
    assert model.engine_note.startswith(f"{name}: {qubits} qubits are ")
    assert model.runs_on().endswith(name)
    other = NoisyClassifier(body, noise=model.noise, seed=1)
    assert torch.equal(other(x), scores) == (qubits == 2)


def test_fronts_stay_in_front():
    front = MLP(Box.uniform(0.0, 1.0, features=4), classes=2, hidden=(3,))
    body = QuantumClassifier(reuploading(2, 1), PauliExpectations.of("Z0", "Z1"), Box.uniform(-1, 1, 2))
    noise = per_gate(amplitude_damping(0.1))
    hybrid, inner = HybridClassifier(front, body), NoisyClassifier(body, noise=noise)
    model = NoisyClassifier(hybrid, noise=noise)
    x = points(model).requires_grad_()
    torch.testing.assert_close(model(x), inner(torch.tanh(front(x))), atol=1e-12, rtol=0)
    assert model.bounds is front.bounds
    (slope,) = torch.autograd.grad(model(x)[:, 0].sum(), x)
    assert float(slope.abs().max()) > 1e-4
    with pytest.raises(ConditionsError, match=r"HybridClassifier.* takes computed inputs"):
        NoisyClassifier(HybridClassifier(front, body), noise=noise).effective_observables()


def test_affine_maps_are_seen_through():
    body = amplitude_model()
    centre = AffineMap.standardisation(torch.full((8,), 0.5), torch.ones(8))
    affine = AffineInputs(body, centre, body.bounds)
    model = NoisyClassifier(affine, noise=per_gate(bit_flip(0.1), readout_flips=(0.1, 0.0)))
    noisy, input_map = unwrapped(model)
    x = points(model)
    assert isinstance(noisy, NoisyClassifier)
    assert noisy.body is body
    torch.testing.assert_close(noisy(input_map(x)), model(x), atol=1e-12, rtol=0)
    torch.testing.assert_close(
        noisy.effective_observables().scores(input_map(x)), model(x).detach(), atol=1e-12, rtol=0
    )
    assert unwrapped(model)[0] is noisy
    assert set(model.state_dict()) == {f"body.{name}" for name in affine.state_dict()}
    with pytest.raises(ConditionsError, match=r"AffineInputs.* takes computed inputs"):
        model.effective_observables()


@dataclass(frozen=True, kw_only=True)
class Swapped:
    """A device that runs a circuit with its qubits in reverse order."""

    circuit: Circuit
    noise: NoiseModel

    def measured(self, measurement: Measurement, /) -> Measurement:
        qubits = self.circuit.qubits
        strings = tuple(tuple(sorted((qubits - 1 - q, p) for q, p in s)) for s in measurement.observables)
        return PauliExpectations(strings)


def reversed_circuit(circuit: Circuit) -> Circuit:
    gates = tuple(replace(g, qubits=tuple(circuit.qubits - 1 - q for q in g.qubits)) for g in circuit.gates)
    return replace(circuit, gates=gates)


def test_a_placement_brings_circuit_noise_and_measurement():
    body = QuantumClassifier(reuploading(3, 1), PauliExpectations.of("Z0", "X1 Y2"), Box.uniform(0, 1, 3))
    noise = per_gate(amplitude_damping(0.1))
    placement = Swapped(circuit=reversed_circuit(body.circuit), noise=noise)
    model, plain = NoisyClassifier(body, placement=placement), NoisyClassifier(body, noise=noise)
    x = points(model)
    assert model.circuit is placement.circuit
    assert model.readout.measurement == PauliExpectations.of("Z2", "Y0 X1")
    torch.testing.assert_close(model(x), plain(x), atol=1e-12, rtol=0)
    stronger = NoisyClassifier(body, placement=placement, noise=per_gate(amplitude_damping(0.5)))
    assert float((stronger(x) - model(x)).detach().abs().max()) > 0.05
    with pytest.raises(ModelError, match="placement runs a circuit of 2 inputs and 8 weights, and the model's has 3"):
        NoisyClassifier(body, placement=Swapped(circuit=reuploading(2, 1), noise=noise))


def test_simulated_preparation_suffers_noise_and_is_never_exact():
    body = amplitude_model()
    x, noise = points(body), per_gate(depolarizing(0.02))
    for strength, differ in ((0.0, False), (0.02, True)):
        noise = per_gate(depolarizing(strength))
        ideal, real = (NoisyClassifier(body, noise=noise, preparation=p) for p in ("ideal", "simulated"))
        assert bool((ideal(x) - real(x)).abs().max() > 0.01) == differ
        if not differ:
            torch.testing.assert_close(real(x), ideal(x), atol=1e-12, rtol=0)
    assert ideal.preparation == "state preparation ideal"
    assert real.preparation == "state preparation simulated gate by gate"
    assert rotation().preparation is None
    assert real.circuit == prepared_circuit(body.circuit)
    with pytest.raises(ConditionsError, match="encodes data in gate angles"):
        real.effective_observables()
    x = x.requires_grad_()
    (slope,) = torch.autograd.grad(real(x)[:, 0].sum(), x)
    moved = x.detach().clone()
    moved[:, 0] += 1e-6
    change = (real(moved)[:, 0] - real(x)[:, 0]) / 1e-6
    torch.testing.assert_close(slope[:, 0], change.detach(), atol=1e-5, rtol=0)


def test_linear_mitigation_is_folded_and_turns_probabilities_to_expectations():
    body = amplitude_model()
    noise = NoiseModel(global_depolarizing=0.2)
    noisy, mitigated = (NoisyClassifier(body, noise=noise, mitigation=m) for m in (None, ZNE()))
    x = points(noisy)
    errors = [float((m(x) - body(x)).detach().abs().max()) for m in (noisy, mitigated)]
    assert errors[1] < errors[0] / 3
    assert (noisy.outputs, mitigated.outputs) == (body.outputs, "expectations")
    observables = mitigated.effective_observables()
    torch.testing.assert_close(observables.scores(x), mitigated(x).detach(), atol=1e-10, rtol=0)
    folded = NoisyClassifier(amplitude_model().requires_grad_(False), noise=noise, mitigation=ZNE())
    torch.testing.assert_close(folded(x), mitigated(x).detach(), atol=1e-10, rtol=0)
    variants = len(ZNE().construct(body.circuit, noise))
    assert mitigated.call_price(2).circuits == 2 * variants
    assert "mitigation zne" in repr(mitigated)


def test_shots_average_to_the_scores():
    body = QuantumClassifier(reuploading(2, 1), PauliExpectations.of("Z0", "X1"), Box.uniform(0, 1, 2))
    noise = per_gate(amplitude_damping(0.1), readout_flips=(0.05, 0.1))
    x = torch.full((400, 2), 0.4, dtype=torch.float64)
    for mitigation in (None, ZNE()):
        model = NoisyClassifier(body, noise=noise, mitigation=mitigation)
        sampled = SampledModel(model, shots=300, seed=2)
        scores, exact = sampled(x), model(x[:1]).detach()[0]
        error = scores.std(0) / 20
        assert bool(((scores.mean(0) - exact).abs() < 5 * error).all())
        assert sampled.twin is model
        frozen = sampled.frozen(1)
        assert torch.equal(frozen(x[:2]), frozen(x[:2]))
    with pytest.raises(UsageError, match="shots is 1, to be shared by"):
        model.sample(x, shots=1, generator=torch.Generator().manual_seed(0))


def test_refusals():
    body = QuantumClassifier(Circuit(1).add("RY", 0, feature(0)), BIT, Box.uniform(0, 1, 1))
    outside = Placed(after=1, qubits=(0,), channel=bit_flip(0.1))
    with pytest.raises(UsageError, match="after gate 1"):
        NoisyClassifier(body, noise=NoiseModel(placed=(outside,)))
    with pytest.raises(UsageError, match="readout has errors for 2 qubits"):
        NoisyClassifier(body, noise=NoiseModel(readout=ReadoutErrors.uniform((0.1, 0.1), 2)))
    with pytest.raises(UsageError, match="noise is None and there is no placement"):
        NoisyClassifier(body)
    with pytest.raises(UsageError, match="preparation is 'exact'; allowed: ideal, simulated"):
        NoisyClassifier(body, noise=NoiseModel(), preparation="exact")
    with pytest.raises(ConditionsError, match="encodes none"):
        NoisyClassifier(body, noise=NoiseModel(), preparation="simulated")
    with pytest.raises(CapabilityError, match=r"LogisticRegression.* shows no circuit"):
        NoisyClassifier(LogisticRegression(Box.uniform(0, 1, 2), classes=2), noise=NoiseModel())
    noisy = NoisyClassifier(body, noise=NoiseModel())
    with pytest.raises(CapabilityError, match=r"NoisyClassifier.* runs under noise of its own"):
        NoisyClassifier(noisy, noise=NoiseModel())
    flips = NoiseModel(readout_flips=(0.1, 0.1))
    with pytest.raises(UsageError, match="noise is given to a model that has its own"):
        noisy.sample(torch.zeros(1, 1), shots=1, generator=torch.Generator(), noise=flips)
    with pytest.raises(UsageError, match="noise is given for a model"):
        SampledModel(noisy, shots=1, noise=flips)


def test_no_samples_have_no_scores():
    empty = torch.zeros(0, 1, dtype=torch.float64)
    assert rotation(amplitude_damping(0.3))(empty).shape == (0, 2)

from importlib import import_module

import pytest
import torch
from compiled_engine import needs_kernel
from torch import Tensor

from counterspin.circuits import (
    Linear,
    OutcomeGroups,
    PauliExpectations,
    Scale,
    amplitude_encoding,
    angle_encoding,
    reuploading,
)
from counterspin.evaluation.noise_resilience import NoiseGrid, measure_noise, noise_price
from counterspin.evaluation.statistics import measured_share
from counterspin.models import MLP, HybridClassifier, LogisticRegression, NoisyClassifier, QuantumClassifier
from counterspin.noise import NoiseModel
from counterspin.simulation.engines import choose
from counterspin.types import Box, Cost

SMALL = NoiseGrid(
    global_depolarizing=(0.0, 0.4),
    qubit_depolarizing=(0.0, 0.5),
    readout_flips=(0.0, 0.1),
    shots=(16, None),
    samples=30,
    trajectory_samples=10,
    trajectories=8,
)


def rotation_classifier(bias: float = 0.0) -> QuantumClassifier:
    """Scores ±⟨Z⟩/2 + (0, bias) of RY(x)|0⟩: ⟨Z⟩ = cos x."""
    head = Linear(torch.tensor([[0.5], [-0.5]]), torch.tensor([0.0, bias]))
    return QuantumClassifier(
        angle_encoding(1), PauliExpectations.of("Z0"), Box.uniform(0.0, 3.1416, features=1), head=head
    ).requires_grad_(False)


def angles(n: int = 40) -> tuple[Tensor, Tensor]:
    x = torch.linspace(0.02, 3.12, n, dtype=torch.float64)[:, None]
    return x, (torch.cos(x[:, 0]) < 0).long()


def infinite(record, kind: str) -> list[float]:
    (curve,) = [c for c in record.curves if c.kind == kind]
    return [p.accuracy.value for p in curve.points if p.shots is None]


def test_balanced_readout_is_flat_by_theorem_and_finite_shots_are_not():
    x, y = angles()
    record = measure_noise(rotation_classifier(), x, y, seed=0, grid=NoiseGrid(qubit_depolarizing=(), readout_flips=()))
    curve = record.curves[0]
    assert curve.theorem is not None
    assert "theorem" in curve.theorem
    assert infinite(record, "global_depolarizing") == [1.0] * 5
    few = [p.accuracy.value for p in curve.points if p.shots == 64]
    assert min(few) < 1.0


def test_unbalanced_readout_moves_the_boundary_as_computed_by_hand():
    # Margin of class 0: (1-p) cos x - bias, so the boundary sits at arccos(bias / (1-p)).
    bias, (x, _) = 0.3, angles()
    y = (torch.cos(x[:, 0]) < bias).long()
    record = measure_noise(rotation_classifier(bias), x, y, seed=0, grid=NoiseGrid(samples=40, shots=(None,)))
    curve = record.curves[0]
    assert curve.theorem is None
    assert "boundary moves" in curve.label
    for point in curve.points:
        expected = (((1 - point.strength) * torch.cos(x[:, 0]) < bias).long() == y).double().mean()
        assert point.accuracy.value == pytest.approx(float(expected), abs=1e-12)
    assert curve.points[-1].accuracy.value < 1.0


@pytest.mark.parametrize(("classes", "flat"), [(4, True), (3, True), ("uneven", False)])
def test_theorem_follows_the_sizes_of_the_outcome_groups(classes, flat):
    groups = ((0,), (1, 2)) if classes == "uneven" else tuple((k,) for k in range(classes))
    model = QuantumClassifier(
        amplitude_encoding(4), OutcomeGroups((0, 1), groups), Box.uniform(-1.0, 1.0, 4), head=Scale(torch.tensor(7.0))
    )
    x = torch.rand(6, 4, generator=torch.Generator().manual_seed(0)) + 0.1
    record = measure_noise(model, x, torch.zeros(6, dtype=torch.int64), seed=0, grid=SMALL)
    assert (record.curves[0].theorem is not None) == flat
    # The oracle: traces of the effective observables, biases included.
    traces = torch.stack([m.trace().real for m in model.effective_observables().matrices])
    assert bool((traces - traces[0]).abs().max() < 1e-5) == flat


def test_asymmetric_readout_errors_move_the_boundary_as_computed_by_hand():
    # P(read 1) = s P(0) + (1 - 2s) P(1), read margin = P(0) - P(1) -> cos x (1 - 3s) + s.
    x, y = angles()
    record = measure_noise(rotation_classifier(), x, y, seed=0, grid=NoiseGrid(shots=(None,)))
    curve = record.curves[2]
    for point in curve.points:
        s = point.strength
        expected = (((1 - 3 * s) * torch.cos(x[:, 0]) + s <= 0).long() == y).double().mean()
        assert point.accuracy.value == pytest.approx(float(expected), abs=1e-12)
    assert curve.points[-1].accuracy.value < 1.0
    assert curve.theorem is None


def test_records_are_reproducible_and_points_do_not_depend_on_each_other():
    x, y = angles()
    first = measure_noise(rotation_classifier(), x, y, seed=1, grid=SMALL)
    assert first == measure_noise(rotation_classifier(), x, y, seed=1, grid=SMALL)
    assert first != measure_noise(rotation_classifier(), x, y, seed=2, grid=SMALL)
    alone = NoiseGrid(global_depolarizing=(0.4,), qubit_depolarizing=(), readout_flips=(), shots=(16,), samples=30)
    only = measure_noise(rotation_classifier(), x, y, seed=1, grid=alone).curves[0].points[0]
    assert only in first.curves[0].points


def test_sizes_are_stated_per_point():
    x, y = angles()
    record = measure_noise(rotation_classifier(), x, y, seed=0, grid=SMALL)
    assert record.samples == 30
    assert {p.accuracy.n for p in record.curves[0].points} == {30}
    # One qubit is exact: no errors are drawn.
    assert {p.accuracy.n for p in record.curves[1].points} == {30}
    assert record.curves[1].trajectories is None
    assert [(p.strength, p.shots) for p in record.curves[2].points] == [(0.0, 16), (0.0, None), (0.1, 16), (0.1, None)]


class Remote:
    """A Sampled model without a circuit: forwards to one and counts calls."""

    def __init__(self, model: QuantumClassifier) -> None:
        self.model, self.calls = model, []
        self.bounds, self.classes, self.outputs, self.stochastic = model.bounds, model.classes, model.outputs, False

    def __call__(self, x: Tensor) -> Tensor:
        return self.model(x)

    def sample(
        self, x: Tensor, *, shots: int | None, generator: torch.Generator, noise: NoiseModel | None = None
    ) -> Tensor:
        self.calls.append((shots, noise))
        return self.model.sample(x, shots=shots, noise=noise, generator=generator)


def test_models_without_a_circuit_go_through_sample_and_claim_no_theorem():
    (x, y), model = angles(), rotation_classifier()
    remote = Remote(model)
    record = measure_noise(remote, x, y, seed=0, grid=SMALL)
    assert len(remote.calls) == 12
    assert (16, NoiseModel(readout_flips=(0.1, 0.2))) in remote.calls
    assert record.curves[0].theorem is None
    assert "may move" in record.curves[0].label
    assert record.curves[1].trajectories == 8
    assert {p.accuracy.n for p in record.curves[1].points} == {10}
    direct = measure_noise(model, x, y, seed=0, grid=SMALL)
    for kind in ("global_depolarizing", "readout_flips"):
        assert infinite(record, kind) == infinite(direct, kind)


def test_wide_circuits_are_measured_by_drawn_errors():
    circuit = reuploading(9, 1, trainable_scale=False)
    body = QuantumClassifier(circuit, PauliExpectations.of("Z0", "Z1"), Box.unbounded(9))
    x = torch.rand(20, 9, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    record = measure_noise(body, x, body(x).argmax(dim=1), seed=0, grid=SMALL)
    assert [curve.trajectories for curve in record.curves] == [None, 8, None]
    assert {p.accuracy.n for p in record.curves[1].points} == {10}
    small, large = (noise_price(model, 20, SMALL).circuits for model in (body, rotation_classifier()))
    assert large - small == 2 * 2 * 10


def test_noise_of_its_own_is_not_added_to():
    (x, y), body = angles(), rotation_classifier()
    noisy = NoisyClassifier(body, noise=NoiseModel(global_depolarizing=0.1))
    record = measure_noise(noisy, x, y, seed=0, grid=SMALL)
    assert record.skipped == "NoisyClassifier runs under noise of its own, which no other noise is added to"
    assert noise_price(noisy, 20, SMALL) == Cost()


def test_hybrid_models_are_measured_through_their_front():
    front = MLP(Box.uniform(0.0, 1.0, features=4), classes=2, hidden=(3,))
    body = QuantumClassifier(angle_encoding(2), PauliExpectations.of("Z0", "Z1"), Box.uniform(-1.0, 1.0, features=2))
    model = HybridClassifier(front, body)
    x = torch.rand(30, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    y = model(x).argmax(dim=1)
    assert infinite(measure_noise(model, x, y, seed=0, grid=SMALL), "global_depolarizing") == [1.0, 1.0]


def test_classical_models_are_skipped_with_a_reason():
    x, y = torch.rand(3, 2), torch.zeros(3, dtype=torch.int64)
    record = measure_noise(LogisticRegression(Box.uniform(0.0, 1.0, 2), classes=2), x, y, seed=0)
    assert record.curves == []
    assert record.skipped is not None
    assert "LogisticRegression" in record.skipped


def test_a_tie_counts_as_wrong():
    x = torch.tensor([[torch.pi / 2]], dtype=torch.float64)
    head = Linear(torch.tensor([[0.0], [0.0]]), torch.tensor([0.0, 0.0]))
    model = QuantumClassifier(angle_encoding(1), PauliExpectations.of("Z0"), Box.uniform(0.0, 3.2, 1), head=head)
    record = measure_noise(model, x, torch.tensor([0]), seed=0, grid=SMALL)
    assert record.curves[0].points[0].accuracy == measured_share(0, 1)


@pytest.mark.parametrize("asked", ["torch", "auto", pytest.param("compiled", marks=needs_kernel)])
def test_noise_is_measured_on_the_engine_the_model_asks_for(asked: str, monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = angles(6)
    model = rotation_classifier()
    model.engine = asked
    taken = []

    def spy(engine: str, *arguments: object, **options: object) -> object:
        taken.append(engine)
        return choose(engine, *arguments, **options)

    # By name: the package exports a function called run.
    monkeypatch.setattr(import_module("counterspin.simulation.run"), "choose", spy)
    measure_noise(model, x, y, seed=0, grid=SMALL)
    assert set(taken) == {asked}

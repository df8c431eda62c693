"""Pruning with further training: what leaves, what it may cost, and how it is undone."""

from dataclasses import dataclass, field

import pytest
import torch

from counterspin.circuits import Circuit, Linear, PauliExpectations, feature, reuploading
from counterspin.circuits.angles import weight
from counterspin.datasets import Split
from counterspin.defenses.training.finish import FinishedPart, Finisher
from counterspin.defenses.training.noise import NoiseView
from counterspin.defenses.training.prune import ENTRY, Prune
from counterspin.errors import CapabilityError, InterruptedRunError, UsageError
from counterspin.models import MLP, HybridClassifier, QuantumClassifier, load_model, save_model
from counterspin.threats import Linf
from counterspin.training import CrossEntropyObjective, TrainingSettings, accuracy, fit
from counterspin.types import Box

THREAT = Linf(0.1)
SETTINGS = TrainingSettings(epochs=10, batch_size=20, learning_rate=0.05)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def data(rows, seed):
    x = torch.rand(rows, 3, generator=seeded(seed), dtype=torch.float64)
    return Split(x, (x[:, 0] + 0.2 * x[:, 1] > 0.6).long())


TRAIN, VALIDATION = data(80, 1), data(60, 2)


def model(layers=2):
    generator = seeded(4)
    return QuantumClassifier(
        reuploading(3, layers, scale=torch.pi),
        PauliExpectations.of("Z0", "Z1", "Z2"),
        Box.uniform(0.0, 1.0, features=3),
        head=Linear(torch.randn(2, 3, generator=generator), torch.zeros(2)),
        generator=generator,
    )


def finish(defense, own, validation=VALIDATION, objective=None, seed=0, checkpoint=None):
    objective = CrossEntropyObjective() if objective is None else objective
    return defense.finish(
        own, TRAIN, validation, SETTINGS, generator=seeded(seed), objective=objective, checkpoint=checkpoint
    )


@pytest.fixture(scope="module")
def trained():
    own = model()
    fit(own, CrossEntropyObjective(), TRAIN, None, SETTINGS, generator=seeded())
    return {name: tensor.clone() for name, tensor in own.state_dict().items()}


def test_a_share_leaves_and_accuracy_is_kept(trained, tmp_path):
    own = model()
    own.load_state_dict(trained)
    before = accuracy(own, VALIDATION, dtype=torch.float32)
    report = finish(Prune(share=0.5, max_loss=0.1, rounds=2, epochs=2), own)
    assert report.angles[0] == 18
    assert report.angles[1] <= 9  # below, where two turns about one axis met
    assert report.gates[0] == len(model().circuit.gates)
    assert report.gates[1] == len(own.circuit.gates) < report.gates[0]
    assert report.two_qubit_gates == (6, sum(len(g.qubits) > 1 for g in own.circuit.gates))
    assert report.accuracy == (before, accuracy(own, VALIDATION, dtype=torch.float32))
    assert report.accuracy[1] >= before - 0.1
    assert report.checked_on == "validation"
    assert own.weights.shape == (own.circuit.weights,)
    assert own.weights.requires_grad
    save_model(own, tmp_path / "model")
    loaded = load_model(tmp_path / "model")
    torch.testing.assert_close(loaded(VALIDATION.x), own(VALIDATION.x).detach(), atol=1e-12, rtol=0)


def test_the_smallest_angles_leave_first():
    circuit = Circuit(1).add("RY", 0, feature(0))
    for index in range(4):
        circuit = circuit.add("RX" if index % 2 else "RY", 0, weight(index))
    own = QuantumClassifier(
        circuit,
        PauliExpectations.of("Z0"),
        Box.uniform(0.0, 1.0, 1),
        head=Linear(torch.tensor([[1.0], [-1.0]]), torch.zeros(2)),
        weights=torch.tensor([1.0, 0.02, 6.2, 2.0]),
    )
    split = Split(TRAIN.x[:, :1], TRAIN.y)
    Prune(share=0.5, max_loss=0.99, rounds=1, epochs=1).finish(
        own, split, split, TrainingSettings(epochs=1, batch_size=80, learning_rate=1e-9),
        generator=seeded(), objective=CrossEntropyObjective(),
    )  # fmt: skip
    torch.testing.assert_close(own.weights.detach(), torch.tensor([1.0, 2.0]), atol=1e-6, rtol=0)
    assert [str(gate) for gate in own.circuit.gates] == ["RY(x0) q0", "RY(w0) q0", "RX(w1) q0"]


@dataclass(frozen=True)
class Ruins:
    """An objective that drives every score apart from the labels, so that accuracy falls."""

    calls: list = field(default_factory=list, repr=False)

    def __call__(self, own, x, y, at, /):
        self.calls.append(own.circuit)
        return -10 * CrossEntropyObjective()(own, x, y)


def test_a_round_that_costs_too_much_is_undone(trained):
    own = model()
    own.load_state_dict(trained)
    circuit, objective = own.circuit, Ruins()
    report = finish(Prune(share=0.5, max_loss=0.05, rounds=3, epochs=30), own, objective=objective)
    assert report.angles == (18, 18)
    assert own.circuit is circuit
    assert all(torch.equal(tensor, trained[name]) for name, tensor in own.state_dict().items())
    assert report.accuracy[0] == report.accuracy[1]
    # The first round was tried, on a smaller circuit, and was the last.
    (tried,) = {c.weights for c in objective.calls}
    assert tried <= circuit.weights - 3


def test_everything_may_leave_but_the_data(trained):
    own = model()
    own.load_state_dict(trained)
    report = finish(Prune(share=1.0, max_loss=0.99, rounds=1, epochs=1), own, validation=None)
    assert report.angles == (18, 0)
    assert report.checked_on == "training, held back"
    assert own.circuit.inputs == 3
    assert own.circuit.weights == len(model().circuit.scaling_weights)
    assert bool(own(TRAIN.x).isfinite().all())


@dataclass(frozen=True)
class Seen:
    """Cross-entropy that keeps what it was shown, and is interrupted after some steps."""

    steps: int = 10**6
    batches: list = field(default_factory=list, repr=False)

    def __repr__(self):
        return "Seen()"

    def __call__(self, own, x, y, at, /):
        if len(self.batches) == self.steps:
            raise KeyboardInterrupt
        self.batches.append((x, at.rows))
        return CrossEntropyObjective()(own, x, y)


def test_without_validation_samples_a_part_is_held_back_from_the_further_training(trained):
    own, seen = model(), Seen()
    own.load_state_dict(trained)
    defense = Prune(share=0.2, max_loss=0.99, rounds=2, epochs=1)
    report = finish(defense, own, validation=None, objective=seen)
    # Rows are those of the whole split: what goes by them (groups) finds its samples.
    for x, rows in seen.batches:
        assert torch.equal(x, TRAIN.x[rows].to(x.dtype))
    used = torch.cat([rows for _, rows in seen.batches]).unique()
    away = ~torch.isin(torch.arange(len(TRAIN)), used)
    assert int(away.sum()) == sum(round(0.15 * int((TRAIN.y == label).sum())) for label in (0, 1))
    held = Split(TRAIN.x[away], TRAIN.y[away])
    assert report.accuracy[1] == accuracy(own, held, dtype=torch.float32)


@pytest.mark.parametrize("validation", [VALIDATION, None])
def test_an_interrupted_pruning_goes_on_to_the_same_weights(trained, tmp_path, validation):
    defense, ends = Prune(share=0.4, max_loss=0.99, rounds=3, epochs=2), []
    # 4 steps an epoch, 8 a round: the interrupt falls into the second epoch of the second round.
    for directory, attempts in (("at-once", (10**6,)), ("resumed", (13, 10**6))):
        (tmp_path / directory).mkdir()
        for steps in attempts:
            own, seen = model(), Seen(steps)
            own.load_state_dict(trained)
            place = tmp_path / directory / "defended.safetensors"
            if steps < 10**6:
                with pytest.raises(InterruptedRunError, match="resumes there"):
                    finish(defense, own, validation, seen, checkpoint=place)
            else:
                report = finish(defense, own, validation, seen, checkpoint=place)
        ends.append((own.weights.detach(), own.circuit, report, len(seen.batches)))
    (weights, circuit, whole, steps), (again, same, resumed, further) = ends
    assert torch.equal(weights, again)
    assert circuit == same
    assert whole == resumed
    assert (steps, further) == (24, 12)


def test_the_body_of_a_hybrid_is_pruned_under_a_view():
    front = MLP(Box.uniform(0.0, 1.0, features=3), classes=3, hidden=(4,), generator=seeded(1))
    own = HybridClassifier(front, model(1))
    view = NoiseView(sources=("depolarizing:0.01/gate",))

    class Through:
        def __call__(self, classifier, x, y, at, /):
            return CrossEntropyObjective()(view.apply(classifier, at), x, y)

    before = [p.detach().clone() for p in front.parameters()]
    report = finish(Prune(share=0.4, max_loss=0.99, rounds=2, epochs=1), own, objective=Through())
    assert report.angles[0] == 9
    assert report.angles[1] <= 5
    assert all(not torch.equal(a, b) for a, b in zip(before, front.parameters(), strict=True))


def test_refusals_contract_and_entry():
    for options in ({"share": 0.0}, {"share": 1.5}, {"max_loss": 1.0}, {"rounds": 0}, {"epochs": 0}):
        with pytest.raises(UsageError, match="give"):
            Prune(**options)
    Prune().check(model(), THREAT)
    with pytest.raises(CapabilityError, match="no quantum classifier"):
        Prune().check(MLP(Box.uniform(0.0, 1.0, features=3), classes=2, hidden=(3,)), THREAT)
    bare = QuantumClassifier(
        Circuit(2).add("RY", 0, feature(0)), PauliExpectations.of("Z0", "Z1"), Box.uniform(0.0, 1.0, 1)
    )
    with pytest.raises(CapabilityError, match="there is no pruning"):
        Prune().check(bare, THREAT)
    assert isinstance(Prune(), Finisher)
    assert ENTRY.build({"share": "0.2", "epochs": "3"}, THREAT) == Prune(share=0.2, epochs=3)
    report = finish(Prune(share=0.1, max_loss=0.99, rounds=1, epochs=1), model(1))
    assert isinstance(report, FinishedPart)
    assert report.to_json()["angles"] == list(report.angles)
    assert report.to_json()["name"] == "prune"

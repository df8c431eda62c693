"""The zero vector encodes no amplitudes: attacks whose budget reaches it go on, data that hold it are refused."""

import pytest
import torch

import counterspin as cs
from counterspin.attacks.evasion import APGD, PGD, Corners, RandomDraws, Square, Universal
from counterspin.attacks.gradients import Autodiff
from counterspin.attacks.losses import Margin
from counterspin.circuits import OutcomeGroups, amplitude_encoding, strongly_entangling
from counterspin.errors import InputError
from counterspin.models import AffineInputs, KernelClassifier, QuantumClassifier, SampledModel
from counterspin.optimum import AffineMap
from counterspin.threats import L1, Linf
from counterspin.types import Box

BOX = Box.uniform(0, 1, features=4)
ATTACKS = [RandomDraws(), Square(queries=300), Corners(), PGD(restarts=2), APGD(restarts=2)]


def problem(samples=10):
    circuit = amplitude_encoding(4) + strongly_entangling(2, 2)
    weights = torch.randn(circuit.weights, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    model = QuantumClassifier(circuit, OutcomeGroups((0,), ((0,), (1,))), BOX, weights=weights).requires_grad_(False)
    x = torch.rand(samples, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return model, x, model(x).argmax(dim=1)


@pytest.mark.one_fast
@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_attacks_that_reach_the_zero_vector_go_on(attack):
    model, x, y = problem()
    found = attack(model, x, y, Linf(0.05, 1.0)).budgets[-1]
    assert bool(found.success.any())
    # What is kept are inputs: the model answers, and loses exactly where success is claimed.
    assert bool((found.x_adv != 0).any(dim=1).all())
    assert torch.equal(model(found.x_adv).argmax(dim=1) != y, found.success)


@pytest.mark.slow
def test_the_zero_vector_itself_breaks_no_sample():
    # Class 0 wins everywhere in the box: the corner at 0 is all there is to find.
    model = QuantumClassifier(amplitude_encoding(2), OutcomeGroups((0,), ((0,), (1,))), Box.uniform(0, 1, 2))
    body = model.requires_grad_(False)
    keep = AffineInputs(body, AffineMap(torch.tensor([[1.0, 1.0], [0.1, 0.1]]), torch.zeros(2)), Box.uniform(0, 1, 2))
    x = torch.tensor([[0.2, 0.4], [0.9, 0.3]], dtype=torch.float64)
    for attack in (Corners(), RandomDraws(), APGD(restarts=2), FirstZero()):
        found = attack(keep, x, [0, 0], Linf(1.0)).budgets[-1]
        assert not bool(found.success.any())
        assert bool((found.best_margin > 0).all())


class FirstZero(Corners):
    """Asks about the zero vector alone, for scores and for a gradient, and about nothing else."""

    gradient = Autodiff()

    def _run(self, oracle, start, ball, generator):
        zero = torch.zeros_like(start)
        assert bool((oracle.scores(zero)[:, 0] > 0.9).all())
        assert bool(torch.isfinite(oracle.gradient(zero, Margin())).all())


@pytest.mark.one_fast
@pytest.mark.parametrize("kind", ["kernel", "sampled", "centred"])
def test_whatever_the_model_around_the_encoding(kind):
    model, x, y = problem(8)
    threat, corner = Linf(1.0), torch.zeros(4)
    if kind == "kernel":
        model = KernelClassifier.fit(amplitude_encoding(4), x, (torch.arange(8) % 2).tolist(), BOX)
    elif kind == "sampled":
        model = SampledModel(model, shots=100)
    else:
        # The corner at 1 is mapped to the zero vector.
        corner = torch.ones(4)
        model = AffineInputs(model, AffineMap(torch.eye(4), -corner), BOX)
    with pytest.raises(InputError, match="zero vector"):
        model(corner[None].double())
    y = model(x).argmax(dim=1)
    assert bool(Corners()(model, x, y, threat).budgets[-1].success.any())


@pytest.mark.slow
def test_attacks_in_l1_reach_it_too():
    model, x, y = problem()
    for attack in (RandomDraws(), Universal(), APGD()):
        assert bool(attack(model, x, y, L1(4.0)).budgets[-1].success.any())


@pytest.mark.slow
def test_audits_go_on_as_well():
    model, x, y = problem()
    audit = cs.audit(model, x, y, Linf(0.1, 1.0), tier="quick")
    assert {"random", "corners", "apgd-ce"} <= set(audit.record.budgets[-1].attacks)
    assert audit.record.budgets[-1].worst_case.value < audit.record.clean_accuracy.value


def test_data_that_hold_a_zero_vector_are_refused_at_the_door():
    model, x, y = problem()
    x[3] = 0.0
    for attack in ATTACKS:
        with pytest.raises(InputError, match="sample 3 is the zero vector"):
            attack(model, x, y, Linf(1.0))
    with pytest.raises(InputError, match="sample 3 is the zero vector"):
        cs.audit(model, x, y, Linf(1.0), tier="quick")

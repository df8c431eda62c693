"""Lipschitz and Bures regularisers and certified training: equal to what the certificates say of the same model."""

from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from counterspin.certificates.bures import BuresCertificate
from counterspin.certificates.lipschitz import LipschitzCertificate
from counterspin.circuits import Linear, OutcomeGroups, PauliExpectations, angle_encoding, reuploading
from counterspin.datasets import Split
from counterspin.defenses.training import bures, certified, lipschitz
from counterspin.defenses.training.bures import BuresRegulariser, signed_angles
from counterspin.defenses.training.certified import CertifiedTraining
from counterspin.defenses.training.compose import compose
from counterspin.defenses.training.lipschitz import LipschitzRegulariser
from counterspin.defenses.training.schedule import EpsilonSchedule
from counterspin.errors import UsageError
from counterspin.models import QuantumClassifier
from counterspin.threats import L2, Linf
from counterspin.training import CrossEntropyObjective, Step, TrainingSettings, fit
from counterspin.types import Box

THREATS = pytest.mark.parametrize("threat", [Linf(0.05), L2(0.05)], ids=["linf", "l2"])


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def uploads(seed=0, classes=3):
    generator = seeded(seed)
    head = Linear(torch.randn(classes, 2, generator=generator), 0.2 * torch.randn(classes, generator=generator))
    box = Box.uniform(0.0, 1.0, features=2)
    zs = PauliExpectations.of("Z0", "Z1")
    return QuantumClassifier(reuploading(2, 2, scale=2.0), zs, box, head=head, generator=generator)


def samples(model, rows=30):
    x = torch.rand(rows, 2, generator=seeded(9), dtype=torch.float64)
    return x, model(x).argmax(dim=1)


def step_at(progress):
    return Step(epoch=1, progress=progress, rows=torch.arange(30), generator=seeded(), memory={})


@THREATS
def test_worst_scores_lose_exactly_where_the_certificate_ends(threat):
    model = uploads().double()
    x, y = samples(model)
    radius = BuresCertificate(knowledge="scores")(model.requires_grad_(False), x, y, threat).radius_lower
    turn = bures.total_turning(model, threat)
    for share, expected in ((0.999, True), (1.001, False)):
        for row in range(len(x)):
            worst = certified.WorstScores(model, y[row : row + 1], share * radius[row] * turn)(x[row : row + 1])
            assert bool(worst.argmax() == y[row]) == expected


def test_worst_scores_bound_any_turn_and_beat_the_lipschitz_constant():
    model = uploads().double()
    x, y = samples(model)
    for eps in (0.01, 0.05, 0.2):
        turn = eps * bures.total_turning(model, Linf(0.1))
        worst = certified.WorstScores(model, y, turn)(x)
        worst = worst.gather(1, y[:, None]) - worst
        shifts = eps * lipschitz.lipschitz_constants(model, Linf(0.1))[y]
        linear = model(x).gather(1, y[:, None]) - model(x) - shifts
        assert bool((worst >= linear - 1e-9).all())
        corners = x + eps * (2 * torch.randint(2, x.shape, generator=seeded(1)) - 1)
        there = model(corners).gather(1, y[:, None]) - model(corners)
        assert bool((worst <= there + 1e-9).all())


def test_certified_loss_and_its_schedule():
    model = uploads().double()
    x, y = samples(model)
    objective = CertifiedTraining(threat=Linf(0.1), schedule=EpsilonSchedule(final=0.1, warmup=0.5), clean_share=0.25)
    turning = bures.total_turning(model, Linf(0.1))
    plain = functional.cross_entropy(model(x), y)
    torch.testing.assert_close(objective(model, x, y, step_at(0.0)), plain)
    for progress, eps in ((0.25, 0.05), (0.8, 0.1)):
        worst = functional.cross_entropy(certified.WorstScores(model, y, eps * turning)(x), y)
        torch.testing.assert_close(objective(model, x, y, step_at(progress)), 0.75 * worst + 0.25 * plain)
        assert worst > plain
    worst_only = replace(objective, clean_share=0.0)
    torch.testing.assert_close(worst_only(model, x, y, step_at(0.8)), worst)


@THREATS
def test_lipschitz_penalty_is_the_mean_constant(threat):
    model = uploads().double()
    x, y = samples(model)
    penalty = LipschitzRegulariser(threat=threat, eps=0.2, weight=0.5)(model, x, y, step_at(0.5))
    # The certificate divides the margin of two classes by their constant.
    two = uploads(classes=2).double()
    x2, y2 = samples(two)
    margin = (two(x2).gather(1, y2[:, None]) - two(x2).gather(1, 1 - y2[:, None]))[:, 0]
    radius = LipschitzCertificate()(two.requires_grad_(False), x2, y2, threat).radius_lower
    of_two = LipschitzRegulariser(threat=threat, eps=0.2, weight=0.5)(two, x2, y2, step_at(0.5))
    torch.testing.assert_close(of_two.expand(30), 0.1 * margin.detach() / radius, rtol=1e-6, atol=0)
    constants = lipschitz.lipschitz_constants(model, threat)
    assert penalty.item() == pytest.approx(0.1 * constants.sum().item() / 6)


@THREATS
def test_angles_are_those_of_the_certificate(threat):
    model = uploads().double()
    x, y = samples(model)
    angles = signed_angles(model, model(x), y)
    radius = BuresCertificate(knowledge="scores")(model.requires_grad_(False), x, y, threat).radius_lower
    turn = bures.total_turning(model, threat)
    torch.testing.assert_close(angles / turn, radius, rtol=1e-6, atol=1e-9)
    penalty = BuresRegulariser(threat=threat, eps=0.3, weight=2.0)(model, x, y, step_at(0.5))
    assert penalty.item() == pytest.approx(2 * turn.item() * (0.3 - radius).clamp(min=0).mean().item(), rel=1e-6)


def test_angles_turn_negative_beyond_the_boundary():
    bit = OutcomeGroups((0,), ((0,), (1,)))
    box = Box.uniform(0.0, 3.14, features=1)
    model = QuantumClassifier(angle_encoding(1, axis="x"), bit, box).double()
    x = torch.linspace(0.1, 3.0, 12, dtype=torch.float64)[:, None]
    angles = signed_angles(model, model(x), torch.zeros(12, dtype=torch.int64))
    # RX(x) on |0>: the boundary at π/2 is (π/2 - x) / 2 away, on either side.
    torch.testing.assert_close(angles, (torch.pi / 2 - x[:, 0]) / 2, rtol=0, atol=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["lipschitz", "bures", "certified"])
def test_training_raises_the_certified_accuracy(name):
    x = torch.rand(120, 2, generator=seeded(4), dtype=torch.float64)
    split = Split(x, (x.sum(dim=1) > 1).long())
    threat = Linf(0.05)
    part = {
        "lipschitz": LipschitzRegulariser(threat=threat, eps=0.05, weight=1.0),
        "bures": BuresRegulariser(threat=threat, eps=0.05, weight=20.0),
        "certified": CertifiedTraining(threat=threat, schedule=EpsilonSchedule(final=0.05)),
    }[name]
    shares = []
    for objective in (CrossEntropyObjective(), compose([part])):
        model = uploads(classes=2)
        settings = TrainingSettings(epochs=30, batch_size=30)
        fit(model, objective, split, None, settings, generator=seeded())
        radii = BuresCertificate()(model.requires_grad_(False), split.x, split.y, threat).radius_lower
        shares.append(float((radii >= 0.05).double().mean()))
    assert shares[1] > shares[0] + 0.05


def test_entries_read_the_threat_and_refuse():
    threat = Linf(0.02, 0.05, 0.1)
    assert lipschitz.ENTRY.build({}, threat).to_json()["eps"] == 0.05
    assert bures.ENTRY.build({"eps": "0.1"}, threat).eps == 0.1
    assert certified.ENTRY.build({"clean": "0"}, threat).clean_share == 0.0
    for build, name in ((lipschitz.ENTRY.build, "lipschitz"), (bures.ENTRY.build, "bures")):
        with pytest.raises(UsageError, match=f"{name}: weight is 0.0"):
            build({"weight": "0"}, threat)
    bit = OutcomeGroups((0,), ((0,), (1,)))
    probabilities = QuantumClassifier(angle_encoding(2), bit, Box.uniform(0, 1, features=2))
    with pytest.raises(UsageError, match=r"model\.outputs is 'probabilities'"):
        certified.ENTRY.build({}, threat).check(probabilities, threat)
    with pytest.raises(UsageError, match="beyond the box"):
        certified.ENTRY.build({"eps": "0.7"}, threat).check(uploads(), threat)
    for entry in (lipschitz.ENTRY, bures.ENTRY, certified.ENTRY):
        entry.build({}, threat).check(uploads(), threat)

"""What is proved against attacks on the measurement: never too much, and everything where it is called exact."""

import pytest
import torch

from counterspin.attacks.quantum.measurement import ATTACKS, ConfusionTampering, ReadoutShift
from counterspin.attacks.quantum.measurement.outcomes import outcomes
from counterspin.certificates.readout import confusion_radius, total_variation_radius
from counterspin.circuits import Linear, OutcomeGroups, PauliExpectations, Scale, reuploading
from counterspin.evaluation.parts.measurement import certified
from counterspin.models import NoisyClassifier, QuantumClassifier
from counterspin.noise.text import parse
from counterspin.types import Box

BOX = Box.uniform(0.0, 1.0, 3)
NOISE = "depolarizing:0.02/gate+readout:0.03,0.08"


def grouped():
    generator = torch.Generator().manual_seed(1)
    groups = OutcomeGroups((0, 1, 2), ((0, 3), (1, 4, 6), (2, 5)))
    head = Scale(torch.tensor(5.0))
    return QuantumClassifier(reuploading(3, 2), groups, BOX, head=head, generator=generator).double()


def linear():
    weight = torch.tensor([[1.0, -0.4, 0.3], [-0.2, 0.9, 0.1], [-0.5, -0.3, 0.8]])
    values = PauliExpectations.of("Z0", "Z1 Z2", "X0")
    head = Linear(weight, torch.tensor([0.05, -0.02, 0.0]))
    generator = torch.Generator().manual_seed(1)
    return QuantumClassifier(reuploading(3, 2), values, BOX, head=head, generator=generator).double()


MODELS = {
    "groups": grouped,
    "linear head": linear,
    "groups, noise": lambda: NoisyClassifier(grouped(), noise=parse(NOISE)),
    "linear head, noise": lambda: NoisyClassifier(linear(), noise=parse(NOISE)),
}


def samples(model, count=80):
    x = torch.rand(count, 3, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    return x, model(x).argmax(dim=1)


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
@pytest.mark.parametrize("name", MODELS)
def test_what_is_proved_is_never_broken(name, attack):
    model = MODELS[name]()
    x, y = samples(model)
    levels = (0.003, 0.01, 0.03, 0.08, 0.2)
    result, proved = attack(model, x, y, levels), certified(attack, model, x, y, levels)
    if proved is None:
        assert attack.name == "withheld-shots" or (attack.name, name) == ("confusion", "linear head, noise")
        return
    assert not bool((proved.holds & result.success).any())
    assert bool(proved.holds[0].any())
    if proved.exact:
        assert bool((proved.holds | result.success).all())


def test_a_target_is_no_easier_to_reach():
    model = grouped()
    x, y = samples(model)
    levels = (0.02, 0.1)
    for attack in (ReadoutShift(target=1), ConfusionTampering(target=1)):
        proved = certified(attack, model, x, y, levels)
        assert proved is not None
        assert not bool((proved.holds & attack(model, x, y, levels).success).any())


def test_groups_are_proved_as_far_as_the_closed_form():
    model = grouped()
    x, y = samples(model)
    p = model(x) / 5.0
    radius = total_variation_radius(p, y)
    levels = tuple(sorted(torch.quantile(radius, torch.tensor([0.2, 0.5, 0.8]).double()).tolist()))
    shift = certified(ReadoutShift(), model, x, y, levels)
    assert shift is not None
    assert shift.exact
    assert [row.tolist() for row in shift.holds] == [(radius > t + 1e-9).tolist() for t in levels]


def test_the_identity_rule_is_that_of_the_linear_programmes():
    model = grouped()
    x, y = samples(model, 30)
    radius = confusion_radius(outcomes(model, x).distributions[0], y, groups=((0, 3), (1, 4, 6), (2, 5))).radius
    levels = (0.01, 0.05, 0.15)
    proved = certified(ConfusionTampering(), model, x, y, levels)
    assert proved is not None
    assert [row.tolist() for row in proved.holds] == [(radius > t).tolist() for t in levels]

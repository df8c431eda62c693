"""Mitigations by name: every entry can be used, options are checked, what is unknown is answered with the list."""

import pytest
import torch
from small_circuits import GATES, arguments, seeded

from counterspin.circuits import PauliExpectations
from counterspin.errors import UsageError
from counterspin.mitigation.base import Mitigation
from counterspin.mitigation.fitting import Fittable, at_samples, fit_to
from counterspin.mitigation.registry import MITIGATIONS, by_name
from counterspin.mitigation.values import mitigated_values
from counterspin.noise import NoiseModel, depolarizing
from counterspin.noise.idle import IdleRule
from counterspin.noise.rules import GateRule

NOISE = NoiseModel(
    rules=(GateRule(channel=depolarizing(0.01), targets="each"),),
    readout_flips=(0.02, 0.04),
    idle=IdleRule(durations={(kind, ()): 1e-7 for kind in ("RY", "Rot", "CNOT", "X")}, t1=(1e-4,) * 3, t2=(8e-5,) * 3),
)
NAMES = [
    "zne",
    "zne:exponential",
    "zne:richardson",
    "pec",
    "cdr",
    "readout",
    "readout:least-squares",
    "twirling",
    "decoupling",
    "learned",
    "learned:mlp",
    "learned:kernel",
    "auto",
]


def test_all_names_of_the_documentation_are_there():
    assert set(NAMES) <= set(MITIGATIONS)
    assert all(entry.name == name and entry.description for name, entry in MITIGATIONS.items())


@pytest.mark.parametrize("name", sorted(set(MITIGATIONS) - {"auto"}))
def test_every_entry_mitigates_a_batch(name):
    x, w = arguments(GATES, batch=4)
    z = PauliExpectations.of("Z0", "Z2")
    technique = by_name(name)
    assert isinstance(technique, Mitigation)
    assert MITIGATIONS[name].fitted == isinstance(technique, Fittable)
    technique = fit_to(technique, GATES, x, w, NOISE, z, generator=seeded(0))
    values = mitigated_values(at_samples(technique, GATES, x, w), GATES, x, w, z, NOISE)
    assert values.shape == (4, 2)
    assert bool(torch.isfinite(values).all())
    assert ("linear" in MITIGATIONS[name].description.replace("not linear", "")) == technique.linear


def test_options():
    assert by_name("cdr", training=10).training == 10
    assert MITIGATIONS["cdr"].options["training"] == 64
    assert "fitted" not in MITIGATIONS["cdr"].options
    assert by_name("auto").candidates.keys() >= {"none", "zne", "pec", "cdr", "readout", "learned"}


def test_unknown_names_and_options():
    with pytest.raises(UsageError, match="mitigation 'magic' is unknown; allowed: zne, "):
        by_name("magic")
    with pytest.raises(UsageError, match="mitigation cdr has no option fitted, wings; allowed: variants, training"):
        by_name("cdr", wings=2, fitted=None)

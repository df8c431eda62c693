"""The table of mitigations: errors before and after, costs, refusals; and the shape that fifty circuits give it."""

import json

import pytest
import torch
from small_circuits import GATES, arguments, seeded

from counterspin.circuits import PauliExpectations
from counterspin.errors import UsageError
from counterspin.mitigation.cdr import CDR
from counterspin.mitigation.comparison import compare
from counterspin.mitigation.learned import LearnedMitigation
from counterspin.mitigation.pec import PEC
from counterspin.mitigation.readout import ReadoutMitigation
from counterspin.mitigation.unmitigated import Unmitigated
from counterspin.mitigation.zne import ZNE
from counterspin.noise import NoiseModel, depolarizing
from counterspin.noise.rules import GateRule

Z = PauliExpectations.of("Z0", "X1 Y2", "Z2")
_, W = arguments(GATES)
X = torch.rand(50, GATES.inputs, generator=seeded(2), dtype=torch.float64)
TRAIN = torch.rand(16, GATES.inputs, generator=seeded(3), dtype=torch.float64)
GATE_NOISE = NoiseModel(rules=(GateRule(channel=depolarizing(0.01), targets="each"),))
NOISES = {"gates": GATE_NOISE, "readout": NoiseModel(readout_flips=(0.03, 0.06))}
TECHNIQUES = {
    "zne": ZNE(),
    "pec": PEC(),
    "cdr": CDR(training=32),
    "readout": ReadoutMitigation(),
    "learned": LearnedMitigation(variants=ZNE(), training=32),
}


def test_fifty_circuits_and_two_noises():
    rows = compare(TECHNIQUES, GATES, X, W, Z, NOISES, train=TRAIN, generator=seeded(0))
    found = {(row.noise, row.mitigation): row for row in rows}
    assert len(found) == 10
    assert all(row.compared == 50 and row.refused is None and row.shots is None for row in rows)
    gates = {name: found["gates", name] for name in TECHNIQUES}
    # Cancellation undoes what the model knows; the others come close; readout mitigation has nothing to do here.
    assert gates["pec"].after < 1e-12
    assert all(gates[name].reduction > 4 for name in ("zne", "cdr", "learned"))
    assert gates["readout"].after == pytest.approx(gates["readout"].before, abs=1e-12)
    flips = {name: found["readout", name] for name in TECHNIQUES}
    assert flips["readout"].after < 1e-12
    assert flips["zne"].after == pytest.approx(flips["zne"].before, abs=1e-12)
    assert flips["cdr"].reduction > 4
    assert (gates["zne"].circuits, gates["pec"].circuits, gates["cdr"].fitting_circuits) == (3, 1, 64)
    assert gates["zne"].overhead == pytest.approx(57.0)
    assert gates["zne"].linear


def test_shots_and_bias_are_told_apart():
    noises = {"gates": GATE_NOISE}
    (row,) = compare({"zne": ZNE()}, GATES, X, W, Z, noises, train=TRAIN, shots=300, generator=seeded(0))
    # 57 times the variance of a value read 300 times, which is at most 1 / 300.
    assert row.bias < 0.02
    assert 0.25 < row.after < (57 / 300) ** 0.5 * 1.1
    assert row.worst > row.after
    assert row.before > 0.05
    json.dumps(row.to_json(), allow_nan=False)
    assert row.to_json()["robust_accuracy"] is None


def test_refusals_stay_rows():
    rows = compare({"pec": PEC(limit=1.0), "none": Unmitigated()}, GATES, X, W, Z, {"g": GATE_NOISE}, train=TRAIN,
                   generator=seeded(0))  # fmt: skip
    assert "limit of 1" in rows[0].refused
    assert (rows[0].after, rows[0].reduction, rows[0].linear) == (None, None, None)
    assert rows[1].reduction == pytest.approx(1.0, abs=1e-12)


def test_nothing_to_compare():
    with pytest.raises(UsageError, match="0 mitigations, 2 noise models and 50 samples"):
        compare({}, GATES, X, W, Z, NOISES, train=TRAIN, generator=seeded(0))

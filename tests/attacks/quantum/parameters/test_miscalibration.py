"""Errors in proportion to the angle, against closed forms and fine grids of factors."""

import math

import pytest
import torch

from counterspin.attacks.quantum.parameters import Drift, OverRotation
from counterspin.errors import UsageError
from counterspin.simulation import run
from tests.support.tampered_models import amplitude_model, one_qubit_model, reuploading_model, samples, three_angles


def broken_with(model, x, y, factors):
    """Samples broken where gate angle j is multiplied by 1 + factors[j], the angles written into the circuit."""
    circuit = model.circuit
    gates, place = circuit.__class__(circuit.qubits, amplitudes=circuit.amplitudes), 0
    for gate in circuit.gates:
        gates = gates.add(
            gate.kind, gate.qubits, *((1 + factors[place + k]) * angle for k, angle in enumerate(gate.angles))
        )
        place += len(gate.angles)
    scores = run(gates, x, model.weights.double(), model.readout)
    own = scores.gather(1, y[:, None])[:, 0]
    return own <= scores.scatter(1, y[:, None], -math.inf).amax(dim=1)


def test_one_qubit_over_rotates_to_the_boundary():
    model = one_qubit_model()
    x, y = samples(model, 40)
    for budget in OverRotation()(model, x, y, (0.1, 0.5)).budgets:
        expected = (x[:, 0] + 0.2) * (1 + budget.budget) >= math.pi / 2
        assert int(expected.sum()) > 0
        assert budget.success.tolist() == expected.tolist()


@pytest.mark.parametrize("build", [amplitude_model, reuploading_model, three_angles])
def test_over_rotation_is_as_bad_as_the_worst_of_a_grid(build):
    model, radius = build(), 0.4
    x, y = samples(model, 50)
    result = OverRotation()(model, x, y, (radius,))
    angles = result.budgets[0].manipulation.evidence["angles"]
    counts = [
        int(broken_with(model, x, y, [factor] * angles).sum())
        for factor in torch.linspace(-radius, radius, 101, dtype=torch.float64).tolist()
    ]
    assert int(result.success.sum()) >= max(counts) > 0


def test_drift_is_as_bad_as_the_worst_of_a_grid():
    model, radius = three_angles(), 0.4
    x, y = samples(model, 50)
    result = Drift()(model, x, y, (radius,))
    factors = result.budgets[0].manipulation.evidence["factors"]
    assert list(factors) == ["RY", "CRX"]
    axis = torch.linspace(-radius, radius, 17, dtype=torch.float64).tolist()
    counts = [int(broken_with(model, x, y, [a, b, a]).sum()) for a in axis for b in axis]
    assert int(result.success.sum()) >= max(counts) > 0


@pytest.mark.parametrize("attack", [OverRotation(), Drift()])
def test_the_named_factors_give_the_verdicts(attack):
    model = reuploading_model()
    x, y = samples(model, 50)
    for budget in attack(model, x, y, (0.1, 0.3)).budgets:
        factors = budget.manipulation.evidence["factors"]
        assert max(map(abs, factors.values())) <= budget.budget
        names = attack.factor_names(model.circuit)
        broken = broken_with(model, x, y, [factors[name] for name in names])
        assert broken.tolist() == budget.success.tolist()


def test_drift_is_at_least_as_bad_as_over_rotation():
    model = reuploading_model()
    x, y = samples(model, 60)
    common, by_kind = (attack(model, x, y, (0.2,)).success.sum() for attack in (OverRotation(), Drift()))
    assert 0 < int(common) <= int(by_kind)


def test_no_more_than_all_of_an_angle():
    model = one_qubit_model()
    with pytest.raises(UsageError, match=r"budgets of over-rotation are 2; the largest in relative is 1"):
        OverRotation()(model, *samples(model, 5), (2.0,))

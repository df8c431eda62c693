"""Committed models against independent computations: the exact radius of digits, attacks by shifted circuits."""

import dense_oracle
import numpy as np
import pytest
import torch
from scipy.optimize import brentq

from counterspin import recipes
from counterspin.attacks import APGD, PGD, Autodiff, ParameterShift
from counterspin.certificates import ExactL2Certificate
from counterspin.threats import L2


def independent_radius(forms: list[np.ndarray], x: np.ndarray, own: int) -> float:
    """Distance to the nearest cone of one sample: one eigendecomposition and one bracketed root a rival."""
    radii = []
    for form in (forms[own] - other for k, other in enumerate(forms) if k != own):
        a, vectors = np.linalg.eigh((form + form.T) / 2)
        weights = (vectors.T @ x) ** 2
        if (a * weights).sum() <= 0:
            return 0.0
        if a[0] >= 0:
            continue

        def slope(m: float, a: np.ndarray = a, weights: np.ndarray = weights) -> float:
            return float((a * weights / (1 + m * a) ** 2).sum())

        m = brentq(slope, 0.0, -(1 - 1e-13) / a[0], xtol=1e-300, rtol=9e-16)
        radii.append(np.sqrt((m * a / (1 + m * a) * weights).sum()))
    return min(radii)


@pytest.mark.slow
def test_the_exact_radius_of_digits_equals_an_unvectorised_one() -> None:
    recipe = recipes.get("digits-amplitude")
    model, test = recipe.model(), recipe.dataset().test
    x, y = test.x[:20].double(), test.y[:20]
    unitary = dense_oracle.unitary(model.circuit, x[0].numpy(), model.weights.double().numpy())
    groups = dense_oracle.observables(model.measurement, model.circuit.qubits)
    forms = [(unitary.conj().T @ group @ unitary).real for group in groups]
    result = ExactL2Certificate()(model, x, y, L2(0.1, box="none"))
    expected = [independent_radius(forms, row.numpy(), int(own)) for row, own in zip(x, y, strict=True)]
    assert min(expected) > 0
    assert result.radius_lower.numpy() == pytest.approx(expected, rel=1e-8)
    assert result.radius_upper.numpy() == pytest.approx(expected, rel=1e-8)
    assert bool(result.exact.all())


@pytest.mark.one_fast
@pytest.mark.parametrize(
    ("name", "shifted"), [("cancer-angle", 2 * 4 * 4), ("digits-hybrid", 2 * 6 * 3), ("digits-amplitude", 2 * 64)]
)
@pytest.mark.parametrize("attack", [PGD, APGD])
def test_shifted_circuits_attack_as_autodiff_does(name: str, shifted: int, attack: type[PGD | APGD]) -> None:
    recipe = recipes.get(name)
    model, test = recipe.model(), recipe.dataset().test
    x, y = test.x[:4].double(), test.y[:4]
    threat = L2(0.05, 0.1, units="relative")
    adjoint, by_shifts = (
        attack(steps=3, restarts=2, gradient=gradient)(model, x, y, threat)
        for gradient in (Autodiff(), ParameterShift())
    )
    assert torch.allclose(adjoint.x_adv, by_shifts.x_adv, rtol=0, atol=1e-8)
    assert torch.equal(adjoint.success, by_shifts.success)
    # A gradient takes the circuit itself and two shifts of every angle (or amplitude) that holds data.
    gradients, cost = adjoint.cost.backwards, by_shifts.cost
    assert gradients > 0
    assert (cost.forwards, cost.backwards) == (adjoint.cost.forwards, 0)
    assert cost.circuits == cost.forwards + gradients * shifted

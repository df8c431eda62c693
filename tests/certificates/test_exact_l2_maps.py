"""The exact radius behind affine maps, of kernel machines and of complex data, next to attacks."""

import pytest
import torch
from sklearn.decomposition import PCA

from counterspin.attacks import DDN, FMN, ExactL2Attack
from counterspin.certificates import ExactL2Certificate
from counterspin.circuits import (
    Linear,
    OutcomeGroups,
    PauliExpectations,
    amplitude_encoding,
    angle_encoding,
    strongly_entangling,
)
from counterspin.datasets.digits import digits
from counterspin.errors import ConditionsError
from counterspin.models import QuantumClassifier
from counterspin.models.affine import AffineInputs
from counterspin.models.kernel import KernelClassifier
from counterspin.optimum.affine_map import AffineMap
from counterspin.threats import L2
from counterspin.types import Box

UNBOXED = L2(0.1, box="none")


def _distances(attack, model, x, y, result):
    """Of the attack with all the room it needs."""
    eps = float(result.radius_upper.max()) * 2
    return attack(model, x, y, L2(eps, box="none")).budgets[0].distance


def _digits_behind_components(dimensions=16):
    """Ten digits by ten of sixteen outcomes, principal components of the pixels as amplitudes."""
    data = digits()
    pca = PCA(n_components=dimensions, svd_solver="full").fit(data.train.x.numpy())
    map = AffineMap.projection(torch.as_tensor(pca.components_), torch.as_tensor(pca.mean_))
    circuit = amplitude_encoding(dimensions) + strongly_entangling(4, 4)
    weights = torch.randn(circuit.weights, generator=torch.Generator().manual_seed(0))
    body = QuantumClassifier(
        circuit, OutcomeGroups.first(qubits=4, classes=10), Box.unbounded(dimensions), weights=weights
    )
    return AffineInputs(body, map, data.bounds).requires_grad_(False), data


def test_principal_components_of_digits():
    model, data = _digits_behind_components()
    x = data.test.x[:60]
    y = model(x).argmax(dim=1)
    result = ExactL2Certificate()(model, x, y, UNBOXED)
    assert bool(result.exact.all())
    assert bool((result.radius_upper <= result.radius_lower * (1 + 1e-6)).all())
    assert bool((model(result.points).gather(1, y[:, None])[:, 0] <= model(result.points).amax(dim=1)).all())
    # Everything certified lies in the pixels: no step of that length flips.
    generator = torch.Generator().manual_seed(0)
    step = torch.randn(50, *x.shape, generator=generator, dtype=torch.float64)
    step = step / step.norm(dim=2, keepdim=True) * result.radius_lower[:, None] * (1 - 1e-9)
    assert torch.equal(model((x + step).reshape(-1, 64)).argmax(dim=1), y.repeat(50))


def test_boxes_and_other_norms_stay_lower_bounds():
    model, data = _digits_behind_components()
    x = data.test.x[:5]
    y = model(x).argmax(dim=1)
    free, boxed = (ExactL2Certificate()(model, x, y, threat) for threat in (UNBOXED, L2(0.1)))
    torch.testing.assert_close(free.radius_lower, boxed.radius_lower, rtol=0, atol=0)
    assert not bool(boxed.exact.any())


@pytest.mark.slow
@pytest.mark.parametrize("attack", [FMN(steps=100, restarts=1), DDN(steps=100, restarts=1)])
def test_attacks_never_beat_it_and_come_close(attack):
    model, data = _digits_behind_components()
    x = data.test.x[:10]
    y = model(x).argmax(dim=1)
    result = ExactL2Certificate()(model, x, y, UNBOXED)
    found = _distances(attack, model, x, y, result)
    assert bool((found >= result.radius_lower).all())
    assert (result.radius_lower / found).median() > 0.999


@pytest.mark.slow
def test_the_exact_attack_sees_the_map():
    model, data = _digits_behind_components()
    x = data.test.x[:10]
    y = model(x).argmax(dim=1)
    result = ExactL2Certificate()(model, x, y, UNBOXED)
    found = _distances(ExactL2Attack(), model, x, y, result)
    torch.testing.assert_close(found, result.radius_upper, rtol=1e-6, atol=0)


def test_mean_shift_that_puts_an_input_at_zero_is_reported():
    body = QuantumClassifier(amplitude_encoding(2), OutcomeGroups((0,), ((0,), (1,))), Box.unbounded(2))
    model = AffineInputs(body, AffineMap.standardisation(torch.ones(2), torch.ones(2)), Box.unbounded(2))
    with pytest.raises(Exception, match="zero vector"):
        ExactL2Certificate()(model, torch.ones(1, 2), torch.tensor([0]), UNBOXED)


@pytest.mark.one_fast
@pytest.mark.parametrize("seed", range(3))
def test_complex_padded_data_with_biases_behind_a_map(seed):
    generator = torch.Generator().manual_seed(seed)
    circuit = amplitude_encoding(5, complex_data=True) + strongly_entangling(3, 2)
    head = Linear(torch.randn(3, 2, generator=generator), 0.1 * torch.randn(3, generator=generator))
    weights = 3 * torch.randn(circuit.weights, generator=generator)
    body = QuantumClassifier(circuit, PauliExpectations.of("Z0", "X1"), Box.unbounded(10), head=head, weights=weights)
    map = AffineMap(
        torch.randn(10, 7, generator=generator, dtype=torch.float64),
        torch.randn(10, generator=generator, dtype=torch.float64),
    )
    model = AffineInputs(body, map, Box.uniform(-9, 9, features=7)).requires_grad_(False)
    x = torch.randn(8, 7, generator=generator, dtype=torch.float64)
    y = model(x).argmax(dim=1)
    result = ExactL2Certificate()(model, x, y, UNBOXED)
    assert bool(result.exact.all())
    found = _distances(DDN(steps=50, restarts=1), model, x, y, result)
    assert bool((found >= result.radius_lower).all())


@pytest.mark.slow
def test_kernel_machine_against_attacks():
    data = digits()
    model = KernelClassifier.fit(amplitude_encoding(64), data.train.x[:300], data.train.y[:300], data.bounds, c=10.0)
    x = data.test.x[:10]
    y = model(x).argmax(dim=1)
    result = ExactL2Certificate()(model, x, y, UNBOXED)
    assert bool(result.exact.all())
    exact = _distances(ExactL2Attack(), model, x, y, result)
    searched = _distances(FMN(steps=100, restarts=1), model, x, y, result)
    best = torch.minimum(exact, searched)
    assert bool((best >= result.radius_lower).all())
    assert (result.radius_lower / best).median() >= 1 - 1e-6
    assert (result.radius_lower / searched).median() > 0.999


def test_angle_kernels_are_refused():
    x = torch.rand(20, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    model = KernelClassifier.fit(angle_encoding(2), x, (x[:, 0] > 0.5).long(), Box.uniform(0, 1, features=2))
    with pytest.raises(ConditionsError, match="gate angles"):
        ExactL2Certificate()(model, x, torch.zeros(20, dtype=torch.int64), UNBOXED)

"""Trainable slopes and ranges against the certificates' own, on random circuits, maps, masks and readouts."""

import pytest
import torch
from angle_models import random_model

from counterspin.certificates.margins import score_observables
from counterspin.certificates.slopes import feature_gates
from counterspin.circuits import Linear, OutcomeGroups, PauliExpectations, amplitude_encoding, reuploading
from counterspin.defenses.training.encoding_slopes import (
    check_angles,
    lipschitz_constants,
    margin_ranges,
    total_turning,
    turning,
)
from counterspin.errors import CapabilityError, ConditionsError
from counterspin.models import MLP, AffineInputs, QuantumClassifier
from counterspin.optimum import AffineMap, signed_sum_bound
from counterspin.simulation.measurement import settings
from counterspin.threats import L0, L1, L2, Linf
from counterspin.types import Box

ORDER = {"linf": 1, "l2": 2, "l1": torch.inf}


@pytest.mark.parametrize("noisy", [False, True])
@pytest.mark.parametrize("threat", [Linf(0.1), L2(0.1), L1(0.1)], ids=lambda threat: threat.norm)
def test_slopes_and_constants_are_the_certificates(threat, noisy):
    for seed in range(6):
        model, _, _ = random_model(seed, noisy=noisy)
        gates = feature_gates(model, threat)
        rows = turning(model, threat).double()
        # The certificate leaves slopes of 0 out.
        torch.testing.assert_close(rows[(rows != 0).any(dim=1)], gates.turning, rtol=1e-6, atol=1e-6)
        bound = signed_sum_bound(gates.turning, threat.norm).bound if len(gates.turning) else 0.0
        assert float(total_turning(model, threat)) >= bound * (1 - 1e-6)
        if noisy:
            continue
        low, high = score_observables(model).extremes
        lengths = torch.linalg.vector_norm(gates.turning, ord=ORDER[threat.norm], dim=1).sum()
        constants = lipschitz_constants(model, threat).double()
        assert bool((constants >= (high - low) * lengths - 1e-5).all())
        if len(settings(model.readout.measurement, model.circuit.qubits)) == 1:
            torch.testing.assert_close(constants, (high - low) * lengths, rtol=1e-5, atol=1e-5)


def uploads(seed=0, box=None):
    generator = torch.Generator().manual_seed(seed)
    head = Linear(torch.randn(3, 2, generator=generator), 0.2 * torch.randn(3, generator=generator))
    zs = PauliExpectations.of("Z0", "Z1")
    model = QuantumClassifier(reuploading(2, 3, scale=3.0), zs, box or Box.unbounded(2), head=head, generator=generator)
    with torch.no_grad():
        model.weights[:6] = torch.randn(6, generator=generator)
    return model.double()


def test_one_feature_a_gate_is_exact_and_masks_count():
    model = uploads()
    scales = 3.0 * model.weights[:6].detach().reshape(3, 2).abs() / 2
    assert total_turning(model, L2(0.1)).item() == pytest.approx(scales.sum(dim=0).norm().item())
    assert total_turning(model, Linf(0.1)).item() == pytest.approx(scales.sum().item())
    assert total_turning(model, Linf(0.1, mask=(False, True))).item() == pytest.approx(scales[:, 1].sum().item())


def test_behind_an_affine_map():
    weight = torch.tensor([[1.0, 2.0, 0.0], [0.0, -1.0, 0.5]], dtype=torch.float64)
    model = AffineInputs(uploads(), AffineMap(weight, torch.ones(2).double()), Box.uniform(0, 1, features=3))
    expected = turning(uploads(), Linf(0.1)) @ weight
    torch.testing.assert_close(turning(model, Linf(0.1)), expected)


def test_gradients_reach_scales_and_head():
    model = uploads()

    def constants(scales, weight):
        values = torch.cat([scales, model.weights[6:].detach()])
        with torch.nn.utils.stateless._reparametrize_module(model, {"weights": values, "head_weight": weight}):
            return lipschitz_constants(model, L2(0.1)), total_turning(model, L2(0.1))

    inputs = (model.weights[:6].detach().requires_grad_(), model.head_weight.detach().requires_grad_())
    assert torch.autograd.gradcheck(constants, inputs)


def test_ranges_of_several_bases_bound_from_outside():
    generator = torch.Generator().manual_seed(1)
    head = Linear(torch.randn(3, 3, generator=generator), torch.randn(3, generator=generator))
    paulis = PauliExpectations.of("Z0", "X0", "Z1")
    model = QuantumClassifier(reuploading(2, 1), paulis, Box.unbounded(2), head=head, generator=generator).double()
    low, high = margin_ranges(model)
    exact_low, exact_high = score_observables(model.requires_grad_(False)).extremes
    assert bool((low <= exact_low + 1e-9).all())
    assert bool((high >= exact_high - 1e-9).all())
    # Z and X of one qubit: a² + b² under the root becomes |a| + |b|, at most √2 more.
    assert bool(((high - low) <= 2**0.5 * (exact_high - exact_low) + 1e-9).all())


def test_refusals():
    box = Box.uniform(0, 1, features=4)
    images = QuantumClassifier(amplitude_encoding(4), OutcomeGroups((0,), ((0,), (1,))), box)
    with pytest.raises(ConditionsError, match="exact-margin or pgd-at"):
        check_angles("lipschitz", images, Linf(0.1))
    with pytest.raises(CapabilityError, match="model is a MLP"):
        check_angles("lipschitz", MLP(box, classes=2, hidden=(3,)), Linf(0.1))
    with pytest.raises(ConditionsError, match="threat is in l0"):
        check_angles("lipschitz", uploads(box=Box.uniform(0, 1, features=2)), L0(1))
    with pytest.raises(ConditionsError, match="units='feature'"):
        check_angles("lipschitz", uploads(box=Box.uniform(0, 1, features=2)), L2(0.1, units="relative"))

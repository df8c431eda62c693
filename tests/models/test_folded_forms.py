"""Folding is done again exactly when a value it depends on has changed."""

import torch

from counterspin.circuits import OutcomeGroups, Readout, amplitude_encoding, strongly_entangling
from counterspin.models.folded_forms import FoldedForms
from counterspin.simulation import EffectiveObservables, fold

CIRCUIT = amplitude_encoding(4) + strongly_entangling(2, 1)
READOUT = Readout(OutcomeGroups.first(qubits=1, classes=2))


class Counted:
    def __init__(self, weights: torch.Tensor) -> None:
        self.weights, self.calls = weights, 0

    def __call__(self) -> EffectiveObservables:
        self.calls += 1
        return fold(CIRCUIT, self.weights, READOUT)


def test_only_changed_values_are_folded_again():
    weights = torch.linspace(0.1, 1.0, CIRCUIT.weights)
    compute, kept = Counted(weights), FoldedForms()
    first = kept.observables([weights], compute)
    assert kept.observables([weights.clone()], compute) is first
    assert compute.calls == 1
    # Written in place, as an optimiser does: no version counter of a copy would show it.
    weights.data[0] += 0.5
    assert kept.observables([weights], compute) is not first
    assert compute.calls == 2


def test_forms_are_kept_for_each_precision_and_fall_with_the_folding():
    weights = torch.linspace(0.1, 1.0, CIRCUIT.weights)
    compute, kept = Counted(weights), FoldedForms()
    x = torch.rand(3, 4, generator=torch.Generator().manual_seed(0))
    single, double = (kept.stacked(points, [weights], compute) for points in (x, x.double()))
    assert (single.dtype, double.dtype) == (torch.float32, torch.float64)
    assert torch.allclose(single.double(), double, atol=1e-6)
    assert kept.stacked(x, [weights], compute) is single
    assert torch.equal(double, fold(CIRCUIT, weights, READOUT).stacked(x.double()))
    weights.data[4] += 0.5  # the rotation that the measured qubit sees
    assert not torch.allclose(kept.stacked(x, [weights], compute), single, atol=1e-3)
    assert compute.calls == 2

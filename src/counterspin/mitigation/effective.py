"""Effective observables of mitigated scores: linear combinations of circuits folded into one form per class."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from counterspin.circuits import Circuit, Readout
from counterspin.errors import ConditionsError
from counterspin.mitigation.base import Mitigation, Variant, constructed
from counterspin.mitigation.corrected import corrected_settings
from counterspin.noise import NoiseModel
from counterspin.simulation.folding import EffectiveObservables, fold
from counterspin.simulation.measurement import scored
from counterspin.simulation.transfer import transfer_observables

__all__ = ["fold_mitigated"]


@torch.no_grad()
def fold_mitigated(
    mitigation: Mitigation, circuit: Circuit, weights: Tensor, readout: Readout, noise: NoiseModel
) -> EffectiveObservables:
    r"""The mitigated scores of a frozen amplitude-encoded circuit as one observable per class.

    .. math:: M_k = \sum_c \sum_j (A_c)_{kj}\, \Phi_c^\dagger(E_j) + b_k 1

    State preparation is taken as ideal, as in all folding.

    Args:
        mitigation: a linear one.
        circuit: amplitude-encoded, without inputs in gate angles.
        weights: `(weights,)`, frozen.
        readout: measurement and head.
        noise: what the circuit runs under.

    Raises:
        ConditionsError: the mitigation is not linear with fixed coefficients, or data enter through gate angles.
    """
    variants = constructed(mitigation, circuit, noise) if mitigation.linear else ()
    if not variants or any(v.correction is not None and not v.correction.linear for v in variants):
        raise ConditionsError(
            f"mitigation {mitigation.name} is not linear in the measured values, so that it has no effective "
            "observables; use a linear one (Richardson or polynomial ZNE, PEC, inverted readout errors) or a "
            "certificate that needs none."
        )
    folded = [_folded_values(v, weights, readout) for v in variants]
    matrices = torch.stack([v.coefficient * f.matrices for v, f in zip(variants, folded, strict=True)])
    maps, offset = mitigation.linear_map(len(variants), readout.measurement.values)
    identity = torch.eye(matrices.shape[-1], dtype=matrices.dtype)
    mixed = torch.einsum("ckj,cjab->kab", maps.to(matrices.dtype), matrices) + offset[:, None, None] * identity
    return replace(folded[0], matrices=scored(mixed, readout))


def _folded_values(variant: Variant, weights: Tensor, readout: Readout) -> EffectiveObservables:
    """Observables of the variant's measured values, its coefficient left out."""
    measurement, circuit, noise = readout.measurement, variant.circuit, variant.noise
    if variant.correction is None or circuit.amplitudes is None:
        return fold(circuit, weights, Readout(measurement), noise)
    chosen = corrected_settings(variant, measurement)
    matrices = transfer_observables(circuit, weights.cpu().double(), chosen, noise.place(circuit))
    return EffectiveObservables(matrices, circuit.amplitudes.length, circuit.amplitudes.complex_data)

"""Nearest flips of a model: its form, its affine input map, and which solver serves it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from counterspin.errors import CapabilityError, ConditionsError
from counterspin.models.affine import unwrapped
from counterspin.optimum import NearestFlips, nearest_flips
from counterspin.optimum.affine_map import AffineMap
from counterspin.optimum.matrix_free import FormProducts, nearest_flips_by_products
from counterspin.simulation.heisenberg import form_times, score_range
from counterspin.types import Classifier, HasChannels, HasCircuit, HasEffectiveObservables

__all__ = ["FlipSolver"]

# Larger forms are not written down: the decomposition of one alone would take minutes.
_DENSE_FEATURES = 4096
_DENSE_BYTES = 2**30


@dataclass(frozen=True, kw_only=True, eq=False)
class FlipSolver:
    """Nearest flips of one amplitude-encoded classifier, with or without an affine map before its encoding.

    Args:
        forms: of the classifier `(classes, k, k)` float64, or products with them where they do not fit.
        input_map: from features to encoded values; None: there is none.

    Example:
        >>> from counterspin.circuits import OutcomeGroups, amplitude_encoding
        >>> from counterspin.models import QuantumClassifier
        >>> from counterspin.types import Box
        >>> bit = OutcomeGroups((0,), ((0,), (1,)))
        >>> model = QuantumClassifier(amplitude_encoding(2), bit, Box.uniform(0, 1, features=2))
        >>> round(FlipSolver.of(model)(torch.tensor([[2.0, 0.0]]), torch.tensor([0])).upper.item(), 6)
        1.414214
    """

    forms: Tensor | FormProducts
    input_map: AffineMap | None

    @classmethod
    def of(cls, model: Classifier) -> FlipSolver:
        """Fold the frozen model; class pairs are decomposed when samples ask for them.

        Raises:
            CapabilityError: a model without effective observables.
            ConditionsError: its scores are no quadratic form of the encoded unit vector.
        """
        body, input_map = unwrapped(model)
        if input_map is not None and input_map.is_identity:
            input_map = None
        if not isinstance(body, HasEffectiveObservables):
            raise CapabilityError(
                "the exact radius needs effective observables (a frozen amplitude-encoded circuit has them), which "
                f"model ({type(body).__name__}) lacks; use a bound for any model."
            )
        # The circuit of a noisy model says nothing of its channels and readout errors: it is folded or refused.
        large = _products(body) if isinstance(body, HasCircuit) and not isinstance(body, HasChannels) else None
        forms = body.effective_observables().forms() if large is None else large
        return cls(forms=forms, input_map=input_map)

    def __call__(self, x: Tensor, y: Tensor, target: Tensor | None = None) -> NearestFlips:
        """Distances of `x` `(batch, features)` of classes `y`; see `counterspin.optimum.nearest_flips`."""
        if isinstance(self.forms, Tensor):
            return nearest_flips(self.forms, x, y, target, input_map=self.input_map)
        return nearest_flips_by_products(self.forms, x, y, target, input_map=self.input_map)


def _products(model: HasCircuit) -> FormProducts | None:
    """Products with the forms of a model too large to fold; None: it is not."""
    circuit, weights, readout = model.circuit, model.weights.detach(), model.readout
    if circuit.amplitudes is None or circuit.depends_on_inputs_by_gates:
        raise ConditionsError(
            "the exact radius needs all data in the amplitudes; this circuit encodes data in gate angles."
        )
    dimension = 2**circuit.qubits
    folded = (readout.measurement.values + 2) * 16 * dimension**2
    if circuit.amplitudes.features <= _DENSE_FEATURES and folded <= _DENSE_BYTES:
        return None
    return FormProducts(
        classes=readout.classes,
        times=lambda c, rows: form_times(circuit, weights, readout, c, rows),
        spectrum=lambda c: score_range(readout, circuit.qubits, c),
        rounding=2 * (dimension + 8 * len(circuit.gates)) * torch.finfo(torch.float64).eps,
    )

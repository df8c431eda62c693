r"""The quadratic forms behind a model in training: one decomposition a class pair, of the rank the pair has.

While the weights still move, the forms of an amplitude-encoded classifier live for one step. Where scores are levels
of one measured basis, :math:`F_k = \mathrm{Re}\,\Psi\,\mathrm{diag}(s_k)\,\Psi^\dagger` with the columns of
:math:`\Psi` from one pass of the basis states, and the outcomes at which two classes score alike drop out of
:math:`F_y - F_j`. Ten classes of four outcomes each on 64 pixels leave eigenproblems of 16 instead of 64 dimensions.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import Any

import torch
from torch import Tensor

from counterspin.certificates.margins import LevelObservables, score_observables
from counterspin.defenses.training.circuit_views import CircuitView
from counterspin.defenses.training.shown_circuit import shown_circuit
from counterspin.errors import CapabilityError, ConditionsError
from counterspin.models import QuantumClassifier
from counterspin.optimum.affine_map import AffineMap
from counterspin.simulation import final_states
from counterspin.simulation.measurement import rotated
from counterspin.types import Classifier, HasCircuit, HasEffectiveObservables

__all__ = ["PairSpectra", "check_forms", "pair_spectra"]

_LARGEST = 1024  # of encoded values: decomposing larger forms in every step would take minutes an epoch


@dataclass(frozen=True, kw_only=True, eq=False)
class PairSpectra:
    r"""Margins of a quadratic classifier, one class pair a row, each in its own eigenbasis.

    With :math:`v = W x + b` the encoded values and :math:`c = U^T x`,

    .. math:: \|v\|^2 (z_y - z_j) = v^T A v = \sum_i a_i c_i^2 + 2 k \cdot c + \beta, \qquad
        W^T A W = U\,\mathrm{diag}(a)\,U^T, \quad k = U^T W^T A b, \quad \beta = b^T A b.

    Args:
        pairs: classes `(pairs, 2)`, the first of each below the second.
        eigenvalues: a `(pairs, r)` float64; r the rank, or the number of features.
        vectors: U `(pairs, features, r)`, orthonormal columns.
        linear: k `(pairs, r)`.
        constant: β `(pairs,)`.
        input_map: W and b; None: `v = x`.
    """

    pairs: Tensor
    eigenvalues: Tensor
    vectors: Tensor
    linear: Tensor
    constant: Tensor
    input_map: AffineMap | None = None

    @classmethod
    def of_forms(cls, forms: Tensor, pairs: Tensor, input_map: AffineMap | None = None) -> PairSpectra:
        """Decompose symmetric forms `(classes, k, k)` float64."""
        core = forms[pairs[:, 0]] - forms[pairs[:, 1]]
        factors = None if input_map is None else input_map.weight.double().T.expand(len(pairs), -1, -1)
        return _decomposed(pairs, core, factors, core, input_map)

    @classmethod
    def of_factors(
        cls, columns: Tensor, levels: Tensor, pairs: Tensor, input_map: AffineMap | None = None
    ) -> PairSpectra:
        r"""Decompose :math:`A = C\,\mathrm{diag}(s_y - s_j)\,C^T` for columns `(k, n)` and levels `(classes, n)`."""
        difference = levels[pairs[:, 0]] - levels[pairs[:, 1]]
        active = (difference != 0).sum(dim=1).max()
        # Where a pair has fewer columns than the longest, the rest count 0.
        kept = (difference != 0).to(torch.int8).argsort(dim=1, descending=True, stable=True)[:, : int(active)]
        weights, chosen = difference.gather(1, kept), columns[:, kept].movedim(1, 0)
        if chosen.shape[2] >= columns.shape[0]:
            core = (chosen * weights[:, None]) @ chosen.mT
            factors = None if input_map is None else input_map.weight.double().T.expand(len(pairs), -1, -1)
            return _decomposed(pairs, core, factors, core, input_map)
        if input_map is None:
            return _decomposed(pairs, torch.diag_embed(weights), chosen, None, None)
        core = (chosen * weights[:, None]) @ chosen.mT
        return _decomposed(pairs, torch.diag_embed(weights), input_map.weight.double().T @ chosen, core, input_map)

    def encoded(self, x: Tensor) -> Tensor:
        """`v` `(rows, k)` of features `(rows, d)` float64."""
        return x if self.input_map is None else self.input_map(x)


def _decomposed(
    pairs: Tensor, core: Tensor, factors: Tensor | None, forms: Tensor | None, input_map: AffineMap | None
) -> PairSpectra:
    """Spectra of `G core Gᵀ` for factors `G` `(pairs, d, n)`; `forms` A `(pairs, k, k)` where the map has an offset."""
    if factors is None:
        eigenvalues, vectors = torch.linalg.eigh((core + core.mT) / 2)
    elif factors.shape[2] >= factors.shape[1]:
        pulled = factors @ core @ factors.mT
        eigenvalues, vectors = torch.linalg.eigh((pulled + pulled.mT) / 2)
    else:
        q, r = torch.linalg.qr(factors)
        inner = r @ core @ r.mT
        eigenvalues, rotation = torch.linalg.eigh((inner + inner.mT) / 2)
        vectors = q @ rotation
    linear, constant = torch.zeros_like(eigenvalues), eigenvalues.new_zeros(len(pairs))
    if input_map is not None and forms is not None:
        pushed = forms @ input_map.bias.double()
        linear = ((pushed @ input_map.weight.double())[:, None] @ vectors)[:, 0]
        constant = pushed @ input_map.bias.double()
    return PairSpectra(
        pairs=pairs,
        eigenvalues=eigenvalues,
        vectors=vectors,
        linear=linear,
        constant=constant,
        input_map=input_map,
    )


def check_forms(model: Classifier) -> None:
    """Refuse a model whose scores are no quadratic form of its input, before anything is computed.

    Raises:
        CapabilityError: it has no effective observables.
        ConditionsError: data enters through gate angles, or the forms are too large to decompose in every step.
    """
    body, _ = shown_circuit(model)
    if not isinstance(body, HasEffectiveObservables):
        raise CapabilityError(
            f"exact margins need a classifier whose scores are quadratic forms of its input, and model is a "
            f"{type(body).__name__}; train it with pgd-at, or take an amplitude-encoded circuit."
        )
    if not isinstance(body, HasCircuit):
        return
    amplitudes = body.circuit.amplitudes
    if amplitudes is None or body.circuit.depends_on_inputs_by_gates:
        raise ConditionsError(
            "exact margins need all data in the amplitudes, and this circuit encodes data in gate angles; train it "
            "with pgd-at, bures, lipschitz or certified."
        )
    if amplitudes.features > _LARGEST:
        raise ConditionsError(
            f"exact margins decompose forms of {amplitudes.features} features in every step; they are offered up to "
            f"{_LARGEST}, train with pgd-at."
        )


@torch.no_grad()
def pair_spectra(model: Classifier, y: Tensor) -> PairSpectra:
    """The forms of a model with its present weights, of the class pairs with a member among the labels `y`.

    Raises:
        CapabilityError: it has none.
        ConditionsError: its scores are no quadratic form.

    Example:
        >>> from counterspin.circuits import OutcomeGroups, amplitude_encoding
        >>> from counterspin.types import Box
        >>> bit = OutcomeGroups((0,), ((0,), (1,)))
        >>> model = QuantumClassifier(amplitude_encoding(2), bit, Box.uniform(0, 1, features=2))
        >>> pair_spectra(model, torch.tensor([0])).eigenvalues.tolist()
        [[-1.0, 1.0]]
    """
    check_forms(model)
    body, input_map = shown_circuit(model)
    if input_map is not None and input_map.is_identity:
        input_map = None
    present = set(y.tolist())
    pairs = torch.tensor([pair for pair in combinations(range(body.classes), 2) if present & set(pair)])
    if isinstance(body, QuantumClassifier | CircuitView):
        observables = score_observables(body)
        if isinstance(observables, LevelObservables):
            columns, levels = _factors(body, observables)
            return PairSpectra.of_factors(columns, levels, pairs, input_map)
    return PairSpectra.of_forms(body.effective_observables().forms(), pairs, input_map)


def _factors(body: Any, observables: LevelObservables) -> tuple[Tensor, Tensor]:
    """Columns and levels of a circuit measured in one basis, from one run on the basis states."""
    basis = torch.eye(body.circuit.inputs, dtype=torch.float64)
    states = final_states(body.circuit, basis, body.weights.detach().double(), engine=body.engine)
    outcomes = rotated(states, observables.setting, body.circuit.qubits)
    levels = observables.levels[observables.group].T.double()
    return torch.cat([outcomes.real, outcomes.imag], dim=1), torch.cat([levels, levels], dim=1)

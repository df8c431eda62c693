"""The scores of an angle-encoded model as trigonometric polynomials of the features an attacker may change."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from counterspin.certificates.margins import inner
from counterspin.certificates.slopes import check_body
from counterspin.circuits import Given
from counterspin.circuits.frequencies import bandwidth_along, frequencies_along
from counterspin.errors import ConditionsError
from counterspin.optimum.multivariate import Polynomials, fitted, product_nodes
from counterspin.validation import checked_scores

__all__ = ["ScoreSpectrum", "gradient_scores", "score_polynomials", "score_spectrum"]

# Distinct frequencies of one feature beyond which a polynomial is not worth fitting.
_FREQUENCIES = 128
# Grid points per fit: the terms of a polynomial are half as many, and each cell of a search looks at all of them.
_GRID = 2**14
_WITNESSES = 16
# Agreement of a fit with the model, relative to the largest score.
_AGREES = 1e-8


@dataclass(frozen=True, kw_only=True)
class ScoreSpectrum:
    """How the scores depend on the features that may change.

    Args:
        features: indices of the features that may change and on which the scores depend.
        frequencies: positive frequencies along each of them, ascending; None where they are too many to fit.
        bandwidth: highest frequency along each of them `(active,)`.
    """

    features: tuple[int, ...]
    frequencies: tuple[tuple[float, ...], ...] | None
    bandwidth: Tensor


def score_spectrum(model: Any, movable: Tensor) -> ScoreSpectrum:
    """Frequencies of the scores along each feature in `movable` `(features,)` bool.

    Raises:
        ConditionsError: the scores are no trigonometric polynomials of these features.
    """
    # The map to the circuit is known, not probed: a front with small slopes looks affine next to 0.
    body, input_map = inner(model)
    check_body(body)
    if any(isinstance(angle, Given) for gate in model.circuit.gates for angle in gate.angles):
        raise ConditionsError(
            "the circuit holds gate angles given as tensors, whose dependence on the features is not known; make them "
            "inputs of the circuit."
        )
    circuit, weights = model.circuit, model.weights.detach().double()
    lines = torch.eye(len(movable), dtype=torch.float64) if input_map is None else input_map.weight.double().T
    bandwidths = {
        feature: bandwidth_along(circuit, lines[feature], weights) for feature in movable.nonzero()[:, 0].tolist()
    }
    active = [feature for feature, bandwidth in bandwidths.items() if bandwidth > 0]
    spectra = [frequencies_along(circuit, lines[feature], weights, at_most=_FREQUENCIES) for feature in active]
    known = tuple(spectrum for spectrum in spectra if spectrum is not None)
    small = len(known) == len(active) and product_nodes(list(known), at_most=_GRID) is not None
    return ScoreSpectrum(
        features=tuple(active),
        frequencies=known if small else None,
        bandwidth=torch.tensor([bandwidths[feature] for feature in active], dtype=torch.float64),
    )


def score_polynomials(model: Any, spectrum: ScoreSpectrum, fixed: Tensor) -> Polynomials:
    """All class scores as polynomials of the active features, the others at their values in `fixed` `(features,)`.

    Raises:
        ConditionsError: the model's scores are not what its circuit says.
    """
    frequencies = spectrum.frequencies
    nodes = None if frequencies is None else product_nodes(list(frequencies), at_most=_GRID)
    if frequencies is None or nodes is None:
        raise ConditionsError("the scores have too many frequencies to be fitted; bound them by their bandwidth.")
    shape = [len(node) for node in nodes]
    samples = _scores(model, spectrum, fixed, torch.cartesian_prod(*nodes).reshape(-1, len(nodes)))
    polynomials = fitted(list(frequencies), nodes, samples.reshape(*shape, -1))
    generator = torch.Generator().manual_seed(0)
    # About a period to either side of 0, whatever the units of the features.
    reach = torch.tensor([math.pi * len(spectrum) / spectrum[-1] for spectrum in frequencies], dtype=torch.float64)
    witnesses = reach * (2 * torch.rand(_WITNESSES, len(nodes), generator=generator, dtype=torch.float64) - 1)
    asked = _scores(model, spectrum, fixed, witnesses)
    if float((polynomials.values(witnesses) - asked).abs().max()) > _AGREES * float(samples.abs().max()):
        raise ConditionsError(
            f"the scores of model ({type(model).__name__}) are not linear in expectation values of its circuit; use a "
            "certificate for its head."
        )
    return polynomials


def gradient_scores(
    model: Any, spectrum: ScoreSpectrum, x: Tensor
) -> Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Scores `(cells, classes)` and their gradients `(cells, classes, active)` at points of samples of `x`.

    The function takes indices of samples `(cells,)` and values of the active features `(cells, active)`.
    """
    active = list(spectrum.features)

    def scores(row: Tensor, point: Tensor) -> tuple[Tensor, Tensor]:
        with torch.enable_grad():
            inputs = x[row].index_copy(1, torch.tensor(active), point).requires_grad_()
            values = checked_scores(model, inputs)
            ones = torch.ones(len(row), dtype=values.dtype)
            parts = [torch.autograd.grad(value, inputs, ones, retain_graph=True)[0] for value in values.unbind(dim=1)]
        return values.detach(), torch.stack(parts, dim=1)[..., active]

    return scores


def _scores(model: Any, spectrum: ScoreSpectrum, fixed: Tensor, points: Tensor) -> Tensor:
    inputs = fixed.repeat(len(points), 1).index_copy(1, torch.tensor(spectrum.features), points)
    return checked_scores(model, inputs).to(torch.float64)

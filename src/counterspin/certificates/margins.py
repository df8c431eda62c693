"""Margins of a model whose scores are linear in expectation values: their observables, spectra and gradients."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import torch
from torch import Tensor

from counterspin.circuits import Circuit, Readout
from counterspin.errors import ConditionsError
from counterspin.models.affine import unwrapped
from counterspin.models.noisy import NoisyClassifier
from counterspin.noise import NoiseModel
from counterspin.noise.kraus import Placed
from counterspin.optimum.affine_map import AffineMap
from counterspin.simulation.density import noisy_observables, score_operators
from counterspin.simulation.folding import FOLDED_QUBITS
from counterspin.simulation.measurement import Setting, rotated
from counterspin.simulation.readout_noise import noisy_settings
from counterspin.types import Classifier, HasCircuit

__all__ = [
    "LevelObservables",
    "MarginGradients",
    "MatrixObservables",
    "ScoreObservables",
    "channels_of",
    "inner",
    "inputs_of",
    "margin_gradients",
    "margins",
    "noise_assumed",
    "noise_of",
    "observables_behind_data",
    "rivals",
    "score_observables",
]

_EPS = torch.finfo(torch.float64).eps


@dataclass(frozen=True, kw_only=True, eq=False)
class LevelObservables:
    """Observables `M_k` whose expectation values are the class scores, all of them diagonal in one measured basis.

    Args:
        levels: scores of each group of outcomes that score alike `(levels, classes)`, bias included.
        group: for each outcome its row in `levels`, `(D,)`.
        setting: the measured basis.
    """

    levels: Tensor
    group: Tensor
    setting: Setting

    @cached_property
    def extremes(self) -> tuple[Tensor, Tensor]:
        """Bounds `(classes, classes)` on the eigenvalues of `M_y - M_j` from below and above, rounding included."""
        gaps = self.levels[:, :, None] - self.levels[:, None, :]
        slack = 8 * _EPS * (1 + self.levels.abs().amax())
        return gaps.amin(dim=0) - slack, gaps.amax(dim=0) + slack

    def seen(self, states: Tensor) -> Tensor:
        """What all pairs of classes need of pure states `(rows, D)`: weights of the levels `(rows, levels)`."""
        qubits = states.shape[1].bit_length() - 1
        shares = rotated(states, self.setting, qubits).abs().square()
        return shares.new_zeros(len(shares), len(self.levels)).index_add(1, self.group, shares)

    def spectrum(self, own: int, rival: int, seen: Tensor) -> tuple[Tensor, Tensor]:
        """Eigenvalues of `M_own - M_rival` and the weights of states in its eigenvectors, from what is `seen`."""
        return self.levels[:, own] - self.levels[:, rival], seen


@dataclass(frozen=True, kw_only=True, eq=False)
class MatrixObservables:
    """Observables `M_k` whose expectation values are the class scores, as matrices.

    Args:
        matrices: Hermitian `(classes, D, D)` complex128, bias included.
    """

    matrices: Tensor

    @cached_property
    def extremes(self) -> tuple[Tensor, Tensor]:
        """Bounds `(classes, classes)` on the eigenvalues of `M_y - M_j` from below and above, rounding included."""
        spectra = torch.stack([torch.linalg.eigvalsh(own - self.matrices) for own in self.matrices])
        slack = 8 * (spectra.shape[2] + 8) * _EPS * spectra.abs().amax(dim=2)
        return spectra[:, :, 0] - slack, spectra[:, :, -1] + slack

    def seen(self, states: Tensor) -> Tensor:
        """What all pairs of classes need of pure `(rows, D)` or mixed `(rows, D, D)` states: themselves."""
        return states

    def spectrum(self, own: int, rival: int, seen: Tensor) -> tuple[Tensor, Tensor]:
        """Eigenvalues of `M_own - M_rival` and the weights of states in its eigenvectors, from what is `seen`."""
        eigenvalues, vectors = torch.linalg.eigh(self.matrices[own] - self.matrices[rival])
        if seen.ndim == 2:
            return eigenvalues, (seen @ vectors.conj()).abs().square()
        return eigenvalues, ((vectors.mH @ seen) * vectors.mT).sum(dim=2).real.clamp(min=0)


ScoreObservables = LevelObservables | MatrixObservables


@dataclass(frozen=True, kw_only=True, eq=False)
class MarginGradients:
    """Margins of each label over each rival and their gradients.

    Args:
        values: `(batch, classes)`, 0 at the label itself.
        gradients: `(batch, classes, features)`, 0 at the label itself.
    """

    values: Tensor
    gradients: Tensor


def score_observables(model: Any) -> ScoreObservables:
    """The observables of a model's scores behind its last gate, from its readout or its `observables()`.

    Global depolarising and readout errors of its noise are part of them.

    Raises:
        ConditionsError: measurements in several bases on more than 10 qubits, for which matrices would be needed;
            mitigated scores.

    Example:
        >>> from counterspin.circuits import PauliExpectations, angle_encoding
        >>> from counterspin.models import QuantumClassifier
        >>> from counterspin.types import Box
        >>> box = Box.uniform(0.0, 1.0, features=2)
        >>> model = QuantumClassifier(angle_encoding(2), PauliExpectations.of("Z0", "Z1"), box)
        >>> [bound[0, 1].item() for bound in score_observables(model).extremes]
        [-2.0000000000000036, 2.0000000000000036]
    """
    body, _ = inner(model)
    if callable(getattr(body, "observables", None)):
        return MatrixObservables(matrices=body.observables().detach().to("cpu", torch.complex128))
    return _of_readout(body.circuit, body.readout, noise_of(model))


def observables_behind_data(model: Any, last: int) -> ScoreObservables:
    """The observables of a model's scores in the state behind the last gate that holds data.

    What follows is carried back with its channels. Without channels it is unitary and changes neither spectra nor the
    weights of a state in them, so that the observables of the measurement itself stand in, with the final states.

    Args:
        model: a model that is one circuit.
        last: position of that gate.
    """
    if not channels_of(model):
        return score_observables(model)
    carried = noisy_observables(
        model.circuit, model.weights.detach(), model.readout, channels_of(model), after=last, noise=noise_of(model)
    )
    return MatrixObservables(matrices=carried.detach())


def rivals(y: Tensor, target: Tensor | None, classes: int) -> Tensor:
    """Classes `(batch, classes)` bool that would have to pass the label: all others, or the target."""
    own = torch.nn.functional.one_hot(y, classes).bool()
    return ~own if target is None else torch.nn.functional.one_hot(target, classes).bool()


def margins(scores: Tensor, y: Tensor, target: Tensor | None) -> Tensor:
    """Margins `(batch, classes)` of each label; infinite where a class is no rival."""
    values = scores.gather(1, y[:, None]) - scores
    return values.masked_fill(~rivals(y, target, scores.shape[1]), torch.inf)


def margin_gradients(model: Classifier, x: Tensor, y: Tensor) -> MarginGradients:
    """Margins over every rival and their gradients, one backward pass per rival for the whole batch.

    Args:
        model: attached to autograd for its input.
        x: inputs `(batch, features)` float64.
        y: labels `(batch,)`.
    """
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        scores = model(x)
        classes = scores.shape[1]
        values = scores.gather(1, y[:, None]) - scores
        gradients = x.new_zeros(len(x), classes, x.shape[1])
        for step in range(1, classes):
            rival = ((y + step) % classes)[:, None]
            (slope,) = torch.autograd.grad(values.gather(1, rival).sum(), x, retain_graph=step < classes - 1)
            gradients.scatter_(1, rival[:, :, None].expand(-1, -1, x.shape[1]), slope[:, None])
    return MarginGradients(values=values.detach(), gradients=gradients)


def inner(model: Any) -> tuple[Any, AffineMap | None]:
    """The model inside all affine maps, and the maps as one; None where there is none."""
    return unwrapped(model)


def inputs_of(model: Any, x: Tensor) -> Tensor:
    """What enters the circuit of a model `(batch, inputs)`, for features `x` `(batch, features)`."""
    body, input_map = inner(model)
    mapped = x if input_map is None else input_map(x)
    return body.circuit_inputs(mapped) if isinstance(body, HasCircuit) else mapped


def noise_of(model: Any) -> NoiseModel | None:
    """The noise that a model, which an affine map may surround, runs under.

    Raises:
        ConditionsError: its scores are mitigated, so that no observable of its circuit gives them.
    """
    body, _ = inner(model)
    if not isinstance(body, NoisyClassifier):
        return None
    if body.mitigation is not None:
        raise ConditionsError(
            f"the scores are mitigated ({body.mitigation.name}), so that no observable of one circuit gives them; "
            "certify the model without mitigation, or an amplitude encoding by its effective observables."
        )
    return body.noise


def noise_assumed(model: Any, otherwise: Literal["none", "any"] = "none") -> Literal["none", "modelled", "any"]:
    """What a proof assumes of the noise of a model, which an affine map may surround.

    Args:
        model: the classifier.
        otherwise: what holds of a model without noise: there must be `"none"`, or `"any"` will do.
    """
    body, _ = inner(model)
    return "modelled" if isinstance(body, NoisyClassifier) else otherwise


def channels_of(model: Any) -> tuple[Placed, ...]:
    """The channels between the gates of a model, which an affine map may surround."""
    body, _ = inner(model)
    return body.channels if isinstance(body, NoisyClassifier) else ()


def _of_readout(circuit: Circuit, readout: Readout, noise: NoiseModel | None) -> ScoreObservables:
    chosen = noisy_settings(readout.measurement, circuit.qubits, noise)
    if len(chosen) == 1:
        table = torch.as_tensor(chosen[0].table, dtype=torch.float64)
        values, group = torch.unique(table, dim=0, return_inverse=True)
        return LevelObservables(levels=readout.scores(values).detach(), group=group, setting=chosen[0])
    if circuit.qubits > FOLDED_QUBITS:
        raise ConditionsError(
            f"the readout measures in {len(chosen)} bases on {circuit.qubits} qubits, and the extreme eigenvalues of "
            f"its margins are computed up to {FOLDED_QUBITS} qubits; measure in one basis."
        )
    return MatrixObservables(matrices=score_operators(readout, circuit.qubits, noise).detach())

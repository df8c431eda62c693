r"""Slopes and score ranges of an angle-encoded model, attached to its weights: what certificates of it are made of.

`counterspin.certificates.slopes` reads the same from a frozen model. Here re-uploading scales and head stay trainable:

.. math:: T = \sum_g \|w_g\|_q\,\tfrac12\mathrm{spread}(H_g), \qquad L_{yj} = T\,\mathrm{spread}(M_y - M_j)

bound by how much the final state turns, as a Bures angle, and the margin changes, per unit of the threat's norm
(arXiv:2311.11871).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional

from counterspin.certificates.margins import noise_of
from counterspin.certificates.slopes import feature_gates
from counterspin.circuits import GATES, Angle, Circuit, Readout
from counterspin.defenses.training.shown_circuit import shown_circuit
from counterspin.errors import CapabilityError, ConditionsError
from counterspin.simulation.measurement import settings
from counterspin.threats import ThreatModel
from counterspin.types import Classifier, HasCircuit

__all__ = [
    "MarginAngles",
    "check_angles",
    "lipschitz_constants",
    "margin_angles",
    "margin_ranges",
    "total_turning",
    "turning",
]

_DUAL = {"linf": 1.0, "l2": 2.0, "l1": torch.inf}
# The arc cosine has an infinite slope at a margin that cannot be larger.
_INSIDE = 1 - 1e-6


@dataclass(frozen=True, kw_only=True, eq=False)
class _Table:
    """The summands of all slopes: gate angle, input, weight (0: none, k: weight k - 1) and coefficient."""

    angle: Tensor
    input: Tensor
    weight: Tensor
    coefficient: Tensor
    spreads: Tensor


@dataclass(frozen=True, kw_only=True, eq=False)
class MarginAngles:
    r"""Margins :math:`m = c + h \cos\alpha` of a batch, c and h the middle and half the length of the range.

    A turn of the state by the Bures angle φ raises α by at most 2φ.

    Args:
        angles: α `(batch, classes)`.
        threshold: α where the margin vanishes.
        middle: c.
        half: h.
        rivals: classes that can win: not the label, and not those that no state prefers.
    """

    angles: Tensor
    threshold: Tensor
    middle: Tensor
    half: Tensor
    rivals: Tensor


def check_angles(name: str, model: Classifier, threat: ThreatModel) -> None:
    """Refuse a model whose gate angles are not affine in its features, and threats without a dual norm or one budget.

    Raises:
        CapabilityError: it shows no circuit with a readout.
        ConditionsError: amplitude encoding, a classical front that is not affine, mitigated scores, an L0 threat, or
            budgets that are shares of each input.
    """
    if threat.norm not in _DUAL:
        raise ConditionsError(f"{name} bounds changes in {', '.join(_DUAL)}; the threat is in {threat.norm}.")
    if threat.units == "relative":
        raise ConditionsError(
            f"{name} holds one budget for all inputs against the slopes of the gates, and the threat's are shares of "
            "each input's norm (relative); give budgets with units='feature'."
        )
    body, _ = shown_circuit(model)
    if not isinstance(body, HasCircuit):
        raise CapabilityError(
            f"{name} needs a model that is one circuit with a readout, and model is a {type(body).__name__}; train it "
            "with pgd-at."
        )
    if body.circuit.amplitudes is not None:
        raise ConditionsError(
            f"{name} bounds how far gate angles move with the features, and this circuit encodes them as amplitudes; "
            "train it with exact-margin or pgd-at."
        )
    feature_gates(model, threat)
    noise_of(model)


def turning(model: Classifier, threat: ThreatModel) -> Tensor:
    """Bures angle per unit of each feature and gate angle `(angles, features)`, attached to the weights.

    Features that the mask forbids to move have slope 0.

    Example:
        >>> from counterspin.circuits import PauliExpectations, reuploading
        >>> from counterspin.models import QuantumClassifier
        >>> from counterspin.threats import Linf
        >>> from counterspin.types import Box
        >>> circuit, box = reuploading(2, 1, scale=3.0), Box.uniform(0, 1, features=2)
        >>> turning(QuantumClassifier(circuit, PauliExpectations.of("Z0", "Z1"), box), Linf(0.1)).tolist()
        [[1.5, 0.0], [0.0, 1.5]]
    """
    body, input_map = shown_circuit(model)
    table = _table(body.circuit)
    weights = body.weights
    factors = torch.cat([weights.new_ones(1), weights])[table.weight]
    slopes = weights.new_zeros(len(table.spreads), body.circuit.inputs)
    slopes = slopes.index_put((table.angle, table.input), table.coefficient.to(weights) * factors, accumulate=True)
    if input_map is not None:
        slopes = slopes @ input_map.weight.to(slopes)
    movable = threat.constraints.movable(slopes.shape[1])
    return slopes * movable.to(slopes) * table.spreads.to(slopes)[:, None] / 2


def total_turning(model: Classifier, threat: ThreatModel) -> Tensor:
    r"""Upper bound `()` on the turn of a perturbation of unit norm, attached to the weights.

    The smaller of :math:`\sum_g \|v_g\|_q` and :math:`\|\sum_g |v_g|\|_q` over the rows of `turning`. The second is
    exact where every gate holds one feature.
    """
    rows, order = turning(model, threat), _DUAL[threat.norm]
    by_gate = torch.linalg.vector_norm(rows, ord=order, dim=1).sum()
    by_feature = torch.linalg.vector_norm(rows.abs().sum(dim=0), ord=order)
    return torch.minimum(by_gate, by_feature)


def margin_ranges(model: Classifier) -> tuple[Tensor, Tensor]:
    """Least and largest value of every margin `(classes, classes)` over all states, attached to the head.

    Exact where one basis is measured; for several the ends of each are added up, which bounds from outside. Noise in
    the circuit or the readout only narrows them.
    """
    body, _ = shown_circuit(model)
    readout: Readout = body.readout
    low, high = None, None
    for index, setting in enumerate(settings(readout.measurement, body.circuit.qubits)):
        table = torch.unique(torch.as_tensor(setting.table), dim=0).to(body.weights)
        levels = readout.scores(table)
        if index:
            # The bias belongs to one setting.
            levels = levels - readout.scores(torch.zeros_like(table[:1]))
        margins = levels[:, :, None] - levels[:, None, :]
        least, most = margins.amin(dim=0), margins.amax(dim=0)
        low, high = (least, most) if low is None or high is None else (low + least, high + most)
    if low is None or high is None:
        raise ConditionsError("the readout measures nothing; give it an observable.")
    return low, high


def margin_angles(model: Classifier, scores: Tensor, y: Tensor) -> MarginAngles:
    r"""Margins over every rival as angles, attached to scores and head.

    Args:
        model: whose readout bounds the margins.
        scores: `(batch, classes)`.
        y: labels `(batch,)`.
    """
    low, high = (bound[y].to(scores) for bound in margin_ranges(model))
    own = functional.one_hot(y, scores.shape[1]).bool()
    # Two classes that always score alike have a range of length 0: no state moves between them.
    fixed = high <= low
    half = torch.where(fixed, 1.0, (high - low) / 2)
    middle = (high + low) / 2
    margin = scores.gather(1, y[:, None]) - scores
    return MarginAngles(
        angles=((margin - middle) / half).clamp(-_INSIDE, _INSIDE).acos(),
        threshold=(-middle / half).clamp(-_INSIDE, _INSIDE).acos(),
        middle=middle,
        half=half,
        rivals=~own & (low <= 0),
    )


def lipschitz_constants(model: Classifier, threat: ThreatModel) -> Tensor:
    r"""L of every class pair `(classes, classes)`: largest change of a margin per unit of the threat's norm."""
    low, high = margin_ranges(model)
    lengths = torch.linalg.vector_norm(turning(model, threat), ord=_DUAL[threat.norm], dim=1)
    return (high - low) * lengths.sum()


@lru_cache(maxsize=64)
def _table(circuit: Circuit) -> _Table:
    angles, inputs, weights, coefficients, spreads = [], [], [], [], []
    for gate in circuit.gates:
        for angle, frequencies in zip(gate.angles, GATES[gate.kind].frequencies, strict=True):
            if not isinstance(angle, Angle) or not angle.inputs:
                continue
            for term in angle.terms:
                if term.input is not None:
                    angles.append(len(spreads))
                    inputs.append(term.input)
                    weights.append(0 if term.weight is None else term.weight + 1)
                    coefficients.append(term.coefficient)
            # The differences of a generator's eigenvalues are the frequencies; the largest is the spread.
            spreads.append(max(frequencies))
    return _Table(
        angle=torch.tensor(angles, dtype=torch.int64),
        input=torch.tensor(inputs, dtype=torch.int64),
        weight=torch.tensor(weights, dtype=torch.int64),
        coefficient=torch.tensor(coefficients, dtype=torch.float64),
        spreads=torch.tensor(spreads, dtype=torch.float64),
    )

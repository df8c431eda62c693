"""A zoo of classifiers that look robust or are evaluated wrongly, each with the check that must catch it.

All are small circuits behind a mask; the plain circuits are in the zoo too, and no check may fire on them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from counterspin.circuits import (
    PauliExpectations,
    Scale,
    amplitude_encoding,
    angle_encoding,
    reuploading,
    strongly_entangling,
)
from counterspin.evaluation.sanity import masks
from counterspin.evaluation.sanity.masks import Mask, Masked, Overstated
from counterspin.models import QuantumClassifier
from counterspin.threats import L1, L2, Linf, ThreatModel
from counterspin.types import Box

__all__ = ["Specimen", "specimens"]

_QUBITS, _AMPLITUDES = 3, 8
_THREATS: dict[str, Callable[[], ThreatModel]] = {
    "linf": lambda: Linf(0.05, 0.15),
    "l2": lambda: L2(0.08, 0.25),
    "l1": lambda: L1(0.1, 0.35),
}

# Where gradients mislead, weaker methods break more (the paired checks), more effort helps (S09 to S13) and planted
# points stay hidden (S22). Where scores change from call to call, whatever is computed twice differs.
_MISLED = "S05 S06 S07 S08 S09 S10 S11 S12 S13 S20 S22"
_CHANGING = "S01 S03 S04 S05 S06 S07 S08 S09 S10 S11 S12 S13 S14 S15 S17 S20 S22 S23 S27 S28"


@dataclass(frozen=True, eq=False, kw_only=True)
class Specimen:
    """A model of the zoo with the samples to evaluate it on.

    Args:
        name: what it is called in the matrix.
        model: the classifier.
        x: samples `(batch, features)` float64.
        y: labels `(batch,)`: what the circuit without its mask predicts.
        threat: the attacker.
        expected: the check that must WARN or FAIL, or the error that must be raised; empty for a plain circuit.
        also: other checks that may fire with it, and rightly.
        reason: what is wrong with it.
    """

    name: str
    model: Any
    x: Tensor
    y: Tensor
    threat: ThreatModel
    expected: str
    reason: str
    also: tuple[str, ...] = ()


def specimens(*, samples: int = 60, seed: int = 0, norm: str = "linf") -> tuple[Specimen, ...]:
    """Every specimen, plain circuits first.

    Args:
        samples: how many samples each is evaluated on.
        seed: of circuits, samples and noise.
        norm: of the threat, `"linf"`, `"l2"` or `"l1"`.

    Example:
        >>> [s.name for s in specimens(samples=4) if not s.expected]
        ['plain, 2 classes', 'plain, 4 classes', 'plain, amplitudes']
    """
    generator = torch.Generator().manual_seed(seed)
    threat = _THREATS[norm]()
    uploads = torch.rand(samples, _QUBITS, generator=generator, dtype=torch.float64)
    amplitudes = 0.05 + 0.95 * torch.rand(samples, _AMPLITUDES, generator=generator, dtype=torch.float64)
    on_poles = uploads.clone()
    on_poles[:, 1] = (uploads[:, 1] > 0.5).double()
    two, four = _reuploading(generator, "Z0", "Z1"), _reuploading(generator, "Z0", "Z1", "Z2", "X0 X1")
    vector, poles = _amplitude(generator), _angles()

    def specimen(name: str, model: nn.Module, x: Tensor, expected: str, reason: str, also: str = "") -> Specimen:
        with torch.no_grad():
            y = getattr(model, "undefended", model)(x).argmax(dim=1)
        return Specimen(
            name=name,
            model=model,
            x=x,
            y=y,
            threat=threat,
            expected=expected,
            reason=reason,
            also=tuple(also.split()),
        )

    def masked(name: str, mask: Mask, expected: str, reason: str, also: str = "", stochastic: bool = False) -> Specimen:
        return specimen(name, Masked(two, mask, stochastic=stochastic).eval(), uploads, expected, reason, also)

    training = Masked(two, lambda model, x: model(x)).train()
    # Just beyond the samples, so that attacks are sure to get there.
    broken = Masked(two, masks.broken_beyond(float(0.9 * uploads.max()) + 0.01)).eval()
    noise = torch.Generator().manual_seed(seed + 1)
    return (
        specimen("plain, 2 classes", two, uploads, "", "nothing"),
        specimen("plain, 4 classes", four, uploads, "", "nothing"),
        specimen("plain, amplitudes", vector, amplitudes, "", "nothing"),
        masked("sign-quantised output", masks.sign_quantised, "S17", "no gradient where scores jump", _MISLED),
        masked("rounded input", masks.rounded_input(12), "S17", "no gradient between the steps of a grid", _MISLED),
        masked("frozen gradient", masks.frozen_gradient, "S17", "a gradient that is zero", _MISLED),
        masked("reversed gradient", masks.reversed_gradient, "S17", "a gradient that points the other way", _MISLED),
        masked("shattered gradient", masks.shattered(0.003, 1e4), "S17", "a ripple outweighs the slope", _MISLED),
        masked("smaller box", masks.clipped(0.3, 0.7), "S17", "inputs are clipped to less than the box", _MISLED),
        masked("temperature 1e-3", masks.temperature(1e-3), "S20", "a softmax that is saturated in float32"),
        specimen("encoding poles", poles, on_poles, "S19", "a third of the features have no gradient", "S22"),
        masked("noise, undeclared", masks.noisy(0.3, noise), "S15", "random scores, declared fixed", _CHANGING),
        masked(
            "noise, declared", masks.noisy(0.3, noise), "S15", "undecided verdicts near the boundary", "S07 S09", True
        ),
        masked("batch statistics", masks.batch_centred, "S01", "predictions depend on other samples", _CHANGING),
        specimen("training mode", training, uploads, "S01", "evaluated in training mode"),
        specimen("false certificate", Overstated(vector).eval(), amplitudes, "S24", "a proof for another model"),
        masked("detached", masks.detached, "CapabilityError", "scores without a graph, declared differentiable"),
        specimen("NaN beyond a region", broken, 0.9 * uploads, "ModelError", "no scores inside the budget"),
    )


def _reuploading(generator: torch.Generator, *observables: str) -> QuantumClassifier:
    circuit = reuploading(_QUBITS, 2, scale=math.pi, trainable_scale=False)
    weights = 0.6 * torch.randn(circuit.weights, generator=generator)
    return _plain(circuit, weights, observables, _QUBITS)


def _amplitude(generator: torch.Generator) -> QuantumClassifier:
    circuit = amplitude_encoding(_AMPLITUDES) + strongly_entangling(3, 2)
    weights = math.pi * torch.randn(circuit.weights, generator=generator)
    return _plain(circuit, weights, ("Z0", "Z1"), _AMPLITUDES)


def _angles() -> QuantumClassifier:
    """Each class is the cosine of one feature."""
    return _plain(angle_encoding(_QUBITS, scale=math.pi), torch.zeros(0), ("Z0", "Z1", "Z2"), _QUBITS)


def _plain(circuit: Any, weights: Tensor, observables: tuple[str, ...], features: int) -> QuantumClassifier:
    model = QuantumClassifier(
        circuit,
        PauliExpectations.of(*observables),
        Box.uniform(0.0, 1.0, features),
        head=Scale(torch.tensor(3.0)),
        trainable_head=False,
        weights=weights,
    )
    return model.requires_grad_(False).eval()

"""Noise-aware training: every step runs the circuit as some device would."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

import torch

from counterspin.circuits import Circuit
from counterspin.defenses.training.base import Entry, as_json
from counterspin.defenses.training.circuit_views import check_circuit, engine_of
from counterspin.defenses.training.options import real, word
from counterspin.defenses.training.white_noise import white_noise
from counterspin.errors import UsageError
from counterspin.models.noisy import NoisyClassifier
from counterspin.noise import NoiseModel
from counterspin.noise.devices import Placement, load, place
from counterspin.noise.text import parse
from counterspin.threats import ThreatModel
from counterspin.training import Step
from counterspin.types import Classifier

__all__ = ["ENTRY", "NoiseView", "is_device"]

# Strengths a range is drawn from: few enough that every one is placed and compiled once.
_STRENGTHS = 9

_WAYS = ("auto", "exact", "white")

# Gates times entries of a density matrix: about 2 ms a sample and step, forwards and backwards.
_EXACT_WORK = 2**19

_RANGE = re.compile(r"^(?P<low>[0-9.]+(?:e-?[0-9]+)?)(?:-(?P<high>[0-9.]+(?:e-?[0-9]+)?))?$")


@dataclass(frozen=True, kw_only=True)
class NoiseView:
    r"""In each step the model is the same circuit under one of several noises, with the same weights.

    .. math:: \min_w\ \mathbb{E}_{s, \lambda}\,\ell\bigl(f_w^{N_s^\lambda}(x), y\bigr)

    over sources s drawn evenly and strengths :math:`\lambda`, the power of every channel and readout error, drawn from
    an even grid on [low, high]. Gradients pass through the channels to weights and inputs, so that an attack inside
    the training meets the noise too. The idea of training under the noise of the device: arXiv:2110.11331.

    A circuit of few qubits is placed on the device and its channels are simulated exactly. On more (from 7, or 6 where
    it is deep) that would take hours, and some devices have no room: those circuits meet the device as white noise.

    Args:
        sources: devices (`"ibm:manila"`, `"ibm:fez@2025-02-26"`, a calibration file) or noise texts
            (`"depolarizing:0.01/gate"`), which are simulated as they are.
        low: least strength; 1 is the noise as it is.
        high: largest strength.
        ideal: share of the steps without any noise.
        simulate: `"exact"`: on the device whatever it takes; `"white"`: as global depolarisation and readout errors,
            see `white_noise`; `"auto"`: as above.

    Raises:
        UsageError: no source, an unknown way to simulate, or figures that make no range or share.

    Example:
        >>> NoiseView.of("ibm:manila+ibm:lima*0.5-2")
        NoiseView(sources=('ibm:manila', 'ibm:lima'), low=0.5, high=2.0, ideal=0.0, simulate='auto')
    """

    name: ClassVar[str] = "noise"
    kind: ClassVar[str] = "view"
    order: ClassVar[int] = 2

    sources: tuple[str, ...]
    low: float = 1.0
    high: float = 1.0
    ideal: float = 0.0
    simulate: str = "auto"

    def __post_init__(self) -> None:
        """Refuse what makes no noise."""
        if not self.sources or not all(self.sources):
            raise UsageError("noise has no device; write noise:ibm:manila or noise:depolarizing:0.01/gate.")
        if not (math.isfinite(self.high) and 0 <= self.low <= self.high):
            raise UsageError(
                f"noise is scaled by {self.low:g}-{self.high:g}; give two finite numbers from 0 upwards, the smaller "
                "one first."
            )
        if not 0 <= self.ideal < 1:
            raise UsageError(f"ideal is {self.ideal}; the share of steps without noise is from 0 to below 1.")
        if self.simulate not in _WAYS:
            raise UsageError(f"simulate is {self.simulate!r}; allowed: {', '.join(_WAYS)}.")

    @classmethod
    def of(cls, text: str, *, ideal: float = 0.0, simulate: str = "auto") -> NoiseView:
        """The view that `SOURCE[+SOURCE...][*STRENGTH or *LOW-HIGH]` describes.

        Texts that follow each other are one noise, as everywhere else: `"depolarizing:0.01/gate+readout:0.02"`.

        Raises:
            UsageError: a strength that is no number or range.
        """
        written, star, strength = text.partition("*")
        low = high = 1.0
        if star:
            found = _RANGE.match(strength.strip())
            try:
                low, high = _ends(found)
            except ValueError:
                raise UsageError(
                    f"noise {text!r} is scaled by {strength!r}; write one number or a range, for example *0.5-2."
                ) from None
        sources: list[str] = []
        for part in (part.strip() for part in written.split("+")):
            if sources and not is_device(part) and not is_device(sources[-1]):
                sources[-1] += f"+{part}"
            else:
                sources.append(part)
        return cls(sources=tuple(sources), low=low, high=high, ideal=ideal, simulate=simulate)

    def check(self, model: Classifier, threat: ThreatModel) -> None:
        """Place the circuit on every device, so that nothing is refused later.

        Raises:
            CapabilityError: the model shows no circuit, or has noise of its own.
            UsageError: an unknown device or noise, or, simulated exactly, more qubits than the device has.
            MissingExtraError: the package with the calibrations is not installed.
            ConditionsError: a channel that cannot be scaled.
        """
        check_circuit(model, self.name)
        for source in self.sources:
            for strength in {self.low, self.high}:
                self.under(model, source, strength)

    def apply(self, model: Classifier, step: Step) -> Classifier:
        """The model of one step."""
        source, strength, seed, clean = self._drawn(step.generator)
        if clean:
            return model
        return self.under(model, source, strength, seed=seed)

    def under(self, model: Any, source: str, strength: float, *, seed: int = 0) -> NoisyClassifier:
        """The model under one noise.

        Args:
            model: a classifier that shows its circuit; its parameters are shared.
            source: a device or a noise text.
            strength: the power of every channel.
            seed: of drawn errors, beyond 8 qubits.
        """
        noise, placement = _placed(model.circuit, source, strength, self.simulate)
        return NoisyClassifier(model, noise=noise, placement=placement, seed=seed, engine=engine_of(model))

    def notes(self, model: Any) -> tuple[str, ...]:
        """Which devices a model meets as white noise, and what that means, one sentence each."""
        found = []
        for source in filter(is_device, self.sources):
            seen = self.under(model, source, 1.0)
            if seen.placement is None:
                found.append(
                    f"{source} was met as white noise that leaves {1 - seen.noise.global_depolarizing:.0%} of the "
                    f"signal, not by its exact channels; on {model.circuit.qubits} qubits that trains as a logit scale "
                    "smaller by that share would, so compare with defence zero."
                )
        return tuple(found)

    def to_json(self) -> dict[str, Any]:
        """The defence as JSON values."""
        return as_json(self)

    def _drawn(self, generator: torch.Generator) -> tuple[str, float, int, bool]:
        """Source, strength, seed, and whether the step is free of noise; as many draws whatever is asked for."""
        chance, place = torch.rand(2, generator=generator, dtype=torch.float64).tolist()
        index, seed = (int(torch.randint(end, (), generator=generator)) for end in (len(self.sources), 2**31))
        strength = self.low + (self.high - self.low) * int(place * _STRENGTHS) / (_STRENGTHS - 1)
        return self.sources[index], strength, seed, chance < self.ideal


def is_device(source: str) -> bool:
    """Whether a source names a device, not a noise.

    Example:
        >>> is_device("ibm:manila"), is_device("depolarizing:0.01/gate")
        (True, False)
    """
    return source.startswith(("ibm:", "google:")) or source.endswith(".json")


def _ends(found: re.Match[str] | None) -> tuple[float, float]:
    if found is None:
        raise ValueError
    low = float(found["low"])
    return low, low if found["high"] is None else float(found["high"])


@lru_cache(maxsize=128)
def _placed(circuit: Circuit, source: str, strength: float, simulate: str) -> tuple[NoiseModel, Placement | None]:
    """The noise of a source at a strength, and how a device runs the circuit."""
    if not is_device(source):
        return parse(source).scaled(strength, readout=True), None
    snapshot = load(source)
    if simulate == "exact" or (simulate == "auto" and len(circuit.gates) * 4**circuit.qubits <= _EXACT_WORK):
        try:
            placement = place(circuit, snapshot)
        except UsageError:  # no such line of working qubits on the device
            if simulate == "exact":
                raise
        else:
            return placement.noise.scaled(strength, readout=True), placement
    return white_noise(circuit, snapshot).scaled(strength, readout=True), None


def _build(options: dict[str, str], threat: ThreatModel) -> NoiseView:
    simulate = word(options, "simulate", NoiseView.simulate, _WAYS)
    return NoiseView.of(options.get("sources", ""), ideal=real(options, "ideal", 0.0), simulate=simulate)


ENTRY = Entry(
    name="noise",
    summary="every step runs the circuit under the noise of a device, or of several in turn",
    build=_build,
    options={
        "sources": "devices or noise texts joined by +, then *STRENGTH or *LOW-HIGH, as in ibm:manila+ibm:lima*0.5-2",
        "ideal": "share of the steps without noise",
        "simulate": "exact, white (global depolarisation, as deep circuits see it) or auto",
    },
    argument="sources",
)

"""A certificate and what it is checked on, each run and each attack once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from counterspin.attacks.ball import Ball
from counterspin.attacks.verdict import margins
from counterspin.certificates import Certificate, CertificateResult
from counterspin.evaluation.conformance.certifier_attacks import flips_near
from counterspin.evaluation.conformance.report import Skipped
from counterspin.threats import ThreatModel
from counterspin.types import Box

__all__ = ["CertifierCase"]


@dataclass(frozen=True, eq=False, kw_only=True)
class CertifierCase:
    """A certificate, and what it is checked on.

    Args:
        certifier: the certificate.
        model: what it certifies.
        x: samples `(batch, features)`.
        y: labels `(batch,)`.
        seed: seed of the generators.
        known: results of plain runs by threat, so that each is run once.
        flips: what was found by threat: finder, sample indices, points.
    """

    certifier: Certificate
    model: Any
    x: Tensor
    y: Tensor
    seed: int
    known: dict[ThreatModel, CertificateResult] = field(default_factory=dict)
    flips: dict[ThreatModel, list[tuple[str, Tensor, Tensor]]] = field(default_factory=dict)

    def run(self, threat: ThreatModel, **changes: Any) -> CertificateResult:
        """The certificate from a fresh generator, with another model, x or y where given."""
        # Copies go in: a broken certificate may write into what it gets.
        parts = {"model": self.model, "x": self.x.clone(), "y": self.y.clone(), **changes}
        generator = torch.Generator().manual_seed(self.seed)
        return self.certifier(parts["model"], parts["x"], parts["y"], threat, generator=generator)

    def result(self, threat: ThreatModel) -> CertificateResult:
        """The plain run under `threat`."""
        if threat not in self.known:
            self.known[threat] = self.run(threat)
        return self.known[threat]

    def found(self, threat: ThreatModel) -> list[tuple[str, Tensor, Tensor]]:
        """Every flip that the attacks find near the certified balls of `threat`."""
        if self.model.stochastic:
            raise Skipped("the model is stochastic; no single query shows a flip")
        if threat not in self.flips:
            # The long attacks once per norm: they cost most, and a flip is held against every threat it fits.
            first = all(known.norm != threat.norm for known in self.flips)
            clean, result = self.x.double(), self.result(threat)
            found = flips_near(self.model, clean, self.y, threat, result, seed=self.seed, thorough=first)
            self.flips[threat] = list(found)
        return self.flips[threat]

    def standing(self) -> Tensor:
        """Margins of the samples `(batch,)` in float64."""
        return margins(self.model, self.x.double(), self.y)

    def ball(self, threat: ThreatModel, x: Tensor, radius: Tensor) -> Ball:
        """What `threat` admits within `radius` `(rows,)` of `x` `(rows, features)`."""
        box = self.model.bounds if threat.box == "data" else Box.unbounded(x.shape[1])
        return Ball.around(x, radius, threat.norm, box, threat.constraints)

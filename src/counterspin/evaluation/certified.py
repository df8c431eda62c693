"""Every certificate that applies to a model, stored in the run directory, and what they prove together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from counterspin.certificates import Assumptions, Certificate, CertificateResult
from counterspin.errors import CapabilityError, ConditionsError
from counterspin.evaluation.run_store import RunStore
from counterspin.evaluation.seeds import derived_generator
from counterspin.threats import ThreatModel
from counterspin.types import Classifier

__all__ = ["Certified", "certify_all"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Certified:
    """What was proved.

    Args:
        results: result of each certificate that applies.
        refused: why the others do not, by name.
    """

    results: tuple[CertificateResult, ...]
    refused: dict[str, str]

    @property
    def radius(self) -> Tensor | None:
        """Largest certified radius of each sample `(batch,)` in feature units; None where nothing applies."""
        if not self.results:
            return None
        return torch.stack([result.radius_lower for result in self.results]).amax(dim=0)

    @property
    def flips_at(self) -> Tensor | None:
        """Distance `(batch,)` of the nearest known flip, infinite where none is; None where no method looks for one."""
        looking = [result for result in self.results if result.points is not None or bool(result.exact.any())]
        return torch.stack([result.radius_upper for result in looking]).amin(dim=0) if looking else None

    @property
    def exact(self) -> Tensor | None:
        """Samples `(batch,)` bool whose radius some method knows to 1e-6; None where nothing applies."""
        return torch.stack([result.exact for result in self.results]).any(dim=0) if self.results else None

    def chosen(self) -> list[str]:
        """Name of the method with the largest radius for each sample, the earlier one on a tie; needs a method."""
        best = torch.stack([result.radius_lower for result in self.results]).argmax(dim=0)
        return [self.results[place].method for place in best.tolist()]

    def cards(self) -> list[dict[str, Any]]:
        """What the record says of each certificate, JSON values."""
        chosen = self.chosen() if self.results else []
        applied = [
            {
                "method": result.method,
                "applies": True,
                "exact_share": float(result.exact.double().mean()),
                "chosen_share": chosen.count(result.method) / len(chosen),
                "assumptions": list(result.assumptions.sentences),
                "seconds": result.seconds,
            }
            for result in self.results
        ]
        refused = [{"method": name, "applies": False, "reason": reason} for name, reason in self.refused.items()]
        return applied + refused


def certify_all(
    model: Classifier,
    x: Tensor,
    y: Tensor,
    threat: ThreatModel,
    store: RunStore,
    *,
    certificates: Sequence[Certificate],
    seed: int = 0,
    started: Callable[[str], None] = lambda name: None,
) -> Certified:
    """Run every certificate whose conditions hold, or read what an earlier run stored.

    Args:
        model: the classifier.
        x: inputs `(batch, features)` float64.
        y: labels `(batch,)`.
        threat: the threat model.
        store: the run directory.
        certificates: what to try.
        seed: of the random streams.
        started: called with the name of each certificate before it runs.
    """
    results, refused = [], {}
    for certificate in certificates:
        started(certificate.name)
        card = store.stage(f"certificate/{certificate.name}")
        if card is None:
            generator = derived_generator(seed, "certificate", certificate.name)
            card = _run(lambda c=certificate, g=generator: c(model, x, y, threat, generator=g), store, certificate.name)
        if "reason" in card:
            refused[certificate.name] = card["reason"]
        else:
            results.append(_stored(card, store.tensors(f"certificate-{certificate.name}") or {}))
    return Certified(results=tuple(results), refused=refused)


def _run(certify: Callable[[], CertificateResult], store: RunStore, name: str) -> dict[str, Any]:
    try:
        result = certify()
    except (CapabilityError, ConditionsError) as refusal:
        card: dict[str, Any] = {"reason": str(refusal)}
    else:
        tensors = {key: getattr(result, key) for key in ("radius_lower", "radius_upper", "exact", "points")}
        store.save_tensors(f"certificate-{name}", {key: value for key, value in tensors.items() if value is not None})
        card = {
            "method": result.method,
            "assumptions": result.assumptions.to_json(),
            "seconds": result.seconds,
            "prepare_seconds": result.prepare_seconds,
        }
    store.save_stage(f"certificate/{name}", card)
    return card


def _stored(card: dict[str, Any], tensors: dict[str, Tensor]) -> CertificateResult:
    return CertificateResult(
        radius_lower=tensors["radius_lower"],
        radius_upper=tensors["radius_upper"],
        exact=tensors["exact"],
        points=tensors.get("points"),
        method=card["method"],
        assumptions=Assumptions.from_json(card["assumptions"]),
        seconds=card["seconds"],
        prepare_seconds=card["prepare_seconds"],
    )

"""Every certificate that applies to a model, stored in the run directory, and what they prove together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from counterspin.certificates import Certificate, CertificateResult, ExactL2Certificate, GuanCertificate
from counterspin.errors import CapabilityError, ConditionsError
from counterspin.evaluation.run_store import RunStore
from counterspin.threats import ThreatModel
from counterspin.types import Classifier

__all__ = ["CERTIFICATES", "Certified", "certify_all"]

CERTIFICATES: tuple[Certificate, ...] = (ExactL2Certificate(), GuanCertificate())


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
        """Distance `(batch,)` of the nearest known flip, infinite where undecided; None where no method is exact."""
        exact = [result for result in self.results if bool(result.exact.any())]
        return torch.stack([result.radius_upper for result in exact]).amin(dim=0) if exact else None

    def cards(self) -> list[dict[str, Any]]:
        """What the record says of each certificate, JSON values."""
        applied = [
            {
                "method": result.method,
                "applies": True,
                "exact_share": float(result.exact.double().mean()),
                "assumptions": list(result.assumptions),
                "seconds": result.seconds,
            }
            for result in self.results
        ]
        refused = [{"method": name, "applies": False, "reason": reason} for name, reason in self.refused.items()]
        return applied + refused


def certify_all(model: Classifier, x: Tensor, y: Tensor, threat: ThreatModel, store: RunStore) -> Certified:
    """Run every certificate whose conditions hold, or read what an earlier run stored.

    Args:
        model: the classifier.
        x: inputs `(batch, features)` float64.
        y: labels `(batch,)`.
        threat: the threat model.
        store: the run directory.
    """
    results, refused = [], {}
    for certificate in CERTIFICATES:
        card = store.stage(f"certificate/{certificate.name}")
        if card is None:
            card = _run(lambda c=certificate: c(model, x, y, threat), store, certificate.name)
        if "reason" in card:
            refused[certificate.name] = card["reason"]
        else:
            results.append(
                CertificateResult(**(store.tensors(f"certificate-{certificate.name}") or {}), **_untensored(card))
            )
    return Certified(results=tuple(results), refused=refused)


def _run(certify: Callable[[], CertificateResult], store: RunStore, name: str) -> dict[str, Any]:
    try:
        result = certify()
    except (CapabilityError, ConditionsError) as refusal:
        card: dict[str, Any] = {"reason": str(refusal)}
    else:
        tensors = {key: getattr(result, key) for key in ("radius_lower", "radius_upper", "exact")}
        store.save_tensors(f"certificate-{name}", tensors)
        card = {"method": result.method, "assumptions": list(result.assumptions), "seconds": result.seconds}
    store.save_stage(f"certificate/{name}", card)
    return card


def _untensored(card: dict[str, Any]) -> dict[str, Any]:
    return {**card, "assumptions": tuple(card["assumptions"])}

"""Every certificate that applies to a model, stored in the run directory, and what they prove together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from counterspin.certificates import Assumptions, Certificate, CertificateResult
from counterspin.errors import BudgetReachedError, CapabilityError, ConditionsError
from counterspin.evaluation.seeds import derived_generator
from counterspin.evaluation.shelves import Shelves
from counterspin.threats import ThreatModel
from counterspin.types import Classifier

__all__ = ["Certified", "certify_all"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Certified:
    """What was proved.

    Args:
        results: result of each certificate that applies.
        refused: why the others do not, by name.
        not_run: names of those among the others that an execution budget left out.
    """

    results: tuple[CertificateResult, ...]
    refused: dict[str, str]
    not_run: tuple[str, ...] = ()

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
    store: Shelves,
    *,
    certificates: Sequence[Certificate],
    seed: int = 0,
    started: Callable[[str, int], None] = lambda label, place: None,
) -> Certified:
    """Run every certificate whose conditions hold, or read what an earlier run stored.

    Certificates with long searches are run and stored block by block of samples: an interrupted run goes on with the
    first block that is not finished.

    Args:
        model: the classifier.
        x: inputs `(batch, features)` float64.
        y: labels `(batch,)`.
        threat: the threat model.
        store: the run directory.
        certificates: what to try.
        seed: of the random streams.
        started: called with a label and the place of a certificate before it runs, and before each block.
    """
    results, refused, not_run = [], {}, []
    for place, certificate in enumerate(certificates):
        name = certificate.name
        started(f"certificate {name}", place)
        card = store.stage(f"certificate/{name}")
        if card is None:
            blocks = _blocks(certificate, model, x, y, threat, seed)
            try:
                card = _run(name, blocks, store, lambda label, place=place: started(label, place))
            except BudgetReachedError:
                card = {"reason": "Not run: the execution budget was used up."}
                not_run.append(name)
        if "reason" in card:
            refused[name] = card["reason"]
        else:
            results.append(_stored(store, name, card))
    return Certified(results=tuple(results), refused=refused, not_run=tuple(not_run))


def _blocks(
    certificate: Certificate, model: Classifier, x: Tensor, y: Tensor, threat: ThreatModel, seed: int
) -> dict[int, Callable[[], CertificateResult]]:
    """What certifies each block of samples, by its first sample."""
    size, found = certificate.block or len(x), {}
    for first in range(0, len(x), size):
        rows = slice(first, first + size)
        own = replace(threat, target=threat.target[rows]) if isinstance(threat.target, tuple) else threat
        generator = derived_generator(seed, "certificate", certificate.name, *[first] * (first > 0))
        found[first] = partial(certificate, model, x[rows], y[rows], own, generator=generator)
    return found


def _run(
    name: str, blocks: Mapping[int, Callable[[], CertificateResult]], store: Shelves, started: Callable[[str], None]
) -> dict[str, Any]:
    try:
        if len(blocks) == 1:
            result = blocks[0]()
        else:
            result = _joined([_block(name, first, certify, store, started) for first, certify in blocks.items()])
    except (CapabilityError, ConditionsError) as refusal:
        card = {"reason": str(refusal)}
        store.save_stage(f"certificate/{name}", card)
        return card
    return _save(store, name, result)


def _block(
    name: str, first: int, certify: Callable[[], CertificateResult], store: Shelves, started: Callable[[str], None]
) -> CertificateResult:
    """The result of the samples from `first` on, run now or stored by an earlier run."""
    part = f"{name}-{first}"
    card = store.stage(f"certificate/{part}")
    if card is None:
        started(f"certificate {name}, from sample {first}")
        card = _save(store, part, certify())
    return _stored(store, part, card)


def _joined(results: Sequence[CertificateResult]) -> CertificateResult:
    """Results of consecutive blocks as one."""
    first = results[0]
    notes = [note for result in results for note in result.assumptions.notes]
    found = [result.points for result in results if result.points is not None]
    return replace(
        first,
        radius_lower=torch.cat([result.radius_lower for result in results]),
        radius_upper=torch.cat([result.radius_upper for result in results]),
        exact=torch.cat([result.exact for result in results]),
        points=torch.cat(found) if len(found) == len(results) else None,
        assumptions=replace(first.assumptions, notes=tuple(dict.fromkeys(notes))),
        seconds=sum(result.seconds for result in results),
        prepare_seconds=sum(result.prepare_seconds for result in results),
    )


def _save(store: Shelves, name: str, result: CertificateResult) -> dict[str, Any]:
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


def _stored(store: Shelves, name: str, card: dict[str, Any]) -> CertificateResult:
    tensors = store.tensors(f"certificate-{name}") or {}
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

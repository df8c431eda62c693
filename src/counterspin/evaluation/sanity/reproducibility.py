"""S27: what was run is on record, and running it again gives the same."""

from dataclasses import replace

import torch
from torch import Tensor

from counterspin.attacks.base import AttackResult
from counterspin.evaluation.fingerprints import model_digest, tensors_digest
from counterspin.evaluation.records import CheckRecord
from counterspin.evaluation.sanity.base import Check, SanityContext
from counterspin.types import Reseedable

__all__ = ["Reproducible", "samples_digest"]

_SAMPLES = 5


def samples_digest(x: Tensor, y: Tensor) -> str:
    """SHA-256 of the audited samples, the value of `samples_sha256` in a run's provenance."""
    return tensors_digest({"x": x, "y": y})


class Reproducible(Check):
    """Hashes of model and samples are stored and hold, versions are recorded, 5 samples re-run identically.

    Every attack of the suite, one restart, runs twice on the first 5 correct samples at the largest budget, each time
    from a fresh generator with the same seed; points, verdicts and margins must be equal bit by bit.
    """

    id = "S27"
    title = "The run is on record and repeats"

    def run(self, context: SanityContext) -> CheckRecord:
        """FAIL on a missing or outdated hash, a missing version, or any difference between two runs."""
        complaint = _complaint(context)
        if complaint:
            return self.record("FAIL", complaint, threshold=0.0)
        rows = context.correct.nonzero()[:_SAMPLES, 0]
        if len(rows) == 0 or not context.suite:
            return self.record("SKIP", "Hashes hold; no correct sample or no attack to run again.")
        eps = context.threat.eps[-1:]
        different: set[int] = set()
        if context.model.stochastic and not isinstance(context.model, Reseedable):
            return self.record("SKIP", "Hashes hold; the model offers no seed, so no run of it repeats.")
        for attack in (replace(attack, restarts=1) for attack in context.suite.values()):
            first, second = (context.attack_again(attack, rows, self.id, eps=eps) for _ in range(2))
            different |= set(rows[_differs(first, second)].tolist())
        if different:
            advice = "Two runs from one seed differ; remove hidden randomness or state from model and attack."
            ids = sorted(different)
            return self.record("FAIL", advice, statistic=float(len(ids)), threshold=0.0, samples=ids)
        return self.record("PASS", "", statistic=0.0, threshold=0.0)


def _complaint(context: SanityContext) -> str | None:
    """What is wrong with the stored provenance, as a sentence; None if nothing is."""
    present = {
        "model_sha256": model_digest(context.model, context.x),
        "samples_sha256": samples_digest(context.x, context.y),
    }
    for name, digest in present.items():
        stored = context.provenance.get(name)
        if stored is None:
            return f"The run stores no {name}; run the audit with a run directory."
        if stored != digest:
            return f"The stored {name} is not that of the present {name[:-7]}; audit again in a new run directory."
    unversioned = [name for name, result in context.results.items() if not result.versions]
    return f"No versions recorded for {', '.join(unversioned)}; run the audit again." if unversioned else None


def _differs(first: AttackResult, second: AttackResult) -> Tensor:
    """Samples `(n,)` on which two results are not equal bit by bit."""
    a, b = first.budgets[0], second.budgets[0]
    points = (a.x_adv != b.x_adv).any(dim=1)
    return points | (a.success != b.success) | torch.ne(a.best_margin, b.best_margin)

"""A certification: what every certificate proves of each sample, beside the nearest counterexamples.

Each method's radii live in the run directory as soon as they are finished, those of long searches block by block of
samples: the same command resumes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from counterspin.attacks.evasion import FMN
from counterspin.attacks.registry import adapted
from counterspin.certificates import CertificateResult
from counterspin.certificates.registry import methods, named
from counterspin.errors import ConditionsError
from counterspin.evaluation.audit import Subject
from counterspin.evaluation.certification_records import CertifiedBudget, CertifyRecord, MethodRecord
from counterspin.evaluation.certified import Certified, certify_all
from counterspin.evaluation.clean import clean_verdict
from counterspin.evaluation.fingerprints import model_digest
from counterspin.evaluation.records import ExactRecord
from counterspin.evaluation.run_store import RunStore
from counterspin.evaluation.sanity import samples_digest
from counterspin.evaluation.seeds import derived_generator
from counterspin.evaluation.statistics import measured_median, measured_share
from counterspin.evaluation.whole_model import whole_model
from counterspin.threats import ThreatModel
from counterspin.versions import versions

__all__ = ["AUTO", "certify_config", "run_certification"]

AUTO = "auto"

# Two sums of the same squares in another order: a certificate may lie above an attack by this share and no more.
_ROUNDING = 1e-9

# Times the largest budget: how far counterexamples are looked for.
_REACH = 4


def certify_config(subject: Subject, threat: ThreatModel, method: str, seed: int) -> dict[str, Any]:
    """The configuration that keys a run, with the digests of model and data."""
    return {
        **({} if subject.conditioned is None else {"conditions": subject.conditioned.asked}),
        "verb": "certify",
        "model": model_digest(subject.model, subject.x),
        "data": samples_digest(subject.x, subject.y),
        "threat": threat.to_json(),
        "method": method,
        "seed": seed,
        "counterspin": versions()["counterspin"],
    }


def run_certification(
    subject: Subject,
    threat: ThreatModel,
    method: str,
    seed: int,
    store: RunStore,
    progress: Callable[[str, int, int], None],
) -> CertifyRecord:
    """Do what the run directory does not hold yet, and return the record.

    Args:
        subject: model and samples.
        threat: the attacker.
        method: `"auto"`: every certificate whose conditions hold; or the name of one.
        seed: seed of every random stream.
        store: the run directory, opened with `certify_config`.
        progress: called with a label, finished and total steps.

    Raises:
        ConditionsError: the one method asked for, or every one, is outside its conditions.
        UsageError: an unknown method.
    """
    finished = store.stage("record")
    if finished is not None:
        return CertifyRecord.model_validate({**finished, "run": str(store.path)})
    chosen = methods() if method == AUTO else (named(method),)
    total = len(chosen) + 1
    certified = certify_all(
        subject.model,
        subject.x,
        subject.y,
        threat,
        store,
        certificates=chosen,
        seed=seed,
        started=lambda label, place: progress(label, place, total),
    )
    if not certified.results:
        raise ConditionsError(_nothing_applies(method, certified))
    progress("counterexamples", len(chosen), total)
    clean = clean_verdict(subject.model, subject.x, subject.y, generator=derived_generator(seed, "clean"))
    upper = _nearest_known(subject, threat, clean.correct, certified, seed, store)
    record = _record(subject, threat, method, seed, store, certified, clean.correct, upper)
    store.write_record(record)
    store.save_stage("record", record.to_json())
    return record


def _nothing_applies(method: str, certified: Certified) -> str:
    if method != AUTO:
        return certified.refused[method]
    reasons = "; ".join(f"{name}: {reason}" for name, reason in certified.refused.items())
    return f"no certificate holds for this model and threat. {reasons}"


def _nearest_known(
    subject: Subject, threat: ThreatModel, correct: Tensor, certified: Certified, seed: int, store: RunStore
) -> Tensor:
    """Distance `(batch,)` of the nearest input known to flip: of a certificate's own search, or of an attack."""
    known = store.tensors("counterexamples")
    if known is None:
        upper = torch.where(correct, torch.inf, 0.0).to(subject.x)
        if certified.flips_at is not None:
            upper = torch.minimum(upper, certified.flips_at)
        exact = certified.exact
        open_ = (correct if exact is None else correct & ~exact).nonzero()[:, 0]
        attack = adapted(FMN(), subject.model)
        if len(open_) and attack.refusal(subject.model, threat) is None:
            # Beyond the largest budget too: how tight a certificate is does not depend on the budgets asked for.
            wide = replace(threat, eps=(_REACH * threat.eps[-1],))
            generator = derived_generator(seed, "attack", attack.name)
            found = attack(subject.model, subject.x[open_], subject.y[open_], wide, generator=generator)
            upper[open_] = torch.minimum(upper[open_], found.budgets[-1].distance)
        known = {"upper": upper}
        store.save_tensors("counterexamples", known)
    return known["upper"]


def _record(
    subject: Subject,
    threat: ThreatModel,
    method: str,
    seed: int,
    store: RunStore,
    certified: Certified,
    correct: Tensor,
    upper: Tensor,
) -> CertifyRecord:
    lower = torch.stack([result.radius_lower for result in certified.results]).amax(dim=0)
    radii, scale = threat.radii(subject.x), threat.scale(subject.x)
    chosen = certified.chosen()
    generator = derived_generator(seed, "median radius")
    return CertifyRecord(
        schema=1,
        model={**subject.model_card, "sha256": store.config["model"]},
        dataset={**subject.dataset_card, "samples": len(subject.x), "samples_sha256": store.config["data"]},
        threat=threat.to_json(),
        method=method,
        seed=seed,
        clean_accuracy=_share(correct),
        budgets=[_budget(eps, radius, correct, lower, upper) for eps, radius in zip(threat.eps, radii, strict=True)],
        median_radius=measured_median(torch.where(correct, lower / scale, 0.0), generator=generator),
        methods={
            result.method: _method(result, radii, scale, correct, upper, chosen.count(result.method))
            for result in certified.results
        },
        refused=certified.refused,
        whole_model=whole_model(subject.model),
        violations=((lower > upper * (1 + _ROUNDING)) & correct).nonzero()[:, 0].tolist(),
        versions=versions(),
        run=str(store.path),
    )


def _budget(eps: float, radius: Tensor, correct: Tensor, lower: Tensor, upper: Tensor) -> CertifiedBudget:
    # A flip exactly at the budget is within reach, so the proof must reach beyond it.
    proved, standing = correct & (lower > radius), correct & (upper > radius)
    return CertifiedBudget(
        eps=eps,
        certified=_share(proved),
        upper=_share(standing),
        exact=ExactRecord(lower=_share(proved), upper=_share(standing), decided=_share(proved | ~standing)),
        verdicts={
            "proved": int(proved.sum()),
            "counterexample": int((~standing).sum()),
            "inconclusive": int((standing & ~proved).sum()),
        },
    )


def _method(
    result: CertificateResult, radii: Tensor, scale: Tensor, correct: Tensor, upper: Tensor, chosen: int
) -> MethodRecord:
    ratios = (result.radius_lower / upper)[correct & torch.isfinite(upper) & (upper > 0)]
    median = float(torch.where(correct, result.radius_lower / scale, 0.0).quantile(0.5))
    return MethodRecord(
        certified=[_share(correct & (result.radius_lower > radius)) for radius in radii],
        median_radius=median if median < float("inf") else None,
        seconds=result.seconds,
        prepare_seconds=result.prepare_seconds,
        tightness=float(ratios.median()) if len(ratios) else None,
        exact_share=float(result.exact.double().mean()),
        chosen_share=chosen / len(correct),
        assumptions=list(result.assumptions.sentences),
    )


def _share(mask: Tensor) -> Any:
    return measured_share(int(mask.sum()), len(mask))

"""Hand-made run directories, in which every number is known."""

from pathlib import Path

import torch
from torch import Tensor

from counterspin.attacks.base import BudgetResult
from counterspin.evaluation.clean import CleanVerdict
from counterspin.evaluation.records import (
    AttackRecord,
    AuditRecord,
    BudgetRecord,
    CheckRecord,
    CostRecord,
    NoiseRecord,
    SanityRecord,
)
from counterspin.evaluation.run_store import RunStore
from counterspin.evaluation.statistics import measured_share
from counterspin.types import Cost

__all__ = ["SAMPLES", "THREAT", "mask", "samples", "write_run"]

THREAT = {"norm": "linf", "eps": [0.1, 0.2], "units": "feature", "box": "data", "target": None}
SAMPLES = 20
# How far an attack goes, as a share of the budget; others go all the way.
REACH = {"random": 0.9}


def mask(count: int) -> Tensor:
    """The first `count` of all samples."""
    return torch.arange(SAMPLES) < count


def samples() -> tuple[Tensor, Tensor]:
    """Inputs in [0.3, 0.7]^3 and labels of two classes."""
    x = 0.3 + 0.4 * torch.rand(SAMPLES, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return x, torch.arange(SAMPLES) % 2


def audit_record(
    budgets: list[BudgetRecord], threat: dict, tier: str, failed: tuple[str, ...], stochastic: bool
) -> AuditRecord:
    checks = [
        CheckRecord(id=id, title="t", status="FAIL", statistic=None, threshold=None, samples=[], advice="a")
        for id in failed
    ]
    return AuditRecord(
        schema=1,
        model={"name": "model", "sha256": "ab"},
        dataset={"name": "digits", "samples": SAMPLES, "source": "UCI", "licence": "CC BY 4.0"},
        threat=threat,
        tier=tier,
        seed=0,
        clean_accuracy=measured_share(18, SAMPLES),
        clean_undecided=measured_share(0, SAMPLES) if stochastic else None,
        budgets=budgets,
        median_radius=None,
        certificates=[],
        calibration=None,
        noise_resilience=NoiseRecord(samples=0, curves=[]),
        sanity=SanityRecord(verdict="fail" if failed else "pass", checks=checks),
        cost=CostRecord(forwards=1000, backwards=900, circuits=1000, shots=0, seconds=1.5),
        versions={"counterspin": "0.1", "torch": "2"},
        run="elsewhere",
    )


def write_run(
    path: Path,
    *,
    wrong: int = 2,
    broken: dict[str, tuple[int, ...]] | None = None,
    threat: dict | None = None,
    data: str = "d1",
    tier: str = "standard",
    failed: tuple[str, ...] = (),
    steps: int = 40,
    undecided: int | None = None,
) -> Path:
    """A run where the first `broken[attack][k]` samples fall at the k-th budget and the last `wrong` are wrong.

    With `undecided`, the model is stochastic and the first so many samples have no verdict where they do not fall.
    """
    threat = THREAT if threat is None else threat
    broken = {"pgd": (4, 8), "random": (2, 3)} if broken is None else broken
    correct = mask(SAMPLES - wrong)
    with RunStore(path, {"data": data, "model": str(path.name), "threat": threat}) as store:
        clean = CleanVerdict(scores=torch.zeros(SAMPLES, 2, dtype=torch.float64), correct=correct, undecided=None)
        store.save_tensors("clean", clean.tensors())
        x, y = samples()
        store.save_tensors("inputs", {"x": x, "y": y})
        bounds = {"lower": [0.0] * 3, "upper": [1.0] * 3, "periodic": [False] * 3}
        names = {"class_names": ["no", "yes"], "feature_names": [], "image_shape": None, "bounds": bounds}
        store.save_stage("subject", names)
        budgets = []
        for place, eps in enumerate(threat["eps"]):
            attacks = {}
            for name, counts in broken.items():
                success = mask(counts[place]) & correct
                size = eps * REACH.get(name, 1.0)
                result = BudgetResult(
                    eps=eps,
                    x_adv=torch.where(correct[:, None], x + size, x),
                    success=success,
                    distance=torch.where(success, size, torch.inf).double(),
                    best_margin=torch.where(success, -size, 1.0 - size).double(),
                    trace_distance=torch.full((SAMPLES,), torch.nan, dtype=torch.float64),
                    history={},
                    cost=Cost(),
                    seconds=0.0,
                    undecided=None if undecided is None else mask(undecided) & correct & ~success,
                )
                store.save_budget(name, place, correct, result)
                attacks[name] = AttackRecord(
                    robust_accuracy=measured_share(int((correct & ~success).sum()), SAMPLES),
                    attack_success_rate=None,
                    circuits=0,
                    forwards=0,
                    backwards=0,
                    shots=0,
                    seconds=0.0,
                    config={"name": name, "steps": steps if name == "pgd" else 1},
                )
            share = measured_share(1, SAMPLES)
            budgets.append(
                BudgetRecord(
                    eps=eps, attacks=attacks, worst_case=share, worst_case_gradient=share, certified=None, exact=None
                )
            )
        store.write_record(audit_record(budgets, threat, tier, failed, undecided is not None))
    return path

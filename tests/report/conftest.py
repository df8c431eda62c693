"""Audit records with realistic numbers, built without running an audit."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from scipy.stats import beta

from counterspin.evaluation.comparison import ComparisonRecord
from counterspin.evaluation.records import AuditRecord, Measured
from counterspin.report import Example, ReportSamples, RunDetails, render
from counterspin.report.distances import Distances
from counterspin.report.traces import Trace

EPS = (0.05, 0.1, 0.15)
# Share of 200 samples that stay unbroken, per budget.
UNBROKEN = {
    "fgsm": (154, 121, 88),
    "pgd": (148, 97, 46),
    "apgd-ce": (149, 99, 47),
    "apgd-margin": (146, 95, 44),
    "apgd-targeted": (146, 96, 44),
    "random": (191, 185, 176),
    "exact": (144, 92, 42),
}


def share_of(hits: int, n: int = 200) -> dict[str, Any]:
    """A share with its Clopper-Pearson interval."""
    low = 0.0 if hits == 0 else float(beta.ppf(0.025, hits, n - hits + 1))
    high = 1.0 if hits == n else float(beta.ppf(0.975, hits + 1, n - hits))
    return {"value": hits / n, "low": low, "high": high, "n": n}


def _attack(name: str, hits: int, index: int, n: int) -> dict[str, Any]:
    config = {"name": name} if name in ("exact", "fgsm") else {"name": name, "steps": 100, "restarts": 5}
    return {
        "robust_accuracy": share_of(hits, n),
        "attack_success_rate": share_of(193 - hits, 193),
        "circuits": 96500 * (index + 1),
        "forwards": 96500 * (index + 1),
        "backwards": 0 if name in ("random", "exact") else 96500,
        "shots": 0,
        "seconds": 1.25 * (index + 1),
        "config": config,
    }


def _noise() -> dict[str, Any]:
    def points(drop: float) -> list[dict[str, Any]]:
        return [
            {"strength": p, "shots": shots, "accuracy": share_of(round(193 * (1 - drop * p) - loss))}
            for p in (0.0, 0.05, 0.1, 0.2, 0.3)
            for shots, loss in ((None, 0), (64, 38), (256, 14), (1024, 5), (4096, 1))
        ]

    flat = "Balanced readout: global depolarising scales every margin alike, so no prediction moves at infinite shots."
    return {
        "samples": 200,
        "curves": [
            _curve("global_depolarizing", "Global depolarising probability", points(0.0), theorem=flat),
            _curve("qubit_depolarizing", "Depolarising probability per qubit and layer", points(1.4), trajectories=64),
            _curve("readout_flips", "Readout flip probability (1 read as 0)", points(0.6)),
        ],
    }


def _curve(kind: str, label: str, points: list[dict[str, Any]], **said: Any) -> dict[str, Any]:
    return {"kind": kind, "label": label, "theorem": None, "trajectories": None, "points": points} | said


def _calibration() -> dict[str, Any]:
    counts = [0, 0, 4, 9, 14, 18, 22, 27, 41, 65]
    bins = []
    for i, n in enumerate(counts):
        middle = (i + 0.5) / 10
        accuracy = (
            share_of(round(n * min(1.0, middle + 0.12)), n) if n else {"value": 0.0, "low": 0.0, "high": 1.0, "n": 0}
        )
        bins.append({"low": i / 10, "high": (i + 1) / 10, "n": n, "confidence": middle, "accuracy": accuracy})
    return {
        "ece": {"value": 0.081, "low": 0.06, "high": 0.108, "n": 200},
        "brier": {"value": 0.142, "low": 0.12, "high": 0.169, "n": 200},
        "confidence": "softmax of logits",
        "reliability": bins,
    }


CHECKS = (
    ("S01", "Clean predictions do not depend on batch size or order", 0.0, 0.0),
    ("S02", "Stored inputs keep norm and box", 1e-9, 1e-7),
    ("S03", "Verdicts recomputed from the stored inputs agree", 0.0, 0.0),
    ("S04", "No success at ε = 0", 0.0, 0.0),
    ("S05", "Random draws break nothing the attacks missed", 0.0, 2.0),
    ("S06", "One step is not stronger than many", 0.0, 2.0),
    ("S10", "A huge budget breaks all that can be broken", 0.0, 0.0),
    ("S13", "The loss of surviving samples is flat at the end", 0.004, 0.01),
    ("S24", "No attack succeeds below a certified radius", 0.0, 0.0),
    ("S25", "Intervals are printed and narrow enough", 0.071, 0.05),
    ("S27", "Five samples run again give the same", 0.0, 0.0),
)


def build_audit(**changes: Any) -> AuditRecord:
    """A quick audit of a ten-class amplitude model, unboxed L2, with exact values; `changes` replace top-level keys."""
    budgets = []
    for i, eps in enumerate(EPS):
        exact = share_of(UNBROKEN["exact"][i])
        budgets.append(
            {
                "eps": eps,
                "attacks": {name: _attack(name, hits[i], i, 200) for name, hits in UNBROKEN.items()},
                "worst_case": exact,
                "worst_case_gradient": share_of(UNBROKEN["apgd-margin"][i] - 1),
                "certified": exact,
                "exact": {"lower": exact, "upper": exact, "decided": share_of(200)},
            }
        )
    checks = [
        {"id": id_, "title": title, "status": "WARN" if id_ == "S25" else "PASS", "statistic": statistic,
         "threshold": threshold, "samples": [], "advice": "Take more samples." if id_ == "S25" else ""}
        for id_, title, statistic, threshold in CHECKS
    ]  # fmt: skip
    record = {
        "schema": 1,
        "model": {"name": "digits-amplitude", "qubits": 6, "layers": 30, "sha256": "3f9a" * 16, "outputs": "logits"},
        "dataset": {"name": "digits", "split": "test", "samples": 200, "sha256": "b71c" * 16, "licence": "CC BY 4.0"},
        "threat": {"norm": "l2", "eps": list(EPS), "units": "relative", "box": "none", "target": None},
        "tier": "quick",
        "seed": 0,
        "clean_accuracy": share_of(193),
        "budgets": budgets,
        "median_radius": {"value": 0.0957, "low": 0.0904, "high": 0.101, "n": 200},
        "certificates": [
            {"method": "exact unboxed L2", "assumptions": ["state preparation ideal", "noiseless"], "seconds": 0.21}
        ],
        "calibration": _calibration(),
        "noise_resilience": _noise(),
        "sanity": {"verdict": "warn", "checks": checks},
        "cost": {"forwards": 4053000, "backwards": 1447500, "circuits": 4053000, "shots": 21760000, "seconds": 41.7},
        "versions": {"counterspin": "0.1.0", "torch": "2.13.0", "python": "3.11.7"},
        "engine": {"asked": "auto", "ran": "compiled (v4), folded"},
        "run": "runs/digits-amplitude-5c1e",
    }
    return AuditRecord.model_validate(record | changes)


def build_samples(image_shape: tuple[int, int] | None = (8, 8), examples: int = 6, features: int = 64) -> ReportSamples:
    """Smooth blobs with a perturbation that is known pixel by pixel."""
    generator = torch.Generator().manual_seed(0)
    side = math.isqrt(features)
    found = []
    for i in range(examples):
        x = torch.rand(features, generator=generator, dtype=torch.float64)
        if image_shape is not None:
            rows, columns = torch.meshgrid(*[torch.linspace(-1, 1, side, dtype=torch.float64)] * 2, indexing="ij")
            x = torch.exp(-6 * ((rows - 0.1 * i) ** 2 + columns**2 - 0.4).abs()).reshape(-1)
        delta = 0.08 * torch.randn(features, generator=generator, dtype=torch.float64)
        found.append(
            Example(
                x=x, x_adv=x + delta, label=i % 2, prediction=i % 2, prediction_adv=1 - i % 2, eps=0.1,
                distance=float(delta.norm()), attack="exact" if i % 2 else "pgd", sample=17 * i,
            )
        )  # fmt: skip
    names = (
        tuple(f"pixel {i}" for i in range(features)) if image_shape else tuple(f"feature {i}" for i in range(features))
    )
    return ReportSamples(
        examples=tuple(found), class_names=("zero", "one"), feature_names=names, image_shape=image_shape
    )


@pytest.fixture(scope="session")
def audit() -> Callable[..., AuditRecord]:
    """Builds a record; keyword arguments replace its top-level keys."""
    return build_audit


@pytest.fixture(scope="session")
def gallery_of() -> Callable[..., ReportSamples]:
    """Builds the samples of a gallery."""
    return build_samples


@pytest.fixture(scope="session")
def measured() -> Callable[..., dict[str, Any]]:
    """Builds a share from hits and n."""
    return share_of


@pytest.fixture(scope="session")
def record() -> AuditRecord:
    """A quick audit with exact values; verdict warn."""
    return build_audit()


@pytest.fixture(scope="session")
def unreliable() -> AuditRecord:
    """A standard audit in the data box, two certified shares, no exact value, one failed and one skipped check."""
    values = build_audit().to_json()
    for budget, proved in zip(values["budgets"], (90, 40, 0), strict=True):
        budget |= {"exact": None, "certified": share_of(proved)}
        del budget["attacks"]["exact"]
    values["budgets"][2]["worst_case"] = share_of(0)
    values["threat"] |= {"box": "data", "norm": "linf", "units": "feature"}
    values["tier"] = "standard"
    values["sanity"]["verdict"] = "fail"
    values["sanity"]["checks"][3] |= {
        "status": "FAIL",
        "statistic": 3.0,
        "samples": [3, 17, 22],
        "advice": "Mend the projection.",
    }
    values["sanity"]["checks"][6] |= {"status": "SKIP", "statistic": None, "threshold": None, "advice": "No box."}
    return AuditRecord.model_validate(values)


def build_details() -> RunDetails:
    """Distances of two attacks against exact ones for 200 samples, and traces of three attacks."""
    generator = torch.Generator().manual_seed(0)
    exact = 0.2 * torch.rand(200, generator=generator, dtype=torch.float64)
    correct = torch.arange(200) >= 7
    found = {"fmn": exact * 1.01, "ddn": exact * 1.2}
    held = {name: torch.where(correct, torch.where(d <= EPS[-1], d, torch.inf), 0.0) for name, d in found.items()}
    distances = Distances(
        attacks=held,
        union=held["fmn"],
        proved=torch.where(correct, exact, 0.0),
        exact=True,
        correct=correct,
        largest=EPS[-1],
    )
    queries = tuple(range(1, 101))
    margins = tuple(3.0 / q for q in queries)
    traces = [
        Trace(
            attack=name,
            eps=eps,
            queries=queries,
            broken=tuple(min(1.0, (i + 1) * q / 400) for q in queries),
            best_margin=margins,
        )
        for name in ("apgd-ce", "square")
        for i, eps in enumerate(EPS)
    ]
    last = Trace(attack="fmn", eps=EPS[-1], queries=queries, broken=margins[::-1], distance=margins)
    return RunDetails(distances=distances, traces=(*traces, last))


@pytest.fixture(scope="session")
def details() -> RunDetails:
    """What a run directory holds besides the record."""
    return build_details()


@pytest.fixture(scope="session")
def compared(record: AuditRecord) -> Callable[..., ComparisonRecord]:
    """Builds the comparison of `record` with itself, B worse by `points`; keyword arguments replace keys."""

    def build(points: float = 0.0, p: float = 1.0, **changes: Any) -> ComparisonRecord:
        def pair(first: Measured, p_holm: float | None) -> dict[str, Any]:
            second = first.model_copy(update={"value": max(0.0, first.value - points / 100)})
            return {
                "first": first.model_dump(), "second": second.model_dump(), "difference": points / 100,
                "low": points / 100 - 0.04, "high": points / 100 + 0.04, "only_first": round(2 * points),
                "only_second": 0, "p_value": p, "p_holm": p_holm,
            }  # fmt: skip

        def side(key: str) -> dict[str, Any]:
            return {
                "run": f"runs/{key}", "key": key, "model": record.model, "tier": record.tier, "seed": 0,
                "verdict": record.sanity.verdict, "failed": [], "attacks": list(UNBROKEN),
                "cost": record.cost.model_dump(), "counterspin": "0.1.0",
            }  # fmt: skip

        budgets = [
            {"eps": b.eps, "worst_case": pair(b.worst_case, p), "attacks": {"pgd": pair(b.worst_case, p)}}
            for b in record.budgets
        ]
        threat = {key: value for key, value in record.threat.items() if key != "eps"}
        values = {
            "samples": 200, "samples_sha256": "b71c" * 16, "threat": threat, "first": side("a"), "second": side("b"),
            "clean_accuracy": pair(record.clean_accuracy, None), "budgets": budgets, "notes": ["The tiers differ."],
        }  # fmt: skip
        return ComparisonRecord.model_validate(values | changes)

    return build


@pytest.fixture(scope="session")
def page(record: AuditRecord) -> str:
    """The report of `record` with six images, distances and traces."""
    return render(record, build_samples(), build_details())


@pytest.fixture(scope="session")
def unreliable_page(unreliable: AuditRecord) -> str:
    """The report of `unreliable` with a gallery of plain features."""
    return render(unreliable, build_samples(None, features=16))

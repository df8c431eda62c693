"""What certificates cost and how tight they are, against the targets of the project."""

import time
from collections.abc import Callable
from typing import Any

import torch
from rich.table import Table

from benchmarks.memory import peak_mib
from benchmarks.outcome import Options, Outcome
from counterspin import recipes
from counterspin.certificates import (
    BernsteinCertificate,
    BoxedL2Certificate,
    BranchAndBoundCertificate,
    BuresCertificate,
    QuadraticLinfCertificate,
)
from counterspin.certificates.margins import margin_gradients
from counterspin.circuits import PauliExpectations, reuploading
from counterspin.models import QuantumClassifier
from counterspin.optimum import nearest_states
from counterspin.threats import L2, Linf
from counterspin.types import Box

__all__ = ["run"]

_EXACT = 1e-6


def run(options: Options) -> Outcome:
    """One row per target; quickly, a tenth of the samples."""
    share = 10 if options.quick else 1
    rows = [
        *_boxed(500 // share),
        _linf(200 // share),
        *_angles(10_000 // share),
        _branched(20 // share),
        _states(1000 // share),
    ]
    missed = sum(row["target"] is not None and row["value"] > row["target"] for row in rows)
    return Outcome(rows=rows, tables=(_table(rows),), missed=missed)


def _boxed(samples: int) -> list[dict[str, Any]]:
    """Milliseconds per sample and class pair, and the share left open, on the correctly classified samples."""
    recipe = recipes.get("mnist-amplitude")
    model, test = recipe.model(), recipe.dataset().test
    x, y = test.x[:samples], test.y[:samples]
    found, seconds, peak = _timed(lambda: BoxedL2Certificate()(model, x, y, L2(0.25)))
    correct = found.radius_upper > 0
    pairs = int(correct.sum()) * (model.classes - 1)
    open_ = float((~found.exact)[correct].double().mean())
    gap = 1 - found.radius_lower[correct] / found.radius_upper[correct]
    note = f"{int(correct.sum())} correct samples, largest gap {float(gap.max()):.1e}, peak {peak or 0:.0f} MiB"
    return [
        _row("boxed-l2, mnist-amplitude, ms per sample and pair", 1e3 * seconds / pairs, 20.0, note),
        _row(f"boxed-l2, mnist-amplitude, share with gap above {_EXACT:g}", open_, 0.1, note),
    ]


def _linf(samples: int) -> dict[str, Any]:
    recipe = recipes.get("mnist-amplitude")
    model, test = recipe.model(), recipe.dataset().test
    x, y = test.x[:samples], test.y[:samples]
    found, seconds, _ = _timed(lambda: QuadraticLinfCertificate()(model, x, y, Linf(0.02)))
    correct = found.radius_upper > 0
    ratio = (found.radius_lower / found.radius_upper)[correct]
    note = f"median lower/upper {float(ratio.median()):.4f}, worst {float(ratio.min()):.4f}"
    return _row(f"quadratic-linf, mnist-amplitude, {samples} samples, seconds", seconds, None, note)


def _angles(samples: int) -> list[dict[str, Any]]:
    """Seconds beyond the gradient (Bernstein) or beyond the scores (Bures)."""
    recipe = recipes.get("cancer-angle")
    model, test = recipe.model(), recipe.dataset().test
    x = test.x.double().repeat(-(-samples // len(test.x)), 1)[:samples]
    y = model(x).argmax(dim=1)
    threat = Linf(0.05)
    _, gradient, _ = _timed(lambda: margin_gradients(model, x, y))
    _, scores, _ = _timed(lambda: (model(x), model(x)))
    rows = []
    for certificate, without in ((BernsteinCertificate(), gradient + scores), (BuresCertificate(), scores)):
        _, seconds, _ = _timed(lambda c=certificate: c(model, x, y, threat))
        note = f"{seconds:.2f} s in all"
        name = f"{certificate.name}, cancer-angle, {samples} samples, seconds beyond gradient and scores"
        rows.append(_row(name, max(0.0, seconds - without), 2.0, note))
    return rows


def _branched(samples: int) -> dict[str, Any]:
    circuit = reuploading(4, 1, trainable_scale=False)
    generator = torch.Generator().manual_seed(0)
    weights = torch.randn(circuit.weights, generator=generator)
    model = QuantumClassifier(circuit, PauliExpectations.of("Z0", "Z1"), Box.uniform(-1, 1, 4), weights=weights)
    model.requires_grad_(False)
    x = 2 * torch.rand(samples, 4, generator=generator, dtype=torch.float64) - 1
    y = model(x).argmax(dim=1)
    found, seconds, _ = _timed(lambda: BranchAndBoundCertificate(tolerance=1e-4)(model, x, y, Linf(0.5)))
    known = torch.isfinite(found.radius_upper) & (found.radius_upper > 0)
    gap = (1 - found.radius_lower / found.radius_upper)[known]
    note = f"{int(known.sum())} flips, largest gap {float(gap.max()) if len(gap) else 0.0:.1e}"
    return _row("branch-and-bound to 1e-4, 4 qubits, 4 angles, seconds per sample", seconds / samples, 1.0, note)


def _states(samples: int) -> dict[str, Any]:
    """Fidelity of eight-qubit states, two classes."""
    generator = torch.Generator().manual_seed(0)
    halves = torch.randn(2, samples, 256, generator=generator, dtype=torch.float64)
    states = torch.complex(*halves)
    states = states / torch.linalg.vector_norm(states, dim=1, keepdim=True)
    parts = torch.randn(2, 256, 256, generator=generator, dtype=torch.float64)
    unitary = torch.linalg.qr(torch.complex(*parts)).Q
    signs = torch.ones(256, dtype=torch.float64)
    signs[128:] = -1
    observable = unitary.mH @ (signs[:, None] * unitary)
    observables = torch.stack([observable, -observable])
    own = torch.einsum("bi,ij,bj->b", states.conj(), observable, states).real
    found, seconds, _ = _timed(lambda: nearest_states(observables, states, (own < 0).long()))
    gap = (found.upper - found.lower).abs().max()
    return _row(f"exact fidelity, {samples} eight-qubit states, seconds", seconds, 2.0, f"gap {float(gap):.1e}")


def _table(rows: list[dict[str, Any]]) -> Table:
    table = Table("what", "value", "at most", "note", title="Certificates")
    for row in rows:
        target = "–" if row["target"] is None else f"{row['target']:g}"
        table.add_row(row["what"], f"{row['value']:.3g}", target, row["note"])
    return table


def _timed(call: Callable[[], Any]) -> tuple[Any, float, float | None]:
    began = time.perf_counter()
    result, peak = peak_mib(call)
    return result, time.perf_counter() - began, peak


def _row(name: str, value: float, target: float | None, note: str) -> dict[str, Any]:
    return {"what": name, "value": value, "target": target, "note": note}

"""Exact unboxed L2 radii at the sizes an audit of images needs: time after folding, and memory."""

import time
from typing import Any

import torch

from benchmarks.memory import peak_mib
from benchmarks.outcome import Options, Outcome, columns
from counterspin.circuits import OutcomeGroups, Readout, amplitude_encoding, strongly_entangling
from counterspin.models import QuantumClassifier
from counterspin.models.flips import FlipSolver
from counterspin.optimum import form_scores, nearest_flips
from counterspin.optimum.affine_map import AffineMap
from counterspin.simulation import fold
from counterspin.types import Box

TARGET_MIB = 2048.0
CASES: dict[str, dict[str, Any]] = {
    "d = 256, 10,000 samples": {"qubits": 8, "samples": 10_000, "target_seconds": 15.0},
    "d = 1024, 1000 samples": {"qubits": 10, "samples": 1000, "target_seconds": 60.0},
    "784 pixels to 256 components": {"qubits": 8, "samples": 1000, "pixels": 784, "target_seconds": None},
}
PRODUCT_QUBITS, PRODUCT_SAMPLES = 13, 20


def run(options: Options) -> Outcome:
    """One row per case; quickly, a tenth of the samples and no large case."""
    share = 10 if options.quick else 1
    rows = [
        _dense(name, case, case["samples"] // share)
        for name, case in CASES.items()
        if not options.quick or case["qubits"] < 10
    ]
    if not options.quick:
        rows.append(_by_products())
    missed = sum(_missed(row) for row in rows)
    return Outcome(rows=rows, tables=(columns("exact_radius", rows),), missed=missed)


def _dense(name: str, case: dict[str, Any], samples: int) -> dict[str, Any]:
    generator = torch.Generator().manual_seed(0)
    qubits, pixels = case["qubits"], case.get("pixels")
    circuit = amplitude_encoding(2**qubits) + strongly_entangling(qubits, 4)
    weights = torch.randn(circuit.weights, generator=generator)
    forms = fold(circuit, weights, Readout(OutcomeGroups.first(qubits=4, classes=10))).forms()
    input_map, features = None, 2**qubits
    if pixels is not None:
        components = torch.linalg.qr(torch.randn(pixels, features, generator=generator, dtype=torch.float64)).Q.T
        input_map, features = AffineMap.projection(components, torch.full((pixels,), 0.3)), pixels
    x = torch.rand(samples, features, generator=generator, dtype=torch.float64)
    y = form_scores(forms, x if input_map is None else input_map(x)).argmax(dim=1)
    began = time.perf_counter()
    flips, peak = peak_mib(lambda: nearest_flips(forms, x, y, input_map=input_map))
    seconds = time.perf_counter() - began
    return _row(name, samples, 10, seconds, case["target_seconds"], peak, flips.gap)


def _by_products() -> dict[str, Any]:
    generator = torch.Generator().manual_seed(0)
    circuit = amplitude_encoding(2**PRODUCT_QUBITS) + strongly_entangling(PRODUCT_QUBITS, 4)
    weights = 3 * torch.randn(circuit.weights, generator=generator)
    bit = OutcomeGroups.first(qubits=1, classes=2)
    model = QuantumClassifier(circuit, bit, Box.unbounded(circuit.inputs), weights=weights).requires_grad_(False)
    x = torch.randn(PRODUCT_SAMPLES, circuit.inputs, generator=generator, dtype=torch.float64)
    y = model(x).argmax(dim=1)
    began = time.perf_counter()
    flips, peak = peak_mib(lambda: FlipSolver.of(model)(x, y))
    seconds = time.perf_counter() - began
    return _row(f"d = {circuit.inputs}, by products", PRODUCT_SAMPLES, 2, seconds, None, peak, flips.gap)


def _row(
    name: str,
    samples: int,
    classes: int,
    seconds: float,
    target_seconds: float | None,
    peak: float | None,
    gap: torch.Tensor,
) -> dict[str, Any]:
    return {
        "case": name,
        "samples": samples,
        "classes": classes,
        "threads": torch.get_num_threads(),
        "seconds": seconds,
        "target_seconds": target_seconds,
        "peak_mib": peak,
        "target_mib": TARGET_MIB,
        "largest_gap": float(gap.max()),
    }


def _missed(row: dict[str, Any]) -> int:
    slow = row["target_seconds"] is not None and row["seconds"] > row["target_seconds"]
    large = row["peak_mib"] is not None and row["peak_mib"] > row["target_mib"]
    return int(slow) + int(large)

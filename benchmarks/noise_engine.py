"""Exact noisy values and input gradients against PennyLane's default.mixed under torch backprop, in turns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from rich.table import Table
from torch import Tensor

from benchmarks.outcome import Options, Outcome
from benchmarks.tables import number
from benchmarks.timing import alternate, threads
from counterspin.circuits import Circuit, PauliExpectations, feature, weight
from counterspin.noise import after_every_gate
from counterspin.noise.channels import amplitude_damping, depolarizing, thermal_relaxation
from counterspin.simulation.transfer import transfer_values

__all__ = ["run"]

_LAYERS, _BATCH, _STRENGTH = 3, 32, 0.01
# Rows of the peer's batch (scaled to ours) and the ratio that must be reached.
_SIZES = {4: (32, 100.0), 6: (4, 150.0), 8: (1, 400.0)}
_AGREE, _SLOWEST = 1e-10, 2.5


def run(options: Options) -> Outcome:
    """One row per size, one thread; quickly, without 8 qubits and with three turns instead of seven."""
    sizes = {n: size for n, size in _SIZES.items() if n < 8 or not options.quick}
    with threads(1):
        rows = [_row(n, *size, repeats=3 if options.quick else 7) for n, size in sizes.items()]
    return Outcome(rows=rows, tables=(_table(rows),), missed=sum(len(row["missed"]) for row in rows))


def _row(n: int, peer_rows: int, required: float, *, repeats: int) -> dict[str, Any]:
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(_BATCH, n, generator=generator, dtype=torch.float64)
    weights = torch.randn(3 * _LAYERS * n, generator=generator, dtype=torch.float64)
    circuit, peer = _circuit(n), _peer(n, weights)
    channels = {
        "depolarising": depolarizing(_STRENGTH),
        "amplitude damping": amplitude_damping(_STRENGTH),
        "thermal relaxation": thermal_relaxation(100e-6, 80e-6, 1e-6),
    }
    measurement = PauliExpectations.of("Z0", "Z1")

    def ours(name: str, dtype: torch.dtype = torch.float32) -> Callable[[], tuple[Tensor, Tensor]]:
        places, points, w = after_every_gate(circuit, channels[name]), x.to(dtype), weights.to(dtype)
        return lambda: _value_and_gradient(lambda leaf: transfer_values(circuit, leaf, w, measurement, places), points)

    exact, (values, gradient) = ours("depolarising", torch.float64)(), _value_and_gradient(peer, x[:1])
    calls: dict[str, Callable[[], object]] = {name: ours(name) for name in channels}
    calls["peer"] = lambda: _value_and_gradient(peer, x[:peer_rows])
    for call in calls.values():
        call()
    times = {name: samples.median for name, samples in alternate(calls, repeats=repeats).items()}
    own = times["depolarising"]
    row = {
        "n": n,
        "batch": _BATCH,
        "milliseconds": 1e3 * own,
        "peer_milliseconds": 1e3 * times["peer"] * _BATCH / peer_rows,
        "peer_rows": peer_rows,
        "ratio": times["peer"] * _BATCH / peer_rows / own,
        "required": required,
        "damping_over_depolarising": times["amplitude damping"] / own,
        "relaxation_over_depolarising": times["thermal relaxation"] / own,
        "value_difference": float((exact[0][:1] - values).abs().max()),
        "gradient_difference": float((exact[1][:1] - gradient).abs().max()),
    }
    met = {
        "ratio": row["ratio"] >= required,
        **{name: row[name] <= _SLOWEST for name in ("damping_over_depolarising", "relaxation_over_depolarising")},
        **{name: row[name] <= _AGREE for name in ("value_difference", "gradient_difference")},
    }
    return {**row, "missed": [name for name, reached in met.items() if not reached]}


def _circuit(n: int) -> Circuit:
    circuit = Circuit(n)
    for layer in range(_LAYERS):
        for q in range(n):
            circuit = circuit.add("RY", q, feature(q))
        for q in range(n):
            circuit = circuit.add("Rot", q, *(weight(3 * (layer * n + q) + k) for k in range(3)))
        for q in range(n):
            circuit = circuit.add("CNOT", (q, (q + 1) % n))
    return circuit


def _peer(n: int, weights: Tensor) -> Callable[[Tensor], Tensor]:
    """The same circuit as a QNode written by hand; its depolarising strength is the chance of an error, 3p/4."""
    import pennylane as qml

    angles, error = weights.reshape(_LAYERS, n, 3), 0.75 * _STRENGTH

    @qml.qnode(qml.device("default.mixed", wires=n), interface="torch", diff_method="backprop")
    def node(x: Tensor) -> list[object]:
        for layer in range(_LAYERS):
            for q in range(n):
                qml.RY(x[..., q], wires=q)
                qml.DepolarizingChannel(error, wires=q)
            for q in range(n):
                qml.Rot(*angles[layer, q], wires=q)
                qml.DepolarizingChannel(error, wires=q)
            for q in range(n):
                qml.CNOT([q, (q + 1) % n])
                qml.DepolarizingChannel(error, wires=q)
                qml.DepolarizingChannel(error, wires=(q + 1) % n)
        return [qml.expval(qml.Z(0)), qml.expval(qml.Z(1))]

    return lambda x: torch.stack(node(x), dim=-1)  # type: ignore[arg-type]


def _value_and_gradient(model: Callable[[Tensor], Tensor], x: Tensor) -> tuple[Tensor, Tensor]:
    leaf = x.clone().requires_grad_()
    values = model(leaf)
    return values.detach(), torch.autograd.grad((values[:, 0] + 2 * values[:, 1]).sum(), leaf)[0]


def _table(rows: list[dict[str, Any]]) -> Table:
    title = f"Exact noise: values and input gradients of {_BATCH} samples, {_LAYERS} layers, one thread"
    names = ("n", "ours ms", "default.mixed ms", "from samples", "ratio", "required")
    table = Table(*names, "damping ×", "relaxation ×", "Δ value", "Δ gradient", "missed", title=title)
    for row in rows:
        table.add_row(
            str(row["n"]),
            number(row["milliseconds"]),
            number(row["peer_milliseconds"]),
            str(row["peer_rows"]),
            f"{number(row['ratio'])}×",
            f"≥ {row['required']:g}×",
            number(row["damping_over_depolarising"]),
            number(row["relaxation_over_depolarising"]),
            number(row["value_difference"]),
            number(row["gradient_difference"]),
            ", ".join(row["missed"]) or "–",
        )
    return table

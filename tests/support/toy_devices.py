"""Small devices with made-up calibrations: lines, rings, grids and a heavy-hexagon cell, of any entangler."""

from counterspin.noise.devices.assembly import assemble
from counterspin.noise.devices.snapshot import QubitCalibration, Snapshot

__all__ = ["grid", "heavy_hex", "line", "ring", "toy"]


def toy(pairs: list[tuple[int, int]], kind: str = "CZ") -> Snapshot:
    """A device with these couplings, each in the direction given; no two qubits or gates are alike."""
    count = 1 + max((max(pair) for pair in pairs), default=0)
    qubits = [
        QubitCalibration(label=str(q), t1=(80 + 7 * q) * 1e-6, t2=(50 + 5 * q) * 1e-6, readout=(0.01, 0.02 + 0.001 * q))
        for q in range(count)
    ]
    gates = {("SX", (q,)): (2e-4 + 1e-5 * q, 4e-8) for q in range(count)}
    gates |= {(kind, pair): (5e-3 + 2e-4 * k, (200 + 10 * k) * 1e-9) for k, pair in enumerate(pairs)}
    return assemble(name=f"toy:{kind}", vendor="own", date="2026-01-31", qubits=qubits, gates=gates, basis=("SX", kind))


def line(count: int, kind: str = "CZ") -> Snapshot:
    """Couplings in alternating directions."""
    return toy([(q, q + 1) if q % 2 else (q + 1, q) for q in range(count - 1)], kind)


def ring(count: int, kind: str = "CZ") -> Snapshot:
    """A line with its ends coupled."""
    return toy([(q, (q + 1) % count) for q in range(count)], kind)


def grid(rows: int, columns: int, kind: str = "CZ") -> Snapshot:
    """A square lattice."""
    across = [(r * columns + c, r * columns + c + 1) for r in range(rows) for c in range(columns - 1)]
    down = [(r * columns + c, (r + 1) * columns + c) for r in range(rows - 1) for c in range(columns)]
    return toy(across + down, kind)


def heavy_hex(kind: str = "ECR") -> Snapshot:
    """One hexagon of twelve qubits with four tails; its only rings have twelve."""
    return toy([*((q, (q + 1) % 12) for q in range(12)), (0, 12), (3, 13), (15, 6), (14, 9)], kind)

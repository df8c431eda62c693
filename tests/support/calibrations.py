"""Calibrations of small devices with errors of one's choice."""

from counterspin.noise.devices.assembly import assemble
from counterspin.noise.devices.snapshot import QubitCalibration, Snapshot

__all__ = ["calibrated", "qubit_calibration"]


def qubit_calibration(label="0", t1=1e-4, t2=8e-5, readout=(0.01, 0.03)) -> QubitCalibration:
    return QubitCalibration(label=label, t1=t1, t2=t2, readout=readout)


def calibrated(pairs, errors=None, *, kind="CZ", readouts=None) -> Snapshot:
    """Qubits joined by `pairs`; `errors` of some pairs (others 0.01), `readouts` of some qubits (others 1 %, 3 %)."""
    count = 1 + max(max(pair) for pair in pairs)
    errors = {tuple(sorted(pair)): error for pair, error in (errors or {}).items()}
    gates = {("SX", (q,)): (1e-3, 4e-8) for q in range(count)}
    gates |= {(kind, tuple(pair)): (errors.get(tuple(sorted(pair)), 0.01), 3e-7) for pair in pairs}
    return assemble(
        name="toy",
        vendor="own",
        date="2026-01-31",
        qubits=[qubit_calibration(str(q), readout=(readouts or {}).get(q, (0.01, 0.03))) for q in range(count)],
        gates=gates,
        basis=("SX", kind),
    )

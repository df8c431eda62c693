r"""The noise of a device as white noise, for circuits it has no room for or whose noise is too dear to train under.

Errors of the gates of a deep circuit mix to global depolarisation (arXiv:2111.14907): with one-qubit and two-qubit
gates of depolarising strength :math:`p_1, p_2` a share

.. math:: 1 - p = (1 - p_1)^{n_1} (1 - p_2)^{n_2}

of the signal is left. States stay pure, so that a step costs as much as one without noise. What it does to a training
is what a logit scale smaller by that share would do, up to readout errors: compare with defence zero.
"""

from __future__ import annotations

import statistics
from collections import Counter

from counterspin.circuits import Circuit
from counterspin.errors import UsageError
from counterspin.noise import NoiseModel
from counterspin.noise.devices import Snapshot
from counterspin.noise.devices.native import cancelled, reduced

__all__ = ["white_noise"]


def white_noise(circuit: Circuit, snapshot: Snapshot) -> NoiseModel:
    """Global depolarisation and readout errors of a circuit, from the medians of a device.

    Args:
        circuit: its SX pulses and CNOT count, without routing and waiting times; RZ are free of errors.
        snapshot: medians over its working qubits and pairs; an average infidelity e of d levels is a strength
            e d / (d - 1).

    Raises:
        UsageError: a device without a working pair.

    Example:
        >>> from counterspin.noise.devices.assembly import assemble
        >>> from counterspin.noise.devices.snapshot import QubitCalibration
        >>> qubits = [QubitCalibration(label=str(q), t1=1e-4, t2=1e-4, readout=(0.01, 0.02)) for q in range(2)]
        >>> gates = {("SX", (q,)): (1e-3, 4e-8) for q in range(2)} | {("CZ", (0, 1)): (0.03, 3e-7)}
        >>> toy = assemble(
        ...     name="toy", vendor="own", date="2026-01-31", qubits=qubits, gates=gates, basis=("SX", "CZ")
        ... )
        >>> noise = white_noise(Circuit(2).add("CNOT", (0, 1)), toy)
        >>> round(noise.global_depolarizing, 12), noise.readout_flips
        (0.04, (0.01, 0.02))
    """
    pairs = [snapshot.gates[snapshot.entangler(a, b)].error for a, b in snapshot.edges]
    if not pairs:
        raise UsageError(f"no pair of qubits of {snapshot.name} works; choose another device.")
    working = snapshot.working
    pulses = [snapshot.gates["SX", (qubit,)].error for qubit in working if ("SX", (qubit,)) in snapshot.gates]
    readouts = [snapshot.qubits[qubit].readout or (0.0, 0.0) for qubit in working]
    count = Counter(gate.kind for gate in cancelled(reduced(circuit)))
    one = 1 - 2 * (statistics.median(pulses) if pulses else 0.0)
    two = 1 - 4 / 3 * statistics.median(pairs)
    return NoiseModel(
        global_depolarizing=1 - one ** (count["SX"] + count["X"]) * two ** count["CNOT"],
        readout_flips=(
            statistics.median(zero for zero, _ in readouts),
            statistics.median(one for _, one in readouts),
        ),
    )

"""Layout and routing by Qiskit's transpiler, for circuits whose gates couple qubits in any pattern.

Every distinct angle becomes one parameter. What comes back are RZ whose angles are affine in the parameters, and those
are read back as the expressions and tensors they stand for.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from counterspin.circuits import Angle, Circuit, Gate, Given
from counterspin.errors import MissingExtraError, UsageError
from counterspin.noise.devices.native import reduced
from counterspin.noise.devices.routing import Route
from counterspin.noise.devices.writer import Writer

__all__ = ["transpiled"]

# With SWAPs as they are, which `Writer` makes CNOT of.
_BASIS = ["rz", "sx", "x", "cx", "swap"]
_KINDS = {"sx": "SX", "x": "X", "cx": "CNOT"}
# Level 3 adds passes that synthesise whole blocks anew, of numbers only: for symbolic angles it finds the same.
_LEVEL = 2
_AFFINE = 1e-9


def transpiled(circuit: Circuit, edges: Sequence[tuple[int, int]], *, seed: int) -> Route:
    """The circuit in RZ, SX, X and CNOT between coupled slots.

    Args:
        circuit: any gates that `reduced` knows.
        edges: coupled pairs of as many slots as the circuit has qubits.
        seed: of the layout and routing.

    Raises:
        MissingExtraError: Qiskit is not installed.
        UsageError: a gate that cannot be translated.
    """
    try:
        from qiskit import QuantumCircuit, transpile
        from qiskit.circuit import Parameter
        from qiskit.transpiler import CouplingMap
    except ImportError as error:
        raise MissingExtraError(
            "the circuit's gates couple its qubits in a pattern that needs Qiskit's transpiler, which is not "
            "installed; run: pip install counterspin[qiskit]"
        ) from error
    angles: dict[Angle | Given, Any] = {}
    written = QuantumCircuit(circuit.qubits)
    for gate in reduced(circuit):
        first, last = gate.qubits[0], gate.qubits[-1]
        if gate.kind == "CNOT":
            written.cx(first, last)
        elif gate.kind == "SX":
            written.sx(first)
        elif isinstance(gate.angles[0], Angle) and not gate.angles[0].terms:
            written.rz(gate.angles[0].constant, first)
        else:
            written.rz(angles.setdefault(gate.angles[0], Parameter(f"a{len(angles)}")), first)
    coupled = CouplingMap([pair for a, b in edges for pair in ((a, b), (b, a))])
    found = transpile(
        written,
        basis_gates=_BASIS,
        coupling_map=coupled if circuit.qubits > 1 else None,
        seed_transpiler=seed,
        optimization_level=_LEVEL,
        # One process: the transpiler starts one per circuit otherwise where that pays, and none does here.
        num_processes=1,
    )
    meaning = {parameter: angle for angle, parameter in angles.items()}
    writer = Writer(circuit.qubits)
    for entry in found.data:
        slots = tuple(found.find_bit(qubit).index for qubit in entry.qubits)
        name = entry.operation.name
        if name == "swap":
            writer.swap(*slots)
        elif name == "rz":
            for angle in _angles(entry.operation.params[0], meaning):
                writer.add(Gate("RZ", slots, (angle,)))
        else:
            writer.add(Gate(_KINDS[name], slots))
    layout = found.layout
    plain = tuple(range(circuit.qubits))
    start = plain if layout is None else tuple(layout.initial_index_layout(filter_ancillas=True))
    final = plain if layout is None else tuple(layout.final_index_layout(filter_ancillas=True))
    return Route(gates=writer.finish(), start=start, final=final, swaps=writer.swaps)


def _angles(turn: Any, meaning: Mapping[Any, Angle | Given]) -> list[Angle | Given]:
    """An angle of Qiskit's as expressions and tensors whose sum it is."""
    parameters = sorted(getattr(turn, "parameters", ()), key=lambda parameter: parameter.name)
    if not parameters:
        return [Angle(float(turn))]

    def at(values: Mapping[Any, float]) -> float:
        return float(turn.bind({p: values.get(p, 0.0) for p in parameters}))

    constant = at({})
    slopes = {p: at({p: 1.0}) - constant for p in parameters}
    # Somewhere off the axes, where a product of parameters or a bend would show.
    probe = {p: 0.7 + 0.31 * place for place, p in enumerate(parameters)}
    if abs(at(probe) - constant - sum(slopes[p] * value for p, value in probe.items())) > _AFFINE * (1 + abs(constant)):
        raise UsageError(
            f"Qiskit's transpiler made the angle {turn} of the circuit's, which is not affine in them; use "
            "transpiler='own', or a circuit whose gates lie on a line or a ring."
        )
    total, given = Angle(constant), []
    for parameter, slope in slopes.items():
        angle, exact = meaning[parameter], _exact(slope)
        if isinstance(angle, Angle):
            total = total + exact * angle
        elif exact:
            given.append(angle if exact == 1.0 else Given(angle.value * exact))
    return [total, *given]


@cache
def _exact(slope: float) -> float:
    """Slopes are small fractions; the difference of two values of the angle is one but for rounding."""
    nearest = round(slope * 8) / 8
    return nearest if math.isclose(slope, nearest, abs_tol=1e-12) else slope

"""The meaning of statements, one after the other."""

from __future__ import annotations

from counterspin.circuits.circuit import Amplitudes, Circuit
from counterspin.circuits.gates import Gate
from counterspin.circuits.qasm.expansion import GateScope
from counterspin.circuits.qasm.expressions import value_of
from counterspin.circuits.qasm.parameters import Parameters
from counterspin.circuits.qasm.registers import Registers
from counterspin.circuits.qasm.syntax import (
    Application,
    Definition,
    Directive,
    Include,
    InputDeclaration,
    Measurement,
    Register,
    Statement,
)
from counterspin.circuits.qasm.tokens import refused
from counterspin.errors import InputError, UsageError

__all__ = ["Builder"]


class Builder:
    """Collects what the statements of a program describe.

    Args:
        version: 2 or 3.
    """

    def __init__(self, version: int) -> None:
        self._version = version
        self._scope = GateScope(version)
        self._registers = Registers()
        self._parameters = Parameters()
        self._gates: list[Gate] = []
        self._layers: list[int] = []
        self._amplitudes: Amplitudes | None = None
        self._notes: dict[str, str] = {}

    def add(self, statement: Statement) -> None:
        """Take in the next statement.

        Raises:
            InputError: it does not fit what came before, or means something a circuit cannot express.
        """
        match statement:
            case Include():
                self._scope.include(statement)
            case Register():
                self._registers.declare(statement)
            case InputDeclaration():
                self._parameters.declare(statement)
            case Definition():
                self._scope.define(statement)
            case Application():
                self._apply(statement)
            case Measurement():
                self._registers.measure(statement)
            case Directive():
                self._direct(statement)

    def circuit(self) -> Circuit:
        """The circuit so far.

        Raises:
            InputError: no qubits, or more amplitudes than they hold.
        """
        if not self._registers.qubits:
            raise InputError("the program declares no qubits; it needs a quantum register.")
        try:
            return Circuit(self._registers.qubits, tuple(self._gates), self._amplitudes, tuple(self._layers))
        except UsageError as error:
            raise InputError(f"the program describes no circuit: {error}") from None

    @property
    def measured(self) -> tuple[int, ...]:
        """Measured qubits in the order of the classical bits."""
        return self._registers.measured

    @property
    def declared(self) -> tuple[str, ...]:
        """Names of the declared inputs and weights."""
        return tuple(self._parameters.declared)

    @property
    def weights(self) -> dict[str, int]:
        """Names of the weights with their numbers; elements of arrays one by one."""
        named = ((name, angle.weights) for name, angle in self._parameters.values.items())
        return {name: next(iter(numbers)) for name, numbers in named if numbers}

    @property
    def notes(self) -> dict[str, str]:
        """What comments say of the circuit as a model, by directive: readout, bounds, values."""
        return dict(self._notes)

    def _apply(self, gate: Application) -> None:
        angles = tuple(value_of(angle, self._parameters.values, self._version) for angle in gate.angles)
        operands = [self._registers.bits(operand, quantum=True) for operand in gate.operands]
        # Registers stand for their qubits one after the other, single qubits take part each time.
        times = max((len(bits) for bits in operands), default=1)
        if any(len(bits) not in (1, times) for bits in operands):
            sizes = ", ".join(str(len(bits)) for bits in operands)
            raise refused(gate.place, f"gate {gate.name} on registers of {sizes} qubits found", "give one size")
        for turn in range(times):
            qubits = tuple(bits[turn if len(bits) > 1 else 0] for bits in operands)
            self._registers.touch(qubits, gate.place)
            self._gates += self._scope.expand(gate, angles, qubits)

    def _direct(self, directive: Directive) -> None:
        match directive.words:
            case ("layer",):
                self._layers.append(len(self._gates))
            case ("inputs" | "weights", *_):
                self._parameters.direct(directive)
            case ("readout" | "bounds" | "values" as kind, *rest) if rest:
                if kind in self._notes:
                    raise refused(directive.place, f"a second {kind} found", "say it once")
                self._notes[kind] = " ".join(rest)
            case ("amplitudes", length, *rest) if length.isdecimal() and rest in ([], ["complex"]):
                self._amplitudes = Amplitudes(int(length), bool(rest))
            case words:
                allowed = (
                    "layer, amplitudes COUNT [complex], inputs NAMES, weights NAMES, readout TEXT, bounds LOW HIGH, "
                    "values NAME=NUMBER"
                )
                raise refused(directive.place, f"directive {' '.join(words)!r} found", f"allowed: {allowed}")

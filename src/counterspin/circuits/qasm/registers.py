"""Quantum and classical registers of a program, and what is measured."""

from __future__ import annotations

from counterspin.circuits.qasm.syntax import Measurement, Operand, Register
from counterspin.circuits.qasm.tokens import Token, refused

__all__ = ["Registers"]


class Registers:
    """Bits of both kinds, numbered in the order of their declaration."""

    def __init__(self) -> None:
        self._ranges: dict[str, tuple[bool, range]] = {}
        self._sizes = {True: 0, False: 0}
        self._measured: dict[int, int] = {}  # classical bit -> qubit

    @property
    def qubits(self) -> int:
        """How many qubits are declared."""
        return self._sizes[True]

    @property
    def measured(self) -> tuple[int, ...]:
        """Measured qubits in the order of the classical bits."""
        return tuple(self._measured[bit] for bit in sorted(self._measured))

    def declare(self, register: Register) -> None:
        """Add a register.

        Raises:
            InputError: its name is taken.
        """
        if register.name in self._ranges:
            raise refused(register.place, f"register {register.name!r} is declared twice", "give it another name")
        start = self._sizes[register.quantum]
        self._ranges[register.name] = register.quantum, range(start, start + register.size)
        self._sizes[register.quantum] += register.size

    def bits(self, operand: Operand, *, quantum: bool) -> range:
        """The bits an operand means.

        Raises:
            InputError: no such register of this kind, or an index outside it.
        """
        what = "quantum" if quantum else "classical"
        kind, bits = self._ranges.get(operand.name, (None, range(0)))
        if kind is not quantum:
            known = ", ".join(name for name, (other, _) in self._ranges.items() if other is quantum) or "none"
            raise refused(operand.place, f"{operand.name!r} is no {what} register", f"declared: {known}")
        if operand.index is None:
            return bits
        if operand.index >= len(bits):
            found = f"index {operand.index} of register {operand.name!r} found"
            raise refused(operand.place, found, f"allowed: 0 to {len(bits) - 1}")
        return bits[operand.index : operand.index + 1]

    def touch(self, qubits: tuple[int, ...], place: Token) -> None:
        """Refuse gates on measured qubits.

        Raises:
            InputError: one of the qubits is measured already.
        """
        done = set(self._measured.values()).intersection(qubits)
        if done:
            found = f"{place} acts on qubit {min(done)}, which is measured before"
            raise refused(place, found, "measurements in the middle of a circuit are not read, so measure at its end")

    def measure(self, measurement: Measurement) -> None:
        """Note a measurement.

        Raises:
            InputError: registers of different sizes, a qubit measured or a bit written twice.
        """
        qubits = self.bits(measurement.source, quantum=True)
        bits = self.bits(measurement.target, quantum=False)
        if len(qubits) != len(bits):
            found = f"{len(qubits)} qubits measured into {len(bits)} bits"
            raise refused(measurement.place, found, "give registers of one size")
        self.touch(tuple(qubits), measurement.place)
        for qubit, bit in zip(qubits, bits, strict=True):
            if bit in self._measured:
                raise refused(measurement.place, f"classical bit {bit} is written twice", "measure into different bits")
            self._measured[bit] = qubit

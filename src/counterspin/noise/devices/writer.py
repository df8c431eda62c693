"""Gates on slots, with SWAPs written as CNOT where they cost least."""

from __future__ import annotations

from counterspin.circuits import Gate
from counterspin.noise.devices.native import cancelled

__all__ = ["Writer"]


class Writer:
    """Gates on slots, one after the other, with SWAPs among them written as CNOT.

    One-qubit gates wait until their slot is coupled, so that a SWAP comes right behind the CNOT it shares a pair with.

    Args:
        slots: how many there are.

    Example:
        >>> writer = Writer(2)
        >>> writer.add(Gate("CNOT", (0, 1)))
        >>> writer.swap(0, 1)
        >>> [str(gate) for gate in writer.finish()]
        ['CNOT q1,q0', 'CNOT q0,q1']
    """

    def __init__(self, slots: int) -> None:
        self.swaps = 0
        self._done: list[Gate] = []
        self._waiting: list[list[Gate]] = [[] for _ in range(slots)]
        # By slot: the position of its last CNOT.
        self._last = [-1] * slots

    def add(self, gate: Gate) -> None:
        """One more gate, its qubits being slots: RZ, SX, X or CNOT."""
        if len(gate.qubits) == 1:
            self._waiting[gate.qubits[0]].append(gate)
            return
        for slot in gate.qubits:
            self._flush(slot)
        self._couple(*gate.qubits)

    def swap(self, a: int, b: int) -> None:
        """What is at two slots changes places."""
        shared = self._last[a] == self._last[b] >= 0
        # In the direction of the CNOT before it, if that acts on the same pair: the two cancel.
        first, second = self._done[self._last[a]].qubits if shared else (a, b)
        self._couple(first, second)
        self._couple(second, first)
        self._couple(first, second)
        at_a, at_b = self._waiting[a], self._waiting[b]
        self._waiting[a] = [Gate(gate.kind, (a,), gate.angles) for gate in at_b]
        self._waiting[b] = [Gate(gate.kind, (b,), gate.angles) for gate in at_a]
        self.swaps += 1

    def finish(self) -> tuple[Gate, ...]:
        """All gates, without the pairs of CNOT that cancel."""
        for slot in range(len(self._waiting)):
            self._flush(slot)
        return tuple(cancelled(self._done))

    def _flush(self, slot: int) -> None:
        self._done += self._waiting[slot]
        self._waiting[slot] = []

    def _couple(self, control: int, target: int) -> None:
        self._last[control] = self._last[target] = len(self._done)
        self._done.append(Gate("CNOT", (control, target)))

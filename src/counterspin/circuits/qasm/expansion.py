"""The gates a program may apply, and what each application becomes."""

from __future__ import annotations

from counterspin.circuits.angles import Angle
from counterspin.circuits.gates import GATES, Gate
from counterspin.circuits.qasm.definitions import defined_kind
from counterspin.circuits.qasm.expressions import Value, value_of
from counterspin.circuits.qasm.library import BUILT_IN, CONTROLLED, INCLUDES, NATIVE, derived, inverse
from counterspin.circuits.qasm.syntax import Application, Definition, Include
from counterspin.circuits.qasm.tokens import Token, refused

__all__ = ["GateScope"]

# A short program can stand for any number of gates, and nest any number of definitions.
_MOST_GATES, _DEEPEST = 200_000, 100


class GateScope:
    """Gates known at a place of a program: built in, included, defined.

    Args:
        version: 2 or 3.
    """

    def __init__(self, version: int) -> None:
        self._version = version
        self._standard: frozenset[str] = BUILT_IN[version]
        self._defined: dict[str, Definition | str] = {}  # a definition, or the kind of ours it writes out
        self._used: set[str] = set()
        self._expanded = 0

    def include(self, statement: Include) -> None:
        """Make the gates of a standard file known.

        Raises:
            InputError: another file.
        """
        if statement.file not in INCLUDES:
            allowed = ", ".join(INCLUDES)
            raise refused(statement.place, f"include of {statement.file!r} found", f"files that are read: {allowed}")
        self._standard |= INCLUDES[statement.file]

    def define(self, found: Definition) -> None:
        """Make a defined gate known. It may take the place of a standard one that was not used yet.

        Raises:
            InputError: its name is taken, or its body uses a gate that is not known.
        """
        if found.name in self._defined or found.name in self._used:
            raise refused(found.place, f"gate {found.name!r} is known before", "give the definition another name")
        for application in found.body:
            self._look_up(application.name, application.place)
        self._defined[found.name] = defined_kind(found, self._version) or found

    def expand(self, gate: Application, angles: tuple[Value, ...], qubits: tuple[int, ...]) -> list[Gate]:
        """The gates of ours one application stands for, global phases dropped.

        Args:
            gate: what is applied.
            angles: values of its angles.
            qubits: what it acts on, controls first.

        Raises:
            InputError: an unknown gate, wrong numbers of angles or qubits, controls that cannot be expressed.
        """
        return self._expand(gate, self._look_up(gate.name, gate.place), angles, qubits, depth=0)

    def _expand(
        self,
        gate: Application,
        meaning: Definition | str,
        angles: tuple[Value, ...],
        qubits: tuple[int, ...],
        *,
        depth: int,
    ) -> list[Gate]:
        self._expanded += 1
        if self._expanded > _MOST_GATES:
            raise refused(gate.place, f"more than {_MOST_GATES:,} gates found", "give a smaller circuit")
        if depth > _DEEPEST:
            raise refused(gate.place, f"gates are defined more than {_DEEPEST} deep", "define them with fewer levels")
        if len(set(qubits)) != len(qubits):
            raise refused(gate.place, f"gate {gate.name} on one qubit twice found", "give different qubits")
        controls = sum(modifier.count for modifier in gate.modifiers if modifier.kind == "ctrl")
        if controls:
            meaning = self._controlled(gate, controls)
        if isinstance(meaning, Definition):
            gates = self._body(meaning, gate, angles, qubits, depth)
        elif meaning == "gphase":
            _check_counts(gate, (len(angles), 1), (len(qubits), 0))
            gates = []
        else:
            size = GATES[meaning].qubits or max(1, len(qubits))
            _check_counts(gate, (len(angles), GATES[meaning].angles), (len(qubits), size))
            exact = tuple(angle if isinstance(angle, Angle) else Angle(float(angle)) for angle in angles)
            gates = [Gate(meaning, qubits, exact)]
        inverted = sum(modifier.kind == "inv" for modifier in gate.modifiers) % 2
        return [inverse(g) for g in reversed(gates)] if inverted else gates

    def _body(
        self, meaning: Definition, gate: Application, angles: tuple[Value, ...], qubits: tuple[int, ...], depth: int
    ) -> list[Gate]:
        _check_counts(gate, (len(angles), len(meaning.parameters)), (len(qubits), len(meaning.qubits)))
        # Parameters of gates are real numbers: their quotients are exact in both versions.
        exact = (angle if isinstance(angle, Angle) else float(angle) for angle in angles)
        names, wires = dict(zip(meaning.parameters, exact, strict=True)), dict(zip(meaning.qubits, qubits, strict=True))
        library = meaning is derived().get(meaning.name)
        version = 2 if library else self._version
        gates: list[Gate] = []
        for part in meaning.body:
            for operand in part.operands:
                if operand.name not in wires or operand.index is not None:
                    allowed = ", ".join(wires)
                    raise refused(operand.place, f"{operand.place} is no qubit of the gate", f"its qubits: {allowed}")
            values = tuple(value_of(angle, names, version) for angle in part.angles)
            known = _standard(part.name) if library else self._look_up(part.name, part.place)
            acted = tuple(wires[operand.name] for operand in part.operands)
            gates += self._expand(part, known, values, acted, depth=depth + 1)
        return gates

    def _look_up(self, name: str, place: Token) -> Definition | str:
        if name in self._defined:
            return self._defined[name]
        if name not in self._standard:
            known = sorted(self._standard | self._defined.keys())
            file = {2: "qelib1.inc", 3: "stdgates.inc"}[self._version]
            remedy = f"known here: {', '.join(known)}" if len(known) > 2 else f'define it or include "{file}"'
            raise refused(place, f"gate {name!r} is unknown", remedy)
        self._used.add(name)
        return _standard(name)

    def _controlled(self, gate: Application, controls: int) -> Definition | str:
        wanted = CONTROLLED.get((gate.name, controls)) if gate.name not in self._defined else None
        if wanted is None:
            names = ", ".join(sorted({name for name, count in CONTROLLED if count == controls}))
            found = f"gate {gate.name} under {controls} control{'s' if controls > 1 else ''} found"
            raise refused(gate.place, found, f"controls are read on {names or 'z'}")
        return _standard(wanted)


def _standard(name: str) -> Definition | str:
    return NATIVE.get(name) or derived().get(name) or name


def _check_counts(gate: Application, angles: tuple[int, int], qubits: tuple[int, int]) -> None:
    for what, (found, taken) in (("angles", angles), ("qubits", qubits)):
        if found != taken:
            controls = "with its controls " if any(m.kind == "ctrl" for m in gate.modifiers) else ""
            raise refused(gate.place, f"gate {gate.name} with {found} {what} found", f"{controls}it takes {taken}")

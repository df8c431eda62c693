"""Text drawing of a circuit."""

from counterspin.circuits.circuit import Circuit
from counterspin.circuits.gates import Gate

__all__ = ["draw"]

# The qubits of ECR play different parts: Z on the first, X on the second.
_TARGETS = {"CNOT": "X", "CZ": "●", "SWAP": "x", "MCZ": "●", "ECR": "ECR:X"}
_FIRSTS = {"SWAP": "x", "ECR": "ECR:Z"}


def draw(circuit: Circuit) -> str:
    """One line per qubit, gates from left to right, controls as ● and layer ends as ┊.

    Example:
        >>> print(draw(Circuit(2).add("H", 0).add("CNOT", (0, 1))))
        q0: ──H──●──
        q1: ─────X──
    """
    columns: list[list[str]] = []
    free = [0] * circuit.qubits
    everywhere = range(circuit.qubits)
    if circuit.amplitudes is not None:
        _place(columns, free, dict.fromkeys(everywhere, "|x⟩"), circuit.qubits)
    for position in range(len(circuit.gates) + 1):
        if position:
            _place(columns, free, _symbols(circuit.gates[position - 1]), circuit.qubits)
        for _ in range(circuit.layers.count(position)):
            _place(columns, free, dict.fromkeys(everywhere, "┊"), circuit.qubits)
    label = len(f"q{circuit.qubits - 1}")
    lines = []
    for qubit in range(circuit.qubits):
        cells = (column[qubit].center(max(map(len, column)), "─") for column in columns)
        lines.append(f"{f'q{qubit}':<{label}}: ──" + "──".join(cells) + "──")
    return "\n".join(lines)


def _symbols(gate: Gate) -> dict[int, str]:
    angles = f"({','.join(str(a) for a in gate.angles)})" if gate.angles else ""
    if len(gate.qubits) == 1:
        return {gate.qubits[0]: "●" if gate.kind == "MCZ" else gate.kind + angles}
    last = _TARGETS.get(gate.kind, gate.kind.removeprefix("C") + angles)
    first = last if gate.kind in ("RXX", "RYY", "RZZ") else _FIRSTS.get(gate.kind, "●")
    return {**dict.fromkeys(gate.qubits[:-1], first), gate.qubits[-1]: last}


def _place(columns: list[list[str]], free: list[int], symbols: dict[int, str], qubits: int) -> None:
    # A gate blocks every line between its qubits, so that crossing gates never share a column.
    span = range(min(symbols), max(symbols) + 1)
    column = max(free[q] for q in span)
    if column == len(columns):
        columns.append(["─"] * qubits)
    for qubit in span:
        between = len(symbols) > 1 and qubit not in symbols
        columns[column][qubit] = symbols.get(qubit, "│" if between else "─")
        free[qubit] = column + 1

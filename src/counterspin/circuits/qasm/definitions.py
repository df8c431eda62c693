"""Gates of ours that the standard files lack: how a written program defines them, and how a reader knows them again."""

from __future__ import annotations

import re
from functools import lru_cache

from counterspin.circuits.gates import Gate
from counterspin.circuits.qasm.syntax import Definition
from counterspin.circuits.qasm.tokens import tokens
from counterspin.errors import UsageError

__all__ = ["defined_kind", "definition", "written_name"]

_STANDARD = {
    "X": "x",
    "Y": "y",
    "Z": "z",
    "H": "h",
    "S": "s",
    "T": "t",
    "RX": "rx",
    "RY": "ry",
    "RZ": "rz",
    "U3": "u3",
    "CNOT": "cx",
    "CZ": "cz",
    "CRZ": "crz",
}
# Version 2 with the qelib1.inc of arXiv:1707.03429: strict readers know no more, others take a definition of what they
# know already.
_BY_VERSION = {
    2: {"P": "u1", "CP": "cu1"},
    3: {"P": "p", "CP": "cp", "SWAP": "swap", "CRX": "crx", "CRY": "cry", "SX": "sx"},
}
_DEFINED = {
    "SWAP": "gate swap a, b { cx a, b; cx b, a; cx a, b; }",
    "CRX": "gate crx(theta) a, b { h b; crz(theta) a, b; h b; }",
    "CRY": "gate cry(theta) a, b { ry(theta/2) b; cx a, b; ry(-theta/2) b; cx a, b; }",
    "SX": "gate sx a { rx(pi/2) a; }",
    "ECR": "gate ecr a, b { cx a, b; rz(pi/2) a; x a; rx(pi/2) b; }",
    # Parameters in alphabetical order: Qiskit's reader of version 3 (qiskit-qasm3-import 0.6) sorts them.
    "Rot": "gate rot(alpha, beta, gamma) q { rz(alpha) q; ry(beta) q; rz(gamma) q; }",
    "RXX": "gate rxx(theta) a, b { h a; h b; cx a, b; rz(theta) b; cx a, b; h a; h b; }",
    "RYY": "gate ryy(theta) a, b { rx(pi/2) a; rx(pi/2) b; cx a, b; rz(theta) b; cx a, b; rx(-pi/2) a; rx(-pi/2) b; }",
    "RZZ": "gate rzz(theta) a, b { cx a, b; rz(theta) b; cx a, b; }",
}
_LARGEST_NETWORK = 10


def written_name(gate: Gate, version: int) -> str:
    """The name under which a gate is written.

    Example:
        >>> written_name(Gate("MCZ", (0, 1, 2)), 3), written_name(Gate("CNOT", (0, 1)), 3)
        ('mcz3', 'cx')
    """
    if gate.kind == "MCZ":
        return f"mcz{len(gate.qubits)}"
    return _STANDARD.get(gate.kind) or _BY_VERSION[version].get(gate.kind) or gate.kind.lower()


def definition(gate: Gate, version: int) -> str | None:
    """The definition a program needs before it can apply the gate; None: the standard file has it.

    Raises:
        UsageError: a multi-controlled Z on more than 10 qubits in version 2, which needs 2^n gates there.
    """
    if gate.kind in _STANDARD or gate.kind in _BY_VERSION[version]:
        return None
    return _multi_controlled_z(len(gate.qubits), version) if gate.kind == "MCZ" else _DEFINED[gate.kind]


def defined_kind(found: Definition, version: int) -> str | None:
    """The kind of ours that a definition writes out word for word; None: another gate, whatever its name."""
    for kind, text in _DEFINED.items():
        if kind not in _BY_VERSION[version] and found.text == _spaced(text):
            return kind
    size = len(found.qubits)
    writable = version == 3 or size <= _LARGEST_NETWORK
    if re.fullmatch("mcz[0-9]+", found.name) and writable and found.text == _spaced(_multi_controlled_z(size, version)):
        return "MCZ"
    return None


@lru_cache(maxsize=64)
def _spaced(text: str) -> str:
    return " ".join(token.text for token in tokens(text)[:-1])


def _multi_controlled_z(size: int, version: int) -> str:
    qubits = [f"q{k}" for k in range(size)]
    listed = ", ".join(qubits)
    if size == 1:
        body = "z q0;"
    elif version == 3:
        body = f"ctrl({size - 1}) @ z {listed};"
    else:
        if size > _LARGEST_NETWORK:
            raise UsageError(
                f"a multi-controlled Z on {size} qubits takes {2**size} gates in OpenQASM 2, which has no controls; "
                f"write version 3 (allowed in 2: up to {_LARGEST_NETWORK} qubits)."
            )
        body = " ".join(_parity_network(qubits))
    return f"gate mcz{size} {listed} {{ {body} }}"


def _parity_network(qubits: list[str]) -> list[str]:
    r"""Phases on parities of bits.

    .. math:: \prod_i b_i = 2^{1-n} \sum_{S \ne \emptyset} (-1)^{|S|+1} \bigoplus_{i \in S} b_i

    The parities of all sets with the highest member `t` are collected on qubit `t` in the order of a Gray code.
    """
    angle = f"pi/{2 ** (len(qubits) - 1)}"
    gates = []
    for highest, target in enumerate(qubits):
        members = 0
        gates.append(f"u1({angle}) {target};")
        for step in range(1, 2**highest):
            flipped = (step & -step).bit_length() - 1
            members ^= 1 << flipped
            sign = "-" if members.bit_count() % 2 else ""
            gates += [f"cx {qubits[flipped]}, {target};", f"u1({sign}{angle}) {target};"]
        if highest:
            gates.append(f"cx {qubits[highest - 1]}, {target};")
    return gates

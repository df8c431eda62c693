"""The gates OpenQASM files take from `qelib1.inc` (version 2) and `stdgates.inc` (version 3)."""

from __future__ import annotations

import math
from functools import lru_cache

from counterspin.circuits.angles import Angle
from counterspin.circuits.gates import Gate
from counterspin.circuits.qasm.parser import parse
from counterspin.circuits.qasm.syntax import Definition

__all__ = ["BUILT_IN", "CONTROLLED", "INCLUDES", "NATIVE", "derived", "inverse"]

NATIVE = {
    "x": "X",
    "y": "Y",
    "z": "Z",
    "h": "H",
    "s": "S",
    "t": "T",
    "sx": "SX",
    "rx": "RX",
    "ry": "RY",
    "rz": "RZ",
    "p": "P",
    "u1": "P",
    "phase": "P",
    "u": "U3",
    "u3": "U3",
    "U": "U3",
    "cx": "CNOT",
    "CX": "CNOT",
    "cz": "CZ",
    "swap": "SWAP",
    "crx": "CRX",
    "cry": "CRY",
    "crz": "CRZ",
    "cp": "CP",
    "cu1": "CP",
    "cphase": "CP",
    "rxx": "RXX",
    "ryy": "RYY",
    "rzz": "RZZ",
    "mcz": "MCZ",
}
"""Gates that are one gate of ours, up to a global phase."""

_DERIVED = """OPENQASM 2.0;
gate id a { }
gate u0(gamma) a { }
gate u2(phi, lambda) a { u3(pi/2, phi, lambda) a; }
gate sdg a { p(-pi/2) a; }
gate tdg a { p(-pi/4) a; }
gate sxdg a { rx(-pi/2) a; }
gate cy c, t { sdg t; cx c, t; s t; }
gate ch c, t { ry(-pi/4) t; cz c, t; ry(pi/4) t; }
gate cs c, t { cp(pi/2) c, t; }
gate csdg c, t { cp(-pi/2) c, t; }
gate ct c, t { cp(pi/4) c, t; }
gate ctdg c, t { cp(-pi/4) c, t; }
gate csx c, t { h t; cp(pi/2) c, t; h t; }
gate cu3(theta, phi, lambda) c, t {
  p((lambda + phi)/2) c; p((lambda - phi)/2) t;
  cx c, t; u3(-theta/2, 0, -(phi + lambda)/2) t; cx c, t; u3(theta/2, phi, 0) t;
}
gate cu(theta, phi, lambda, gamma) c, t { p(gamma) c; cu3(theta, phi, lambda) c, t; }
gate ccx a, b, t { h t; mcz a, b, t; h t; }
gate c3x a, b, c, t { h t; mcz a, b, c, t; h t; }
gate c4x a, b, c, d, t { h t; mcz a, b, c, d, t; h t; }
gate cswap c, a, b { cx b, a; ccx c, a, b; cx b, a; }
"""
# Controlled U is that of qelib1.inc as it is distributed today (and of `cu` in stdgates.inc), whose U has the upper
# left entry cos(θ/2); in arXiv:1707.03429 the phase on the control differs.

BUILT_IN = {2: frozenset({"U", "CX"}), 3: frozenset({"U", "gphase"})}
"""Gates that need no include."""

INCLUDES = {
    "qelib1.inc": frozenset(
        "u3 u2 u1 u0 u p cx id x y z h s sdg t tdg rx ry rz sx sxdg cz cy swap ch ccx cswap crx cry crz cu1 cp cu3 csx "
        "cu rxx ryy rzz c3x c4x".split()
    ),
    "stdgates.inc": frozenset(
        "p x y z h s sdg t tdg sx rx ry rz cx cy cz cp crx cry crz ch swap ccx cswap cu CX phase cphase id u1 u2 "
        "u3".split()
    ),
}
"""Names each standard file defines, as far as they are read."""

CONTROLLED = {
    ("x", 1): "cx",
    ("x", 2): "ccx",
    ("x", 3): "c3x",
    ("x", 4): "c4x",
    ("y", 1): "cy",
    ("h", 1): "ch",
    ("s", 1): "cs",
    ("sdg", 1): "csdg",
    ("t", 1): "ct",
    ("tdg", 1): "ctdg",
    ("sx", 1): "csx",
    ("rx", 1): "crx",
    ("ry", 1): "cry",
    ("rz", 1): "crz",
    ("p", 1): "cp",
    ("u1", 1): "cp",
    ("phase", 1): "cp",
    ("cx", 1): "ccx",
    ("cx", 2): "c3x",
    ("cx", 3): "c4x",
    ("CX", 1): "ccx",
    ("ccx", 1): "c3x",
    ("ccx", 2): "c4x",
    ("swap", 1): "cswap",
    ("gphase", 1): "p",
    ("gphase", 2): "cp",
} | {(name, count): "mcz" for count in range(1, 64) for name in ("z", "cz")}
"""What gates become under a number of controls; phases count here, so only those whose phase is kept."""

_HALVES = {"S": math.pi / 2, "T": math.pi / 4}


@lru_cache
def derived() -> dict[str, Definition]:
    """Gates that are several of ours, as definitions in terms of `NATIVE`.

    Example:
        >>> [gate.name for gate in derived()["cy"].body]
        ['sdg', 'cx', 's']
    """
    return {s.name: s for s in parse(_DERIVED).statements if isinstance(s, Definition)}


def inverse(gate: Gate) -> Gate:
    """The gate that undoes one whose angles are no tensors.

    Example:
        >>> from counterspin.circuits.angles import Angle
        >>> print(inverse(Gate("U3", (0,), (Angle(0.1), Angle(0.2), Angle(0.3)))))
        U3(-0.1, -0.3, -0.2) q0
    """
    if gate.kind == "SX":
        return Gate("RX", gate.qubits, (Angle(-math.pi / 2),))
    if gate.kind in _HALVES:
        return Gate("P", gate.qubits, (Angle(-_HALVES[gate.kind]),))
    opposite = tuple(-angle for angle in gate.angles if isinstance(angle, Angle))
    if gate.kind == "Rot":
        opposite = opposite[::-1]
    if gate.kind == "U3":
        opposite = (opposite[0], opposite[2], opposite[1])
    return Gate(gate.kind, gate.qubits, opposite)

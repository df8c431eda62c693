"""What a circuit compiles to for the torch engine: index tables, no tensors of angles.

Runs of single-qubit gates are fused to one 2×2 matrix per qubit, basis permutations (CNOT, X, SWAP) to one index table,
diagonal gates to one phase vector. Everything else is applied as a matrix on its qubits.

An *address* is an integer that says where a value of a batch lies: k >= 0 is entry k of a tensor that all samples
share, ~k (negative) is entry k of a tensor with one row per sample.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from counterspin.circuits import Circuit

__all__ = [
    "AngleTable",
    "Diagonal",
    "GateGroup",
    "LayerEnd",
    "Local",
    "LocalStack",
    "Matrix",
    "Pass",
    "Permutation",
    "Program",
]


@dataclass(frozen=True, eq=False)
class AngleTable:
    """All gate angles as one sparse affine map.

    Angle `a` is `constants[a] + Σ coefficient · x[input] · w[weight]` over the terms with `target == a`; an input or
    weight of -1 stands for the factor 1. `given` lists angles that are tensors computed outside, `address` says where
    the value of each angle lies.
    """

    constants: np.ndarray
    target: np.ndarray
    coefficient: np.ndarray
    input: np.ndarray
    weight: np.ndarray
    given: tuple[int, ...]
    address: np.ndarray


@dataclass(frozen=True, eq=False)
class GateGroup:
    """Gates of one kind whose matrices are computed in one call.

    Args:
        kind: their kind.
        gates: their indices in the circuit.
        angles: addresses of their angles, `(gates, angles)`.
        per_sample: whether each of them holds an angle that varies between samples (all do, or none).
    """

    kind: str
    gates: tuple[int, ...]
    angles: np.ndarray
    per_sample: bool


@dataclass(frozen=True, eq=False)
class Local:
    """Single-qubit gates, one list of gate indices per qubit, first applied first."""

    gates: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, eq=False)
class LocalStack:
    """All `Local` passes whose matrices vary between samples, or all whose do not; fused together.

    Args:
        passes: their positions among the passes.
        matrices: addresses of the 2×2 matrices, `(longest run, passes, qubits)`, padded with the identity at address 0.
    """

    passes: tuple[int, ...]
    matrices: np.ndarray


@dataclass(frozen=True, eq=False)
class Permutation:
    """`state[:, source]` is the new state."""

    source: np.ndarray


@dataclass(frozen=True, eq=False)
class Diagonal:
    """Phase `Π signs · exp(i Σ angle · generator)`.

    Args:
        signs: product of the fixed gates' signs, `(2**qubits,)`.
        angles: addresses of the parametrised gates' angles, `(gates,)`.
        generators: eigenvalue of each parametrised gate's generator on every basis state, `(gates, 2**qubits)`.
    """

    signs: np.ndarray
    angles: np.ndarray
    generators: np.ndarray


@dataclass(frozen=True)
class Matrix:
    """A two-qubit gate applied as a 4×4 matrix: row `row` of gate group `group`."""

    qubits: tuple[int, ...]
    group: int
    row: int


@dataclass(frozen=True)
class LayerEnd:
    """Where per-layer noise acts."""


Pass = Local | Permutation | Diagonal | Matrix | LayerEnd


@dataclass(frozen=True, eq=False)
class Program:
    """A compiled circuit.

    Args:
        circuit: what was compiled.
        angles: the affine map of all angles.
        groups: gates whose matrices are computed together.
        stacks: how those matrices are fused for the `Local` passes.
        passes: what to apply, in order.
    """

    circuit: Circuit
    angles: AngleTable
    groups: tuple[GateGroup, ...]
    stacks: tuple[LocalStack, ...]
    passes: tuple[Pass, ...]

r"""State preparation as gates: real amplitudes by uniformly controlled rotations (Möttönen et al., quant-ph/0407010).

Amplitude encoding is an ideal state in every other part of the package. A device prepares it by a circuit that depends
on the data and is as long as the data: qubit by qubit, a rotation

.. math:: \theta_s = 2\,\mathrm{atan2}\bigl(\|x_{s1…}\|, \|x_{s0…}\|\bigr)

for every value s of the qubits before it, and for the last qubit that of the two amplitudes themselves, signs included.
A rotation controlled by k qubits is :math:`2^k` plain ones and as many CNOTs, with the angles

.. math:: \varphi_i = 2^{-k} \sum_s (-1)^{s\cdot g_i}\,\theta_s, \qquad g_i = i \oplus \lfloor i/2\rfloor.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from counterspin.circuits import Angle, Circuit, Gate, Given, Term, feature
from counterspin.errors import ConditionsError
from counterspin.simulation.arguments import checked_inputs, in_range

__all__ = ["prepared_circuit", "prepared_inputs"]


@lru_cache(maxsize=32)
def prepared_circuit(circuit: Circuit) -> Circuit:
    """An amplitude-encoded circuit with its state preparation written out: RY and CNOT gates in front of its own.

    Its inputs are what `prepared_inputs` makes of the circuit's. Layers are those of the circuit, so that noise per
    layer acts as before; noise per gate acts on the preparation too.

    Raises:
        ConditionsError: the circuit encodes no amplitudes, or complex ones.

    Example:
        >>> from counterspin.circuits import amplitude_encoding
        >>> print(prepared_circuit(amplitude_encoding(4)).draw())
        q0: ──RY(x0)──●──────────●──
        q1: ──RY(x1)──X──RY(x2)──X──
    """
    if circuit.amplitudes is None or circuit.amplitudes.complex_data:
        raise ConditionsError(
            "simulated state preparation needs a circuit that encodes real amplitudes; this one encodes "
            f"{'none' if circuit.amplitudes is None else 'complex ones'}, leave preparation='ideal'."
        )
    gates: list[Gate] = []
    for qubit in range(circuit.qubits):
        first, count = 2**qubit - 1, 2**qubit
        for position in range(count):
            gates.append(Gate("RY", (qubit,), (feature(first + position),)))
            if qubit:
                # The bit in which Gray codes differ from one step to the next; the last closes the cycle.
                bit = (qubit - 1) if position + 1 == count else (position + 1 & -(position + 1)).bit_length() - 1
                gates.append(Gate("CNOT", (qubit - 1 - bit, qubit)))
    moved = 2**circuit.qubits - 1
    own = tuple(replace(g, angles=tuple(_moved(angle, moved) for angle in g.angles)) for g in circuit.gates)
    layers = tuple(len(gates) + end for end in circuit.layers)
    return Circuit(circuit.qubits, tuple(gates) + own, layers=layers)


def prepared_inputs(circuit: Circuit, inputs: Tensor) -> Tensor:
    """Inputs of `prepared_circuit(circuit)`: its angles `(batch, 2**qubits - 1)`, then what gates of the circuit hold.

    Args:
        circuit: the circuit with its amplitude encoding.
        inputs: `(batch, inputs)` of that circuit, attached to autograd; the angle of a branch without any amplitude is
            0 and has no gradient.

    Raises:
        InputError: inputs of the wrong shape, or a zero vector.
        ConditionsError: the circuit encodes no amplitudes, or complex ones.

    Example:
        >>> from counterspin.circuits import amplitude_encoding
        >>> prepared_inputs(amplitude_encoding(2), torch.tensor([[1.0, 1.0]]))[:, 0].tolist()
        [1.5707963705062866]
    """
    taken = prepared_circuit(circuit).inputs
    inputs = checked_inputs(circuit, inputs)
    length = 0 if circuit.amplitudes is None else circuit.amplitudes.length
    values = torch.nn.functional.pad(in_range(inputs[:, :length]), (0, 2**circuit.qubits - length))
    levels = []
    for qubit in reversed(range(circuit.qubits)):
        pairs = values.unflatten(1, (2**qubit, 2))
        empty = (pairs == 0).all(dim=2)
        # Where both are 0, atan2 and the norm have no gradient: constants stand in.
        zero, one = torch.where(empty[..., None], pairs.new_tensor([1.0, 0.0]), pairs).unbind(dim=2)
        levels.append(2 * torch.atan2(one, zero) @ _gray_signs(qubit).to(values))
        values = torch.where(empty, 0.0, torch.hypot(zero, one))
    return torch.cat([*reversed(levels), inputs], dim=1)[:, :taken]


def _moved(angle: Angle | Given, by: int) -> Angle | Given:
    if isinstance(angle, Given):
        return angle
    return Angle(
        angle.constant,
        tuple(Term(t.coefficient, None if t.input is None else t.input + by, t.weight) for t in angle.terms),
    )


@lru_cache(maxsize=32)
def _gray_signs(controls: int) -> Tensor:
    """`(-1)^{s·g_i} / 2^k` for values s (rows) and steps i (columns), `(2**controls, 2**controls)` float64."""
    steps = np.arange(2**controls, dtype=np.uint32)
    odd = np.bitwise_count(steps[:, None] & (steps ^ (steps >> 1))[None, :]) & 1
    return torch.from_numpy((1.0 - 2.0 * odd) / 2**controls)

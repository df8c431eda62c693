"""Gates and channels in blocks of few qubits, so that trajectories pass over their states once per block.

What acts on the qubits of one block, one after the other, needs only their density matrix to draw every Kraus operator,
and acts on the state as one matrix. Operations on other qubits commute with it, so that each gate on two qubits takes
along all that happened to them before, and all that happens until another gate needs one of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby

import torch
from torch import Tensor

from counterspin.circuits import GATES, Circuit
from counterspin.noise.kraus import Channel, Placed
from counterspin.noise.representations import compose
from counterspin.simulation.gate_products import GateProducts, ProductPlanning, embedded

__all__ = ["Block", "BlockPlan", "Draw", "Signs", "Turn", "block_plan"]

# How far K†K may be off a multiple of the identity for its probability to count as the same in every state.
_UNITARY = 1e-12
# On blocks of up to so many qubits channels that follow each other become one, of up to 4**qubits operators.
_COMPOSED = 2


@dataclass(frozen=True, eq=False)
class Turn:
    """Gates of a block one after the other: a row of the plan's products."""

    row: int


@dataclass(frozen=True, eq=False)
class Draw:
    """A channel, of which one Kraus operator acts.

    Args:
        operators: on all qubits of the block, `(operators, d, d)` complex128.
        effects: their K†K.
        chances: `(operators,)` float64 where they are the same in every state; else None.
        number: which of the uniform numbers decides.
    """

    operators: Tensor
    effects: Tensor
    chances: Tensor | None
    number: int


@dataclass(frozen=True, eq=False)
class Block:
    """What acts on some qubits, the most significant first."""

    qubits: tuple[int, ...]
    steps: tuple[Turn | Draw, ...]


@dataclass(frozen=True, eq=False)
class Signs:
    """A minus where all of the qubits are 1: on any number of them, where a matrix would be large."""

    qubits: tuple[int, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class BlockPlan:
    """A circuit with channels in blocks.

    Args:
        steps: in order.
        draws: how many uniform numbers a trajectory needs.
        products: of the gates.
    """

    steps: tuple[Block | Signs, ...]
    draws: int
    products: GateProducts


@dataclass(frozen=True, eq=False)
class _Act:
    """A gate by its index, or a channel, on some qubits."""

    qubits: tuple[int, ...]
    what: int | Channel


@dataclass(frozen=True, eq=False)
class _Growing:
    qubits: tuple[int, ...]
    acts: list[_Act]


@lru_cache(maxsize=64)
def block_plan(circuit: Circuit, channels: tuple[Placed, ...]) -> BlockPlan:
    """The blocks of a circuit with channels, no other maps, between its gates.

    Example:
        >>> from counterspin.noise.channels import amplitude_damping, after_every_gate
        >>> circuit = Circuit(2).add("H", 0).add("H", 1).add("CNOT", (0, 1)).add("X", 1)
        >>> plan = block_plan(circuit, after_every_gate(circuit, amplitude_damping(0.1)))
        >>> len(plan.steps), plan.draws
        (1, 4)
    """
    found: list[_Growing | Signs] = []
    newest: dict[int, _Growing | Signs] = {}  # the last step on each qubit
    by_gate: dict[int, list[_Act]] = {}
    for placed in channels:
        if isinstance(placed.channel, Channel):
            by_gate.setdefault(placed.after, []).append(_Act(placed.qubits, placed.channel))
    for index in range(-1, len(circuit.gates)):
        if index >= 0:
            gate = circuit.gates[index]
            if GATES[gate.kind].qubits:
                _add(found, newest, _Act(gate.qubits, index))
            else:
                found.append(Signs(gate.qubits))
                newest.update(dict.fromkeys(gate.qubits, found[-1]))
        for act in by_gate.get(index, []):
            _add(found, newest, act)
    return _planned(circuit, found)


def _add(found: list[_Growing | Signs], newest: dict[int, _Growing | Signs], act: _Act) -> None:
    """Add to the newest block that has all the qubits, or to a new one, into which such blocks of fewer qubits go."""
    before = {id(step): step for step in (newest.get(q) for q in act.qubits) if isinstance(step, _Growing)}
    for step in before.values():
        if all(newest.get(q) is step for q in act.qubits):
            step.acts.append(act)
            return
    inside = [b for b in before.values() if all(newest.get(q) is b and q in act.qubits for q in b.qubits)]
    block = _Growing(act.qubits, [earlier for b in inside for earlier in b.acts] + [act])
    found[:] = [step for step in found if not any(step is b for b in inside)]
    found.append(block)
    newest.update(dict.fromkeys(act.qubits, block))


def _planned(circuit: Circuit, found: Sequence[_Growing | Signs]) -> BlockPlan:
    products = ProductPlanning(circuit)
    composed: dict[tuple[tuple[Channel, tuple[int, ...]], ...], Tensor] = {}  # equal places are composed once
    steps: list[Block | Signs] = []
    draws = 0
    for block in found:
        if isinstance(block, Signs):
            steps.append(block)
            continue
        own: list[Turn | Draw] = []
        size = len(block.qubits)
        for _, run in groupby(block.acts, key=lambda act: isinstance(act.what, Channel)):
            acts = [(act.what, tuple(block.qubits.index(q) for q in act.qubits)) for act in run]
            gates = [(what, positions) for what, positions in acts if isinstance(what, int)]
            channels = [(what, positions) for what, positions in acts if isinstance(what, Channel)]
            if gates:
                own.append(Turn(products.add(gates, size)))
            for together in [tuple(channels)] if channels and size <= _COMPOSED else [(one,) for one in channels]:
                if together not in composed:
                    composed[together] = _operators(together, size)
                operators = composed[together]
                effects = operators.mH @ operators
                own.append(Draw(operators, effects, _chances(effects), draws))
                draws += 1
        steps.append(Block(block.qubits, tuple(own)))
    return BlockPlan(steps=tuple(steps), draws=draws, products=products.finished())


def _operators(channels: Sequence[tuple[Channel, tuple[int, ...]]], size: int) -> Tensor:
    """Kraus operators `(operators, 2**size, 2**size)` of channels one after the other at positions of a block."""
    return compose(*(Channel(c.name, embedded(c.operators.cpu(), where, size)) for c, where in channels)).operators


def _chances(effects: Tensor) -> Tensor | None:
    weights = effects.diagonal(dim1=1, dim2=2).real.mean(dim=1)
    identity = torch.eye(effects.shape[1], dtype=effects.dtype)
    rest = (effects - weights[:, None, None] * identity).abs().max()
    return weights if float(rest) < _UNITARY else None

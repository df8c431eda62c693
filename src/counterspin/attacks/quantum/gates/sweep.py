r"""Every single fault of a circuit at once: states run forward to each gate, and from there to the readout.

A fault of a one-qubit gate G that leaves F in its place is :math:`R = F G^\dagger = \sum_P c_P P` behind the gate, with
the Paulis P of that qubit. So four runs of the rest of the circuit, one per Pauli, give the scores under all faults of
the gate: :math:`\langle O \rangle = \sum_{PQ} c_P^* c_Q \langle \psi| P V^\dagger O V Q |\psi\rangle`. Where no gate
holds data the rest of the circuit is one matrix V for all samples.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import torch
from torch import Tensor

from counterspin.attacks.losses import verdict_margin
from counterspin.attacks.quantum.gates.kinds import Fault
from counterspin.attacks.quantum.gates.runs import Bench, through
from counterspin.circuits import GATES, Angle, Gate, Given
from counterspin.simulation.measurement import rotated, settings

__all__ = ["Slots", "Sweep", "declared", "replaced", "single_faults"]

# What runs in the place of each declared gate.
Slots = tuple[tuple[Gate, ...], ...]

_PAULIS = torch.tensor(
    [[[1, 0], [0, 1]], [[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]], dtype=torch.complex128
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Sweep:
    """What every single fault does.

    Args:
        faults: all that were tried.
        margins: verdict margins `(faults, batch)`: at most 0 where the fault breaks the sample.
        angles: Bures angle by which the fault turns the state of the sample `(faults, batch)`.
    """

    faults: tuple[Fault, ...]
    margins: Tensor
    angles: Tensor


def declared(bench: Bench) -> Slots:
    """One slot per gate, with the gate in it."""
    return tuple((gate,) for gate in bench.circuit.gates)


def replaced(slots: Slots, faults: Sequence[Fault]) -> Slots:
    """The slots with faults in them."""
    found = list(slots)
    for fault in faults:
        found[fault.site] = fault.gates
    return tuple(found)


@torch.no_grad()
def single_faults(bench: Bench, slots: Slots, faults: Sequence[Fault], y: Tensor, target: int | None) -> Sweep:
    """Margins of all samples under each of some faults, on top of what is in the slots.

    Args:
        bench: the model on a batch.
        slots: what runs; faults may be in it already.
        faults: ascending by site, none at a site that is faulty already.
        y: labels `(batch,)`.
        target: the class the attacker wants; None: any wrong one.

    Example:
        >>> from counterspin import recipes
        >>> from counterspin.attacks.quantum.gates.kinds import faults_of
        >>> recipe = recipes.get("cancer-angle")
        >>> test = recipe.dataset().test
        >>> bench = Bench.of(recipe.model(), test.x[:4].double())
        >>> every = faults_of(bench.circuit, bench.weights, ("dropped",))
        >>> single_faults(bench, declared(bench), every, test.y[:4], None).margins.shape
        torch.Size([48, 4])
    """
    by_site = {site: tuple(group) for site, group in groupby(faults, key=lambda fault: fault.site)}
    margins, angles = [], []
    for site, before, after, rest in _walk(bench, slots, by_site):
        gate, own = bench.circuit.gates[site], by_site[site]
        if GATES[gate.kind].qubits == 1 and slots[site] == (gate,):
            values, overlap = _by_paulis(bench, gate, own, after, rest)
        else:
            values, overlap = _one_by_one(bench, own, before, after, rest)
        scores = bench.readout.scores(values.flatten(0, 1))
        labels = y.repeat(len(own))
        wanted = None if target is None else torch.full_like(labels, target)
        margins.append(verdict_margin(scores, labels, wanted).unflatten(0, (len(own), -1)))
        angles.append(torch.acos(overlap.clamp(max=1.0)))
    nothing = torch.zeros(0, len(y), dtype=torch.float64)
    return Sweep(
        faults=tuple(faults),
        margins=torch.cat(margins) if margins else nothing,
        angles=torch.cat(angles) if angles else nothing,
    )


class _Rest:
    """The circuit behind a gate: one matrix for all samples, or gates that hold data."""

    def __init__(self, bench: Bench, gates: Sequence[Gate], matrix: Tensor | None) -> None:
        self.bench, self.gates, self.matrix = bench, gates, matrix

    def __call__(self, states: Tensor) -> Tensor:
        """Final states of `(kinds, batch, D)`."""
        if self.matrix is not None:
            return states @ self.matrix
        bench, kinds = self.bench, len(states)
        inputs = bench.inputs.repeat(kinds, 1)
        return through(bench.circuit.qubits, self.gates, states.flatten(0, 1), inputs, bench.weights).view_as(states)


def _walk(
    bench: Bench, slots: Slots, sites: dict[int, tuple[Fault, ...]]
) -> Iterator[tuple[int, Tensor, Tensor, _Rest]]:
    """Each site with the states before and after it, and what comes behind."""
    qubits, weights = bench.circuit.qubits, bench.weights
    every = [gate for slot in slots for gate in slot]
    states, matrix = bench.start(), None
    none = bench.inputs.new_zeros(2**qubits, bench.inputs.shape[1])
    identity = torch.eye(2**qubits, dtype=torch.complex128)
    if not bench.with_gates(every).depends_on_inputs_by_gates:
        matrix = through(qubits, every, identity, none, weights)
    passed = 0
    for site, slot in enumerate(slots):
        after = through(qubits, slot, states, bench.inputs, weights)
        passed += len(slot)
        if matrix is not None and slot:
            matrix = through(qubits, slot, identity, none, weights).mH @ matrix
        if site in sites:
            yield site, states, after, _Rest(bench, every[passed:], matrix)
        states = after


def _by_paulis(bench: Bench, gate: Gate, faults: Sequence[Fault], after: Tensor, rest: _Rest) -> tuple[Tensor, Tensor]:
    """Measured values `(faults, batch, values)` and overlaps with the clean state `(faults, batch)`."""
    qubits, qubit = bench.circuit.qubits, gate.qubits[0]
    blocks = after.reshape(len(after), 2**qubit, 2, -1)
    turned = torch.stack([(pauli @ blocks).flatten(1) for pauli in _PAULIS])
    expected = (after.conj() * turned).sum(dim=2)
    # Of a gate that holds data each sample has its own matrix.
    own = _matrices(gate, bench.inputs, bench.weights)
    matrices = _left(gate, faults, bench.inputs, bench.weights)
    weight = torch.einsum("pij,fbji->fbp", _PAULIS, matrices @ own.mH) / 2
    overlap = torch.einsum("fbp,pb->fb", weight.expand(-1, len(after), -1), expected).abs()
    pairs = (weight.conj()[..., :, None] * weight[..., None, :]).flatten(2)
    final, values = rest(turned), 0.0
    for setting in settings(bench.readout.measurement, qubits):
        seen = rotated(final.flatten(0, 1), setting, qubits).view_as(final)
        table = torch.as_tensor(setting.table, dtype=torch.complex128)
        gram = ((seen.conj()[:, None] * seen[None]) @ table).flatten(0, 1)
        if pairs.shape[1] == 1:
            values = values + torch.einsum("fp,pbv->fbv", pairs[:, 0], gram).real
        else:
            values = values + torch.einsum("fbp,pbv->fbv", pairs, gram).real
    return torch.as_tensor(values), overlap


def _one_by_one(
    bench: Bench, faults: Sequence[Fault], before: Tensor, after: Tensor, rest: _Rest
) -> tuple[Tensor, Tensor]:
    qubits = bench.circuit.qubits
    turned = torch.stack([through(qubits, f.gates, before, bench.inputs, bench.weights) for f in faults])
    overlap = (after.conj() * turned).sum(dim=2).abs()
    return bench.values(rest(turned)), overlap


def _left(gate: Gate, faults: Sequence[Fault], inputs: Tensor, weights: Tensor) -> Tensor:
    """Matrices `(faults, batch or 1, 2, 2)` of what faults leave in place of a one-qubit gate."""
    moved = [index for index, fault in enumerate(faults) if [g.kind for g in fault.gates] == [gate.kind]]
    found: dict[int, Tensor] = {}
    if moved:
        # Flipped bits shift the constants of the angles: all of them in one call.
        constants = [[_constant(angle) for angle in faults[index].gates[0].angles] for index in moved]
        shifts = torch.tensor(constants, dtype=torch.float64)
        shifts = shifts - shifts.new_tensor([_constant(angle) for angle in gate.angles])
        values = _angles(gate, inputs, weights) + shifts[:, None]
        found = dict(zip(moved, GATES[gate.kind].matrix(values.to(torch.complex128)), strict=True))
    for index, fault in enumerate(faults):
        if index not in found:
            matrix = torch.eye(2, dtype=torch.complex128)[None]
            for inserted in fault.gates:
                matrix = _matrices(inserted, inputs, weights) @ matrix
            found[index] = matrix
    rows = max(len(matrix) for matrix in found.values())
    return torch.stack([found[index].expand(rows, -1, -1) for index in range(len(faults))])


def _matrices(gate: Gate, inputs: Tensor, weights: Tensor) -> Tensor:
    """Matrices `(batch or 1, 2, 2)` of a one-qubit gate."""
    return GATES[gate.kind].matrix(_angles(gate, inputs, weights).to(torch.complex128))


def _angles(gate: Gate, inputs: Tensor, weights: Tensor) -> Tensor:
    """Angles `(batch or 1, angles)` of a gate; those of one that holds no data are the same for all samples."""
    varies = any(isinstance(angle, Angle) and angle.inputs for angle in gate.angles)
    rows = inputs if varies else inputs[:1]
    values = [_angle(angle, rows, weights) for angle in gate.angles]
    return torch.stack(values, dim=1) if values else rows.new_zeros(len(rows), 0)


def _constant(angle: Angle | Given) -> float:
    return angle.constant if isinstance(angle, Angle) else 0.0


def _angle(angle: Angle | Given, inputs: Tensor, weights: Tensor) -> Tensor:
    """Values `(batch,)` of an angle."""
    if isinstance(angle, Given):
        return angle.value.to(inputs).expand(len(inputs))
    total = inputs.new_full((len(inputs),), angle.constant)
    for term in angle.terms:
        factor = inputs.new_tensor(term.coefficient) if term.weight is None else term.coefficient * weights[term.weight]
        total = total + (factor if term.input is None else factor * inputs[:, term.input])
    return total

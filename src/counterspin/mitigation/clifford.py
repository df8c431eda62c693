"""Near-Clifford training circuits: a model's own circuit with most rotations turned to Clifford angles."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from counterspin.circuits import Angle, Circuit, Given
from counterspin.errors import UsageError
from counterspin.simulation.angles import angle_values
from counterspin.simulation.arguments import check_parameters, checked_inputs
from counterspin.simulation.compiler import compile_circuit

__all__ = ["TrainingCircuits", "clifford_steps", "near_clifford", "rotation_angles"]

# A controlled rotation is Clifford at multiples of π only, every other rotation at multiples of π/2.
_CONTROLLED = ("CRX", "CRY", "CRZ", "CP")
_CLIFFORD_TOLERANCE = 1e-9
# Width of the distribution of sampled replacements, of arXiv:2005.10189.
_SIGMA = 0.5


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainingCircuits:
    """Many circuits as one circuit of a batch: same gates, kinds and places, other angles.

    Noise that is attached to gates, kinds or places acts on them as on the circuit they come from.

    Args:
        circuit: its angles are numbers or tensors `(count,)`; it takes no weights.
        inputs: `(count, inputs)` float64: the encoded amplitudes, or no columns.
        angles: all angles, `(count, angles)` float64, in the order of the gates.
        rows: from which sample each was made, `(count,)`.
        left: number of rotations left at an angle that is not Clifford, `(count,)`.
    """

    circuit: Circuit
    inputs: Tensor
    angles: Tensor
    rows: Tensor
    left: Tensor

    @property
    def count(self) -> int:
        """How many circuits."""
        return len(self.rows)

    @property
    def weights(self) -> Tensor:
        """The circuit's weights: none."""
        return torch.zeros(0, dtype=torch.float64)


def near_clifford(
    circuit: Circuit,
    inputs: Tensor,
    weights: Tensor,
    *,
    count: int,
    kept: float = 0.5,
    replacement: str = "sampled",
    generator: torch.Generator,
) -> TrainingCircuits:
    r"""Training circuits of Clifford data regression (arXiv:2005.10189), made of a model's circuit at given samples.

    In each of them a share `kept` of the rotations that are not Clifford, chosen at random, stays; the others turn to
    a Clifford angle: the nearest one, or one drawn with probability :math:`\propto e^{-d^2/\sigma^2}`,
    :math:`\sigma = 0.5`, of its distance d. T gates and controlled gates on many qubits stay as they are (another kind
    of gate would have other noise), and so do encoded amplitudes.

    Args:
        circuit: with symbolic angles.
        inputs: samples `(batch, inputs)`; they are used in turn.
        weights: `(weights,)`.
        count: how many training circuits.
        kept: share of the rotations left alone, 0 to 1; 1 gives the circuit itself at the samples.
        replacement: `"nearest"` or `"sampled"`.
        generator: chooses rotations and samples angles.

    Raises:
        UsageError: no circuit asked for, a share outside [0, 1], an unknown replacement.
        InputError: inputs or weights that do not fit the circuit, or no sample.

    Example:
        >>> from counterspin.circuits import feature
        >>> one = Circuit(1).add("RX", 0, feature(0))
        >>> seeded = torch.Generator().manual_seed(0)
        >>> made = near_clifford(
        ...     one, torch.tensor([[0.2], [1.4]]), torch.zeros(0), count=2, kept=0.0, replacement="nearest",
        ...     generator=seeded,
        ... )
        >>> [round(float(angle), 4) for angle in made.circuit.gates[0].angles[0].value]
        [0.0, 1.5708]
    """
    if count < 1:
        raise UsageError(f"count is {count}; give at least one training circuit.")
    if not 0.0 <= kept <= 1.0:
        raise UsageError(f"kept is {kept}; it is a share of the rotations, allowed: 0 to 1.")
    if replacement not in ("nearest", "sampled"):
        raise UsageError(f"replacement is {replacement!r}; allowed: 'nearest', 'sampled'.")
    exact = rotation_angles(circuit, inputs, weights).detach()
    if not len(exact):
        raise UsageError("inputs hold no sample; give at least one to make training circuits of.")
    rows = torch.arange(count) % len(exact)
    angles, steps = exact[rows], clifford_steps(circuit)
    nearest = torch.round(angles / steps) * steps
    free = (angles - nearest).abs() > _CLIFFORD_TOLERANCE
    # The rotations of each row in random order, Clifford ones last: the first of them stay.
    order = torch.rand(angles.shape, generator=generator, dtype=torch.float64) + 2.0 * ~free
    rank = order.argsort(dim=1).argsort(dim=1)
    stays = rank < torch.round(kept * free.sum(dim=1, keepdim=True))
    turned = nearest if replacement == "nearest" else _sampled(angles, nearest, steps, generator)
    chosen = torch.where(stays | ~free, angles, turned)
    amplitudes = 0 if circuit.amplitudes is None else circuit.amplitudes.features
    return TrainingCircuits(
        circuit=_with_angles(circuit, chosen),
        inputs=checked_inputs(circuit, inputs).detach().double()[rows, :amplitudes],
        angles=chosen,
        rows=rows,
        left=(stays & free).sum(dim=1),
    )


def rotation_angles(circuit: Circuit, inputs: Tensor, weights: Tensor) -> Tensor:
    """All angles of a circuit at given samples, `(batch, angles)` float64 by order of the gates, attached to autograd.

    Raises:
        InputError: inputs or weights that do not fit the circuit.

    Example:
        >>> from counterspin.circuits import feature
        >>> rotation_angles(Circuit(1).add("RX", 0, 2 * feature(0)), torch.tensor([[0.5]]), torch.zeros(0)).tolist()
        [[1.0]]
    """
    inputs = checked_inputs(circuit, inputs).double()
    check_parameters(circuit, weights)
    program = compile_circuit(circuit)
    return angle_values(program, inputs, weights.to(inputs)).at(program.angles.address).expand(len(inputs), -1)


def clifford_steps(circuit: Circuit) -> Tensor:
    """Distance between Clifford angles of each angle of a circuit, `(angles,)` float64.

    Example:
        >>> clifford_steps(Circuit(2).add("RX", 0, 0.1).add("CRX", (0, 1), 0.1)).tolist()
        [1.5707963267948966, 3.141592653589793]
    """
    steps = [math.pi if g.kind in _CONTROLLED else math.pi / 2 for g in circuit.gates for _ in g.angles]
    return torch.tensor(steps, dtype=torch.float64)


def _sampled(angles: Tensor, nearest: Tensor, steps: Tensor, generator: torch.Generator) -> Tensor:
    """Clifford angles within half a turn, drawn by their distance."""
    candidates = nearest[..., None] + steps[:, None] * torch.arange(-1, 3, dtype=torch.float64)
    chances = torch.softmax(-(((angles[..., None] - candidates) / _SIGMA) ** 2), dim=-1)
    if not angles.numel():
        return nearest
    drawn = torch.multinomial(chances.flatten(0, 1), 1, generator=generator).reshape(*angles.shape, 1)
    return candidates.gather(-1, drawn).squeeze(-1)


def _with_angles(circuit: Circuit, angles: Tensor) -> Circuit:
    """The circuit with columns of `angles` `(count, angles)` in the places of its own."""
    columns = iter(angles.T)
    gates = tuple(replace(g, angles=tuple(_as_angle(next(columns)) for _ in g.angles)) for g in circuit.gates)
    return replace(circuit, gates=gates)


def _as_angle(column: Tensor) -> Angle | Given:
    # A number where all agree: device circuits are mostly constants, which engines merge.
    return Angle(float(column[0])) if bool((column == column[0]).all()) else Given(column.contiguous())

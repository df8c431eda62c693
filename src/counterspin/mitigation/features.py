r"""What learned mitigation may know about a sample's circuit besides its values: its angles, or how Clifford it is."""

from __future__ import annotations

import torch
from torch import Tensor

from counterspin.circuits import Angle, Circuit
from counterspin.errors import UsageError
from counterspin.mitigation.clifford import clifford_steps

__all__ = ["FEATURES", "circuit_features", "input_angles"]

FEATURES = ("none", "angles", "clifford")


def circuit_features(kind: str, circuit: Circuit, angles: Tensor, inputs: Tensor) -> Tensor:
    r"""Features of a circuit at the samples of a batch, `(batch, features)`, attached to autograd.

    * `"none"`: no columns.
    * `"angles"`: :math:`\cos a` and :math:`\sin a` of every angle a that holds an input; of encoded amplitudes the unit
      vector.
    * `"clifford"`: mean and largest :math:`\sin^2(\pi a / s)` of these angles, with s the distance of two Clifford
      angles: 0 on Clifford circuits, a smooth count of the rotations that are none.

    Args:
        kind: one of the above.
        circuit: with symbolic angles.
        angles: all of its angles, `(batch, angles)`, as `rotation_angles` or training circuits have them.
        inputs: `(batch, inputs)`, of which encoded amplitudes are read.

    Raises:
        UsageError: an unknown kind.

    Example:
        >>> from counterspin.circuits import feature
        >>> one = Circuit(1).add("RX", 0, feature(0)).add("RZ", 0, 0.3)
        >>> circuit_features("angles", one, torch.tensor([[0.0, 0.3]]), torch.zeros(1, 1)).tolist()
        [[1.0, 0.0]]
    """
    if kind not in FEATURES:
        raise UsageError(f"features is {kind!r}; allowed: {', '.join(FEATURES)}.")
    which = list(input_angles(circuit))
    own = angles[:, which]
    if kind == "angles":
        columns = [torch.cos(own), torch.sin(own)]
        if circuit.amplitudes is not None:
            columns.append(torch.nn.functional.normalize(inputs[:, : circuit.amplitudes.features].to(own), dim=1))
        return torch.cat(columns, dim=1)
    if kind == "none" or not which:
        return angles[:, :0]
    distance = torch.sin(torch.pi * own / clifford_steps(circuit)[which].to(own)) ** 2
    return torch.stack([distance.mean(dim=1), distance.amax(dim=1)], dim=1)


def input_angles(circuit: Circuit) -> tuple[int, ...]:
    """Positions, among all angles of a circuit, of those that hold an input.

    Example:
        >>> from counterspin.circuits import feature
        >>> input_angles(Circuit(1).add("RZ", 0, 0.3).add("RX", 0, feature(0)))
        (1,)
    """
    every = [angle for gate in circuit.gates for angle in gate.angles]
    return tuple(i for i, angle in enumerate(every) if not isinstance(angle, Angle) or angle.inputs)

"""Folding: a frozen amplitude-encoded circuit as one observable per class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from counterspin.circuits import Circuit, Readout
from counterspin.errors import ConditionsError
from counterspin.noise import NoiseModel
from counterspin.simulation.angles import angle_values
from counterspin.simulation.arguments import check_memory, check_parameters, in_range
from counterspin.simulation.compiler import compile_circuit
from counterspin.simulation.engines import check_engine
from counterspin.simulation.kernels import kernel, lower
from counterspin.simulation.measurement import Setting, rotated, scored
from counterspin.simulation.readout_noise import noisy_settings
from counterspin.simulation.statevector import evolve
from counterspin.simulation.transfer import TRANSFER_QUBITS, transfer_observables

__all__ = ["FOLDED_QUBITS", "EffectiveObservables", "fold", "folded_scores", "folding_flops", "pays_to_fold"]


@dataclass(frozen=True, eq=False)
class EffectiveObservables:
    r"""Class scores in the Heisenberg picture, :math:`z_k = \langle x|M_k|x\rangle / \langle x|x\rangle`.

    They add and scale, so that linear mitigation combines them.

    Args:
        matrices: Hermitian matrices on all qubits, biases absorbed as multiples of the identity, `(classes, D, D)`
            complex128.
        length: number of amplitudes the data fills (the rest is zero padding).
        complex_data: features are real parts followed by imaginary parts.
    """

    matrices: Tensor
    length: int
    complex_data: bool = False

    def __add__(self, other: EffectiveObservables) -> EffectiveObservables:
        """Sum of the observables."""
        return EffectiveObservables(self.matrices + other.matrices, self.length, self.complex_data)

    def __mul__(self, factor: float) -> EffectiveObservables:
        """The observables times a number."""
        return EffectiveObservables(factor * self.matrices, self.length, self.complex_data)

    __rmul__ = __mul__

    @property
    def features(self) -> int:
        """Number of real features."""
        return 2 * self.length if self.complex_data else self.length

    def forms(self) -> Tensor:
        """Real symmetric forms on the features, `(classes, features, features)` float64: `z_k = xᵀF_k x / xᵀx`."""
        block = self.matrices[:, : self.length, : self.length]
        real = block.real
        if self.complex_data:
            upper = torch.cat([real, -block.imag], dim=2)
            lower = torch.cat([block.imag, real], dim=2)
            real = torch.cat([upper, lower], dim=1)
        return 0.5 * (real + real.transpose(1, 2))

    def stacked(self, like: Tensor) -> Tensor:
        """The forms of all classes side by side in the precision of `like`, `(features, classes * features)`."""
        return self.forms().to(like).permute(1, 0, 2).flatten(1).contiguous()

    def scores(self, x: Tensor) -> Tensor:
        """Class scores `(batch, classes)` of `x` `(batch, features)`."""
        return folded_scores(x, self.stacked(x))


def folded_scores(x: Tensor, stacked: Tensor) -> Tensor:
    r"""Scores of folded observables, :math:`z_k = x^\top F_k x / x^\top x`; one matrix product for values and gradient.

    Args:
        x: `(batch, features)`.
        stacked: symmetric forms side by side, `(features, classes * features)`.

    Returns:
        `(batch, classes)`, attached to autograd for `x`.

    Raises:
        InputError: a sample is the zero vector.

    Example:
        >>> folded_scores(torch.tensor([[3.0, 4.0]]), torch.diag(torch.tensor([1.0, -1.0]))).tolist()
        [[-0.2800000011920929]]
    """
    return _Quadratic.apply(in_range(x), stacked)[0]


class _Quadratic(torch.autograd.Function):
    """Keeps the images F_k x, of which the gradient is a sum: plain autograd would multiply by the forms again."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, stacked: Tensor) -> tuple[Tensor, Tensor]:
        images = (x @ stacked).unflatten(1, (-1, x.shape[1]))
        return torch.linalg.vecdot(images, x[:, None]) / torch.linalg.vecdot(x, x)[:, None], images

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: tuple[Tensor, Tensor]) -> None:
        ctx.mark_non_differentiable(output[1])
        ctx.set_materialize_grads(False)  # no zeros of the images' size for an output that has no gradient
        ctx.save_for_backward(*inputs, *output)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, None]:
        x, stacked, scores, images = ctx.saved_tensors
        if gradients[0] is None:
            return None, None
        if torch.is_grad_enabled():  # a second derivative is wanted: the kept images have no graph
            images = (x @ stacked).unflatten(1, (-1, x.shape[1]))
        shares = 2 * gradients[0] / torch.linalg.vecdot(x, x)[:, None]
        radial = (shares * scores).sum(dim=1, keepdim=True)
        return torch.addcmul((shares[:, None] @ images)[:, 0], radial, x, value=-1), None


# Beyond, classes × 4**qubits matrix entries cost more memory than they are worth.
FOLDED_QUBITS = 10


def folding_flops(circuit: Circuit, readout: Readout) -> tuple[float, float]:
    """Operations per sample for the scores and the gradient of an amplitude-encoded circuit with frozen weights.

    Returns:
        Folded, 2·classes·features²; and gate by gate in the compiled engine, one sweep forward and one back (only of
        the pulled-back state).

    Example:
        >>> from counterspin.circuits import OutcomeGroups, amplitude_encoding, strongly_entangling
        >>> circuit = amplitude_encoding(16) + strongly_entangling(4, 30)
        >>> folding_flops(circuit, Readout(OutcomeGroups.first(qubits=1, classes=2)))
        (1024.0, 53760.0)
    """
    features = 0 if circuit.amplitudes is None else circuit.amplitudes.features
    return 2.0 * readout.classes * features**2, 2.0 * lower(circuit, readout.measurement).flops[0]


def pays_to_fold(circuit: Circuit, readout: Readout, engine: str = "auto") -> bool:
    """Whether a frozen circuit is evaluated faster as one quadratic form per class than gate by gate.

    Never where data enters through gate angles. The compiled engine is compared by `folding_flops`; the torch engine is
    slower than the forms at any depth.

    Example:
        >>> from counterspin.circuits import OutcomeGroups, amplitude_encoding, strongly_entangling
        >>> circuit = amplitude_encoding(16) + strongly_entangling(4, 30)
        >>> pays_to_fold(circuit, Readout(OutcomeGroups.first(qubits=1, classes=2)))
        True
    """
    if circuit.amplitudes is None or circuit.depends_on_inputs_by_gates or circuit.qubits > FOLDED_QUBITS:
        return False
    if check_engine(engine) == "torch":
        return True
    if kernel() is None:
        return engine != "compiled"  # left to the circuit, whose run says that the engine is missing
    folded, gate_by_gate = folding_flops(circuit, readout)
    return folded <= gate_by_gate


@torch.no_grad()
def fold(circuit: Circuit, weights: Tensor, readout: Readout, noise: NoiseModel | None = None) -> EffectiveObservables:
    r"""The effective observables :math:`\Phi^\dagger(E_k)` of a circuit whose only inputs are amplitudes.

    The state is prepared ideally; everything behind it is exact.

    Args:
        circuit: an amplitude-encoded circuit without data re-uploading; at most 8 qubits with channels between gates.
        weights: `(weights,)`, frozen.
        readout: linear head, scale or none.
        noise: channels, global depolarising and readout errors are all folded in.

    Raises:
        ConditionsError: the scores are no quadratic form of the unit input, or more than 8 qubits with channels.
        InputError: weights or a readout that do not fit the circuit.
        ResourceError: no memory for the matrices.
    """
    if circuit.amplitudes is None or circuit.depends_on_inputs_by_gates:
        raise ConditionsError(
            "folding needs an amplitude-encoded circuit whose gate angles hold no inputs; "
            "this circuit encodes data in gate angles."
        )
    channels = () if noise is None else noise.place(circuit)
    if channels and circuit.qubits > TRANSFER_QUBITS:
        raise ConditionsError(
            f"the circuit has {circuit.qubits} qubits with channels between its gates, which is simulated by drawn "
            f"errors and cannot be folded exactly; use at most {TRANSFER_QUBITS} qubits, or noise at the readout alone."
        )
    check_parameters(circuit, weights, readout)
    check_memory(circuit.qubits, (readout.measurement.values + 2) * 16 * 4.0**circuit.qubits)
    chosen = noisy_settings(readout.measurement, circuit.qubits, noise)
    weights = weights.cpu().double()
    if channels:
        values = transfer_observables(circuit, weights, chosen, channels)
    else:
        values = _pure_observables(circuit, weights, chosen)
    return EffectiveObservables(scored(values, readout), circuit.amplitudes.length, circuit.amplitudes.complex_data)


def _pure_observables(circuit: Circuit, weights: Tensor, chosen: Sequence[Setting]) -> Tensor:
    dimension = 2**circuit.qubits
    basis = torch.eye(dimension, dtype=torch.complex128)
    program = compile_circuit(circuit)
    no_inputs = torch.zeros(dimension, circuit.inputs, dtype=torch.float64)
    states = evolve(program, basis, angle_values(program, no_inputs, weights))
    values = torch.zeros(chosen[0].table.shape[1], dimension, dimension, dtype=torch.complex128)
    for setting in chosen:
        outcomes = rotated(states, setting, circuit.qubits)
        for index in np.abs(setting.table).sum(axis=0).nonzero()[0].tolist():
            values[index] += outcomes.conj() @ (outcomes * torch.as_tensor(setting.table[:, index])).T
    return values

"""Running a circuit on a batch: class scores, exact or with noise and finite shots."""

import torch
from torch import Tensor

from counterspin.circuits import Circuit, Given, Readout
from counterspin.errors import UsageError
from counterspin.noise import NoiseModel
from counterspin.simulation.angles import AngleValues, angle_values
from counterspin.simulation.arguments import check_memory, check_parameters, checked_inputs
from counterspin.simulation.compiler import compile_circuit
from counterspin.simulation.engines import choose
from counterspin.simulation.kernels import kernel_states, kernel_values
from counterspin.simulation.measurement import measured_values, rotated, settings
from counterspin.simulation.readout_noise import flipped
from counterspin.simulation.shots import sampled_distribution
from counterspin.simulation.statevector import evolve, initial_state, probabilities
from counterspin.simulation.trajectories import DepolarizingErrors

__all__ = ["final_states", "outcome_distributions", "run", "sample_scores"]

_AMPLITUDES_AT_ONCE = 2**22  # of the trajectories of one chunk: bounds its memory to some hundred MiB


def run(
    circuit: Circuit,
    inputs: Tensor,
    weights: Tensor,
    readout: Readout,
    *,
    noise: NoiseModel | None = None,
    shots: int | None = None,
    generator: torch.Generator | None = None,
    engine: str = "auto",
) -> Tensor:
    """Class scores `(batch, classes)`, attached to autograd for inputs and weights.

    Args:
        circuit: what to run.
        inputs: `(batch, inputs)` real features, float32 or float64; their dtype is the precision (complex64 or
            complex128 states). Complex amplitudes may be given as one complex tensor `(batch, length)`.
        weights: `(weights,)`.
        readout: measurement and head.
        noise: None: ideal.
        shots: measurements per sample and setting; None: exact expectation values. Sampled scores carry no gradient.
        generator: source of shots and trajectories; needed where either is random.
        engine: `"compiled"`, `"torch"`, or `"auto"`: the compiled one where it can serve, else torch. Noise per qubit,
            gradients through noise, second derivatives, `torch.func` and other devices than the CPU need torch. They
            agree to 1e-10 in float64 and 1e-5 in float32.

    Raises:
        InputError: inputs or weights of the wrong shape, a zero vector to encode.
        ResourceError: no memory for the states.
        UsageError: randomness without a generator, an unknown engine, the compiled one where it cannot serve.

    Example:
        >>> from counterspin.circuits import Circuit, PauliExpectations, feature
        >>> circuit = Circuit(1).add("RY", 0, torch.pi * feature(0))
        >>> readout = Readout(PauliExpectations.of("Z0"))
        >>> run(circuit, torch.tensor([[0.0], [1.0]]), torch.zeros(0), readout).flatten().tolist()
        [1.0, -1.0]
    """
    _check_shots(shots, generator)
    kernel = choose(engine, inputs, weights) if noise is None and shots is None else None
    if kernel is not None:
        inputs = checked_inputs(circuit, inputs)
        check_parameters(circuit, weights, readout)
        values = kernel_values(kernel, circuit, inputs, weights.to(inputs.dtype), readout.measurement)
        return readout.scores(values)
    distributions = outcome_distributions(
        circuit, inputs, weights, readout, noise=noise, generator=generator, engine=engine
    )
    return sample_scores(circuit, distributions, readout, shots=shots, generator=generator)


def outcome_distributions(
    circuit: Circuit,
    inputs: Tensor,
    weights: Tensor,
    readout: Readout,
    *,
    noise: NoiseModel | None = None,
    generator: torch.Generator | None = None,
    engine: str = "auto",
) -> list[Tensor]:
    """Probabilities of all outcomes `(batch, 2**qubits)` as a device would read them, one tensor per setting."""
    if noise is not None and noise.qubit_depolarizing:
        choose(engine, inputs, weights, obstacle="noise per qubit is simulated by trajectories in torch")
        distributions = _trajectory_distributions(circuit, inputs, weights, readout, noise, generator)
    else:
        inputs = checked_inputs(circuit, inputs)
        check_parameters(circuit, weights, readout)
        states = final_states(circuit, inputs, weights, engine=engine)
        distributions = _setting_distributions(circuit, states, readout)
    if noise is None:
        return distributions
    p = noise.global_depolarizing
    mixed = [(1 - p) * d + p / d.shape[1] if p else d for d in distributions]
    return [flipped(d, noise.readout_flips) for d in mixed]


def sample_scores(
    circuit: Circuit,
    distributions: list[Tensor],
    readout: Readout,
    *,
    shots: int | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Class scores of outcome distributions, exact or from `shots` outcomes per sample and setting."""
    source = _check_shots(shots, generator)
    if shots is not None and source is not None:
        distributions = [sampled_distribution(d, shots, source) for d in distributions]
    return readout.scores(measured_values(distributions, settings(readout.measurement, circuit.qubits)))


def final_states(circuit: Circuit, inputs: Tensor, weights: Tensor, *, engine: str = "auto") -> Tensor:
    """State vectors before the measurement, `(batch, 2**qubits)` complex; attached to autograd by the torch engine."""
    inputs = checked_inputs(circuit, inputs)
    check_parameters(circuit, weights)
    _check_states(circuit, inputs)
    given = [angle.value for gate in circuit.gates for angle in gate.angles if isinstance(angle, Given)]
    attached = torch.is_grad_enabled() and any(t.requires_grad for t in (inputs, weights, *given))
    obstacle = "states attached to autograd are asked for, which it does not differentiate" if attached else None
    kernel = choose(engine, inputs, weights, obstacle=obstacle)
    if kernel is not None:
        return kernel_states(kernel, circuit, inputs, weights.to(inputs.dtype))
    program = compile_circuit(circuit)
    return evolve(program, initial_state(program, inputs), angle_values(program, inputs, weights.to(inputs.dtype)))


def _check_shots(shots: int | None, generator: torch.Generator | None) -> torch.Generator | None:
    if shots is not None and shots < 1:
        raise UsageError(f"shots is {shots}; give at least 1, or None for exact values.")
    if shots is not None and generator is None:
        raise UsageError("finite shots are random and generator is None; give a torch.Generator.")
    return generator


def _check_states(circuit: Circuit, inputs: Tensor) -> None:
    # An empty batch starts from one state all the same.
    check_memory(circuit.qubits, max(1, inputs.shape[0]) * 2 * inputs.element_size() * 2.0**circuit.qubits)


def _setting_distributions(circuit: Circuit, states: Tensor, readout: Readout) -> list[Tensor]:
    chosen = settings(readout.measurement, circuit.qubits)
    return [probabilities(rotated(states, setting, circuit.qubits)) for setting in chosen]


def _trajectory_distributions(
    circuit: Circuit,
    inputs: Tensor,
    weights: Tensor,
    readout: Readout,
    noise: NoiseModel,
    generator: torch.Generator | None,
) -> list[Tensor]:
    if generator is None:
        raise UsageError(
            "noise per qubit is simulated by random trajectories and generator is None; give a torch.Generator."
        )
    inputs = checked_inputs(circuit, inputs)
    check_parameters(circuit, weights, readout)
    _check_states(circuit, inputs)
    program = compile_circuit(circuit)
    start, angles = initial_state(program, inputs), angle_values(program, inputs, weights.to(inputs.dtype))
    dimension, count = start.shape[1], noise.trajectories
    errors = DepolarizingErrors(noise.qubit_depolarizing, circuit.qubits, generator)
    rows = max(1, _AMPLITUDES_AT_ONCE // (dimension * count))
    starts = start.expand(angles.batch, -1).split(rows)
    parts: list[list[Tensor]] = []
    for state, per_sample in zip(starts, angles.per_sample.split(rows), strict=True):
        repeated = AngleValues(angles.shared, per_sample.repeat_interleave(count, dim=0))
        states = evolve(program, state.repeat_interleave(count, dim=0), repeated, layer_noise=errors)
        outcomes = _setting_distributions(circuit, states, readout)
        parts.append([d.reshape(len(state), count, dimension).mean(dim=1) for d in outcomes])
    return [torch.cat(column) for column in zip(*parts, strict=True)]

"""Running a circuit on a batch: class scores, exact or with noise and finite shots."""

import torch
from torch import Tensor

from counterspin.circuits import Circuit, Given, Measurement, Readout
from counterspin.errors import UsageError
from counterspin.noise import NoiseModel
from counterspin.simulation.angles import angle_values
from counterspin.simulation.arguments import check_memory, check_parameters, checked_inputs
from counterspin.simulation.compiler import compile_circuit
from counterspin.simulation.density import density_distributions, noisy_density
from counterspin.simulation.engines import choose
from counterspin.simulation.kernels import kernel_states, kernel_values
from counterspin.simulation.measurement import every_outcome, in_basis, measured_values, rotated, settings
from counterspin.simulation.noise_engine import noise_engine, state_engine
from counterspin.simulation.readout_noise import misread, noisy_settings
from counterspin.simulation.shots import sampled_distribution
from counterspin.simulation.statevector import evolve, initial_state, probabilities
from counterspin.simulation.trajectories import trajectory_distributions, trajectory_values
from counterspin.simulation.transfer import transfer_distributions, transfer_values

__all__ = ["final_states", "outcome_distributions", "run", "sample_scores"]


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
        noise: None: ideal. Channels between the gates are exact up to 8 qubits, and averages over `noise.trajectories`
            drawn runs beyond (`noise_engine` says which and why). All rows of a batch meet the same draws.
        shots: measurements per sample and setting; None: exact expectation values. Sampled scores carry no gradient.
        generator: source of shots and trajectories; needed where either is random.
        engine: `"compiled"`, `"torch"`, or `"auto"`: the compiled one where it can serve, else torch. Second
            derivatives, `torch.func` and other devices than the CPU need torch. They agree to 1e-10 in float64 and
            1e-5 in float32. `"transfer"`, `"trajectories"` or `"density"` (a dense reference, at most 5 qubits) ask for
            one way to simulate channels.

    Raises:
        InputError: inputs or weights of the wrong shape, a zero vector to encode.
        ResourceError: no memory for the states.
        UsageError: randomness without a generator, an unknown engine, or one that cannot serve.

    Example:
        >>> from counterspin.circuits import Circuit, PauliExpectations, feature
        >>> circuit = Circuit(1).add("RY", 0, torch.pi * feature(0))
        >>> readout = Readout(PauliExpectations.of("Z0"))
        >>> run(circuit, torch.tensor([[0.0], [1.0]]), torch.zeros(0), readout).flatten().tolist()
        [1.0, -1.0]
    """
    _check_shots(shots, generator)
    errors = None if noise is None else noise.readout_errors(circuit.qubits)
    if shots is None and (errors is None or noise_engine(circuit, noise, engine).name == "transfer"):
        inputs = checked_inputs(circuit, inputs)
        check_parameters(circuit, weights, readout)
        measurement = readout.measurement
        values = _values(circuit, inputs, weights, measurement, noise=noise, generator=generator, engine=engine)
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
    """Probabilities of all outcomes `(batch, 2**qubits)` as a device would read them, one tensor per setting.

    Arguments and errors are those of `run`; attached to autograd for inputs and weights.
    """
    inputs = checked_inputs(circuit, inputs)
    check_parameters(circuit, weights, readout)
    measurement = readout.measurement
    distributions = _distributions(
        circuit, inputs, weights, measurement, noise=noise, generator=generator, engine=engine
    )
    if noise is None:
        return distributions
    p = noise.global_depolarizing
    mixed = [(1 - p) * d + p / d.shape[1] if p else d for d in distributions]
    return [misread(d, noise.readout_errors(circuit.qubits)) for d in mixed]


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
    attached = _needs_graph(circuit, inputs, weights)
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


def _needs_graph(circuit: Circuit, inputs: Tensor, weights: Tensor) -> bool:
    given = [angle.value for gate in circuit.gates for angle in gate.angles if isinstance(angle, Given)]
    return torch.is_grad_enabled() and any(t.requires_grad for t in (inputs, weights, *given))


def _values(
    circuit: Circuit,
    inputs: Tensor,
    weights: Tensor,
    measurement: Measurement,
    *,
    noise: NoiseModel | None,
    generator: torch.Generator | None,
    engine: str,
) -> Tensor:
    """Measured values `(batch, values)` under all noise; under readout errors only by the Pauli-transfer engine."""
    chosen, way = noise_engine(circuit, noise, engine), state_engine(engine)
    if noise is not None and chosen.name == "transfer":
        clean = not noise.global_depolarizing and noise.readout_errors(circuit.qubits) is None
        read = measurement if clean else noisy_settings(measurement, circuit.qubits, noise)
        return transfer_values(circuit, inputs, weights, read, noise.place(circuit), engine=way)
    kernel = choose(way, inputs, weights) if chosen.name == "statevector" else None
    if kernel is not None:
        values = kernel_values(kernel, circuit, inputs, weights.to(inputs.dtype), measurement)
    elif noise is not None and chosen.name == "trajectories":
        values = trajectory_values(
            circuit,
            inputs,
            weights,
            measurement,
            noise.place(circuit),
            trajectories=noise.trajectories,
            generator=_source(generator),
            engine=way,
        )
    else:
        distributions = _distributions(
            circuit, inputs, weights, measurement, noise=noise, generator=generator, engine=engine
        )
        values = measured_values(distributions, settings(measurement, circuit.qubits))
    p = 0.0 if noise is None else noise.global_depolarizing
    return (1 - p) * values + p * _mixed_values(circuit, measurement, values) if p else values


def _distributions(
    circuit: Circuit,
    inputs: Tensor,
    weights: Tensor,
    measurement: Measurement,
    *,
    noise: NoiseModel | None,
    generator: torch.Generator | None,
    engine: str,
) -> list[Tensor]:
    """Outcome probabilities of every setting under the channels between the gates."""
    chosen, way = noise_engine(circuit, noise, engine), state_engine(engine)
    if noise is None or chosen.name == "statevector":
        return _pure_distributions(circuit, inputs, weights, measurement, way)
    places = noise.place(circuit)
    if chosen.name == "transfer":
        return transfer_distributions(circuit, inputs, weights, measurement, places, engine=way)
    if chosen.name == "density":
        densities = noisy_density(circuit, inputs, weights, places)
        return [d.to(inputs.dtype) for d in density_distributions(densities, measurement)]
    return trajectory_distributions(
        circuit,
        inputs,
        weights,
        measurement,
        places,
        trajectories=noise.trajectories,
        generator=_source(generator),
        engine=way,
    )


def _pure_distributions(
    circuit: Circuit, inputs: Tensor, weights: Tensor, measurement: Measurement, engine: str
) -> list[Tensor]:
    _check_states(circuit, inputs)
    chosen = settings(measurement, circuit.qubits)
    kernel = choose(engine, inputs, weights) if _needs_graph(circuit, inputs, weights) else None
    if kernel is not None:
        every = every_outcome(tuple(range(circuit.qubits)))
        weights = weights.to(inputs.dtype)
        return [kernel_values(kernel, in_basis(circuit, setting), inputs, weights, every) for setting in chosen]
    states = final_states(circuit, inputs, weights, engine=engine)
    return [probabilities(rotated(states, setting, circuit.qubits)) for setting in chosen]


def _mixed_values(circuit: Circuit, measurement: Measurement, like: Tensor) -> Tensor:
    """Measured values `(values,)` of the maximally mixed state."""
    return sum(
        (torch.as_tensor(s.table.mean(axis=0)).to(like) for s in settings(measurement, circuit.qubits)),
        start=like.new_zeros(measurement.values),
    )


def _source(generator: torch.Generator | None) -> torch.Generator:
    if generator is None:
        raise UsageError(
            "noise beyond 8 qubits is simulated by random trajectories and generator is None; give a torch.Generator."
        )
    return generator

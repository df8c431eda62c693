"""Which method simulates a circuit under noise, and why."""

from __future__ import annotations

from dataclasses import dataclass

from counterspin.circuits import Circuit
from counterspin.errors import UsageError
from counterspin.noise import NoiseModel
from counterspin.simulation.density import DENSITY_QUBITS
from counterspin.simulation.engines import ENGINES
from counterspin.simulation.transfer.places import TRANSFER_QUBITS

__all__ = ["NOISE_ENGINES", "NoiseEngine", "noise_engine", "state_engine"]

NOISE_ENGINES = ("transfer", "trajectories", "density")


@dataclass(frozen=True, kw_only=True)
class NoiseEngine:
    """A method of simulation.

    Args:
        name: `"statevector"`, `"transfer"`, `"trajectories"` or `"density"`.
        reason: why that one, one sentence.
    """

    name: str
    reason: str

    @property
    def exact(self) -> bool:
        """Whether it averages over no drawn errors."""
        return self.name != "trajectories"


def noise_engine(circuit: Circuit, noise: NoiseModel | None, engine: str = "auto") -> NoiseEngine:
    """The method for a circuit under a noise model.

    Args:
        circuit: what is run.
        noise: None: ideal.
        engine: a method by name, which is then taken if the circuit has channels at all; `"auto"`, `"compiled"` and
            `"torch"` leave the choice to the size of the circuit.

    Raises:
        UsageError: an unknown engine, or a method for fewer qubits than the circuit has.

    Example:
        >>> noise = NoiseModel(qubit_depolarizing=0.01)
        >>> noise_engine(Circuit(2).end_layer(), noise).name, noise_engine(Circuit(9).end_layer(), noise).name
        ('transfer', 'trajectories')
    """
    if engine not in (*ENGINES, *NOISE_ENGINES):
        raise UsageError(f"engine is {engine!r}; allowed: {', '.join((*ENGINES, *NOISE_ENGINES))}.")
    if noise is None or not noise.has_channels(circuit):
        return NoiseEngine(name="statevector", reason="no channel acts between the gates, so states stay pure.")
    qubits = circuit.qubits
    for name, most in (("transfer", TRANSFER_QUBITS), ("density", DENSITY_QUBITS)):
        if engine == name and qubits > most:
            raise UsageError(
                f"engine is {name!r}, which takes at most {most} qubits, and the circuit has {qubits}; use "
                "engine='auto' or 'trajectories'."
            )
    if engine in NOISE_ENGINES:
        return NoiseEngine(name=engine, reason="it was asked for by name.")
    if qubits <= TRANSFER_QUBITS:
        return NoiseEngine(
            name="transfer",
            reason=f"{qubits} qubits are within the {TRANSFER_QUBITS} of the exact Pauli-transfer engine.",
        )
    return NoiseEngine(
        name="trajectories",
        reason=f"{qubits} qubits are beyond the {TRANSFER_QUBITS} of the exact Pauli-transfer engine, so "
        f"{noise.trajectories} runs with drawn errors are averaged.",
    )


def state_engine(engine: str) -> str:
    """Whether compiled code or torch computes, where `engine` may also name a method."""
    return "auto" if engine in NOISE_ENGINES else engine

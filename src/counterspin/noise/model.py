"""The noise model a circuit can be run under."""

from dataclasses import dataclass

from counterspin.errors import UsageError

__all__ = ["NoiseModel"]


@dataclass(frozen=True, kw_only=True)
class NoiseModel:
    r"""Depolarising and readout noise.

    Args:
        global_depolarizing: strength p of :math:`\rho \mapsto (1-p)\rho + p\,1/2^n` before the measurement; exact.
        qubit_depolarizing: strength p of :math:`\rho \mapsto (1-p)\rho + p\,\mathrm{Tr}_q(\rho)\otimes 1/2` on every
            qubit after every layer; simulated by trajectories (a Pauli X, Y, Z each with probability p/4).
        readout_flips: probabilities to read 1 where the qubit is 0, and 0 where it is 1.
        trajectories: random circuits averaged per sample where `qubit_depolarizing` is above 0.

    Raises:
        UsageError: a probability outside [0, 1] or no trajectory.

    Example:
        >>> NoiseModel(readout_flips=(0.01, 0.02)).is_ideal
        False
    """

    global_depolarizing: float = 0.0
    qubit_depolarizing: float = 0.0
    readout_flips: tuple[float, float] = (0.0, 0.0)
    trajectories: int = 64

    def __post_init__(self) -> None:
        """Refuse what is no probability."""
        if len(self.readout_flips) != 2:
            raise UsageError(
                f"readout_flips is {self.readout_flips}; give two probabilities, (0 read as 1, 1 read as 0)."
            )
        for name, value in (
            ("global_depolarizing", self.global_depolarizing),
            ("qubit_depolarizing", self.qubit_depolarizing),
            ("readout_flips[0]", self.readout_flips[0]),
            ("readout_flips[1]", self.readout_flips[1]),
        ):
            if not 0.0 <= value <= 1.0:
                raise UsageError(f"{name} is {value}; it is a probability, allowed: 0 to 1.")
        if self.trajectories < 1:
            raise UsageError(f"trajectories is {self.trajectories}; at least 1 is needed.")

    @property
    def is_ideal(self) -> bool:
        """Whether the model changes nothing."""
        return self.global_depolarizing == self.qubit_depolarizing == 0.0 and self.readout_flips == (0.0, 0.0)

"""What mitigated values cost: circuits, and the shots that their variants share."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from counterspin.circuits import Circuit
from counterspin.errors import UsageError
from counterspin.mitigation.base import Mitigation, constructed
from counterspin.noise import NoiseModel
from counterspin.types import Cost

__all__ = ["SharesShots", "mitigation_cost", "shares", "shots_per_variant"]


@runtime_checkable
class SharesShots(Protocol):
    """A mitigation one of whose variants stands for many circuits."""

    def shares(self, circuit: Circuit, noise: NoiseModel, /) -> int:
        """How many circuits share the shots."""
        ...


def mitigation_cost(
    mitigation: Mitigation, circuit: Circuit, noise: NoiseModel, samples: int, shots: int | None, settings: int
) -> Cost:
    """What mitigated values of `samples` samples cost on a device.

    Args:
        mitigation: what is priced.
        circuit: what is mitigated.
        noise: what it runs under.
        samples: how many rows.
        shots: measurements per sample, setting and variant; None: exact values of a simulator, which takes no job.
        settings: bases the measurement is read in.

    Returns:
        One circuit per variant, sample and setting, all of them in one job.

    Raises:
        UsageError: a negative number of samples, or none of settings or shots.
    """
    if samples < 0 or settings < 1 or (shots is not None and shots < 1):
        raise UsageError(
            f"samples is {samples}, settings {settings} and shots {shots}; give samples from 0, settings and shots "
            "from 1 (shots None: exact values)."
        )
    circuits = len(constructed(mitigation, circuit, noise)) * samples * settings
    return Cost(
        forwards=samples,
        circuits=circuits,
        shots=0 if shots is None else circuits * shots,
        jobs=int(shots is not None and circuits > 0),
    )


def shots_per_variant(mitigation: Mitigation, circuit: Circuit, noise: NoiseModel, shots: int) -> int:
    r"""Equal shares of `shots` for the variants of a mitigation, rounded down.

    The limit of infinitely many circuits of probabilistic error cancellation is one variant that no device can run: it
    gets :math:`1/\gamma^2` of the shots, which gives its values the spread that the drawn circuits would have.

    Raises:
        UsageError: fewer shots than variants.

    Example:
        >>> from counterspin.mitigation.zne import ZNE
        >>> shots_per_variant(ZNE(), Circuit(1), NoiseModel(), 100)
        33
    """
    count = shares(mitigation, circuit, noise)
    if shots < count:
        raise UsageError(
            f"shots is {shots}, to be shared by {count} circuits of mitigation {mitigation.name}; give at least "
            f"{count}, or use a technique with less overhead."
        )
    return shots // count


def shares(mitigation: Mitigation, circuit: Circuit, noise: NoiseModel) -> int:
    """How many circuits share the shots of a sample and setting: the variants, or those that one of them stands for."""
    if isinstance(mitigation, SharesShots):
        return mitigation.shares(circuit, noise)
    return len(constructed(mitigation, circuit, noise))

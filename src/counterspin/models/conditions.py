"""What somebody asks a model to be run under: a device or a noise model, finite shots, mitigation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from counterspin.errors import UsageError
from counterspin.noise import NoiseModel

__all__ = ["Conditions"]


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """What somebody asks a model to be run under; at least one of them.

    Args:
        device: `"ibm:manila"`, `"ibm:fez@2025-02-26"`, `"google:willow_pink"`, or the path of a calibration file.
        noise: a text such as `"depolarizing:0.01/gate"`, or a `NoiseModel`.
        shots: measurements of each sample and setting, which the circuits of a mitigation share; None: infinitely many.
        mitigation: a name such as `"zne"` or `"readout"`, or a `Mitigation`.

    Raises:
        UsageError: nothing at all, device and noise together, mitigation without noise, or shots below 1.

    Example:
        >>> Conditions(noise="depolarizing:0.01/gate", shots=4096).to_json()
        {'device': None, 'noise': 'depolarizing:0.01/gate', 'shots': 4096, 'mitigation': None}
    """

    device: str | None = None
    noise: str | NoiseModel | None = None
    shots: Any = None
    mitigation: Any = None

    def __post_init__(self) -> None:
        """Refuse what makes no sense together."""
        if self.device is None and self.noise is None and self.shots is None and self.mitigation is None:
            raise UsageError("conditions are empty; give a device, noise, shots or mitigation.")
        if self.device is not None and self.noise is not None:
            raise UsageError(
                f"device is {self.device!r} and noise {self.noise!r}: a device brings its own noise, give one of them."
            )
        if self.mitigation is not None and self.device is None and self.noise is None:
            raise UsageError(
                "mitigation is given without device or noise: there is nothing to mitigate, give one of them."
            )
        if self.shots is not None and not (isinstance(self.shots, int) and self.shots >= 1):
            raise UsageError(f"shots is {self.shots!r}; give a whole number of at least 1.")

    @classmethod
    def asked(
        cls, *, device: str | None = None, noise: Any = None, shots: Any = None, mitigation: Any = None
    ) -> Conditions | None:
        """The conditions, or None where nothing is asked for."""
        if device is None and noise is None and shots is None and mitigation is None:
            return None
        return cls(device=device, noise=noise, shots=shots, mitigation=mitigation)

    def to_json(self) -> dict[str, Any]:
        """What was asked for, as texts and numbers."""
        technique = self.mitigation
        return {
            "device": self.device,
            "noise": self.noise if self.noise is None or isinstance(self.noise, str) else "a noise model of one's own",
            "shots": self.shots,
            "mitigation": technique if technique is None or isinstance(technique, str) else technique.name,
        }

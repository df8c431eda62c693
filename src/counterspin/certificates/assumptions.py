"""What a certified radius rests on."""

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

__all__ = ["Assumptions"]

_MODEL = {
    "known": "circuit, weights and noise are known",
    "scores": "only the scores of the model are used",
}
_NOISE = {
    "none": "the circuit is noiseless",
    "modelled": "the noise is as modelled",
    "any": "whatever channels act between the gates",
}
_SHOTS = {"infinite": "scores at infinitely many shots", "finite": "scores estimated from finitely many shots"}
_PREPARATION = {"ideal": "state preparation ideal", "none": None}
_BOX = {
    "none": None,
    "used": "adversarial inputs stay in the box",
    "not used": "box not used: a freer attacker bounds this one",
}


@dataclass(frozen=True, kw_only=True)
class Assumptions:
    """What must be true for the radii to hold.

    Args:
        model: what is known of it: circuit, weights and noise, or scores alone.
        noise: of the circuit.
        shots: behind the scores.
        preparation: of encoded amplitudes.
        adversary: who is excluded, `"features"` or for example `"pure states"`.
        box: whether the box of the threat narrows the attacker.
        notes: what else is assumed or lost, one sentence each.

    Example:
        >>> Assumptions(preparation="ideal").sentences[-1]
        'state preparation ideal'
    """

    model: Literal["known", "scores"] = "known"
    noise: Literal["none", "modelled", "any"] = "none"
    shots: Literal["infinite", "finite"] = "infinite"
    preparation: Literal["ideal", "none"] = "none"
    adversary: str = "features"
    box: Literal["none", "used", "not used"] = "none"
    notes: tuple[str, ...] = field(default=())

    @property
    def sentences(self) -> tuple[str, ...]:
        """For a reader, one sentence each."""
        adversary = None if self.adversary == "features" else f"against {self.adversary}"
        fixed = (
            _MODEL[self.model],
            _NOISE[self.noise],
            _SHOTS[self.shots],
            _PREPARATION[self.preparation],
            adversary,
            _BOX[self.box],
        )
        return (*(sentence for sentence in fixed if sentence is not None), *self.notes)

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return {**asdict(self), "notes": list(self.notes)}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "Assumptions":
        """What `to_json` wrote."""
        return cls(**{**values, "notes": tuple(values["notes"])})

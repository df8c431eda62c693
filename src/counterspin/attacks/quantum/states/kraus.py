"""A quantum channel behind the encoding that looks harmless on average."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from counterspin.attacks.quantum.results import Situation
from counterspin.attacks.quantum.states.base import Found, StateAttack
from counterspin.attacks.quantum.states.site import StateSite, mixed_site
from counterspin.attacks.quantum.states.targets import by_pairs
from counterspin.errors import ConditionsError
from counterspin.optimum.channels import nearest_channels
from counterspin.types import Classifier

__all__ = ["KrausAdversary"]


@dataclass(frozen=True, kw_only=True)
class KrausAdversary(StateAttack):
    r"""A channel of average infidelity :math:`1 - F_{avg} \le \varepsilon` on the state behind the encoding.

    .. math:: F_{avg} = \frac{d F_e + 1}{d + 1}, \qquad F_e = \frac{1}{d^2} \sum_i |\mathrm{Tr} K_i|^2,

    over all pure states of the register's dimension d, the figure that randomised benchmarking reports of a gate or a
    line. The channel is made for the sample it meets: it turns that state and hardly any other, so that the budget
    which breaks a sample shrinks as 1/d. The optimum is known in closed form (`counterspin.optimum.channels`): exact
    for pure states. `what.parts` holds `"kept"` and `"filled"`, of which `channel_operators` makes the Kraus operators.
    A target among several classes is reached only where the channel that lets it pass the label ends there.

    Example:
        >>> from counterspin.circuits import OutcomeGroups, amplitude_encoding
        >>> from counterspin.models import QuantumClassifier
        >>> from counterspin.types import Box
        >>> bit = OutcomeGroups((0,), ((0,), (1,)))
        >>> model = QuantumClassifier(amplitude_encoding(2), bit, Box.uniform(-1.0, 1.0, features=2))
        >>> result = KrausAdversary()(model, torch.tensor([[0.6**0.5, 0.4**0.5]]), [0], [0.005, 0.01])
        >>> result.success[:, 0].tolist(), round(result.budgets[1].spent.item(), 6)
        ([False, True], 0.006735)
    """

    name: ClassVar[str] = "kraus"
    capability: ClassVar[str] = "put a channel of its choice, made for the sample, behind the encoding"
    defense: ClassVar[str] = (
        "training for a large Bures angle; a bound on the average fidelity protects few qubits only"
    )
    default_budgets: ClassVar[tuple[float, ...]] = (0.00001, 0.0001, 0.001, 0.01)
    ceiling: ClassVar[float] = 1.0

    @property
    def unit(self) -> str:
        """Infidelity of the channel, averaged over all states."""
        return "average infidelity"

    def check(self, model: Classifier) -> None:
        """Refuse models whose states are mixed behind the encoding.

        Raises:
            CapabilityError: as of all attacks on states.
            ConditionsError: as of all attacks on states, or states that are mixed.
        """
        super().check(model)
        if mixed_site(model):
            raise ConditionsError(
                "the states behind the encoding are mixed by noise, and the optimal channel is known for pure states; "
                "attack the model without noise between the gates of its encoding, or use nearest-state."
            )

    def _solve(self, site: StateSite, situation: Situation) -> Found:
        return by_pairs(_nearest, site, situation)


def _nearest(observables: torch.Tensor, states: torch.Tensor, y: torch.Tensor) -> Found:
    near = nearest_channels(observables, states, y)
    rest = (1 - near.kept.abs().square().sum(dim=1)).clamp(min=0).to(near.kept)[:, None, None]
    outputs = near.kept[:, :, None] * near.kept[:, None, :].conj()
    outputs = outputs + rest * near.filled[:, :, None] * near.filled[:, None, :].conj()
    return Found(distance=near.upper, states=outputs, parts={"kept": near.kept, "filled": near.filled})

"""Attacks by transfer: adversarial inputs made on surrogates of the target."""

from counterspin.attacks.quantum.base import QuantumAttack
from counterspin.attacks.transfer.crafting import Ensemble, InputDiversity, craft
from counterspin.attacks.transfer.surrogate import Queries, Surrogate, ask, trained_surrogate
from counterspin.attacks.transfer.transfer import OwnInputs, Transfer, Transferred

__all__ = [
    "ATTACKS",
    "Ensemble",
    "InputDiversity",
    "OwnInputs",
    "Queries",
    "Surrogate",
    "Transfer",
    "Transferred",
    "ask",
    "craft",
    "trained_surrogate",
]

ATTACKS: tuple[QuantumAttack, ...] = (
    Transfer(),
    Transfer(surrogates=("logistic",)),
    Transfer(surrogates=("same",)),
    Transfer(surrogates=("other-encoding",)),
    Transfer(surrogates=("mlp", "logistic", "same")),
    Transfer(surrogates=("twin",)),
)

"""Attacks on the state behind the encoding."""

from counterspin.attacks.quantum.base import QuantumAttack
from counterspin.attacks.quantum.states.base import StateManipulation
from counterspin.attacks.quantum.states.global_unitary import GlobalUnitary, plane_generator
from counterspin.attacks.quantum.states.kraus import KrausAdversary
from counterspin.attacks.quantum.states.local_unitary import LocalUnitary
from counterspin.attacks.quantum.states.nearest import NearestState
from counterspin.attacks.quantum.states.site import StateSite, state_site
from counterspin.attacks.quantum.states.trace_distance import NearestInTraceDistance
from counterspin.attacks.quantum.states.universal_unitary import Other, SharedUnitary, UniversalUnitary

__all__ = [
    "ATTACKS",
    "GlobalUnitary",
    "KrausAdversary",
    "LocalUnitary",
    "NearestInTraceDistance",
    "NearestState",
    "Other",
    "SharedUnitary",
    "StateManipulation",
    "StateSite",
    "UniversalUnitary",
    "plane_generator",
    "state_site",
]

ATTACKS: tuple[QuantumAttack, ...] = (
    NearestState(),
    NearestInTraceDistance(),
    GlobalUnitary(),
    LocalUnitary(),
    KrausAdversary(),
    UniversalUnitary(),
    UniversalUnitary(kind="global"),
)

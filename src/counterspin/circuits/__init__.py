"""What a circuit is: gates, encodings, ansätze, readouts. Nothing here runs."""

from counterspin.circuits.angles import Angle, Given, Term, feature, weight
from counterspin.circuits.ansatze import brick, hardware_efficient, strongly_entangling
from counterspin.circuits.circuit import Amplitudes, Circuit
from counterspin.circuits.drawing import draw
from counterspin.circuits.encodings import amplitude_encoding, angle_encoding, reuploading
from counterspin.circuits.frequencies import bandwidth_along, frequencies_along
from counterspin.circuits.gates import GATES, Gate, GateKind
from counterspin.circuits.readouts import (
    Linear,
    Measurement,
    OutcomeGroups,
    PauliExpectations,
    Readout,
    Scale,
    measurement_from_json,
    measurement_to_json,
)

__all__ = [
    "GATES",
    "Amplitudes",
    "Angle",
    "Circuit",
    "Gate",
    "GateKind",
    "Given",
    "Linear",
    "Measurement",
    "OutcomeGroups",
    "PauliExpectations",
    "Readout",
    "Scale",
    "Term",
    "amplitude_encoding",
    "angle_encoding",
    "bandwidth_along",
    "brick",
    "draw",
    "feature",
    "frequencies_along",
    "hardware_efficient",
    "measurement_from_json",
    "measurement_to_json",
    "reuploading",
    "strongly_entangling",
    "weight",
]

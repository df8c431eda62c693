"""What a circuit is: gates, encodings, ansätze, readouts. Nothing here runs."""

from counterspin.circuits.angles import Angle, Given, Term, feature, weight
from counterspin.circuits.ansatze import brick, hardware_efficient, strongly_entangling
from counterspin.circuits.binding import bind
from counterspin.circuits.circuit import Amplitudes, Circuit
from counterspin.circuits.drawing import draw
from counterspin.circuits.encodings import amplitude_encoding, angle_encoding, reuploading
from counterspin.circuits.frequencies import bandwidth_along, frequencies_along
from counterspin.circuits.gates import GATES, Gate, GateKind
from counterspin.circuits.qasm import load_qasm, read_qasm, write_qasm
from counterspin.circuits.readout_text import readout_from_text
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
    "bind",
    "brick",
    "draw",
    "feature",
    "frequencies_along",
    "hardware_efficient",
    "load_qasm",
    "measurement_from_json",
    "measurement_to_json",
    "read_qasm",
    "readout_from_text",
    "reuploading",
    "strongly_entangling",
    "weight",
    "write_qasm",
]

"""Attacks on the measurement: what is read, how often, and how it is corrected."""

from counterspin.attacks.quantum.measurement.calibration import CalibrationTampering
from counterspin.attacks.quantum.measurement.confusion import ConfusionTampering
from counterspin.attacks.quantum.measurement.correlated import CorrelatedReadout
from counterspin.attacks.quantum.measurement.fewer_shots import WithheldShots
from counterspin.attacks.quantum.measurement.post_selection import PostSelection
from counterspin.attacks.quantum.measurement.replaced import ResultTampering
from counterspin.attacks.quantum.measurement.shift import ReadoutShift

__all__ = [
    "ATTACKS",
    "CalibrationTampering",
    "ConfusionTampering",
    "CorrelatedReadout",
    "PostSelection",
    "ReadoutShift",
    "ResultTampering",
    "WithheldShots",
]

# In the order in which they are listed.
ATTACKS = (
    ReadoutShift(),
    ConfusionTampering(),
    CorrelatedReadout(),
    ResultTampering(),
    PostSelection(),
    WithheldShots(),
    CalibrationTampering(),
)

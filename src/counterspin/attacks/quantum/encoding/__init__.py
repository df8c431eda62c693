"""Attacks on the encoding: what enters the circuit is not what the preprocessing computed."""

from counterspin.attacks.quantum.encoding.mismatch import PreprocessingMismatch
from counterspin.attacks.quantum.encoding.out_of_range import OutOfRange
from counterspin.attacks.quantum.encoding.precision import Precision
from counterspin.attacks.quantum.encoding.scaling import EncodingScale
from counterspin.attacks.quantum.encoding.wires import WrongWires

__all__ = ["ATTACKS", "EncodingScale", "OutOfRange", "Precision", "PreprocessingMismatch", "WrongWires"]

# In the order in which they are listed.
ATTACKS = (EncodingScale(), WrongWires(), OutOfRange(), Precision(), PreprocessingMismatch())

"""OpenQASM 2 and 3: programs read as circuits, circuits written as programs."""

from counterspin.circuits.qasm.reader import QasmProgram, load_qasm, read_program, read_qasm
from counterspin.circuits.qasm.writer import write_qasm

__all__ = ["QasmProgram", "load_qasm", "read_program", "read_qasm", "write_qasm"]

"""Compiling a driver together with one copy of the kernel."""

import os
import platform
import re
import runpy
import subprocess
from collections.abc import Sequence
from pathlib import Path

import torch

from benchmarks.tools import Unavailable, find

__all__ = ["build_driver", "compiler_version", "production_flags"]

_ROOT = Path(__file__).parents[2]
_KERNEL = _ROOT / "src/counterspin/simulation/kernels/c"
_REALS = {torch.float32: "float", torch.float64: "double"}


def build_driver(
    executable: Path, *, dtype: torch.dtype, vector_bytes: int, flags: Sequence[str], source: str = "driver.c"
) -> None:
    """Compile a driver for one precision and width of the vectors.

    Args:
        executable: where it goes.
        dtype: float32 or float64.
        vector_bytes: 16, 32 or 64.
        flags: of the compiler.
        source: `"driver.c"` for state vectors, `"transfer_driver.c"` for Pauli vectors.

    Raises:
        Unavailable: no C compiler.
        RuntimeError: the compiler refused, with what it said.
    """
    macros = [f"-DREAL={_REALS[dtype]}", f"-DVECTOR_BYTES={vector_bytes}", "-DSUFFIX=driver"]
    path = Path(__file__).with_name(source)
    command = [_compiler(), *flags, *macros, f"-I{_KERNEL}", str(path), "-o", str(executable), "-lm", "-lpthread"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}\n{done.stderr}")


def production_flags(variant: str) -> tuple[int, list[str]]:
    """Bytes of a vector and the flags with which setup.py compiles an instruction set, for example `"v3"`.

    Raises:
        Unavailable: this kind of processor has no such instruction set.
    """
    setup = runpy.run_path(str(_ROOT / "setup.py"))
    variants = {
        name: (width, target) for name, width, target in setup["VARIANTS"].get(platform.machine(), setup["DEFAULT"])
    }
    if variant not in variants:
        raise Unavailable(f"this processor ({platform.machine()}) has no instruction set {variant}; use an x86_64 one.")
    width, target = variants[variant]
    return width, [*setup["FLAGS"], *target]


def compiler_version() -> str:
    """What instruction counts depend on: compiler and mathematical library with their versions."""
    compiler = _compiler()
    said = subprocess.run([compiler, "--version"], capture_output=True, text=True, check=True).stdout
    # gcc repeats the name it was called by, such as cc.
    name = re.sub(rf"^{re.escape(Path(compiler).name)}\b", "gcc", said.splitlines()[0])
    return f"{name}, {' '.join(platform.libc_ver())}"


def _compiler() -> str:
    return find(os.environ.get("CC", "cc"), "install a C compiler such as gcc, or name one in CC")

"""Builds the optional compiled engine; everything else is declared in pyproject.toml."""

import platform
import textwrap
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.errors import BaseError, CCompilerError
from setuptools.modified import newer_group

SOURCES = Path("src/counterspin/simulation/kernels/c")

# Name, width of a register in bytes, target. One copy per instruction set, chosen at run time (cpu.c).
DEFAULT = [("default", 16, [])]
VARIANTS = {"x86_64": [("v4", 64, ["-march=x86-64-v4"]), ("v3", 32, ["-march=x86-64-v3"]), *DEFAULT]}

# No -ffast-math: NaN must stay visible, and it would change the mode of the whole process.
FLAGS = ["-std=c11", "-O3", "-fno-math-errno", "-ffp-contract=fast", "-fvisibility=default", "-Wno-psabi"]


class BuildKernels(build_ext):
    """Compiles kernel.c and transfer.c once per precision and instruction set and links the copies into one library.

    Where that fails (no compiler, one without vector extensions), the package is built without the library.
    """

    def build_extension(self, ext: Extension) -> None:
        """Build the library unless it is newer than everything it is made of."""
        library = Path(self.get_ext_fullpath(ext.name))
        if not self.force and not newer_group([*ext.sources, *ext.depends], str(library), "newer"):
            return
        # A library of older sources would be called with the structures of the newer ones.
        library.unlink(missing_ok=True)
        try:
            self._compile(ext, library)
        except (BaseError, CCompilerError) as error:
            reason = textwrap.shorten(str(error), 120, placeholder=" …")
            self.warn(
                f"the compiled engine was not built ({reason}); counterspin works without it, more slowly. Install a C "
                "compiler such as gcc, then counterspin again."
            )

    def copy_extensions_to_source(self) -> None:
        """Copy the library into the source tree; where none was built, none of older sources stays there either."""
        for ext in self.extensions:
            if not Path(self.build_lib, self.get_ext_filename(ext.name)).exists():
                Path(self.get_ext_fullpath(ext.name)).unlink(missing_ok=True)
        super().copy_extensions_to_source()

    def _compile(self, ext: Extension, library: Path) -> None:
        folder = Path(self.build_temp)
        objects = self.compiler.compile([str(SOURCES / "cpu.c")], output_dir=str(folder), extra_postargs=FLAGS)
        for name, width, target in VARIANTS.get(platform.machine(), DEFAULT):
            for precision, real in (("f32", "float"), ("f64", "double")):
                macros = [("REAL", real), ("VECTOR_BYTES", str(width)), ("SUFFIX", f"{precision}_{name}")]
                objects += self.compiler.compile(
                    [str(SOURCES / "kernel.c"), str(SOURCES / "transfer.c")],
                    output_dir=str(folder / f"{precision}_{name}"),
                    macros=macros,
                    extra_postargs=[*FLAGS, *target],
                    depends=ext.depends,
                )
        self.compiler.link_shared_object(objects, str(library), libraries=["m", "pthread"], target_lang="c")


# The instruction counts of benchmarks/ read the flags from here.
if __name__ == "__main__":
    setup(
        cmdclass={"build_ext": BuildKernels},
        ext_modules=[
            Extension(
                "counterspin.simulation.kernels._native",
                sources=[str(SOURCES / name) for name in ("kernel.c", "transfer.c", "cpu.c")],
                depends=["setup.py", *(str(header) for header in sorted(SOURCES.glob("*.h")))],
                optional=True,
            )
        ],
    )

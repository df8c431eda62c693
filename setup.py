"""Builds the optional compiled engine; everything else is declared in pyproject.toml."""

import platform
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

SOURCES = Path("src/counterspin/simulation/kernels/c")

# Name, width of a register in bytes, target. One copy per instruction set, chosen at run time (cpu.c).
DEFAULT = [("default", 16, [])]
VARIANTS = {"x86_64": [("v4", 64, ["-march=x86-64-v4"]), ("v3", 32, ["-march=x86-64-v3"]), *DEFAULT]}

# No -ffast-math: NaN must stay visible, and it would change the mode of the whole process.
FLAGS = ["-std=c11", "-O3", "-fno-math-errno", "-ffp-contract=fast", "-fvisibility=default", "-Wno-psabi"]


class BuildKernels(build_ext):
    """Compiles kernel.c once per precision and instruction set and links the copies into one library."""

    def build_extension(self, ext: Extension) -> None:
        """Compile and link; any failure is reported by setuptools, and the torch engine serves."""
        folder = Path(self.build_temp)
        objects = self.compiler.compile([str(SOURCES / "cpu.c")], output_dir=str(folder), extra_postargs=FLAGS)
        for name, width, target in VARIANTS.get(platform.machine(), DEFAULT):
            for precision, real in (("f32", "float"), ("f64", "double")):
                macros = [("REAL", real), ("VECTOR_BYTES", str(width)), ("SUFFIX", f"{precision}_{name}")]
                objects += self.compiler.compile(
                    [str(SOURCES / "kernel.c")],
                    output_dir=str(folder / f"{precision}_{name}"),
                    macros=macros,
                    extra_postargs=[*FLAGS, *target],
                    depends=ext.depends,
                )
        self.compiler.link_shared_object(
            objects, self.get_ext_fullpath(ext.name), libraries=["m", "pthread"], target_lang="c"
        )


setup(
    cmdclass={"build_ext": BuildKernels},
    ext_modules=[
        Extension(
            "counterspin.simulation.kernels._native",
            sources=[str(SOURCES / "kernel.c"), str(SOURCES / "cpu.c")],
            depends=[str(header) for header in sorted(SOURCES.glob("*.h"))],
            optional=True,
        )
    ],
)

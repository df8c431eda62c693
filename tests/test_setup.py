"""The build: with a compiler it carries the library, without one it succeeds, says so and leaves no library behind."""

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
KERNELS = Path("src/counterspin/simulation/kernels")
NOTICE = "the compiled engine was not built"

needs_compiler = pytest.mark.skipif(shutil.which(os.environ.get("CC", "gcc")) is None, reason="needs a C compiler")


@pytest.fixture
def tree(tmp_path):
    """The project's files as a clone holds them."""
    ignored = shutil.ignore_patterns("__pycache__", "*.so", "*.egg-info")
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=ignored)
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy2(ROOT / name, tmp_path)
    return tmp_path


def python(tree: Path, *arguments: str, **environment: str) -> str:
    """Standard output and error of a command that succeeds."""
    result = subprocess.run(
        [sys.executable, *arguments],
        cwd=tree,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout
    return result.stdout


def in_place(tree: Path, **environment: str) -> str:
    return python(tree, "setup.py", "-q", "build_ext", "--inplace", **environment)


def built(tree: Path, kind: str, **environment: str) -> Path:
    """The wheel or source distribution, made as pip does."""
    python(tree, "-c", f"from setuptools import build_meta; build_meta.build_{kind}('dist')", **environment)
    (file,) = (tree / "dist").iterdir()
    return file


def libraries(tree: Path) -> list[Path]:
    return sorted(tree.rglob("_native*.so"))


@pytest.mark.parametrize("compiler", ["/nonexistent", "false"])  # no compiler, and one that fails
def test_without_a_compiler_the_build_succeeds_and_says_so(tree, compiler) -> None:
    out = in_place(tree, CC=compiler)
    (line,) = (line for line in out.splitlines() if NOTICE in line)
    assert "Install a C compiler such as gcc" in line
    assert "Traceback" not in out
    assert not libraries(tree)


def test_a_library_of_older_sources_does_not_stay(tree) -> None:
    (tree / KERNELS / f"_native{sysconfig.get_config_var('EXT_SUFFIX')}").write_bytes(b"older")
    in_place(tree, CC="/nonexistent")
    assert not libraries(tree)


@pytest.mark.slow
def test_the_source_distribution_carries_the_c_sources(tree) -> None:
    with tarfile.open(built(tree, "sdist", CC="/nonexistent")) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    sources = {str(KERNELS / "c" / file.name) for file in (ROOT / KERNELS / "c").iterdir()}
    assert len(sources) > 2
    assert sources | {"setup.py", "pyproject.toml", "src/counterspin/report/templates/report.css"} <= names


@pytest.mark.slow
def test_a_wheel_without_a_compiler(tree) -> None:
    with zipfile.ZipFile(built(tree, "wheel", CC="/nonexistent")) as archive:
        names = archive.namelist()
    assert "counterspin/simulation/kernels/library.py" in names
    assert "counterspin/recipes/weights/cancer-angle/model.json" in names
    assert "counterspin/report/templates/report.css" in names
    assert not [name for name in names if name.endswith((".so", ".c", ".h"))]


@needs_compiler
@pytest.mark.slow
def test_with_a_compiler(tree) -> None:
    assert NOTICE not in in_place(tree)
    loaded = "from counterspin.simulation import engine_name; print(engine_name())"
    assert python(tree, "-c", loaded, PYTHONPATH=str(tree / "src")).startswith("compiled")

    (library,) = (path for path in libraries(tree) if "build" in path.parts)
    first = library.stat().st_mtime_ns
    in_place(tree)
    assert library.stat().st_mtime_ns == first
    header = tree / KERNELS / "c" / "lanes.h"
    os.utime(header, ns=(first + 10**9, first + 10**9))
    in_place(tree)
    assert library.stat().st_mtime_ns > first

    os.utime(header)
    in_place(tree, CC="/nonexistent")
    assert not libraries(tree)


@needs_compiler
@pytest.mark.slow
def test_a_wheel_carries_the_library(tree) -> None:
    with zipfile.ZipFile(built(tree, "wheel")) as archive:
        names = archive.namelist()
    (library,) = (name for name in names if name.endswith(".so"))
    assert library.startswith("counterspin/simulation/kernels/_native")

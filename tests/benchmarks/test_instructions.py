"""The counted instructions repeat, and the stored ones hold where the compiler is the one that made them."""

import json
import os
import platform
import shutil

import pytest

from benchmarks import instructions
from benchmarks.driver import Case, compiler_version
from benchmarks.outcome import Options
from benchmarks.tools import Unavailable
from counterspin.circuits import PauliExpectations, reuploading

TOOLS = (os.environ.get("CC", "cc"), "valgrind")
counted = pytest.mark.skipif(
    platform.machine() != "x86_64" or not all(map(shutil.which, TOOLS)), reason="needs x86_64, a C compiler, valgrind"
)


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    return instructions.build_counted(tmp_path_factory.mktemp("counted"))


@counted
@pytest.mark.slow
def test_a_count_repeats_and_grows_with_the_work(driver, tmp_path):
    one, two = (Case.random(reuploading(3, layers), PauliExpectations.of("Z0"), 16) for layers in (1, 2))
    count = instructions.count(driver, one, tmp_path)
    assert instructions.count(driver, one, tmp_path) == count
    assert 1.5 * count < instructions.count(driver, two, tmp_path) < 2.5 * count


@counted
@pytest.mark.slow
@pytest.mark.parametrize("name", instructions.WORKLOADS)
def test_stored_counts_hold(driver, name, tmp_path):
    stored = json.loads(instructions.STORED.read_text())
    if stored["compiler"] != compiler_version():
        pytest.skip(f"the stored counts are of {stored['compiler']}")
    count = instructions.count(driver, instructions.WORKLOADS[name], tmp_path)
    assert count == pytest.approx(stored["instructions"][name], rel=instructions.TOLERANCE_PERCENT / 100)


def test_a_count_rose_only_beyond_the_tolerance_and_with_the_same_compiler():
    stored = {"compiler": "gcc 12", "instructions": {"a": 1000, "b": 1000, "c": 1000}}
    found = {"a": 1029, "b": 1031, "c": 500}
    assert [row["rose"] for row in instructions.compared(found, "gcc 12", stored)] == [False, True, False]
    assert [row["rose"] for row in instructions.compared(found, "gcc 13", stored)] == [False, False, False]
    assert instructions.compared(found, "gcc 12", stored)[2]["change_percent"] == -50.0


def test_a_missing_program_is_one_clear_sentence(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CC", raising=False)
    with pytest.raises(Unavailable, match=r"^cc is not on PATH; install a C compiler such as gcc, or name one in CC.$"):
        instructions.run(Options(folder=tmp_path))

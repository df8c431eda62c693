"""The kernel alone in a C program: the torch engine's numbers, and silence of the address, undefined-behaviour and
thread sanitizers. Tensors lie in allocations of exactly their size there, so that one element too far is seen."""

import itertools
import os
import shutil
import struct
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from random_circuits import random_circuit, random_groups, random_paulis

from benchmarks.driver import Case, DriverError, build_driver, run_driver
from counterspin.circuits import (
    Amplitudes,
    Angle,
    Circuit,
    Measurement,
    OutcomeGroups,
    PauliExpectations,
    Readout,
    Term,
    feature,
    weight,
)
from counterspin.simulation import run
from counterspin.simulation.kernels import PassKind, lower

pytestmark = pytest.mark.skipif(shutil.which(os.environ.get("CC", "cc")) is None, reason="needs a C compiler")

SANITIZERS = {"memory": "address,undefined", "threads": "thread"}
TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-10}
ENCODINGS = ("angles", "real amplitudes", "complex amplitudes")

Build = Callable[..., Path]


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """The driver under sanitizers, compiled once per precision and width."""
    folder = tmp_path_factory.mktemp("drivers")

    def built(dtype: torch.dtype, vector_bytes: int, sanitizer: str = "memory") -> Path:
        executable = folder / f"{dtype}-{vector_bytes}-{sanitizer}"
        if not executable.exists():
            checks = [f"-fsanitize={SANITIZERS[sanitizer]}", "-fno-sanitize-recover=all"]
            flags = ["-std=c11", "-O1", "-g", "-Wno-psabi", *checks]
            build_driver(executable, dtype=dtype, vector_bytes=vector_bytes, flags=flags)
        return executable

    return built


def check(executable: Path, case: Case, folder: Path, threads: int) -> None:
    """The driver is silent and its numbers are the torch engine's, relative to the largest where that is above 1."""
    found = run_driver(executable, case, folder, threads=threads)
    inputs, weights = case.inputs.clone().requires_grad_(), case.weights.clone().requires_grad_()
    values = run(case.circuit, inputs, weights, Readout(case.measurement), engine="torch")
    loss = (values * case.gradient).sum() + 0.0 * inputs.sum() + 0.0 * weights.sum()
    expected = (values.detach(), *torch.autograd.grad(loss, (inputs, weights)))
    tolerance = TOLERANCE[case.inputs.dtype]
    wanted = (True, *case.wanted)
    for ours, theirs, asked in zip((found.values, found.inputs, found.weights), expected, wanted, strict=True):
        assert (ours is not None) == asked
        if ours is not None and ours.numel():
            assert ours.shape == theirs.shape
            assert float((ours - theirs).abs().max()) <= tolerance * max(1.0, float(theirs.abs().max()))


def circuit_for(encoding: str, qubits: int, *, uploads: bool = True) -> Circuit:
    rng = np.random.default_rng([qubits, ENCODINGS.index(encoding)])
    amplitudes = None
    if encoding != "angles":
        # One amplitude fewer than there are is padded.
        amplitudes = Amplitudes(max(1, 2**qubits - 1), encoding == "complex amplitudes")
    return random_circuit(rng, qubits, amplitudes=amplitudes, uploads=uploads)


def measurements(qubits: int) -> tuple[Measurement, Measurement]:
    rng = np.random.default_rng(qubits)
    return random_paulis(rng, qubits), random_groups(rng, qubits)


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("qubits", range(1, 7))
@pytest.mark.parametrize("vector_bytes", [16, 32])
@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
def test_random_circuits_with_every_gate(build, dtype, vector_bytes, qubits, encoding, tmp_path):
    executable, circuit = build(dtype, vector_bytes), circuit_for(encoding, qubits)
    for measurement, size in itertools.product(measurements(qubits), range(3)):
        batch, threads = ((1, 1), (37, 1), (37, 2))[size]
        wanted = ((True, True), (True, False), (False, True))[(size + qubits) % 3]
        check(executable, Case.random(circuit, measurement, batch, dtype=dtype, wanted=wanted), tmp_path, threads)


def test_these_circuits_have_every_kind_of_pass():
    programs = [
        lower(circuit_for(encoding, qubits), measurements(qubits)[0])
        for encoding in ENCODINGS
        for qubits in range(1, 7)
    ]
    assert {step.kind for program in programs for step in program.passes} == set(PassKind)


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
def test_it_compiles_without_a_warning(dtype, tmp_path):
    warnings = ["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Werror", "-Wno-psabi"]
    build_driver(tmp_path / "driver", dtype=dtype, vector_bytes=32, flags=["-std=c11", *warnings])


CORNERS = {
    "no gates": Circuit(1),
    "permutations alone": Circuit(2).add("X", 0).add("CNOT", (0, 1)),
    "constants alone": Circuit(2).add("H", 0).add("RXX", (0, 1), 0.7),
    "no inputs": circuit_for("angles", 3, uploads=False),
    "amplitudes alone": circuit_for("real amplitudes", 3, uploads=False),
    "no weights": Circuit(2).add("RX", 0, feature(0)).add("CRY", (0, 1), 0.4),
    "the same angle often": Circuit(2).add("RZZ", (0, 1), weight(0)).add("RX", 0, weight(0)).add("RX", 1, weight(0)),
    "a term without factors": Circuit(1).add("RY", 0, Angle(0.3, (Term(2.0), Term(1.0, weight=0)))),
    "terms with and without inputs": Circuit(1).add(
        "RX", 0, feature(0) * weight(0) + weight(1) + Angle(0.1, (Term(1.0),))
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("wanted", [(True, True), (True, False), (False, True), (False, False)])
@pytest.mark.parametrize("name", CORNERS)
def test_corner_cases(build, name, wanted, tmp_path):
    circuit = CORNERS[name]
    for measurement in (PauliExpectations.of("X0", "Z0"), OutcomeGroups((0,), ((1,),))):
        check(build(torch.float32, 32), Case.random(circuit, measurement, 3, wanted=wanted), tmp_path, 2)


@pytest.mark.slow
def test_no_samples(build, tmp_path):
    case = Case.random(circuit_for("angles", 2), measurements(2)[0], 1)
    empty = replace(case, inputs=case.inputs[:0], gradient=case.gradient[:0])
    found = run_driver(build(torch.float32, 32), empty, tmp_path, threads=2)
    assert found.values.shape == (0, 4)
    assert found.inputs is not None
    assert found.inputs.shape == (0, 3)
    assert found.weights is not None
    assert not found.weights.any()


@pytest.mark.slow
def test_no_measurement(build, tmp_path):
    case = Case.random(circuit_for("angles", 2), None, 37, wanted=(False, False))
    assert run_driver(build(torch.float32, 32), case, tmp_path, threads=2).values.shape == (37, 0)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
def test_two_threads_without_a_race(build, dtype, tmp_path):
    executable = build(dtype, 32, "threads")
    for encoding, measurement in itertools.product(ENCODINGS, measurements(4)):
        check(executable, Case.random(circuit_for(encoding, 4), measurement, 37, dtype=dtype), tmp_path, 2)


@pytest.mark.slow
def test_a_zero_vector_is_an_error(build, tmp_path):
    case = Case.random(circuit_for("complex amplitudes", 2), measurements(2)[0], 37)
    case.inputs[20] = 0.0
    with pytest.raises(DriverError, match=r"exit code 1\ndriver: a sample to encode is the zero vector\n$"):
        run_driver(build(torch.float32, 32), case, tmp_path, threads=2)


def swapped(content: bytes, position: int, value: int) -> bytes:
    """The file with another 32-bit number at a position."""
    return content[:position] + struct.pack("=i", value) + content[position + 4 :]


DAMAGED = {
    "is no case": lambda content: b"CS" + content[2:],
    "is no case ": lambda content: content[:50],
    "cut off": lambda content: content[:-1],
    "longer than its sections": lambda content: content + b"\0",
    "another precision": lambda content: swapped(content, 8, 8),
    "a count of the case is out of range": lambda content: swapped(content, 24, 40),
    "has not the size its counts ask for": lambda content: swapped(content, 28, 7),
}


@pytest.mark.slow
@pytest.mark.parametrize("message", DAMAGED)
def test_a_damaged_file_is_an_error(build, message, tmp_path):
    Case.random(circuit_for("angles", 2), measurements(2)[0], 1).write(tmp_path / "case")
    (tmp_path / "case").write_bytes(DAMAGED[message]((tmp_path / "case").read_bytes()))
    command = [str(build(torch.float32, 32)), str(tmp_path / "case"), str(tmp_path / "result"), "1", "1"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert message.strip() in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "result").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("case", "result", "1", "1"), "the case file cannot be opened"),
        (("case", "result", "0", "1"), "usage"),
        (("case", "result", "1", "many"), "usage"),
        (("case",), "usage"),
    ],
)
def test_wrong_arguments_are_an_error(build, arguments, message, tmp_path):
    done = subprocess.run([str(build(torch.float32, 32)), *arguments], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 1
    assert message in done.stderr

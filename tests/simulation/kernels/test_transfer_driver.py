"""The kernel for Pauli vectors alone in a C program: the torch engine's numbers, and silence of the sanitizers, as in
test_driver.py. Each copy is compiled for its own instruction set; memory that nobody has written yet holds NaN."""

import itertools
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from compiled_engine import KERNELS
from placed_channels import isometry, places
from random_circuits import random_circuit, random_groups, random_paulis
from torch import Tensor

from benchmarks.driver import Results, TransferCase, build_driver, production_flags, run_driver
from counterspin.circuits import Amplitudes, Circuit, Measurement, OutcomeGroups, PauliExpectations, feature, weight
from counterspin.noise import after_every_gate
from counterspin.noise.channels import amplitude_damping, depolarizing, thermal_relaxation
from counterspin.noise.kraus import Placed
from counterspin.simulation.transfer.abi import ADDITIONS_KIND, RUN_KIND, SPARSE_KIND
from counterspin.simulation.transfer.known import Known, known
from counterspin.simulation.transfer.reference import evolved, prepared, read

# Without the compiled engine there is no compiler either, or none that knows vectors.
pytestmark = [
    pytest.mark.skipif(shutil.which(os.environ.get("CC", "cc")) is None, reason="needs a C compiler"),
    pytest.mark.skipif(not KERNELS, reason="the compiled engine was not built"),
]

SANITIZERS = {"memory": "address,undefined", "threads": "thread"}
TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-11}
VARIANTS = tuple(kernel.variant for kernel in KERNELS) or ("default",)
CHANNELS = {
    "depolarizing": depolarizing(0.05),
    "damping": amplitude_damping(0.1),
    "relaxation": thermal_relaxation(1e-4, 8e-5, 5e-6),
    "two qubits": isometry(np.random.default_rng(0), 2),
}
FEW = PauliExpectations.of("Z0", "X0 Z1")
EVERYTHING = (True, True, True)

Build = Callable[..., Path]


@dataclass(frozen=True, eq=False)
class Problem:
    """A circuit, and what was found out about it under noise."""

    circuit: Circuit
    known: Known


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """The driver under sanitizers, compiled once per precision and instruction set."""
    folder = tmp_path_factory.mktemp("transfer_drivers")

    def built(dtype: torch.dtype, variant: str, sanitizer: str = "memory") -> Path:
        executable = folder / f"{dtype}-{variant}-{sanitizer}"
        if not executable.exists():
            width, flags = production_flags(variant)
            flags += ["-O1", "-g", f"-fsanitize={SANITIZERS[sanitizer]}", "-fno-sanitize-recover=all"]
            build_driver(executable, dtype=dtype, vector_bytes=width, flags=flags, source="transfer_driver.c")
        return executable

    return built


@pytest.fixture(autouse=True)
def fresh_memory_is_nan(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASAN_OPTIONS", f"max_malloc_fill_size={2**30}:malloc_fill_byte=255")


def random_problem(qubits: int, amplitudes: Amplitudes | None) -> Problem:
    """Every gate, and channels of every kind."""
    rng = np.random.default_rng(qubits)
    inputs = max(3, amplitudes.features if amplitudes else 0)
    circuit = random_circuit(rng, qubits, amplitudes=amplitudes, inputs=inputs)
    measurement = random_groups(rng, qubits) if qubits % 2 else random_paulis(rng, qubits)
    return Problem(circuit, known(circuit, places(rng, circuit, 8), measurement, whole=False))


def layered(
    qubits: int, channel: str, *, amplitudes: bool = False, depth: int = 2, measurement: Measurement = FEW
) -> Problem:
    """Rotations by features and weights, then CNOTs along a ring; a channel behind each gate of as many qubits."""
    circuit = Circuit(qubits, amplitudes=Amplitudes(qubits) if amplitudes else None)
    for layer in range(depth):
        for q in range(qubits):
            circuit = circuit.add("RY", q, feature(q) * weight(layer)).add("RX", q, weight(depth + q))
        for q in range(qubits):
            circuit = circuit.add("CNOT", (q, (q + 1) % qubits))
    noise = CHANNELS[channel]
    if noise.qubits == 1:
        channels = after_every_gate(circuit, noise)
    else:
        pairs = [(k, gate.qubits) for k, gate in enumerate(circuit.gates) if len(gate.qubits) == 2]
        channels = tuple(Placed(after=k, qubits=pair, channel=noise) for k, pair in pairs)
    return Problem(circuit, known(circuit, channels, measurement, whole=False))


def case_of(
    problem: Problem, batch: int, dtype: torch.dtype, wanted: tuple[bool, bool, bool] = EVERYTHING
) -> TransferCase:
    """Normally distributed numbers; each sample has its own start where amplitudes are encoded."""
    circuit, program = problem.circuit, problem.known.program
    assert program is not None
    generator = torch.Generator().manual_seed(batch)
    shapes = ((batch, circuit.inputs), (circuit.weights,), (batch, program.reads.values))
    inputs, weights, gradient = (torch.randn(shape, generator=generator, dtype=dtype) for shape in shapes)
    start = None if circuit.amplitudes is None else prepared(circuit, inputs)
    wanted = (wanted[0], wanted[1], wanted[2] and start is not None)
    return TransferCase(program=program, inputs=inputs, weights=weights, start=start, gradient=gradient, wanted=wanted)


def expected_of(problem: Problem, case: TransferCase) -> tuple[Tensor | None, ...]:
    """Values and all gradients of the torch engine in double precision; None: there is no start."""
    leaves = [None if t is None else t.double().requires_grad_() for t in (case.inputs, case.weights, case.start)]
    inputs, weights, start = leaves
    assert inputs is not None
    assert weights is not None
    begin = prepared(problem.circuit, inputs) if start is None else start
    values = read(problem.known.reads, evolved(problem.known.steps, begin, inputs, weights))
    given = [leaf for leaf in leaves if leaf is not None]
    loss = (values * case.gradient).sum() + sum(0.0 * leaf.sum() for leaf in given)
    gradients = iter(torch.autograd.grad(loss, given))
    return values.detach(), *(None if leaf is None else next(gradients) for leaf in leaves)


def check(executable: Path, problem: Problem, case: TransferCase, folder: Path, threads: int = 1) -> Results:
    """The driver is silent and its numbers are the torch engine's, relative to the largest where that is above 1."""
    found = run_driver(executable, case, folder, threads=threads)
    ours = (found.values, found.inputs, found.weights, found.start)
    for mine, theirs, asked in zip(ours, expected_of(problem, case), (True, *case.wanted), strict=True):
        assert (mine is not None) == asked
        if mine is not None and theirs is not None and mine.numel():
            assert mine.shape == theirs.shape
            tolerance = TOLERANCE[case.inputs.dtype] * max(1.0, float(theirs.abs().max()))
            assert float((mine.double() - theirs).abs().max()) <= tolerance
    return found


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["angles", "real amplitudes", "complex amplitudes"])
@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
def test_every_gate_under_random_channels(build, dtype, variant, encoding, tmp_path):
    for qubits in range(1, 6):
        amplitudes = {
            "angles": None,
            "real amplitudes": Amplitudes(2**qubits),
            "complex amplitudes": Amplitudes(max(1, 2**qubits - 1), complex_data=True),
        }[encoding]
        problem = random_problem(qubits, amplitudes)
        for batch, threads in ((1, 1), (3, 1), (33, 1), (33, 3)):
            found = check(build(dtype, variant), problem, case_of(problem, batch, dtype), tmp_path, threads)
            assert found.weights is not None
            assert float(found.weights.abs().max()) > 1e-3


@pytest.mark.slow
@pytest.mark.parametrize("amplitudes", [False, True], ids=["product", "given start"])
@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
def test_layers_of_up_to_8_qubits(build, dtype, channel, amplitudes, tmp_path):
    for qubits in range(2, 9):
        variant = VARIANTS[qubits % len(VARIANTS)]
        measurement = FEW if qubits % 2 == 0 else OutcomeGroups(tuple(range(qubits)), ((0, 3), (1, 2)))
        problem = layered(qubits, channel, amplitudes=amplitudes, measurement=measurement)
        check(build(dtype, variant), problem, case_of(problem, 3 if qubits > 6 else 33, dtype), tmp_path, 2)


def test_these_circuits_have_every_kind_of_op():
    problems = [random_problem(3, None), *(layered(2, channel) for channel in CHANNELS)]
    programs = [problem.known.program for problem in problems]
    kinds = {int(k) for program in programs if program for k in program.struct(torch.float64).tables["op"]["kind"]}
    assert kinds == {RUN_KIND, SPARSE_KIND, ADDITIONS_KIND}


@pytest.mark.slow
@pytest.mark.parametrize("variant", VARIANTS)
def test_more_passes_than_the_way_back_has_room_for(build, variant, tmp_path):
    problem = layered(8, "damping", depth=6)
    assert problem.known.program is not None
    # A state takes 1 MiB or more, and there is room for 16 MiB.
    assert len(problem.known.program.passes) > 17
    check(build(torch.float32, variant), problem, case_of(problem, 1, torch.float32), tmp_path)


CORNERS = {
    "no gates": Circuit(1),
    "no pass": Circuit(2).add("RY", 0, feature(0)).add("RX", 1, weight(0)).add("CNOT", (0, 1)),
    "one qubit": Circuit(1).add("RY", 0, feature(0)).add("H", 0).add("RX", 0, weight(0)),
    "no inputs": Circuit(2).add("RY", 0, weight(0)).add("CNOT", (0, 1)).add("RX", 1, weight(1)),
    "no weights": Circuit(2).add("RX", 0, feature(0)).add("CRY", (0, 1), 0.4).add("RY", 1, feature(0)),
    "constants alone": Circuit(3).add("H", 0).add("RXX", (0, 2), 0.7).add("RY", 1, 0.3).add("CNOT", (1, 2)),
    "amplitudes alone": Circuit(2, amplitudes=Amplitudes(3)),
    "inputs last": Circuit(5).add("RXX", (0, 4), weight(0)).add("RXX", (1, 3), 0.2).add("RY", 2, feature(0)),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", CORNERS)
def test_corner_cases(build, name, tmp_path):
    circuit = CORNERS[name]
    for noise, measurement in itertools.product(
        ((), (Placed(after=-1, qubits=(0,), channel=CHANNELS["damping"]),)),
        (PauliExpectations.of("X0", "Z0"), OutcomeGroups((0,), ((1,),))),
    ):
        problem = Problem(circuit, known(circuit, noise, measurement, whole=False))
        for wanted in itertools.product((True, False), (True, False), (True, False)):
            case = case_of(problem, 3, torch.float64, wanted)
            check(build(torch.float64, VARIANTS[-1]), problem, case, tmp_path, 2)


@pytest.mark.slow
@pytest.mark.parametrize("wanted", list(itertools.product((True, False), repeat=3)), ids=str)
def test_what_nobody_asked_for_is_not_computed(build, wanted, tmp_path):
    for channel, amplitudes in itertools.product(CHANNELS, (False, True)):
        problem = layered(5, channel, amplitudes=amplitudes)
        check(build(torch.float64, VARIANTS[-1]), problem, case_of(problem, 3, torch.float64, wanted), tmp_path)


@pytest.mark.slow
def test_no_samples(build, tmp_path):
    problem = layered(2, "relaxation")
    found = check(build(torch.float32, VARIANTS[-1]), problem, case_of(problem, 0, torch.float32), tmp_path, 2)
    assert found.values.shape == (0, 2)
    assert found.weights is not None
    assert not found.weights.any()


@pytest.mark.slow
@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
def test_threads_without_a_race_give_what_one_gives(build, dtype, tmp_path):
    executable = build(dtype, VARIANTS[0], "threads")
    for channel, amplitudes in itertools.product(CHANNELS, (False, True)):
        problem = layered(4, channel, amplitudes=amplitudes)
        case = case_of(problem, 70, dtype)
        one, three = (check(executable, problem, case, tmp_path, threads) for threads in (1, 3))
        assert torch.equal(one.values, three.values)
        assert one.weights is not None
        assert three.weights is not None
        assert torch.equal(one.weights, three.weights)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
def test_it_compiles_without_a_warning(dtype, tmp_path):
    warnings = ["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Werror", "-Wno-psabi"]
    flags, source = ["-std=c11", *warnings], "transfer_driver.c"
    build_driver(tmp_path / "driver", dtype=dtype, vector_bytes=32, flags=flags, source=source)

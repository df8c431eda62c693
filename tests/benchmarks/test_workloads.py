"""The circuits are what their names say, and PennyLane's versions of them, written by hand, give the same numbers."""

from collections import Counter

import pytest
import torch
from compiled_engine import needs_kernel

from benchmarks.contest import difference
from benchmarks.engines import TORCH, engine_step, folded_step
from benchmarks.peers import pennylane_step
from benchmarks.workloads import Problem, build

pytestmark = pytest.mark.slow  # importing takes seconds

pytest.importorskip("pennylane")


def problem(workload, gradient="inputs", n=3, dtype=torch.float64):
    circuit = build(workload, n, 2)
    return Problem(workload=workload, circuit=circuit, depth=2, batch=5, gradient=gradient, dtype=dtype)


@needs_kernel
@pytest.mark.parametrize("gradient", ["inputs", "weights"])
@pytest.mark.parametrize("workload", ["reuploading", "amplitudes", "brick-rzz", "crx-ladder"])
def test_pennylane_computes_the_same(workload, gradient):
    case = problem(workload, gradient)
    expected = pennylane_step(case)()
    assert difference(engine_step(case)(), expected) < 1e-10
    assert difference(engine_step(case, TORCH)(), expected) < 1e-10


@needs_kernel
def test_pennylane_in_single_precision_computes_the_same():
    case = problem("reuploading", dtype=torch.float32)
    assert difference(pennylane_step(case, single=True)(), engine_step(case)()) < 1e-5


def test_the_folded_step_computes_the_same():
    case = problem("amplitudes")
    assert difference(folded_step(case)(), pennylane_step(case)()) < 1e-10


@pytest.mark.parametrize(("workload", "plain"), [("brick-rzz", "brick-cnot"), ("crx-ladder", "cnot-ladder")])
def test_the_easier_circuit_has_cnots_where_the_other_has_rotations(workload, plain):
    hard, easy = build(workload, 4, 3), build(plain, 4, 3)
    assert [gate.qubits for gate in hard.gates] == [gate.qubits for gate in easy.gates]
    replaced = Counter((a.kind, b.kind) for a, b in zip(hard.gates, easy.gates, strict=True) if a.kind != b.kind)
    pairs = 3 * (4 if workload == "brick-rzz" else 3)
    assert replaced == {("RZZ" if workload == "brick-rzz" else "CRX", "CNOT"): pairs}


def test_every_engine_meets_the_same_data():
    first, second = problem("reuploading"), problem("reuploading")
    assert torch.equal(first.x, second.x)
    assert torch.equal(first.weights, second.weights)
    scales = first.weights[sorted(first.circuit.scaling_weights)]
    assert bool(((scales - 1.0).abs() < 0.4).all())


def test_an_unknown_workload_is_refused():
    with pytest.raises(ValueError, match="no workload 'nothing'"):
        build("nothing", 2, 1)

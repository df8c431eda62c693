"""The floor against numbers worked out by hand."""

import pytest
import torch

from benchmarks.floor import BANDWIDTH, PRODUCT, Work, circuit_work, floor_seconds, folded_work, probes
from benchmarks.timing import Samples
from benchmarks.workloads import Problem, build
from counterspin.circuits import Circuit, feature

# 2·1024³ operations and 2·2²⁶ bytes in one second.
SECOND = Samples((1.0,))


def test_the_slower_of_arithmetic_and_traffic_is_the_floor():
    assert floor_seconds(Work(flops=2.0 * 1024**3, bytes=0.0), SECOND, SECOND) == pytest.approx(1.0)
    assert floor_seconds(Work(flops=1.0, bytes=4 * 2.0**26), SECOND, SECOND) == pytest.approx(2.0)


def test_a_faster_machine_has_a_lower_floor():
    work = Work(flops=2.0 * 1024**3, bytes=2.0**26)
    assert floor_seconds(work, Samples((0.25,)), SECOND) == pytest.approx(0.5)
    assert floor_seconds(work, Samples((0.25,)), Samples((0.5,))) == pytest.approx(0.25)


@pytest.mark.parametrize(("gradient", "numbers"), [("inputs", 2), ("weights", 0)])
def test_work_of_one_rotation_on_each_of_two_qubits(gradient, numbers):
    circuit = Circuit(2).add("RX", 0, feature(0)).add("RX", 1, feature(1))
    work = circuit_work(Problem(workload="two", circuit=circuit, depth=1, batch=10, gradient=gradient))
    # A product state: 12 operations for each of 1 + 2 amplitudes forward; v of both qubits on four amplitudes backward.
    assert work.flops == 10 * (12 * (1 + 2) + 2 * 12 * 4)
    # Inputs twice, two values and their gradient, four complex amplitudes out and in, the gradient asked for.
    assert work.bytes == 10 * 4 * (2 * 2 + 2 * 2 + 2 * 8 + numbers)


def test_work_grows_with_batch_depth_and_precision():
    small = Problem(workload="reuploading", circuit=build("reuploading", 3, 2), depth=2, batch=16)
    work = circuit_work(small)
    twice = circuit_work(Problem(workload="reuploading", circuit=small.circuit, depth=2, batch=32))
    assert (twice.flops, twice.bytes) == (2 * work.flops, 2 * work.bytes)
    deeper = Problem(workload="reuploading", circuit=build("reuploading", 3, 4), depth=4, batch=16)
    # One SU(2) on each of three qubits of eight amplitudes: 14 operations per amplitude forward and 40 backward.
    assert circuit_work(deeper).flops - work.flops == 16 * 2 * 3 * 8 * (14 + 40)
    assert circuit_work(deeper).bytes == work.bytes
    double = Problem(workload="reuploading", circuit=small.circuit, depth=2, batch=16, dtype=torch.float64)
    assert circuit_work(double).bytes == 2 * work.bytes


def test_folded_work_is_one_product_and_two_sums():
    problem = Problem(workload="amplitudes", circuit=build("amplitudes", 3, 1), depth=1, batch=5)
    work = folded_work(problem)
    assert work.flops == 5 * (2 * 2 * 8 * 8 + 2 * 2 * 2 * 8)
    assert work.bytes == 4 * (2 * 8 * 8 + 5 * 8 * 7)


def test_probes_run_and_keep_their_results():
    calls = probes(torch.float64)
    product = calls[PRODUCT]()
    assert product.dtype == torch.float64
    assert bool((product == 1024.0).all())
    assert bool((calls[BANDWIDTH]() == 1).all())

"""Calls from many threads at once, any number of the kernel's own threads, and forks in the middle."""

import os
import signal
import threading
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from compiled_engine import each_kernel, needs_kernel
from random_circuits import random_circuit, random_paulis
from torch import Tensor

from counterspin.circuits import Circuit, Measurement, reuploading
from counterspin.simulation.kernels import Kernel, kernel, kernel_values, library, lower

pytestmark = needs_kernel

Result = tuple[Tensor, Tensor, Tensor]


def case(seed: int, batch: int) -> tuple[Circuit, Measurement, Tensor, Tensor]:
    rng = np.random.default_rng(seed)
    circuit = random_circuit(rng, 4)
    x, w = torch.tensor(rng.normal(size=(batch, circuit.inputs))), torch.tensor(rng.normal(size=circuit.weights))
    return circuit, random_paulis(rng, 4), x, w


def results(on: Kernel, circuit: Circuit, measurement: Measurement, x: Tensor, w: Tensor) -> Result:
    x, w = x.clone().requires_grad_(), w.clone().requires_grad_()
    values = kernel_values(on, circuit, x, w, measurement)
    by_x, by_w = torch.autograd.grad(values.square().sum(), (x, w))
    return values.detach(), by_x, by_w


def equal(first: Result, second: Result) -> bool:
    return all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


@pytest.fixture
def several_threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As many threads as torch is told, however little work there is; torch's number is restored."""
    monkeypatch.setattr(library, "_FLOPS_PER_THREAD", 1.0)
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("several_threads")
@each_kernel
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_number_of_threads_changes_no_bit(kernel: Kernel, dtype: torch.dtype) -> None:
    circuit, measurement, x, w = case(0, batch=203)
    found = []
    for threads in (1, 2, 3, 8, 300):
        torch.set_num_threads(threads)
        assert library.threads_for(lower(circuit, measurement).flops[0]) == threads
        found.append(results(kernel, circuit, measurement, x.to(dtype), w.to(dtype)))
    assert all(equal(found[0], other) for other in found[1:])


@pytest.mark.one_fast
@pytest.mark.usefixtures("several_threads")
@pytest.mark.parametrize("threads", [1, 2])
def test_many_callers_at_once_get_their_own_answers(threads: int) -> None:
    on = kernel()
    assert on is not None
    torch.set_num_threads(threads)
    cases = [case(seed, batch=1 + 7 * seed) for seed in range(8)]
    alone = [results(on, *each) for each in cases]
    # Every program is lowered and laid out in memory again, by whichever caller comes first.
    lower.cache_clear()
    with ThreadPoolExecutor(8) as pool:
        for _ in range(5):
            together = pool.map(lambda each: results(on, *each), cases * 3)
            assert all(equal(a, b) for a, b in zip(alone * 3, together, strict=True))


@pytest.mark.slow
def test_the_interpreter_goes_on_during_a_call() -> None:
    # A call of about 0.1 s: another thread counts meanwhile, which it could not with the lock held.
    on = kernel()
    assert on is not None
    circuit = reuploading(10, 40)
    x, w = torch.zeros(1000, 10, dtype=torch.float64), torch.ones(circuit.weights, dtype=torch.float64)
    program = lower(circuit, case(0, 1)[1])
    program.struct  # noqa: B018  laid out before the clock starts
    ticks: list[float] = []
    stop = threading.Event()

    def tick() -> None:
        while not stop.is_set():
            ticks.append(time.perf_counter())
            time.sleep(0.0005)

    ticking = threading.Thread(target=tick)
    ticking.start()
    try:
        begin = time.perf_counter()
        on.forward(program, x, w, keep_states=False)
        end = time.perf_counter()
    finally:
        stop.set()
        ticking.join()
    assert sum(begin < t < end for t in ticks) >= 3


def forked() -> int:
    """`os.fork`; Python 3.12 warns where threads run, which is what is tested here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


def exit_code(child: int, seconds: float) -> int:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    pytest.fail("the child did not end")


# JAX, where another test of the process imported it, warns at every fork.
@pytest.mark.one_fast(1)
@pytest.mark.filterwarnings("ignore:os.fork:RuntimeWarning")
@pytest.mark.usefixtures("several_threads")
@pytest.mark.parametrize("threads", [1, 2])
def test_a_fork_in_the_middle_of_calls_works_on(threads: int) -> None:
    on = kernel()
    assert on is not None
    mine, others = case(1, batch=40), case(2, batch=200)
    expected = results(on, *mine)
    stop = threading.Event()

    def call() -> None:
        # Straight to the kernel: what torch's own threads survive is not ours to test.
        program, x, w = lower(others[0], others[1]), others[2], others[3]
        while not stop.is_set():
            _, states = on.forward(program, x, w, keep_states=True)
            on.backward(program, x, w, states, torch.ones(200, program.values).double(), wanted=(True, True))

    torch.set_num_threads(threads)
    callers = [threading.Thread(target=call) for _ in range(3)]
    for caller in callers:
        caller.start()
    try:
        children = []
        for _ in range(5):
            time.sleep(0.01)
            child = forked()
            if not child:
                try:
                    code = 0 if equal(results(on, *mine), expected) else 1
                except BaseException:  # a child must never return into the test runner
                    code = 2
                os._exit(code)
            children.append(child)
        codes = [exit_code(child, seconds=20) for child in children]
    finally:
        stop.set()
        for caller in callers:
            caller.join()
    assert codes == [0] * 5
    assert equal(results(on, *mine), expected)

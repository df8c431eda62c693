"""The engine against PennyLane, the torch engine and the floating-point floor, side by side in one process."""

import sys

import torch

from benchmarks import attack_loop, first_call, other_peers
from benchmarks.contest import contest
from benchmarks.engines import COMPILED, FOLDED, TORCH, engine_step, folded_step
from benchmarks.figure import draw
from benchmarks.floor import circuit_work, folded_work
from benchmarks.outcome import Options, Outcome
from benchmarks.peers import PENNYLANE, PENNYLANE_SINGLE, pennylane_step, pennylane_version
from benchmarks.requirements import verdicts
from benchmarks.rows import Row
from benchmarks.sizes import FULL, QUICK, Size
from benchmarks.tables import rows_table, verdicts_table
from benchmarks.timing import available_threads, threads
from benchmarks.workloads import Gradient, Problem, build
from counterspin.simulation import engine_name

__all__ = ["measure", "run"]

_LAYERS = 6
_AMPLITUDE_LAYERS = 10

# Beyond, PennyLane takes minutes and gigabytes, the torch engine seconds.
_PENNYLANE_QUBITS = 12
_TORCH_QUBITS = 12


def run(options: Options) -> Outcome:
    """Measure, draw the scaling figure, judge; a quick run is judged without consequences."""
    size = QUICK if options.quick else FULL
    rows = measure(size)
    if options.all_peers:
        with threads(1):
            rows += other_peers.rows(repeats=size.repeats)
    found = verdicts(rows)
    ours, theirs = engine_name(), f"PennyLane {pennylane_version()} default.qubit with torch backprop"
    title = f"counterspin, {ours}, against {theirs}: medians of {size.repeats} turns"
    as_json = [row.to_json() | {"requirements": [v.to_json() for v in verdicts([row])]} for row in rows]
    draw(as_json, options.folder)
    return Outcome(
        rows=as_json,
        tables=(rows_table(rows, title), verdicts_table(found)),
        missed=0 if options.quick else sum(not verdict.met for verdict in found),
    )


def measure(size: Size) -> list[Row]:
    """All rows, first on one pinned thread, then on all."""
    rows = []
    with threads(1):
        _say("first calls")
        rows += first_call.rows(8, _LAYERS, repeats=size.repeats)
        rows += _scaling(size)
        rows += _weights(size)
        rows += _precisions(size)
        rows += _entanglers(size)
        rows += _amplitudes(size)
        rows += _memory(size)
        for n in size.attacks:
            _say(f"PGD-{attack_loop.STEPS}, {n} qubits")
            rows += attack_loop.rows(_main(n), repeats=size.repeats)
    if available_threads() > 1:
        with threads(available_threads()):
            for n in size.all_threads:
                rows += _against_pennylane(_main(n), size)
    return rows


def _main(
    n: int, *, batch: int = 256, depth: int = _LAYERS, gradient: Gradient = "inputs", dtype=torch.float32
) -> Problem:
    circuit = build("reuploading", n, depth)
    return Problem(workload="reuploading", circuit=circuit, depth=depth, batch=batch, gradient=gradient, dtype=dtype)


def _scaling(size: Size) -> list[Row]:
    problems = [_main(n) for n in size.qubits]
    problems += [_main(8, batch=batch) for batch in size.batches]
    problems += [_main(8, depth=depth) for depth in size.depths]
    rows = []
    for problem in problems:
        rows += _against_pennylane(problem, size, torch_engine=problem.n <= _TORCH_QUBITS)
    return rows


def _weights(size: Size) -> list[Row]:
    return [row for n in size.weights for row in _against_pennylane(_main(n, gradient="weights"), size)]


def _against_pennylane(problem: Problem, size: Size, *, torch_engine: bool = False) -> list[Row]:
    _say(f"{problem.workload}, {problem.n} qubits, batch {problem.batch}, {problem.depth} layers, {problem.gradient}")
    ours = {COMPILED: engine_step(problem)}
    if torch_engine:
        ours[TORCH] = engine_step(problem, TORCH)
    # Gradients of the weights at 12 qubits would take as long as all the rest.
    feasible = problem.n < _PENNYLANE_QUBITS or (problem.n == _PENNYLANE_QUBITS and torch_engine)
    peers = {PENNYLANE: pennylane_step(problem)} if feasible else {}
    return contest(problem, ours, peers, repeats=size.repeats, work=circuit_work(problem))


def _precisions(size: Size) -> list[Row]:
    rows = []
    for n in size.precisions:
        _say(f"precisions, {n} qubits")
        single, double = _main(n), _main(n, dtype=torch.float64)
        fastest = {PENNYLANE_SINGLE: pennylane_step(single, single=True)}
        rows += contest(single, {COMPILED: engine_step(single)}, fastest, repeats=size.repeats)
        usual = {PENNYLANE: pennylane_step(double)}
        work = circuit_work(double)
        rows += contest(double, {COMPILED: engine_step(double)}, usual, repeats=size.repeats, work=work)
    return rows


def _entanglers(size: Size) -> list[Row]:
    rows = []
    for workload, plain in (("brick-rzz", "brick-cnot"), ("crx-ladder", "cnot-ladder")):
        for n in size.peer_entanglers:
            rows += _against_pennylane(_layered(workload, n), size)
        for n in size.entanglers:
            _say(f"{workload} against {plain}, {n} qubits")
            problem = _layered(workload, n)
            rows += contest(
                problem,
                {COMPILED: engine_step(problem)},
                {plain: engine_step(_layered(plain, n))},
                repeats=size.repeats,
                workload=f"{workload} against {plain}",
                same=False,
            )
    return rows


def _layered(workload: str, n: int) -> Problem:
    return Problem(workload=workload, circuit=build(workload, n, _LAYERS), depth=_LAYERS)


def _amplitudes(size: Size) -> list[Row]:
    rows = []
    for n in size.amplitudes:
        _say(f"amplitude encoding, {n} qubits, frozen")
        problem = _amplitude_problem(n, "inputs")
        # Folding itself happens in the warm-up: once per model.
        ours, theirs = {FOLDED: folded_step(problem)}, {PENNYLANE: pennylane_step(problem)}
        work = folded_work(problem)
        rows += contest(problem, ours, theirs, repeats=size.repeats, work=work, workload="amplitude-folded")
    for n in size.training:
        _say(f"amplitude encoding, {n} qubits, training")
        problem = _amplitude_problem(n, "weights")
        ours, theirs = {COMPILED: engine_step(problem)}, {PENNYLANE: pennylane_step(problem)}
        work = circuit_work(problem)
        rows += contest(problem, ours, theirs, repeats=size.repeats, work=work, workload="amplitude-training")
    return rows


def _amplitude_problem(n: int, gradient: Gradient) -> Problem:
    circuit = build("amplitudes", n, _AMPLITUDE_LAYERS)
    return Problem(workload="amplitudes", circuit=circuit, depth=_AMPLITUDE_LAYERS, gradient=gradient)


def _memory(size: Size) -> list[Row]:
    _say("memory against depth")
    deep, shallow = (_main(8, batch=1024, depth=depth) for depth in (96, 3))
    ours, theirs = {COMPILED: engine_step(deep)}, {"compiled, 3 layers": engine_step(shallow)}
    return contest(deep, ours, theirs, repeats=size.repeats, workload="memory-of-depth", same=False)


def _say(text: str) -> None:
    print(f"… {text}", file=sys.stderr, flush=True)

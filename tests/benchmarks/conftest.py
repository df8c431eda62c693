"""Rows of results without running anything."""

import pytest

from benchmarks.rows import Row
from benchmarks.timing import Samples
from benchmarks.workloads import Problem, build


@pytest.fixture
def row():
    """Build a row; ours takes 2 ms, the peer 100 ms, the floor is 1 ms."""

    def make(*, n=4, batch=256, depth=6, gradient="inputs", milliseconds=2.0, **others):
        circuit = build("reuploading", n, 1)  # its gates do not matter here
        problem = Problem(workload="reuploading", circuit=circuit, depth=depth, batch=batch, gradient=gradient)
        given = {
            "workload": "reuploading",
            "threads": 1,
            "engine": "compiled",
            "found": Samples((1e-3 * milliseconds,) * 3),
            "peer": "PennyLane",
            "against": Samples((0.1, 0.2, 0.05)),
            "floor": 1e-3,
            "peak_mib": 0.5,
            "peer_peak_mib": 20.0,
        }
        return Row(problem=problem, **(given | others))

    return make

"""Ways between the qubits of a device."""

import pytest
from calibrations import calibrated

from counterspin.noise.devices.couplings import distances, girth

SQUARE = [(0, 1), (1, 2), (2, 3), (3, 0)]


def test_distances_go_round_what_is_broken():
    assert distances(calibrated(SQUARE).neighbours, 0) == {0: 0, 1: 1, 3: 1, 2: 2}
    assert distances(calibrated(SQUARE, {(0, 1): 1.0}).neighbours, 0) == {0: 0, 3: 1, 2: 2, 1: 3}
    assert distances(calibrated([(0, 1), (2, 3)]).neighbours, 3) == {3: 0, 2: 1}


@pytest.mark.parametrize(
    ("pairs", "length"),
    [
        (SQUARE, 4),
        ([*SQUARE, (0, 2)], 3),
        ([*SQUARE, (3, 4), (4, 5), (5, 6), (6, 3)], 4),
        ([(q, (q + 1) % 7) for q in range(7)], 7),
        ([(0, 1), (1, 2), (1, 3)], None),
    ],
)
def test_the_shortest_ring(pairs, length):
    assert girth(calibrated(pairs).neighbours) == length

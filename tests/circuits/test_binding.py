import math

import pytest

from counterspin.circuits import Amplitudes, Angle, Circuit, Term, feature, weight
from counterspin.circuits.binding import bind
from counterspin.errors import UsageError

CIRCUIT = Circuit(1).add("RX", 0, 0.5 * feature(1) * weight(0) + 2.0 * weight(1) - feature(0) + 1.0).end_layer()


def test_weights_become_numbers_and_scale_inputs() -> None:
    bound = bind(CIRCUIT, weights=[3.0, 0.25])
    assert bound.gates[0].angles == (Angle(1.5, (Term(1.5, input=1), Term(-1.0, input=0))),)
    assert (bound.weights, bound.inputs, bound.layers) == (0, 2, (1,))


def test_inputs_become_numbers_and_scale_weights() -> None:
    bound = bind(CIRCUIT, inputs=[math.pi, 2.0])
    assert bound.gates[0].angles == (Angle(1.0 - math.pi, (Term(1.0, weight=0), Term(2.0, weight=1))),)


def test_both_leave_constants_and_the_encoding() -> None:
    circuit = Circuit(1, amplitudes=Amplitudes(2)).add("RY", 0, feature(1) * weight(0))
    bound = bind(circuit, inputs=[5.0, 3.0], weights=[2.0])
    assert bound.gates[0].angles == (Angle(6.0),)
    assert bound.amplitudes == Amplitudes(2)


@pytest.mark.parametrize("given", [{"inputs": [1.0]}, {"weights": [1.0, 2.0, 3.0]}])
def test_a_wrong_count_is_refused(given: dict[str, list[float]]) -> None:
    with pytest.raises(UsageError, match=r"holds \d numbers; the circuit takes 2"):
        bind(CIRCUIT, **given)

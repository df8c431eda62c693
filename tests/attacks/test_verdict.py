import math

import pytest
import torch

from counterspin.attacks.oracle import ROWS_PER_CALL
from counterspin.attacks.verdict import margins, trace_distance
from counterspin.errors import ConditionsError, ModelError
from counterspin.types import Box


class Qubit:
    """RY(pi x) on one qubit: the trace distance of two inputs is |sin(pi (x - z) / 2)|."""

    classes = 2
    outputs = "expectations"
    stochastic = False
    bounds = Box.uniform(0.0, 1.0, 1)

    def __init__(self, scale=1.0):
        self.scale = scale

    def __call__(self, x):
        return torch.cat([torch.cos(math.pi * x), -torch.cos(math.pi * x)], dim=1)

    def states(self, x):
        half = math.pi * x[:, :1] / 2
        return self.scale * torch.cat([torch.cos(half), torch.sin(half)], dim=1).to(torch.complex128)


def test_trace_distance_of_one_qubit():
    x = torch.tensor([[0.0], [0.3], [0.5]], dtype=torch.float64)
    z = torch.tensor([[1.0], [0.4], [0.5]], dtype=torch.float64)
    assert trace_distance(Qubit(), x, z).tolist() == pytest.approx([1.0, math.sin(math.pi * 0.05), 0.0], abs=1e-15)


@pytest.mark.parametrize("scale", [1.0, 7.0])
def test_trace_distance_keeps_its_digits_for_near_states_and_ignores_norms(scale):
    x = torch.tensor([[0.3]], dtype=torch.float64)
    # sqrt(1 - F) in float64 would give 0 here.
    assert trace_distance(Qubit(scale), x, x + 1e-9).item() == pytest.approx(math.pi * 1e-9 / 2, rel=1e-5)


def test_trace_distance_is_nan_without_states(linear):
    assert trace_distance(linear([1.0]), torch.zeros(2, 1).double(), torch.ones(2, 1).double()).isnan().all()


def test_trace_distance_is_nan_where_the_configuration_has_no_states():
    class Noisy(Qubit):
        def states(self, x):
            raise ConditionsError("mixed")

    assert trace_distance(Noisy(), torch.zeros(2, 1).double(), torch.ones(2, 1).double()).isnan().all()


def test_margins_of_many_rows_are_computed_in_parts(linear):
    x = torch.linspace(-1, 1, 2 * ROWS_PER_CALL + 3, dtype=torch.float64)[:, None]
    model = linear([2.0], 0.25)
    assert torch.allclose(margins(model, x, torch.zeros(len(x), dtype=torch.int64)), model.margin(x), atol=1e-15)


def test_a_model_that_cannot_compute_in_float64_is_refused(rows):
    layer = torch.nn.Linear(1, 2)
    with pytest.raises(ModelError, match="cannot compute in float64"):
        margins(rows(layer), torch.zeros(1, 1, dtype=torch.float64), torch.tensor([0]))


def test_other_errors_of_a_model_are_not_disguised(rows):
    def broken(x):
        raise RuntimeError("out of qubits")

    with pytest.raises(RuntimeError, match="out of qubits"):
        margins(rows(broken), torch.zeros(1, 1, dtype=torch.float64), torch.tensor([0]))

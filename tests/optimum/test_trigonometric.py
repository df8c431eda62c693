import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from counterspin.optimum.trigonometric import basis, conditioning, fit, sampling_nodes

SETS = [
    (1.0,),
    (0.5, 1.0),
    (math.pi, 2 * math.pi, 3 * math.pi),
    (1.0, 3.0),
    (0.3, 1.1, 1.4, 2.0),
    (1.0, 1.001, 2.001),
]


@pytest.mark.parametrize("frequencies", SETS)
def test_a_polynomial_is_recovered_from_its_fewest_samples(frequencies):
    g = torch.Generator().manual_seed(0)
    omega, nodes = torch.tensor(frequencies, dtype=torch.float64), sampling_nodes(frequencies)
    assert nodes is not None
    assert nodes[0] == 0.0
    assert len(nodes) == 2 * len(frequencies) + 1
    coefficients = torch.randn(len(nodes), 4, 3, generator=g, dtype=torch.float64)
    design = basis(omega, nodes)
    values = torch.tensordot(design, coefficients, dims=1)
    assert torch.allclose(fit(design, values), coefficients, rtol=0.0, atol=1e-9)


@given(st.lists(st.floats(0.05, 5.0), min_size=1, max_size=6))
def test_values_far_from_the_nodes_are_good_to_the_conditioning(found):
    frequencies = tuple(sorted(set(found)))
    nodes = sampling_nodes(frequencies)
    if nodes is None:
        assert min(b - a for a, b in zip((0.0, *frequencies), frequencies, strict=False)) < 2e-4
        return
    growth = conditioning(frequencies, nodes)
    omega = torch.tensor(frequencies, dtype=torch.float64)
    g = torch.Generator().manual_seed(1)
    noise = 2 * torch.rand(len(nodes), 8, generator=g, dtype=torch.float64) - 1
    t = torch.linspace(-20.0, 20.0, 50, dtype=torch.float64)
    assert float((basis(omega, t) @ fit(basis(omega, nodes), noise)).abs().max()) <= growth * (1 + 1e-6)


def test_multiples_of_a_base_keep_every_digit():
    for count in (1, 2, 7, 12):
        frequencies = tuple(0.7 * k for k in range(1, count + 1))
        assert conditioning(frequencies, sampling_nodes(frequencies)) <= math.sqrt(2 * (count + 1)) * (1 + 1e-12)


def test_frequencies_nobody_can_tell_apart_have_no_nodes():
    assert sampling_nodes((1.0, 1.0 + 1e-9)) is None


def test_no_frequency_is_a_constant():
    assert sampling_nodes(()).tolist() == [0.0]
    assert basis(torch.zeros(0), torch.tensor([3.0])).tolist() == [[1.0]]


def test_more_samples_than_terms_are_averaged():
    omega = torch.ones(1, dtype=torch.float64)
    nodes = sampling_nodes((1.0,)).repeat(2)
    values = 3.0 + nodes.cos() + torch.tensor([0.1] * 3 + [-0.1] * 3, dtype=torch.float64)
    assert fit(basis(omega, nodes), values).tolist() == pytest.approx([3.0, 1.0, 0.0], abs=1e-12)

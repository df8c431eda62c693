"""What counts as an observable and as a state: repaired within single precision, refused by name beyond it."""

import pytest
import torch
from random_states import random_mixed, random_observables, random_pure

from counterspin.errors import InputError
from counterspin.optimum.state_arguments import STATE_TOLERANCE, check_real, checked_observables, checked_states


def generator():
    return torch.Generator().manual_seed(0)


def with_last(values, last):
    return torch.cat([values[:-1], torch.as_tensor(last, dtype=values.dtype)[None]])


def test_observables_become_exactly_hermitian():
    m = random_observables(generator(), 3, 4)
    slanted = m + 2e-7 * torch.triu(torch.ones(4, 4), 1)
    found = checked_observables(slanted)
    assert torch.equal(found, found.mH)
    torch.testing.assert_close(found, m, atol=2e-7, rtol=0)
    assert checked_observables(m.to(torch.complex64)).dtype == torch.complex128


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m[0], r"shape \(4, 4\)"),
        (lambda m: m[:1], "2 classes or more"),
        (lambda m: m[:, :3], r"shape \(3, 3, 4\)"),
        (lambda m: m * torch.nan, "NaN or infinite"),
        (lambda m: with_last(m, torch.triu(torch.ones(4, 4))), r"observables\[2\] is not Hermitian: .* by 1,"),
    ],
)
def test_what_is_no_observable(change, message):
    with pytest.raises(InputError, match=message):
        checked_observables(change(random_observables(generator(), 3, 4)))


def test_how_far_from_hermitian_is_relative_to_the_largest_entry():
    m = 1e6 * random_observables(generator(), 2, 4)
    off = torch.zeros(4, 4)
    off[0, 1] = 0.5 * STATE_TOLERANCE * float(m.abs().amax(dim=(1, 2)).min())
    assert checked_observables(m + off).shape == m.shape
    with pytest.raises(InputError, match="is not Hermitian"):
        checked_observables(m + 4 * off)


@pytest.mark.parametrize("rank", [0, 2])
def test_states_are_normalised_within_single_precision(rank):
    exact = random_mixed(generator(), 5, 4, rank) if rank else random_pure(generator(), 5, 4)
    found = checked_states(exact * (1 + 5e-7), 4)
    torch.testing.assert_close(found, exact, atol=1e-14, rtol=0)
    assert checked_states(exact.to(torch.complex64), 4).dtype == torch.complex128


@pytest.mark.parametrize(
    ("last", "message"),
    [
        ([1.0, 0, 0, 0.1], r"states\[2\] is not normalised: its norm is 1\.00499;"),
        ([torch.nan, 0, 0, 0], "NaN or infinite"),
    ],
)
def test_what_is_no_pure_state(last, message):
    with pytest.raises(InputError, match=message):
        checked_states(with_last(random_pure(generator(), 3, 4), last), 4)


@pytest.mark.parametrize(
    ("last", "message"),
    [
        ([[0.5, 0.1], [0.2, 0.5]], r"states\[2\] is not Hermitian: .* by 0\.1;"),
        ([[0.5, 0.0], [0.0, 0.6]], r"states\[2\] is not normalised: its trace is 1\.1;"),
        ([[1.2, 0.0], [0.0, -0.2]], r"states\[2\] is not positive: its lowest eigenvalue is -0\.2;"),
    ],
)
def test_what_is_no_mixed_state(last, message):
    with pytest.raises(InputError, match=message):
        checked_states(with_last(random_mixed(generator(), 3, 2, 2), last), 2)


@pytest.mark.parametrize("shape", [(4,), (2, 3), (2, 4, 3), (2, 4, 4, 4)])
def test_shapes_name_both_kinds(shape):
    with pytest.raises(InputError, match=r"pure \(batch, 4\) or mixed \(batch, 4, 4\)"):
        checked_states(torch.zeros(shape), 4)


def test_real_states():
    check_real(random_pure(generator(), 3, 4, real=True))
    with pytest.raises(InputError, match=r"states\[1\] has imaginary parts up to 0\.25"):
        check_real(torch.tensor([[1.0, 0], [0, 0.25j]]))

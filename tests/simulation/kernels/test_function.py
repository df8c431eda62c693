"""The compiled engine against the torch engine, and its contract with autograd."""

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import torch
from compiled_engine import KERNELS, needs_kernel
from hypothesis import given, settings
from hypothesis import strategies as st
from random_circuits import random_circuit, random_groups, random_paulis
from torch import Tensor

from counterspin.circuits import (
    Amplitudes,
    Circuit,
    Given,
    PauliExpectations,
    Readout,
    amplitude_encoding,
    feature,
    reuploading,
    strongly_entangling,
    weight,
)
from counterspin.errors import CapabilityError, InputError
from counterspin.simulation import run
from counterspin.simulation.kernels import Kernel, kernel_values

pytestmark = needs_kernel

# Of the largest value or gradient, or of 1 where that is larger. Promised are 1e-10 and 1e-5.
TOLERANCES = {torch.float64: 1e-12, torch.float32: 1e-5}
WANTED = {"both": (True, True), "inputs": (True, False), "weights": (False, True)}
ENCODINGS = {"ground": None, "real": False, "complex": True}
FUZZ = {"deadline": None, "derandomize": True, "database": None}

Scores = Callable[[Tensor, Tensor], Tensor]


def results(scores: Scores, x: Tensor, w: Tensor, direction: Tensor, wanted: tuple[bool, bool]) -> list[Tensor]:
    """Values and the wanted gradients of `(values * direction).sum()`."""
    copies = [t.detach().clone().requires_grad_(asked) for t, asked in zip((x, w), wanted, strict=True)]
    values = scores(*copies)
    asked = [copy for copy in copies if copy.requires_grad]
    # The zeros: torch refuses gradients of what a circuit does not use.
    loss = (values * direction).sum() + sum(0.0 * copy.sum() for copy in asked)
    return [values.detach(), *torch.autograd.grad(loss, asked)]


def check(seed: int, qubits: int, encoding: str, read: str, batch: int, wanted: str) -> None:
    """A random circuit on every kernel in both precisions, against the torch engine in double precision."""
    rng = np.random.default_rng(seed)
    data = ENCODINGS[encoding]
    length = int(rng.integers(1, 2**qubits + 1))
    circuit = random_circuit(
        rng, qubits, amplitudes=None if data is None else Amplitudes(length, data), uploads=bool(rng.integers(4))
    )
    measurement = random_paulis(rng, qubits) if read == "paulis" else random_groups(rng, qubits)
    x, w, direction = (
        torch.tensor(rng.normal(size=shape), dtype=torch.float32)
        for shape in ((batch, circuit.inputs), circuit.weights, (batch, measurement.values))
    )
    asked = WANTED[wanted]

    def by_torch(x: Tensor, w: Tensor) -> Tensor:
        return run(circuit, x, w, Readout(measurement), engine="torch")

    def by_kernel(kernel: Kernel, x: Tensor, w: Tensor) -> Tensor:
        return kernel_values(kernel, circuit, x, w, measurement)

    expected = results(by_torch, x.double(), w.double(), direction.double(), asked)
    for kernel in KERNELS:
        for dtype, tolerance in TOLERANCES.items():
            scores = partial(by_kernel, kernel)
            found = results(scores, x.to(dtype), w.to(dtype), direction.to(dtype), asked)
            for ours, theirs in zip(found, expected, strict=True):
                assert (ours.shape, ours.dtype) == (theirs.shape, dtype)
                size = max(1.0, float(theirs.abs().max())) if theirs.numel() else 1.0
                assert torch.allclose(ours.double(), theirs, atol=tolerance * size, rtol=0), (kernel.variant, dtype)


# 16 samples fill the widest block, 17 begin another one.
drawn = given(
    seed=st.integers(0, 2**32 - 1),
    encoding=st.sampled_from(sorted(ENCODINGS)),
    read=st.sampled_from(["paulis", "groups"]),
    batch=st.sampled_from([0, 1, 3, 4, 5, 8, 9, 16, 17]),
    wanted=st.sampled_from(sorted(WANTED)),
)


@pytest.mark.slow
@pytest.mark.parametrize("qubits", range(1, 7))
@settings(max_examples=14, **FUZZ)
@drawn
def test_random_circuits(qubits: int, seed: int, encoding: str, read: str, batch: int, wanted: str) -> None:
    check(seed, qubits, encoding, read, batch, wanted)


@pytest.mark.slow
@pytest.mark.parametrize("qubits", range(1, 7))
@settings(max_examples=120, **FUZZ)
@drawn
def test_many_random_circuits(qubits: int, seed: int, encoding: str, read: str, batch: int, wanted: str) -> None:
    check(seed, qubits, encoding, read, batch, wanted)


CIRCUIT = amplitude_encoding(8) + strongly_entangling(3, 2).add("CRX", (0, 2), feature(8) * weight(0))
MEASUREMENT = PauliExpectations.of("Z0", "X1", "Y2")


def compiled(x: Tensor, w: Tensor) -> Tensor:
    return run(CIRCUIT, x, w, Readout(MEASUREMENT), engine="compiled")


def leaves(batch: int = 5, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    g = torch.Generator().manual_seed(1)
    x = torch.randn(batch, CIRCUIT.inputs, generator=g, dtype=dtype, requires_grad=True)
    return x, torch.randn(CIRCUIT.weights, generator=g, dtype=dtype, requires_grad=True)


def test_gradients_are_finite_differences() -> None:
    assert torch.autograd.gradcheck(compiled, leaves(2), atol=1e-7, fast_mode=True)


def test_values_without_gradients_are_the_same_bits() -> None:
    x, w = leaves()
    values = compiled(x, w)
    with torch.no_grad():
        plain = compiled(x, w)
    assert torch.equal(values, plain)
    assert values.requires_grad
    assert not plain.requires_grad
    assert torch.equal(compiled(x.detach(), w.detach()), plain)


def test_a_graph_kept_gives_the_same_gradients_twice() -> None:
    x, w = leaves()
    loss = compiled(x, w).square().sum()
    first, second = (torch.autograd.grad(loss, (x, w), retain_graph=True) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize("layout", ["contiguous", "transposed"])
@pytest.mark.parametrize("loss", [Tensor.sum, lambda values: values.square().sum()])
def test_second_derivatives_name_the_torch_engine(loss: Callable[[Tensor], Tensor], layout: str) -> None:
    x, w = leaves()
    if layout == "transposed":
        x = x.detach().T.contiguous().T.requires_grad_()
    # Terms with second derivatives of their own: without the refusal their sum would pass for the answer.
    total = loss(compiled(x, w)) + x.pow(3).sum() + w.pow(3).sum()
    by_x, by_w = torch.autograd.grad(total, (x, w), create_graph=True)
    plain = torch.autograd.grad(loss(compiled(x, w)) + x.pow(3).sum() + w.pow(3).sum(), (x, w))
    assert torch.equal(by_x, plain[0])
    assert torch.equal(by_w, plain[1])
    for gradient in (by_x, by_w):
        with pytest.raises(CapabilityError, match="no second derivatives; run the model with engine='torch'"):
            torch.autograd.grad(gradient.sum(), (x, w), retain_graph=True)


def test_inputs_changed_before_the_way_back_are_noticed() -> None:
    x, w = leaves()
    values = compiled(x, w)
    with torch.no_grad():
        x.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        values.sum().backward()


def test_layouts_of_inputs_weights_and_gradients_do_not_matter() -> None:
    x, w = leaves()
    values = compiled(x, w)
    direction = torch.randn(values.shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    expected = [values, *torch.autograd.grad(values, (x, w), direction)]
    wide = torch.full((5, 2 * CIRCUIT.inputs), torch.nan, dtype=torch.float64)
    wide[:, ::2] = x.detach()
    negated = torch.complex(torch.zeros_like(x.detach()), -x.detach()).conj().imag
    assert negated.is_neg()
    strided = torch.stack([w.detach(), torch.zeros_like(w.detach())], 1)[:, 0]
    for inputs in (x.detach().T.contiguous().T, wide[:, ::2], negated):
        leaf, other = inputs.detach().requires_grad_(), strided.detach().requires_grad_()
        values = compiled(leaf, other)
        found = [values, *torch.autograd.grad(values, (leaf, other), direction.T.contiguous().T)]
        assert all(torch.equal(ours, theirs) for ours, theirs in zip(found, expected, strict=True))


def test_a_view_of_one_number_with_its_sign_to_come() -> None:
    # Contiguous whatever its strides, so that nothing copies it on the way.
    x = torch.tensor([[0.3j]], dtype=torch.complex128).conj().imag
    assert x.is_neg()
    assert x.is_contiguous()
    circuit = Circuit(1).add("RX", 0, feature(0))
    values = run(circuit, x, torch.zeros(0), Readout(PauliExpectations.of("Y0")), engine="compiled")
    assert values.item() == pytest.approx(np.sin(0.3), abs=1e-15)


@pytest.mark.parametrize("shape", [(), (3,)])
def test_tensors_given_as_angles_get_their_gradients(shape: tuple[int, ...]) -> None:
    g = torch.Generator().manual_seed(3)
    first, second = (torch.randn(shape, generator=g, dtype=torch.float64, requires_grad=True) for _ in range(2))
    circuit = reuploading(2, 1).add("CRX", (0, 1), Given(first)).add("RXX", (1, 0), Given(second)).add("RY", 0, first)
    x, w = torch.rand(3, 2, generator=g, dtype=torch.float64), torch.rand(8, generator=g, dtype=torch.float64)
    readout = Readout(PauliExpectations.of("Z0", "Y1"))
    found = []
    for engine in ("torch", "compiled"):
        values = run(circuit, x, w, readout, engine=engine)
        found.append([values, *torch.autograd.grad(values[:, 0].sum(), (first, second))])
    for ours, theirs in zip(*found, strict=True):
        assert torch.allclose(ours, theirs, atol=1e-14)
        assert float(ours.detach().abs().max()) > 1e-3
    with torch.no_grad():
        assert not run(circuit, x, w, readout, engine="compiled").requires_grad
    if shape:
        with pytest.raises(InputError, match="3 values for a batch of 2 samples"):
            run(circuit, x[:2], w, readout, engine="compiled")


def test_the_largest_angles_keep_their_precision() -> None:
    # A million turns: the angle itself has 1e-10 left in double precision.
    circuit = Circuit(1).add("RX", 0, feature(0))
    x = torch.tensor([[2e6 * torch.pi + 0.3], [-2e6 * torch.pi + 0.3]], dtype=torch.float64)
    values = run(circuit, x, torch.zeros(0), Readout(PauliExpectations.of("Z0")), engine="compiled")
    assert values.flatten().tolist() == pytest.approx(torch.cos(x).flatten().tolist(), abs=1e-12)

"""Which engine runs what."""

from collections.abc import Callable

import pytest
import torch
from compiled_engine import ENGINES, needs_kernel
from small_circuits import AMPLITUDES, GATES, READOUT, arguments, gradients
from torch import Tensor

from counterspin.circuits import (
    Circuit,
    PauliExpectations,
    Readout,
)
from counterspin.errors import UsageError
from counterspin.noise import NoiseModel
from counterspin.simulation import check_engine, engine_name, run
from counterspin.simulation.engines import choose
from counterspin.simulation.kernels import kernel


def test_auto_is_the_compiled_engine_where_it_was_built() -> None:
    x, w = arguments(GATES)
    values = run(GATES, x, w, READOUT)
    assert torch.equal(values, run(GATES, x, w, READOUT, engine=ENGINES[-1]))
    assert choose("auto", x, w) is kernel()
    assert choose("torch", x, w) is None
    assert engine_name() == ("torch" if kernel() is None else f"compiled ({kernel().variant})")


@pytest.mark.parametrize("engine", ["kernel", "", "Torch"])
def test_unknown_engines_are_refused(engine: str) -> None:
    with pytest.raises(UsageError, match=f"^engine is '{engine}'; allowed: auto, compiled, torch.$"):
        check_engine(engine)
    with pytest.raises(UsageError, match=f"engine is '{engine}'"):
        run(GATES, *arguments(GATES), READOUT, engine=engine)


@needs_kernel
def test_tensors_elsewhere_are_for_the_torch_engine() -> None:
    x, w = arguments(GATES)
    assert choose("auto", x.to("meta"), w) is None
    with pytest.raises(UsageError, match="the inputs are on meta and the weights on cpu; it runs on the CPU"):
        choose("compiled", x.to("meta"), w)


def scores_of_one(circuit: Circuit, w: Tensor, engine: str) -> Callable[[Tensor], Tensor]:
    return lambda row: run(circuit, row[None], w, READOUT, engine=engine)[0]


@pytest.mark.parametrize("circuit", [GATES, AMPLITUDES], ids=["gates", "amplitudes"])
def test_vmap_goes_through_the_torch_engine(circuit: Circuit) -> None:
    x, w = arguments(circuit, batch=4)
    mapped = torch.func.vmap(scores_of_one(circuit, w, "auto"))
    assert torch.allclose(mapped(x), run(circuit, x, w, READOUT, engine="torch"), atol=1e-14)
    with pytest.raises(
        UsageError, match=r"^engine is 'compiled', but a torch\.func .*; use engine='auto' or 'torch'.$"
    ):
        torch.func.vmap(scores_of_one(circuit, w, "compiled"))(x)


@pytest.mark.slow  # torch.func.grad loads torch's compiler, some seconds
@pytest.mark.parametrize("circuit", [GATES, AMPLITUDES], ids=["gates", "amplitudes"])
def test_torch_func_goes_through_the_torch_engine(circuit: Circuit) -> None:
    x, w = arguments(circuit, batch=4)
    one, refused = scores_of_one(circuit, w, "auto"), scores_of_one(circuit, w, "compiled")
    by_x = torch.func.vmap(torch.func.grad(lambda row: one(row).square().sum()))(x)
    by_w = torch.func.grad(lambda w: run(circuit, x, w, READOUT).square().sum())(w)
    _, *plain = gradients(circuit, x, w, "torch")
    assert torch.allclose(by_x, plain[0], atol=1e-13)
    assert torch.allclose(by_w, plain[1], atol=1e-13)
    jacobians = torch.func.vmap(torch.func.jacrev(one))(x)
    expected = [torch.autograd.functional.jacobian(scores_of_one(circuit, w, "torch"), row) for row in x]
    assert torch.allclose(jacobians, torch.stack(expected), atol=1e-13)
    for transformed in (torch.func.jacrev(refused), torch.func.grad(lambda row: refused(row)[0])):
        with pytest.raises(UsageError, match=r"engine is 'compiled', but a torch\.func transform is active"):
            transformed(x[0])


@needs_kernel
def test_gradients_of_given_angles_survive_noise() -> None:
    angle = torch.tensor(0.4, dtype=torch.float64, requires_grad=True)
    circuit, x = Circuit(1).add("RX", 0, angle), torch.zeros(2, 0, dtype=torch.float64)
    readout, noise = Readout(PauliExpectations.of("Z0")), NoiseModel(global_depolarizing=0.1)
    scores = run(circuit, x, torch.zeros(0), readout, noise=noise)
    (gradient,) = torch.autograd.grad(scores.sum(), angle)
    assert float(gradient) == pytest.approx(-2 * 0.9 * torch.sin(angle).item(), abs=1e-14)

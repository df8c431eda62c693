"""What both engines make of input that is none, or at the ends of its range."""

import pytest
import torch
from compiled_engine import ENGINES, each_engine
from small_circuits import AMPLITUDES, BATCH, GATES, READOUT, arguments, gradients, seeded
from torch import Tensor

from counterspin.circuits import (
    Circuit,
    OutcomeGroups,
    PauliExpectations,
    Readout,
    feature,
    weight,
)
from counterspin.errors import InputError, ResourceError
from counterspin.simulation import final_states, folded_scores, run


@each_engine
@pytest.mark.parametrize("batch", [0, 1, 300])
def test_states_that_fit_no_memory_are_refused_at_once(engine: str, batch: int) -> None:
    circuit = Circuit(40).add("RX", 0, feature(0)).add("CZ", (0, 39)).add("CNOT", (0, 1))
    x, w = torch.zeros(batch, 1), torch.zeros(0)
    sentence = r"the circuit has 40 qubits; its states need .* GiB and this machine has .* GiB\. Use fewer qubits"
    with pytest.raises(ResourceError, match=sentence):
        run(circuit, x, w, Readout(PauliExpectations.of("Z0")), engine=engine)
    with pytest.raises(ResourceError, match=sentence):
        final_states(circuit, x, w, engine=engine)


@each_engine
def test_angles_of_the_wrong_number_are_refused(engine: str) -> None:
    x, w = arguments(GATES)
    for wrong in (x[:, :2], torch.cat([x, x], 1), x[0], x[None]):
        with pytest.raises(InputError, match=r"inputs have shape .*; the circuit takes \(batch, 3\), float32"):
            run(GATES, wrong, w, READOUT, engine=engine)
    for wrong in (w[:-1], torch.cat([w, w]), w[None], w[0]):
        with pytest.raises(InputError, match=r"weights have shape .*; the circuit takes \(24,\)"):
            run(GATES, x, wrong, READOUT, engine=engine)
    with pytest.raises(InputError, match="4 values for a batch of 19 samples"):
        run(GATES.add("RX", 0, torch.zeros(4)), x, w, READOUT, engine=engine)


@each_engine
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.int64, torch.bool])
def test_inputs_of_another_precision_are_refused(engine: str, dtype: torch.dtype) -> None:
    x, w = arguments(GATES)
    with pytest.raises(InputError, match=rf"dtype {dtype}; the circuit takes \(batch, 3\), float32 or float64.$"):
        run(GATES, x.to(dtype), w, READOUT, engine=engine)


@each_engine
def test_weights_of_another_dtype_are_cast(engine: str) -> None:
    x, w = arguments(GATES)
    for weights in (w.float(), w.round().long()):
        expected = run(GATES, x, weights.double(), READOUT, engine=engine)
        assert torch.equal(run(GATES, x, weights, READOUT, engine=engine), expected)
    single = w.float().requires_grad_()
    (gradient,) = torch.autograd.grad(run(GATES, x, single, READOUT, engine=engine).sum(), single)
    assert gradient.dtype == torch.float32
    double = single.detach().double().requires_grad_()
    (exact,) = torch.autograd.grad(run(GATES, x, double, READOUT, engine=engine).sum(), double)
    assert torch.equal(gradient, exact.float())
    values = run(GATES, x.float(), w, READOUT, engine=engine)
    assert values.dtype == torch.float32
    assert torch.allclose(values.double(), run(GATES, x, w, READOUT, engine=engine), atol=1e-5)
    with pytest.raises(InputError, match="weights have dtype torch\\.complex128; angles are real"):
        run(GATES, x, w + 0j, READOUT, engine=engine)


@each_engine
@pytest.mark.parametrize("bad", [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize("circuit", [GATES, AMPLITUDES], ids=["gates", "amplitudes"])
def test_a_sample_that_is_no_number_spoils_itself_alone(circuit: Circuit, bad: float, engine: str) -> None:
    x, w = arguments(circuit)
    values, by_x, _ = gradients(circuit, x, w, engine)
    others = torch.arange(BATCH) != 3
    x[3, 1] = bad
    spoiled, by_spoiled, by_w = gradients(circuit, x, w, engine)
    assert bool(spoiled[3].isnan().all())
    assert bool(by_spoiled[3].isnan().any())
    assert torch.equal(spoiled[others], values[others])
    assert torch.equal(by_spoiled[others], by_x[others])
    # The weights are shared: nothing hides that their gradient is no number.
    assert bool(by_w.isnan().any())


@each_engine
def test_weights_that_are_no_numbers_give_no_numbers(engine: str) -> None:
    x, w = arguments(GATES)
    w[7] = torch.nan
    values, by_x, by_w = gradients(GATES, x, w, engine)
    assert bool(values.isnan().all())
    assert bool(by_x.isnan().all())
    assert bool(by_w.isnan().any())


@each_engine
@pytest.mark.parametrize("circuit", [GATES, AMPLITUDES], ids=["gates", "amplitudes"])
@pytest.mark.parametrize("batch", [0, 1])
def test_no_sample_and_one_sample_have_gradients(circuit: Circuit, batch: int, engine: str) -> None:
    x, w = arguments(circuit)
    values, by_x, by_w = gradients(circuit, x[:batch], w, engine)
    all_values, all_by_x, _ = gradients(circuit, x, w, engine)
    assert (values.shape, by_x.shape, by_w.shape) == ((batch, 3), (batch, circuit.inputs), w.shape)
    assert torch.allclose(values, all_values[:batch], atol=1e-14)
    assert torch.allclose(by_x, all_by_x[:batch], atol=1e-13)
    assert bool(by_w.any()) == bool(batch)


@each_engine
def test_the_zero_vector_is_named(engine: str) -> None:
    x, w = arguments(AMPLITUDES)
    x[2, 0] = torch.nan
    x[17] = 0.0
    x[18] = 0.0
    with pytest.raises(InputError, match="sample 17 is the zero vector"):
        run(AMPLITUDES, x, w, READOUT, engine=engine)
    with pytest.raises(InputError, match="sample 17 is the zero vector"):
        run(AMPLITUDES, x.requires_grad_(), w, READOUT, engine=engine)


FORMS = torch.randn(6, 6, generator=seeded(3), dtype=torch.float64)
FORMS = torch.cat([FORMS + FORMS.T, torch.eye(6, dtype=torch.float64)], 1)


def folded(x: Tensor) -> Tensor:
    return folded_scores(x, FORMS.to(x))


@pytest.mark.parametrize("scale", [1e-44, 1e-40, 1e-30, 1e-19, 1.0, 1e19, 1e30, 1e37, 1e38])
@pytest.mark.parametrize("way", ["compiled", "torch", "folded"])
def test_amplitudes_of_any_size_in_single_precision(way: str, scale: float) -> None:
    # Their squares leave float32 from 1e-19 to 1e19.
    if way not in (*ENGINES, "folded"):
        pytest.skip("the compiled engine was not built")
    x, w = arguments(AMPLITUDES, torch.float32)
    x = scale * x
    single = x.clone().requires_grad_()
    double = x.double().requires_grad_()
    if way == "folded":
        values, exact = folded(single), folded(double)
    else:
        values = run(AMPLITUDES, single, w, READOUT, engine=way)
        exact = run(AMPLITUDES, double, w.double(), READOUT, engine="torch")
    assert torch.allclose(values.double(), exact, atol=1e-5, rtol=0)
    (gradient,), (true,) = (torch.autograd.grad(v.square().sum(), t) for v, t in ((values, single), (exact, double)))
    # The gradient of 1e37 is smaller than any normal number, that of 1e-40 larger than any number.
    if 1e-40 < scale < 1e37:
        assert torch.allclose(gradient.double(), true, atol=1e-5 * float(true.abs().max()), rtol=0)


@each_engine
def test_angles_of_any_size(engine: str) -> None:
    circuit, readout = Circuit(1).add("RX", 0, feature(0) * weight(0)), Readout(PauliExpectations.of("Z0"))
    x = torch.tensor([[1e-310], [5e-324], [1e10], [-1e10]], dtype=torch.float64)
    values = run(circuit, x, torch.ones(1, dtype=torch.float64), readout, engine=engine)
    # Half an angle of 1e10 is exact, and so is its cosine but for rounding.
    assert torch.allclose(values, torch.cos(x), atol=1e-14, rtol=0)


@each_engine
def test_outcome_probabilities_add_up(engine: str) -> None:
    x, w = arguments(AMPLITUDES)
    readout = Readout(OutcomeGroups.first(qubits=2, classes=4))
    assert torch.allclose(run(AMPLITUDES, x, w, readout, engine=engine).sum(1), torch.ones(BATCH).double(), atol=1e-14)

"""The library's defaults that hide or falsify gradients, mended on a copy and said."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from qiskit_readings import FEATURES, WEIGHTS, assert_imported_as_at_home, options_for, small_network

from counterspin.errors import ModelError
from counterspin.models.integrations.adopt import adopt
from counterspin.models.integrations.qiskit import read
from counterspin.models.integrations.qiskit.repairs import mended

pytestmark = pytest.mark.slow

GIVEN = {"weights": WEIGHTS}
SWITCHED_ON = (
    "input_gradients was off, as is the library's default, so that the gradient of the features was silently None: "
    "switched on"
)


@pytest.mark.parametrize("kind", ["EstimatorQNN", "SamplerQNN"])
def test_input_gradients_are_switched_on_on_a_copy(kind):
    network = small_network(kind)
    assert network.backward(FEATURES.numpy(), WEIGHTS)[0] is None  # the trap
    candidate = read(network, options_for(weights=GIVEN))
    assert candidate.repairs == (SWITCHED_ON,)
    assert candidate.home_differentiable
    x = FEATURES.clone().requires_grad_()
    candidate.home(x)[:, 0].sum().backward()
    assert x.grad is not None
    assert torch.autograd.gradcheck(candidate.home, (FEATURES[:1].clone().requires_grad_(),), eps=1e-5, atol=1e-6)
    assert not network.input_gradients


def test_a_network_with_its_gradient_on_is_left_alone():
    assert mended(small_network("EstimatorQNN", input_gradients=True)).repairs == ()


def test_a_state_vector_estimator_is_asked_for_exact_values():
    from qiskit.primitives import StatevectorEstimator

    network = small_network("EstimatorQNN", estimator=StatevectorEstimator(), input_gradients=True)
    first, second = (network.forward(FEATURES.numpy(), WEIGHTS) for _ in range(2))
    assert np.abs(first - second).max() > 1e-3  # the trap
    candidate = read(network, options_for(weights=GIVEN))
    assert candidate.repairs == (
        "StatevectorEstimator added noise of standard deviation 0.015625 (default_precision) to every value: set to 0, "
        "exact values",
    )
    assert not candidate.stochastic
    assert_imported_as_at_home(candidate, FEATURES)
    assert network.default_precision == 0.015625


@pytest.mark.parametrize("primitive", ["StatevectorEstimator", "QMLEstimator"])
def test_a_gradient_of_its_own_precision_is_made_exact(primitive):
    from qiskit.primitives import StatevectorEstimator
    from qiskit_machine_learning.primitives import QMLEstimator

    estimator = {"StatevectorEstimator": StatevectorEstimator, "QMLEstimator": QMLEstimator}[primitive]
    network = small_network("EstimatorQNN", estimator=estimator(default_precision=0.2), input_gradients=True)
    candidate = read(network, options_for(weights=GIVEN))
    assert "the gradient was sampled at precision 0.2: replaced by exact parameter shifts" in candidate.repairs
    assert_imported_as_at_home(candidate, FEATURES)


def test_estimators_of_aer_are_asked_for_exact_values():
    from qiskit_aer.primitives import EstimatorV2

    network = small_network("EstimatorQNN", estimator=EstimatorV2())
    candidate = read(network, options_for(weights=GIVEN))
    assert candidate.repairs[0].startswith("EstimatorV2 added noise of standard deviation 0.015625")
    assert_imported_as_at_home(candidate, FEATURES)


def test_a_noise_model_is_wrapped_without_sampling_noise():
    from qiskit_aer.noise import NoiseModel, depolarizing_error
    from qiskit_aer.primitives import EstimatorV2

    noise = NoiseModel()
    noise.add_all_qubit_quantum_error(depolarizing_error(0.1, 1), ["ry"])
    network = small_network("EstimatorQNN", estimator=EstimatorV2(options={"backend_options": {"noise_model": noise}}))
    candidate = read(network, options_for(weights=GIVEN))
    assert candidate.imported is None
    assert candidate.reason == "EstimatorV2 has a noise model, which is not imported"
    assert not candidate.stochastic
    ideal = read(small_network("EstimatorQNN"), options_for(weights=GIVEN)).home(FEATURES)
    noisy, again = candidate.home(FEATURES), candidate.home(FEATURES)
    assert torch.equal(noisy, again)
    # Three layers of depolarised rotations on two qubits shrink the parity by about 0.9**6.
    assert 0.4 < float((noisy / ideal).median()) < 0.8


def test_shots_are_wrapped_as_random():
    from qiskit.primitives import BackendEstimatorV2, StatevectorSampler
    from qiskit_aer import AerSimulator
    from qiskit_aer.primitives import SamplerV2

    cases = [
        ("EstimatorQNN", {"estimator": BackendEstimatorV2(backend=AerSimulator())}, "measures with finite shots", 4096),
        ("SamplerQNN", {"sampler": StatevectorSampler(default_shots=64)}, "StatevectorSampler draws 64 shots", 64),
        ("SamplerQNN", {"sampler": SamplerV2(default_shots=99)}, "SamplerV2 draws", 99),
    ]
    for kind, options, reason, shots in cases:
        candidate = read(small_network(kind, **options), options_for(weights=GIVEN))
        assert candidate.imported is None
        assert candidate.stochastic
        assert reason in candidate.reason
        # One reading per observable at 1 / precision² shots each (precision 1/64, the library's default).
        assert candidate.shots == shots * (candidate.home(FEATURES).shape[1] if kind == "EstimatorQNN" else 1)


@pytest.mark.parametrize(("kind", "primitive"), [("EstimatorQNN", "QMLEstimator"), ("SamplerQNN", "QMLSampler")])
def test_gradients_along_one_random_direction_are_replaced(kind, primitive):
    from qiskit_machine_learning import gradients, primitives

    name = f"SPSA{kind[:-3]}Gradient"
    spsa = getattr(gradients, name)(getattr(primitives, primitive)(), seed=1)
    network = small_network(kind, gradient=spsa, input_gradients=True)
    candidate = read(network, options_for(weights=GIVEN))
    true = candidate.home
    x = FEATURES.clone().requires_grad_()
    (slope,) = torch.autograd.grad(true(x)[:, 0].sum(), x)
    wrong = torch.from_numpy(np.asarray(network.backward(FEATURES.numpy(), WEIGHTS)[0]))[:, 0]
    assert float((wrong - slope).abs().max()) > 0.1  # the trap
    assert candidate.repairs == (
        f"{name} perturbs all parameters at once by 1e-06: along one random direction it is the wrong gradient of a "
        f"sample; replaced by ParamShift{kind[:-3]}Gradient",
    )
    assert_imported_as_at_home(candidate, FEATURES)


def test_several_registers_are_refused():
    from qiskit import ClassicalRegister
    from qiskit_machine_learning.neural_networks import SamplerQNN

    network = small_network("SamplerQNN")
    circuit = network.circuit.copy()
    circuit.add_register(ClassicalRegister(1, "left"), ClassicalRegister(1, "right"))
    circuit.measure([0, 1], [0, 1])
    trap = SamplerQNN(circuit=circuit, input_params=network.input_params, weight_params=network.weight_params)
    with pytest.raises(
        ModelError, match=r"measures into registers left, right.*measure into one register called 'meas'"
    ):
        read(trap, options_for(weights=GIVEN))


def test_adopted_networks_say_what_was_mended():
    adopted = adopt(small_network("EstimatorQNN"), FEATURES, bounds=(0, 1), weights=GIVEN)
    assert (adopted.route.kind, adopted.route.route) == ("qiskit.EstimatorQNN", "imported")
    assert adopted.route.repairs == (SWITCHED_ON,)
    assert adopted.route.gradient_check is not None
    assert adopted.route.gradient_check.passed
    assert adopted.route.home is not None
    assert torch.allclose(adopted.model(FEATURES), adopted.route.home(FEATURES), atol=1e-10)
    margins = adopted.model(FEATURES)
    expected = torch.from_numpy(small_network("EstimatorQNN").forward(FEATURES.numpy(), WEIGHTS))[:, 0]
    assert torch.allclose(margins[:, 1] - margins[:, 0], expected, atol=1e-10)

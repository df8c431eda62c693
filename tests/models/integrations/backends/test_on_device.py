"""Classifiers on a device, with a device that is exact: what is asked, in how many jobs, and what it is booked as."""

import pytest
import torch
from every_gate import amplitude_classifier, counting_classifier, pauli_classifier
from recorded_device import ExactDevice

from counterspin.attacks import FGSM, PGD
from counterspin.attacks.gradients import DeviceShift, Twin
from counterspin.attacks.ledger import ExecutionLedger, paid
from counterspin.attacks.registry import adapted
from counterspin.attacks.sequential import sequential_verdict
from counterspin.attacks.stochastic import mean_price, mean_scores
from counterspin.circuits import Given
from counterspin.errors import CapabilityError, UsageError
from counterspin.models import MappedClassifier, QuantumClassifier
from counterspin.models.integrations.backends import OnDevice
from counterspin.threats import ExecutionBudget, Linf
from counterspin.types import Box, Cost, CountsShots, HasCircuit, HasTwin, PricesCalls, Reseedable

MODELS = {"pauli": pauli_classifier, "counting": counting_classifier, "amplitudes": amplitude_classifier}


def points(model, count=5):
    generator = torch.Generator().manual_seed(7)
    return 0.1 + 0.9 * torch.rand(count, model.bounds.features, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("name", MODELS)
def test_every_gate_weight_and_angle_arrives_at_the_device(name):
    model, device = MODELS[name](), ExactDevice()
    on_device, x = OnDevice(model, device, shots=10), points(model)
    torch.testing.assert_close(on_device(x), model(x).detach(), rtol=1e-9, atol=1e-9)
    assert device.jobs == [5]
    assert on_device(x.float()).dtype == torch.float32


def test_the_front_of_a_mapped_model_stays_classical():
    body = counting_classifier()
    mapped = MappedClassifier(
        lambda x: torch.stack([x[:, 0], x[:, 0] * x[:, 1], x[:, 1]], dim=1), body, Box.uniform(0, 1, 2)
    )
    x = torch.rand(4, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(OnDevice(mapped, ExactDevice(), shots=1)(x), mapped(x).detach(), rtol=1e-9, atol=1e-9)


def test_capabilities_are_those_of_a_device():
    model = OnDevice(pauli_classifier(), ExactDevice(), shots=10)
    assert all(isinstance(model, kind) for kind in (HasTwin, CountsShots, PricesCalls))
    # Its circuit is no longer what its scores are read from, and a device has no seed.
    assert not isinstance(model, HasCircuit)
    assert not isinstance(model, Reseedable)
    assert model.stochastic
    assert model.twin is model.model
    assert model.shots_per_call == 20
    assert "backend=exact, shots=10" in repr(model)


def test_what_is_booked_is_what_was_executed():
    device = ExactDevice()
    model, x = OnDevice(pauli_classifier(), device, shots=10), points(pauli_classifier())
    model(x)
    assert model.call_price(5) == Cost(forwards=5, circuits=10, shots=100, jobs=1)
    assert model.executed == Cost(circuits=10, shots=100, jobs=1)
    for source in (DeviceShift(), Twin()):
        model.executed = Cost()
        device.jobs.clear()
        cost = source(model, x, lambda scores, **_: scores[:, 0]).cost
        assert cost == source.price(model, 5)
        assert (cost.circuits, cost.shots, cost.jobs) == (
            model.executed.circuits,
            model.executed.shots,
            model.executed.jobs,
        )
        # All shifts of all samples are one job.
        assert len(device.jobs) == 1
    assert model(x[:0]).shape == (0, 3)


@pytest.mark.parametrize("build", [pauli_classifier, counting_classifier])
def test_shifted_circuits_give_the_exact_gradient(build):
    model = build()
    on_device, x = OnDevice(model, ExactDevice(), shots=10), points(model, 3)

    def objective(scores, **_):
        return (scores * torch.linspace(1, 2, scores.shape[1], dtype=scores.dtype)).sum(dim=1) + scores[:, 0] ** 2

    leaf = x.clone().requires_grad_()
    (exact,) = torch.autograd.grad(objective(model(leaf)).sum(), leaf)
    found = DeviceShift()(on_device, x, objective)
    torch.testing.assert_close(found.gradient, exact, rtol=1e-8, atol=1e-8)
    torch.testing.assert_close(found.value, objective(model(x)).detach(), rtol=1e-8, atol=1e-8)
    assert float(exact.abs().mean()) > 0.05


def test_shifts_of_amplitudes_are_refused_with_what_to_do():
    model = OnDevice(amplitude_classifier(), ExactDevice(), shots=10)
    with pytest.raises(CapabilityError, match="gradient=Twin"):
        PGD(gradient=DeviceShift()).check(model, Linf(0.1))
    with pytest.raises(CapabilityError, match="runs on no device"):
        DeviceShift().check(amplitude_classifier())


@pytest.mark.one_fast
@pytest.mark.parametrize("source", [DeviceShift(), Twin()], ids=["shifts", "twin"])
def test_an_attack_takes_one_job_per_step_and_one_to_confirm(source):
    device = ExactDevice()
    model, x = OnDevice(pauli_classifier(), device, shots=50), points(pauli_classifier())
    y = model.twin(x).argmax(dim=1)
    scores = model.twin(x).double()
    results = list(
        PGD(steps=4, gradient=source).budgets(
            model, x, y, Linf(1e-4), correct=torch.ones(5, dtype=torch.bool), scores=scores
        )
    )
    cost = results[0].cost + results[0].verdict_cost
    assert len(device.jobs) == cost.jobs
    assert model.executed == Cost(circuits=cost.circuits, shots=cost.shots, jobs=cost.jobs)
    # Four gradients and the last scores, each perhaps followed by one job that confirms a promising point.
    assert 5 <= results[0].cost.jobs <= 10
    # An exact device decides every sample in the first round.
    assert results[0].verdict_cost == Cost(forwards=80, circuits=160, shots=8000, jobs=1)


@pytest.mark.parametrize("limit", [161, 250, 411, 600])
def test_a_device_never_executes_more_than_the_budget(limit):
    device = ExactDevice()
    model, x = OnDevice(pauli_classifier(), device, shots=10), points(pauli_classifier())
    y = model.twin(x).argmax(dim=1)
    book = ExecutionLedger(ExecutionBudget(circuits=limit))
    attack = PGD(steps=6, gradient=DeviceShift())
    paying = paid(model, book)
    found = list(
        attack.budgets(paying, x, y, Linf(0.05), correct=torch.ones(5, dtype=torch.bool), scores=model.twin(x))
    )
    assert model.executed.circuits == book.spent.circuits <= limit
    assert len(device.jobs) == book.spent.jobs
    assert len(found) == 1
    assert book.reached


def test_a_device_takes_repeated_calls_as_one_job():
    device = ExactDevice()
    model, x = OnDevice(counting_classifier(), device, shots=10), points(counting_classifier())
    torch.testing.assert_close(mean_scores(model, x, 4), model.twin(x).detach(), rtol=1e-9, atol=1e-9)
    assert device.jobs == [20]
    assert mean_price(model, 5, 4) == Cost(forwards=20, circuits=20, shots=200, jobs=1)
    device.jobs.clear()
    verdict = sequential_verdict(model, x, model.twin(x).argmax(dim=1))
    assert device.jobs == [80]
    assert verdict.cost.jobs == 1
    assert verdict.counts.sum(dim=1).tolist() == [16] * 5


def test_the_suite_takes_its_gradients_from_the_twin():
    model = OnDevice(pauli_classifier(), ExactDevice(), shots=10)
    assert adapted(FGSM(), model).gradient == Twin()


def test_models_and_devices_that_cannot_be_used_are_refused():
    model = pauli_classifier()
    with pytest.raises(UsageError, match="give a PennyLane device"):
        OnDevice(model, object(), shots=10)
    with pytest.raises(UsageError, match="shots is 0"):
        OnDevice(model, ExactDevice(), shots=0)
    with pytest.raises(CapabilityError, match="no bare circuit"):
        OnDevice(OnDevice(model, ExactDevice(), shots=1), ExactDevice(), shots=10)
    given = QuantumClassifier(
        model.circuit.add("RX", 0, Given(torch.zeros(()))), model.measurement, model.bounds, weights=model.weights
    )
    with pytest.raises(CapabilityError, match="computed outside"):
        OnDevice(given, ExactDevice(), shots=10)

"""The same classifiers on Qiskit primitives, Aer and fake backends: within shot noise, bits in our order, one job."""

import math

import pytest
import torch
from every_gate import amplitude_classifier, counting_classifier, pauli_classifier

from counterspin.attacks.gradients import DeviceShift, ParameterShift
from counterspin.errors import CapabilityError
from counterspin.models.integrations.backends import OnDevice

pytestmark = [
    pytest.mark.slow,
    # The noise model of a fake backend made up on the spot has no relaxation times.
    pytest.mark.filterwarnings("ignore:.*has no QubitProperties:UserWarning"),
]

SHOTS = 20000
MODELS = {"pauli": pauli_classifier, "counting": counting_classifier, "amplitudes": amplitude_classifier}


def points(model, count=4):
    generator = torch.Generator().manual_seed(7)
    return 0.1 + 0.9 * torch.rand(count, model.bounds.features, generator=generator, dtype=torch.float64)


def primitive(name):
    from qiskit.primitives import BackendEstimatorV2, StatevectorEstimator, StatevectorSampler
    from qiskit.providers.fake_provider import GenericBackendV2
    from qiskit_aer import AerSimulator
    from qiskit_aer.primitives import EstimatorV2, SamplerV2

    ideal_line = [[0, 1], [1, 0], [1, 2], [2, 1], [2, 3], [3, 2]]
    makers = {
        "statevector sampler": lambda: StatevectorSampler(seed=1),
        "statevector estimator": lambda: StatevectorEstimator(seed=1),
        "aer sampler": lambda: SamplerV2(seed=1),
        "aer estimator": lambda: EstimatorV2(options={"backend_options": {"seed_simulator": 1}}),
        "aer backend": lambda: AerSimulator(seed_simulator=1),
        "backend on a line": lambda: GenericBackendV2(4, seed=1, noise_info=False, coupling_map=ideal_line),
        "estimator on a line": lambda: BackendEstimatorV2(
            backend=GenericBackendV2(4, seed=1, noise_info=False, coupling_map=ideal_line)
        ),
    }
    return makers[name]()


def sigma(model):
    """Five standard errors of a score: those of a Pauli value, through the head."""
    head = model.readout.head
    gain = 1.0 if head is None else float(head.weight.abs().sum(dim=1).max())
    return 5 * gain / math.sqrt(SHOTS)


SAMPLERS = ["statevector sampler", "aer sampler", "aer backend", "backend on a line"]
ESTIMATORS = ["statevector estimator", "aer estimator", "estimator on a line"]


@pytest.mark.parametrize(
    ("name", "kind"),
    [(name, kind) for name in SAMPLERS for kind in MODELS]
    + [(n, k) for n in ESTIMATORS for k in ("pauli", "amplitudes")],
)
def test_scores_are_those_of_our_simulator_up_to_shot_noise(name, kind):
    model = MODELS[kind]()
    on_device, x = OnDevice(model, primitive(name), shots=SHOTS), points(model)
    torch.testing.assert_close(on_device(x), model(x).detach(), rtol=0, atol=sigma(model))
    assert on_device.executed.jobs == 1


@pytest.mark.parametrize("name", ["aer sampler", "aer estimator"])
def test_all_shifts_of_all_samples_are_one_job(name, monkeypatch):
    model, device = pauli_classifier(), primitive(name)
    jobs, run = [], type(device).run
    monkeypatch.setattr(
        type(device), "run", lambda self, pubs, **options: (jobs.append(pubs), run(self, pubs, **options))[1]
    )
    on_device, x = OnDevice(model, device, shots=2000), points(model, 2)

    def objective(scores, **_):
        return scores @ torch.linspace(1, 2, scores.shape[1], dtype=scores.dtype)

    found = DeviceShift()(on_device, x, objective)
    assert len(jobs) == found.cost.jobs == on_device.executed.jobs == 1
    # One PUB per setting of a sampler, one for all observables of an estimator; each takes all points at once.
    assert len(jobs[0]) == (2 if name == "aer sampler" else 1)
    held = len(jobs[0][0][-1])
    assert found.cost.circuits == on_device.executed.circuits == 2 * held
    assert found.cost.shots == on_device.executed.shots == 2 * held * 2000
    exact = ParameterShift()(model, x, objective).gradient
    assert float(torch.cosine_similarity(found.gradient.flatten(), exact.flatten(), dim=0)) > 0.9


def test_circuits_are_transpiled_once(monkeypatch):
    model = counting_classifier()
    on_device = OnDevice(model, primitive("backend on a line"), shots=50)
    on_device(points(model))
    monkeypatch.setattr(type(on_device.backend._transpiler), "run", None)
    on_device(points(model))
    assert on_device.executed.circuits == 8


def test_a_noisy_fake_backend_flattens_the_scores():
    from qiskit.providers.fake_provider import GenericBackendV2

    model = counting_classifier()
    x = points(model)
    noisy = OnDevice(model, GenericBackendV2(3, seed=3), shots=SHOTS)(x)
    torch.testing.assert_close(noisy.sum(dim=1), torch.ones(4, dtype=torch.float64), rtol=0, atol=1e-12)
    # Dozens of two-qubit gates with errors: nearer to a quarter each, beyond shot noise.
    assert float((noisy - 0.25).abs().mean()) < 0.98 * float((model(x) - 0.25).abs().mean())


def test_a_fake_device_of_the_runtime_package_serves_as_well():
    provider = pytest.importorskip("qiskit_ibm_runtime.fake_provider")
    model = counting_classifier()
    on_device, x = OnDevice(model, provider.FakeManilaV2(), shots=4000), points(model)
    assert float((on_device(x) - model(x)).abs().max()) < 0.5
    assert on_device.executed.jobs == 1


def test_estimators_of_outcome_groups_are_refused():
    with pytest.raises(CapabilityError, match="use a sampler"):
        OnDevice(counting_classifier(), primitive("statevector estimator"), shots=10)

"""The door: routes, bounds, preprocessing, trap models, refusals; imported circuits equal to their home."""

import pytest
import torch
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer, StandardScaler
from torch import nn

import counterspin as cs
from counterspin.circuits import Circuit, Linear, PauliExpectations, Readout, amplitude_encoding, feature, weight
from counterspin.errors import InputError, ModelError, UsageError
from counterspin.evaluation.conformance import check_classifier
from counterspin.models import AffineInputs, LogisticRegression, MappedClassifier, QuantumClassifier
from counterspin.models.integrations import Adopted, Route, adopt, wrap
from counterspin.models.integrations import detect as detection
from counterspin.models.integrations.comparison import disagreement
from counterspin.models.integrations.detect import integration_of
from counterspin.models.integrations.reading import Candidate, CircuitReading
from counterspin.optimum import AffineMap
from counterspin.simulation import run
from counterspin.types import Box

X = torch.rand(12, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
W = torch.tensor([0.3, -1.2], dtype=torch.float64)
CIRCUIT = Circuit(2).add("RY", 0, 2 * feature(0)).add("RX", 1, feature(1) - feature(2)).add("CNOT", (0, 1))
CIRCUIT = CIRCUIT.add("RY", 0, weight(0)).add("RX", 1, weight(1))
HEAD = Linear(torch.tensor([[1.5, -0.5], [0.2, 1.0]]), torch.tensor([0.1, 0.0]))


def _net(*tail, last=2):
    generator = torch.Generator().manual_seed(0)
    net = nn.Sequential(nn.Linear(3, 6), nn.Tanh(), nn.Linear(6, last), *tail)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    return net


class Foreign:
    """A model of a library that is not there: its circuit runs on the other engine."""

    def __init__(self, **changes):
        self.changes = changes

    def candidate(self):
        reading = CircuitReading(
            circuit=CIRCUIT, weights=W, front=None, measurement=PauliExpectations.of("Z0", "Z1"), head=HEAD
        )
        reading = self.changes.pop("reading", reading)
        readout = Readout(reading.measurement, reading.head)

        def home(x):
            inputs = x if reading.front is None else reading.front(x)
            return run(reading.circuit, inputs, reading.weights.to(x), readout, engine="torch")

        return Candidate(
            **{
                "kind": "foreign.Circuit",
                "home": home,
                "values": "logits",
                "home_differentiable": True,
                "stochastic": False,
                "imported": reading,
                "reason": "the circuit was read",
            }
            | self.changes
        )


class _Library:
    @staticmethod
    def claims(model):
        return isinstance(model, Foreign)

    @staticmethod
    def read(model, options):
        return model.candidate()


@pytest.fixture(autouse=True)
def _foreign(monkeypatch):
    known = detection.import_module
    monkeypatch.setattr(detection, "INTEGRATIONS", ("foreign", *detection.INTEGRATIONS))
    monkeypatch.setattr(detection, "import_module", lambda name: _Library if name.endswith(".foreign") else known(name))


# --- imported --------------------------------------------------------------------------------------------------------


def test_a_circuit_that_computes_the_same_is_imported():
    adopted = adopt(Foreign(), X, bounds=(0, 1))
    assert isinstance(adopted, Adopted)
    assert isinstance(adopted.model, QuantumClassifier)
    route = adopted.route
    assert (route.kind, route.route, route.reason) == ("foreign.Circuit", "imported", "the circuit was read")
    assert (route.repairs, route.space) == ((), "features as given")
    assert route.gradient_check.passed is True
    assert adopted.model.route is route
    torch.testing.assert_close(adopted.model(X), route.home(X), rtol=1e-12, atol=1e-12)
    assert disagreement(adopted.model, route.home, X, noise=0.0, gradients=True) is None
    check_classifier(adopted.model, X, adopted.model(X).argmax(dim=1)).raise_if_failed()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda home: lambda x: home(x) + 1e-4, "its values differ from those at home by 0.0001"),
        (lambda home: lambda x: torch.cat([home(x), home(x)[:, :1]], dim=1), "2 classes, the model at home 3"),
    ],
)
def test_a_circuit_that_computes_something_else_is_not(change, reason):
    home = Foreign().candidate().home
    adopted = adopt(Foreign(home=change(home)), X, bounds=(0, 1))
    assert adopted.route.route == "wrapped"
    assert reason in adopted.route.reason
    with pytest.raises(ModelError, match="cannot be imported: the circuit was read, but"):
        adopt(Foreign(home=change(home)), X, bounds=(0, 1), route="import")


def test_what_the_user_asks_for():
    wrapped = adopt(Foreign(), X, route="wrap")
    assert (wrapped.route.route, wrapped.route.reason) == ("wrapped", "wrapping was asked for")
    black = adopt(Foreign(), X, gradient="none")
    assert black.route.route == "wrapped"
    assert black.route.gradient_check.passed is None
    assert not black.model.differentiable
    with pytest.raises(ModelError, match=r"model \(torch.Module\) cannot be imported: .* route='wrap'"):
        adopt(_net(), X, route="import")


class Zero(torch.autograd.Function):
    """Hands values on and gradients not."""

    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        return 0 * gradient


def test_an_import_mends_a_wrong_gradient_and_says_so():
    home = Foreign().candidate().home
    adopted = adopt(Foreign(home=lambda x: home(Zero.apply(x))), X)
    assert adopted.route.route == "imported"
    assert adopted.route.gradient_check.passed is True
    assert any("exactly 0" in repair and "the right one" in repair for repair in adopted.route.repairs)
    with pytest.raises(ModelError, match=r"exactly 0.*gradient='none'"):
        adopt(Foreign(home=lambda x: home(Zero.apply(x))), X, route="wrap")


def test_a_home_that_can_be_mended():
    home = Foreign().candidate().home
    state = {"wrong": True}

    def mend():
        state["wrong"] = False
        return "another rule is used"

    foreign = Foreign(home=lambda x: home(Zero.apply(x)) if state["wrong"] else home(x), mend=mend, imported=None)
    adopted = adopt(foreign, X)
    assert adopted.route.repairs == ("another rule is used",)
    assert adopted.route.gradient_check.passed is True


def test_a_sampled_home_is_compared_in_its_mean():
    home = Foreign().candidate().home
    generator = torch.Generator().manual_seed(0)

    def sampled(x):
        values = home(x)
        return values + 1e-3 * torch.randn(values.shape, generator=generator, dtype=x.dtype)

    assert adopt(Foreign(home=sampled, stochastic=True), X).route.route == "imported"
    moved = adopt(Foreign(home=lambda x: sampled(x) + 0.1, stochastic=True), X)
    assert moved.route.route == "wrapped"
    assert moved.model.stochastic


def test_kernel_machines_come_as_classifiers():
    machine = LogisticRegression(Box.unbounded(3), classes=2)
    with torch.no_grad():
        machine.weight.copy_(torch.tensor([[-0.5, -1.0, 0.0], [0.5, 1.0, 0.0]]))
    value = lambda x: x @ torch.tensor([1.0, 2.0, 0.0]).to(x)  # noqa: E731
    adopted = adopt(Foreign(home=value, imported=machine.requires_grad_(False)), X, bounds=(0, 1))
    assert adopted.model is machine
    assert float(machine.bounds.upper[0]) == 1.0
    swapped = adopt(Foreign(home=value, imported=machine), X, bounds=(0, 1), above=0)
    assert swapped.route.route == "wrapped"
    assert bool((swapped.model(X).argmax(dim=1) == 1 - machine(X).argmax(dim=1)).all())


# --- preprocessing ---------------------------------------------------------------------------------------------------

SCALE = AffineMap(torch.diag(torch.tensor([2.0, 0.5, 1.0])), torch.tensor([0.0, 0.1, -0.2]))


@pytest.mark.parametrize(
    ("front", "circuit", "kind"),
    [
        (None, CIRCUIT, AffineInputs),
        (torch.sin, CIRCUIT, MappedClassifier),
        (SCALE, amplitude_encoding(3).add("RY", 0, weight(0)).add("RX", 1, weight(1)), AffineInputs),
    ],
)
def test_preprocessing_becomes_part_of_an_imported_model(front, circuit, kind):
    reading = CircuitReading(
        circuit=circuit, weights=W, front=front, measurement=PauliExpectations.of("Z0", "Z1"), head=None
    )
    plain = adopt(Foreign(reading=reading), SCALE(X))
    adopted = adopt(Foreign(reading=reading), X, preprocess=SCALE, bounds=(0, 1))
    assert type(adopted.model) is kind
    assert adopted.route.space == "features before AffineMap"
    torch.testing.assert_close(adopted.model(X), plain.model(SCALE(X)), rtol=1e-11, atol=1e-12)
    torch.testing.assert_close(adopted.route.home(X), plain.model(SCALE(X)), rtol=1e-11, atol=1e-12)
    assert float(adopted.model.bounds.upper.max()) == 1.0


@pytest.mark.parametrize(
    ("front", "circuit", "kind"),
    [
        (None, CIRCUIT, MappedClassifier),
        (SCALE, amplitude_encoding(3).add("RY", 0, weight(0)).add("RX", 1, weight(1)), MappedClassifier),
        (None, amplitude_encoding(3).add("RY", 0, weight(0)).add("RX", 1, weight(1)), AffineInputs),
    ],
)
def test_samples_divided_by_their_norm_before_a_circuit(front, circuit, kind):
    steps = make_pipeline(StandardScaler(), Normalizer()).fit(X.numpy())
    measurement = PauliExpectations.of("Z0", "Z1")
    reading = CircuitReading(circuit=circuit, weights=W, front=front, measurement=measurement, head=None)
    adopted = adopt(Foreign(reading=reading), X, preprocess=steps, bounds=(0, 1))
    assert type(adopted.model) is kind
    seen = torch.as_tensor(steps.transform(X.numpy()))
    expected = adopt(Foreign(reading=reading), seen).route.home(seen)
    torch.testing.assert_close(adopted.model(X), expected, rtol=1e-11, atol=1e-12)
    torch.testing.assert_close(adopted.route.home(X), expected, rtol=1e-11, atol=1e-12)
    assert adopted.route.space == "features before StandardScaler, Normalizer"


def test_preprocessing_of_a_wrapped_model_and_a_declared_space():
    model = wrap(_net(), X, preprocess=SCALE, bounds=(0, 1))
    torch.testing.assert_close(model(X), _net().double()(SCALE(X)), rtol=1e-11, atol=1e-12)
    assert model.route.space == "features before AffineMap"
    assert adopt(_net(), X, space="pixels / 255").route.space == "pixels / 255"


# --- wrapped ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("net", [_net(), _net(last=1), _net(nn.Sigmoid(), last=1), _net(nn.Softmax(dim=1), last=4)])
def test_wrapped_modules_keep_the_contract_of_classifiers(net):
    model = wrap(net, X, bounds=(0, 1))
    check_classifier(model, X, model(X).argmax(dim=1)).raise_if_failed()
    values = net.double().eval()(X)
    winner = values.argmax(dim=1) if values.shape[1] > 1 else (values[:, 0] > 0.5 * ("Sigmoid" in str(net))).long()
    assert torch.equal(model(X).argmax(dim=1), winner)


def test_scores_carry_a_gradient_where_the_input_asks_for_one():
    model = wrap(_net(), X)
    assert not model(X).requires_grad
    assert model(X.clone().requires_grad_()).requires_grad
    with torch.no_grad():
        assert not model(X.clone().requires_grad_()).requires_grad
    assert not wrap(_net(), X, gradient="none")(X.clone().requires_grad_()).requires_grad


def test_randomness_is_said():
    adopted = adopt(lambda x: torch.nn.functional.dropout(x, 0.5), X)
    assert adopted.model.stochastic
    assert any("counts as stochastic" in repair for repair in adopted.route.repairs)


def test_labels_and_classes():
    def labels(x):
        return (x[:, 0] > 0.5).long() + (x[:, 1] > 0.5).long()

    model = wrap(labels, X)
    assert (model.classes, model.differentiable, model.outputs) == (3, False, "logits")
    assert torch.equal(model(X).argmax(dim=1), labels(X))
    assert wrap(labels, X, classes=5).classes == 5
    with pytest.raises(ModelError, match=r"label 3; it has 3 classes, labels 0 to 2"):
        wrap(lambda x: labels(x) + 1, X, classes=3)(X)


def test_traps_are_refused_with_what_to_do():
    class Training(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = _net()

        def forward(self, x):
            with torch.no_grad():
                self.inner[0].weight.mul_(1.001)
            return self.inner(x)

    with pytest.raises(ModelError, match=r"changes its own weights when it is called \(inner.0.weight\)"):
        wrap(Training(), X)

    class Detached(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = _net()

        def forward(self, x):
            return self.inner(Zero.apply(x))

    with pytest.raises(ModelError, match="exactly 0 while its values change: an attack by this gradient would find"):
        wrap(Detached(), X)
    assert wrap(Detached(), X, gradient="none").route.gradient_check.passed is None


# --- classifiers and programs ----------------------------------------------------------------------------------------


def test_classifiers_pass_through_checked():
    model = cs.recipes.get("cancer-angle").model()
    x = cs.recipes.get("cancer-angle").dataset().test.x[:8]
    adopted = adopt(model, x)
    assert adopted.model is model
    assert (adopted.route.kind, adopted.route.route, adopted.route.home) == ("counterspin", "native", None)
    assert adopted.route.gradient_check.passed is True
    with pytest.raises(UsageError, match="above, bounds cannot be given"):
        adopt(model, x, bounds=(0, 1), above=1)
    with pytest.raises(InputError, match="leaves the box"):
        adopt(model, x + 100)


def test_programs_are_read():
    program = """OPENQASM 3.0; include "stdgates.inc";
    input float x0; input float x1; qubit[2] q; ry(x0) q[0]; rx(x1) q[1]; cx q[0], q[1];"""
    adopted = adopt(program, X[:, :2], readout="Z[0] | Z[1]", bounds=(0, 1))
    assert (adopted.route.kind, adopted.route.route) == ("qasm", "imported")
    assert isinstance(adopted.model.route, Route)
    torch.testing.assert_close(adopted.model(X[:, :2])[:, 0], torch.cos(X[:, 0]), rtol=1e-12, atol=1e-12)


# --- refusals --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "options", "error", "message"),
    [
        ("model.pkl", {}, ModelError, "pickled models are not read"),
        (b"\x80", {}, ModelError, "bytes; pickled"),
        ("some/dir", {}, ModelError, "pass the object itself"),
        (object(), {}, ModelError, "cannot be called"),
        (nn.Linear, {}, ModelError, r"pass an instance of it, Linear\(\.\.\.\)"),
        (_net(), {"bounds": (0.2, 0.5)}, InputError, "bounds 0.2 to 0.5 do not hold 11 of 12 samples, whose features"),
        (_net(), {"bounds": (0, 1, 2)}, InputError, r"bounds is \(0, 1, 2\); give a pair \(low, high\)"),
        (_net(), {"bounds": Box.uniform(0, 1, features=2)}, InputError, "bounds cover 2 features; x has 3"),
        (_net(), {"route": "best"}, UsageError, "route is 'best'; allowed: auto, import, wrap"),
        (_net(), {"gradient": "yes"}, UsageError, "gradient is 'yes'; allowed: auto, none"),
        (_net(), {"classes": 3}, ModelError, "2 values per sample and classes is 3"),
        (_net(), {"weights": {"w": 1}}, ModelError, "a torch module holds its own"),
        (Foreign(features=4), {}, InputError, "x has 3 features; the model takes 4"),
        (lambda x: x / 0, {}, ModelError, "NaN or infinite"),
    ],
)
def test_refusals(model, options, error, message):
    with pytest.raises(error, match=message):
        adopt(model, X, **options)


def test_one_sample_is_too_few():
    with pytest.raises(InputError, match="give at least 2"):
        adopt(_net(), X[:1])


def test_functions_with_more_arguments():
    def scores(weights, points):
        return points @ weights

    matrix = torch.ones(3, 2, dtype=torch.float64)
    model = wrap(scores, X, inputs="points", weights={"weights": matrix})
    torch.testing.assert_close(model(X), X @ matrix)


def test_detection_imports_no_library():
    assert integration_of(_net()).__name__.endswith("torch_modules")
    assert integration_of(len).__name__.endswith("callables")


# --- end to end ------------------------------------------------------------------------------------------------------


def test_decisions_alone_can_be_attacked():
    model = wrap(lambda x: (x[:, 0] > 0.5).long().numpy(), X, bounds=(0, 1))
    y = model(X).argmax(dim=1)
    attack = cs.attacks.HopSkipJump(steps=5)
    result = attack(model, X, y, cs.Linf(0.1), generator=torch.Generator().manual_seed(0))
    near = (X[:, 0] - 0.5).abs() < 0.09
    assert bool(result.budgets[0].success[near].all())
    assert not bool(result.budgets[0].success[(X[:, 0] - 0.5).abs() > 0.1].any())


@pytest.mark.slow
def test_audits_of_wrapped_models(tmp_path):
    model = wrap(_net(), X, bounds=(0, 1))
    y = model(X).argmax(dim=1)
    report = cs.audit(model, X, y, cs.Linf(0.1), tier="quick", attacks=(cs.attacks.FGSM(),), out=tmp_path / "white")
    assert report.record.budgets[0].worst_case.n == len(X)
    black = wrap(lambda x: _net().double()(x).argmax(dim=1), X, bounds=(0, 1))
    attacks = (cs.attacks.RandomDraws(draws=200),)
    report = cs.audit(black, X, y, cs.Linf(0.1), tier="quick", attacks=attacks, out=tmp_path / "black")
    assert report.record.clean_accuracy.value == 1.0
    assert not any(check.status == "FAIL" for check in report.record.sanity.checks)


def test_a_readout_goes_with_a_bare_circuit_alone():
    with pytest.raises(UsageError, match=r"readout cannot be given: model is a torch.Module, which knows"):
        wrap(_net(), X, readout="Z[0]", bounds=(0, 1))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_run_in_double(dtype):
    net = _net().to(dtype)
    adopted = adopt(net, X, bounds=(0, 1))
    assert any("is run in float64" in repair for repair in adopted.route.repairs)
    assert adopted.route.gradient_check.passed
    expected = net.double().eval()(X).detach()
    assert torch.allclose(adopted.model(X).detach(), expected, atol=1e-12)

"""D4 both ways: balanced readouts keep their exact radius under global depolarising, unbalanced ones do not."""

import pytest
import torch

from counterspin.certificates.states import depolarizing_balance
from counterspin.circuits import Linear, OutcomeGroups, PauliExpectations, amplitude_encoding, strongly_entangling
from counterspin.errors import ConditionsError
from counterspin.models import QuantumClassifier
from counterspin.noise import NoiseModel
from counterspin.optimum import nearest_flips
from counterspin.simulation import EffectiveObservables, fold
from counterspin.types import Box

MOD_TEN = OutcomeGroups(tuple(range(6)), tuple(tuple(range(k, 64, 10)) for k in range(10)))
SINGLE = OutcomeGroups.first(qubits=4, classes=10)


def _circuit_model(measurement, head=None, *, features=64, complex_data=False, seed=0):
    generator = torch.Generator().manual_seed(seed)
    circuit = amplitude_encoding(features, complex_data=complex_data) + strongly_entangling(6, 3)
    weights = 3 * torch.randn(circuit.weights, generator=generator)
    box = Box.uniform(0, 1, features=circuit.inputs)
    model = QuantumClassifier(circuit, measurement, box, head=head, weights=weights).requires_grad_(False)
    return model, torch.randn(40, circuit.inputs, generator=generator, dtype=torch.float64)


def _noisy(model, strength):
    return fold(model.circuit, model.weights, model.readout, NoiseModel(global_depolarizing=strength))


@pytest.mark.one_fast(2)
@pytest.mark.parametrize(
    ("measurement", "head"),
    [
        (SINGLE, None),
        (PauliExpectations.of("Z0", "Z1", "X2 Z3"), None),
        (PauliExpectations.of("Z0", "X1"), Linear(torch.tensor([[1.0, 0.4], [-0.3, 2.0], [0.1, 0.1]]), torch.ones(3))),
    ],
)
@pytest.mark.parametrize("strength", [0.2, 0.9])
def test_balanced_readouts_keep_decisions_and_exact_radii(measurement, head, strength):
    model, x = _circuit_model(measurement, head)
    clean, noisy = model.effective_observables(), _noisy(model, strength)
    balance = depolarizing_balance(clean)
    assert balance.is_balanced
    assert float(balance.boundary(strength).abs().max()) < 1e-12
    y = clean.scores(x).argmax(dim=1)
    assert torch.equal(noisy.scores(x).argmax(dim=1), y)
    one, other = nearest_flips(clean.forms(), x, y), nearest_flips(noisy.forms(), x, y)
    torch.testing.assert_close(one.lower, other.lower, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(one.upper, other.upper, rtol=1e-9, atol=1e-9)


@pytest.mark.slow
def test_outcome_modulo_ten_moves_the_boundary():
    model, x = _circuit_model(MOD_TEN)
    clean, strength = model.effective_observables(), 0.5
    balance = depolarizing_balance(clean)
    # Traces 7 for classes 0 to 3, 6 for the others: the pairs across are the unbalanced ones.
    assert balance.unbalanced == tuple((a, b) for a in range(4) for b in range(4, 10))
    assert balance.means[0, 9].item() == pytest.approx(1 / 64, abs=1e-12)
    noisy = _noisy(model, strength)
    y = clean.scores(x).argmax(dim=1)
    same = noisy.scores(x).argmax(dim=1) == y
    assert not bool(same.all())
    one, other = nearest_flips(clean.forms(), x, y), nearest_flips(noisy.forms(), x, y)
    assert float(((one.lower - other.lower)[same]).abs().max()) > 1e-3


@pytest.mark.one_fast
@pytest.mark.parametrize("strength", [0.1, 0.6])
def test_predicted_boundary(strength):
    model, x = _circuit_model(MOD_TEN)
    clean, noisy = model.effective_observables(), _noisy(model, strength)
    y = noisy.scores(x).argmax(dim=1)
    flips = nearest_flips(noisy.forms(), x, y)
    scores = clean.scores(flips.points)
    margins = scores.gather(1, y[:, None])[:, 0] - scores.gather(1, flips.rival[:, None])[:, 0]
    predicted = depolarizing_balance(clean).boundary(strength)[y, flips.rival]
    torch.testing.assert_close(margins, predicted, rtol=0, atol=1e-10)
    assert float(predicted.abs().max()) > 1e-3


@pytest.mark.parametrize("bias", [0.3, 0.0])
def test_a_bias_counts(bias):
    head = Linear(torch.tensor([[1.0], [-1.0]]), torch.tensor([bias, 0.0]))
    model, x = _circuit_model(PauliExpectations.of("Z0"), head)
    balance = depolarizing_balance(model.effective_observables())
    assert balance.is_balanced == (bias == 0)
    assert balance.means[0, 1].item() == pytest.approx(bias, abs=1e-7)
    # Noise acts on what is measured: the bias stays, hence weighs more.
    y = torch.zeros(len(x), dtype=torch.int64)
    one = nearest_flips(model.effective_observables().forms(), x, y).lower
    other = nearest_flips(_noisy(model, 0.5).forms(), x, y).lower
    assert bool((other > one + 1e-6).any()) == (bias > 0)


def test_a_pair_that_cannot_flip_does_not_count():
    # The first class beats the second for every input; only with the third can it come to a tie.
    m = torch.diag_embed(torch.tensor([[1.0, 0.5, 0.5, 1.0], [0.1, 0.2, 0.1, 0.2], [0.0, 1.5, 1.5, 0.0]])).cdouble()
    balance = depolarizing_balance(EffectiveObservables(m, length=4))
    assert balance.can_flip.tolist() == [[False, False, True], [False, False, True], [True, True, False]]
    assert balance.unbalanced == ((1, 2),)
    assert not balance.is_balanced


def test_zero_padding_decides_what_can_flip():
    # On the data block class 0 always wins, on the padding it would not; the trace runs over the whole space.
    m = torch.diag_embed(torch.tensor([[1.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.5]])).cdouble()
    whole, padded = (depolarizing_balance(EffectiveObservables(m, length=n)) for n in (4, 2))
    assert whole.unbalanced == ((0, 1),)
    assert padded.is_balanced
    assert padded.means[0, 1].item() == whole.means[0, 1].item() == pytest.approx(0.125)


@pytest.mark.slow
def test_complex_data():
    model, x = _circuit_model(SINGLE, complex_data=True)
    assert model.effective_observables().complex_data
    assert depolarizing_balance(model.effective_observables()).is_balanced
    y = model(x).argmax(dim=1)
    one, other = (nearest_flips(o.forms(), x, y) for o in (model.effective_observables(), _noisy(model, 0.7)))
    torch.testing.assert_close(one.lower, other.lower, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("strength", [1.0, -0.5])
def test_strengths_are_checked(strength):
    model, _ = _circuit_model(SINGLE)
    with pytest.raises(ConditionsError, match="strength is"):
        depolarizing_balance(model.effective_observables()).boundary(strength)

"""Folded observables give the same scores as the circuit, with and without noise (D4)."""

import numpy as np
import pytest
import torch
from compiled_engine import needs_kernel
from random_circuits import random_circuit, random_groups, random_paulis
from torch import Tensor

from counterspin.circuits import (
    Amplitudes,
    Circuit,
    Linear,
    OutcomeGroups,
    PauliExpectations,
    Readout,
    Scale,
    amplitude_encoding,
    feature,
    reuploading,
    strongly_entangling,
    weight,
)
from counterspin.errors import ConditionsError, InputError, ResourceError
from counterspin.noise import GateRule, NoiseModel, Placed, ReadoutErrors, amplitude_damping, zz_crosstalk
from counterspin.simulation import EffectiveObservables, fold, folded_scores, pays_to_fold, run

NOISES = {
    "ideal": None,
    "global": NoiseModel(global_depolarizing=0.3),
    "flips": NoiseModel(readout_flips=(0.05, 0.2)),
    "both": NoiseModel(global_depolarizing=0.15, readout_flips=(0.1, 0.0)),
    "layers": NoiseModel(qubit_depolarizing=0.2),
    "everything": NoiseModel(
        global_depolarizing=0.1,
        rules=(GateRule(channel=amplitude_damping(0.1), targets="each"),),
        placed=(Placed(after=3, qubits=(2, 0), channel=zz_crosstalk(0.4)),),
        readout=ReadoutErrors(
            flips=((0.1, 0.2), (0.03, 0.0), (0.0, 0.1)),
            pairs=(((2, 0), torch.eye(4, dtype=torch.float64)[[0, 2, 1, 3]]),),
        ),
    ),
}


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def heads(values: int) -> list[Scale | Linear | None]:
    g = seeded(0)
    linear = Linear(torch.randn(3, values, generator=g).double(), torch.randn(3, generator=g).double())
    return [None, Scale(torch.tensor(7.0)), linear]


@pytest.mark.one_fast
@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize("amplitudes", [Amplitudes(8), Amplitudes(5), Amplitudes(8, True), Amplitudes(5, True)])
def test_fold_equals_run(amplitudes: Amplitudes, noise: str) -> None:
    rng = np.random.default_rng(1)
    circuit = random_circuit(rng, 3, amplitudes=amplitudes, uploads=False)
    x, w = torch.tensor(rng.normal(size=(6, circuit.inputs))), torch.tensor(rng.normal(size=circuit.weights))
    for measurement in (random_paulis(rng, 3), random_groups(rng, 3)):
        for head in heads(measurement.values):
            readout = Readout(measurement, head)
            folded = fold(circuit, w, readout, NOISES[noise])
            expected = run(circuit, x, w, readout, noise=NOISES[noise], engine="density")
            assert torch.allclose(folded.scores(x), expected, atol=1e-12)
            assert folded.features == circuit.inputs
            assert torch.allclose(folded.matrices, folded.matrices.mH, atol=1e-13)
            assert torch.equal(folded.forms(), folded.forms().mT)


def test_observables_add_and_scale() -> None:
    circuit = amplitude_encoding(4) + strongly_entangling(2, 1)
    w, x = torch.randn(6, generator=seeded(1)).double(), torch.randn(3, 4, generator=seeded(2)).double()
    first = fold(circuit, w, Readout(PauliExpectations.of("Z0", "Z1")))
    second = fold(circuit, w, Readout(PauliExpectations.of("X0", "Y1")))
    combined = 2.0 * first + second * -0.5
    assert isinstance(combined, EffectiveObservables)
    assert torch.allclose(combined.scores(x), 2 * first.scores(x) - 0.5 * second.scores(x), atol=1e-14)


def test_zero_noise_extrapolation_of_global_depolarizing_recovers_the_ideal() -> None:
    # Linear mitigation stays linear: 2·A(p) - A(2p) is exact for a score linear in p.
    circuit = amplitude_encoding(8) + strongly_entangling(3, 2)
    w, readout = torch.randn(18, generator=seeded(1)).double(), Readout(OutcomeGroups.first(qubits=2, classes=3))
    once, twice = (fold(circuit, w, readout, NoiseModel(global_depolarizing=p)) for p in (0.1, 0.2))
    assert torch.allclose((2.0 * once + -1.0 * twice).matrices, fold(circuit, w, readout).matrices, atol=1e-14)


def test_conditions_are_stated() -> None:
    readout, w = Readout(PauliExpectations.of("Z0")), torch.zeros(0)
    with pytest.raises(ConditionsError, match="gate angles"):
        fold(Circuit(1).add("RX", 0, feature(0)), w, readout)
    with pytest.raises(ConditionsError, match="gate angles"):
        fold(amplitude_encoding(2).add("RX", 0, feature(0)), w, readout)
    with pytest.raises(ConditionsError, match=r"9 qubits with channels between its gates, .* at most 8 qubits"):
        fold(amplitude_encoding(2, qubits=9).end_layer(), w, readout, NoiseModel(qubit_depolarizing=0.1))
    with pytest.raises(InputError, match="weights have shape"):
        fold(amplitude_encoding(2), torch.zeros(2), readout)
    with pytest.raises(InputError, match="measures qubit 1"):
        fold(amplitude_encoding(2), w, Readout(PauliExpectations.of("Z1")))


def test_matrices_that_fit_no_memory_are_refused_at_once() -> None:
    circuit = amplitude_encoding(2, qubits=24)
    with pytest.raises(ResourceError, match=r"24 qubits; its states need .* GiB and this machine has"):
        fold(circuit, torch.zeros(0), Readout(PauliExpectations.of("Z0")))


# Scores of the folded form: values and gradients from one product.


def forms(classes: int = 3, features: int = 5) -> Tensor:
    matrices = torch.randn(classes, features, features, generator=seeded(5), dtype=torch.float64)
    return matrices + matrices.mT


def stacked(matrices: Tensor) -> Tensor:
    return matrices.permute(1, 0, 2).flatten(1)


def plain(x: Tensor, matrices: Tensor) -> Tensor:
    return torch.einsum("bi,kij,bj->bk", x, matrices, x) / x.square().sum(1, keepdim=True)


def points(batch: int = 4) -> Tensor:
    return torch.randn(batch, 5, generator=seeded(6), dtype=torch.float64)


@pytest.mark.parametrize("batch", [0, 1, 4])
def test_folded_scores_and_gradients_equal_plain_autograd(batch: int) -> None:
    x, direction = points(batch).requires_grad_(), torch.randn(batch, 3, generator=seeded(7), dtype=torch.float64)
    ours, theirs = folded_scores(x, stacked(forms())), plain(x, forms())
    assert torch.allclose(ours, theirs, atol=1e-14, rtol=0)
    gradients = [torch.autograd.grad((s * direction).sum(), x)[0] for s in (ours, theirs)]
    assert torch.allclose(*gradients, atol=1e-13, rtol=0)


def test_folded_scores_in_two_dimensions() -> None:
    # x = (r cos t, r sin t) and F = diag(1, -1): cos 2t, of derivative -2 sin 2t / r across and 0 along x.
    t, r = torch.linspace(0.1, 6.0, 7, dtype=torch.float64), 3.0
    x = (r * torch.stack([t.cos(), t.sin()], 1)).requires_grad_()
    scores = folded_scores(x, torch.diag(torch.tensor([1.0, -1.0], dtype=torch.float64)))
    (gradient,) = torch.autograd.grad(scores.sum(), x)
    assert torch.allclose(scores[:, 0], torch.cos(2 * t), atol=1e-15)
    across = torch.stack([-t.sin(), t.cos()], 1)
    assert torch.allclose((gradient * across).sum(1), -2 * torch.sin(2 * t) / r, atol=1e-15)
    assert torch.allclose((gradient * x).sum(1), torch.zeros(7, dtype=torch.float64), atol=1e-14)


def test_folded_scores_have_second_derivatives() -> None:
    def scores(x: Tensor) -> Tensor:
        return folded_scores(x, stacked(forms()))

    x = points(2).requires_grad_()
    assert torch.autograd.gradcheck(scores, (x,), atol=1e-8, fast_mode=True)
    assert torch.autograd.gradgradcheck(scores, (x,), atol=1e-7, fast_mode=True)
    ours = torch.autograd.functional.hessian(lambda row: scores(row)[0, 1], x[:1])
    theirs = torch.autograd.functional.hessian(lambda row: plain_scores(row)[0, 1], x[:1])
    assert torch.allclose(ours, theirs, atol=1e-12)


def plain_scores(x: Tensor) -> Tensor:
    return plain(x, forms())


def test_folded_scores_refuse_the_zero_vector() -> None:
    x = points()
    x[2] = 0.0
    with pytest.raises(InputError, match="sample 2 is the zero vector"):
        folded_scores(x, stacked(forms()))


def test_one_folded_sample_that_is_no_number_spoils_itself_alone() -> None:
    x = points().requires_grad_()
    scores = folded_scores(x, stacked(forms()))
    (gradient,) = torch.autograd.grad(scores.sum(), x)
    spoiled = x.detach().clone()
    spoiled[1, 0] = torch.nan
    spoiled.requires_grad_()
    found = folded_scores(spoiled, stacked(forms()))
    (by_spoiled,) = torch.autograd.grad(found.sum(), spoiled)
    others = torch.tensor([0, 2, 3])
    assert bool(found[1].isnan().all())
    assert bool(by_spoiled[1].isnan().all())
    assert torch.equal(found[others], scores[others])
    assert torch.equal(by_spoiled[others], gradient[others])


@pytest.mark.slow  # under torch.func, torch loads its compiler for functions of one's own: some seconds
def test_folded_scores_under_torch_func() -> None:
    x, table = points(), stacked(forms())

    def one(row: Tensor) -> Tensor:
        return folded_scores(row[None], table)[0]

    assert torch.allclose(torch.func.vmap(one)(x), plain_scores(x), atol=1e-14)
    gradients = torch.func.vmap(torch.func.grad(lambda row: one(row)[1]))(x)
    leaf = x.clone().requires_grad_()
    assert torch.allclose(gradients, torch.autograd.grad(plain_scores(leaf)[:, 1].sum(), leaf)[0], atol=1e-13)
    jacobian = torch.func.jacrev(lambda x: folded_scores(x, table))(x)
    assert torch.allclose(jacobian, torch.autograd.functional.jacobian(plain_scores, x), atol=1e-13)
    hessian = torch.func.jacrev(torch.func.jacrev(lambda row: one(row)[0]))(x[0])
    plain_hessian = torch.autograd.functional.hessian(lambda row: plain_scores(row[None])[0, 0], x[0])
    assert torch.allclose(hessian, plain_hessian, atol=1e-12)


# Where folding pays.

TWO = Readout(OutcomeGroups.first(qubits=1, classes=2))
TEN = Readout(OutcomeGroups.first(qubits=4, classes=10))


@needs_kernel
def test_folding_pays_where_the_forms_take_fewer_operations() -> None:
    def pays(features: int, layers: int, readout: Readout, *, complex_data: bool = False) -> bool:
        encoding = amplitude_encoding(features, qubits=6, complex_data=complex_data)
        return pays_to_fold(encoding + strongly_entangling(6, layers), readout)

    # A layer of three passes takes 2·3·28·64 = 10752 operations, two forms 2·2·64² = 16384, ten 81920.
    assert [pays(64, layers, TWO) for layers in (1, 2)] == [False, True]
    assert [pays(64, layers, TEN) for layers in (7, 8)] == [False, True]
    # A complex amplitude is two features; what is padded is none.
    assert [pays(64, layers, TWO, complex_data=True) for layers in (6, 7)] == [False, True]
    assert pays(8, 1, TEN)


def test_folding_always_pays_against_the_torch_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    shallow = amplitude_encoding(64) + strongly_entangling(6, 1)
    assert pays_to_fold(shallow, TEN, "torch")
    monkeypatch.setattr("counterspin.simulation.folding.kernel", lambda: None)
    assert pays_to_fold(shallow, TEN)


@pytest.mark.parametrize("engine", ["auto", "compiled", "torch"])
def test_what_cannot_or_should_not_be_folded(engine: str) -> None:
    uploads = [
        reuploading(3, 9),
        reuploading(3, 9, trainable_scale=False),
        (amplitude_encoding(4) + strongly_entangling(2, 9)).add("RX", 0, feature(0) * weight(0)),
        (amplitude_encoding(4) + strongly_entangling(2, 9)).add("RX", 0, torch.zeros(3)),
    ]
    assert not any(pays_to_fold(circuit, Readout(PauliExpectations.of("Z0")), engine) for circuit in uploads)
    # However few operations they take, the matrices of more than ten qubits are too large.
    assert pays_to_fold(amplitude_encoding(2, qubits=10) + strongly_entangling(10, 1), TWO, engine)
    assert not pays_to_fold(amplitude_encoding(2, qubits=11) + strongly_entangling(11, 1), TWO, engine)
    assert not pays_to_fold(amplitude_encoding(2, qubits=40), TWO, engine)


# D4: global depolarising adds p·Tr(E_k)/D to every score; it moves an argmax only where the traces differ.


def argmax_under(groups: OutcomeGroups, strengths: tuple[float, ...]) -> list[torch.Tensor]:
    circuit = amplitude_encoding(64) + strongly_entangling(6, 3)
    w = torch.randn(circuit.weights, generator=seeded(3)).double()
    x = torch.randn(2000, 64, generator=seeded(4)).double()
    noises = [None, *(NoiseModel(global_depolarizing=p) for p in strengths)]
    return [run(circuit, x, w, Readout(groups), noise=noise).argmax(1) for noise in noises]


def test_balanced_groups_keep_every_prediction() -> None:
    ideal, *noisy = argmax_under(OutcomeGroups.first(qubits=4, classes=10), (0.1, 0.5, 0.9))
    assert all(torch.equal(ideal, prediction) for prediction in noisy)


def test_unbalanced_groups_move_predictions_towards_the_larger_traces() -> None:
    groups = OutcomeGroups(tuple(range(6)), tuple(tuple(range(k, 64, 10)) for k in range(10)))
    assert [len(g) for g in groups.groups] == [7, 7, 7, 7, 6, 6, 6, 6, 6, 6]
    ideal, noisy = argmax_under(groups, (0.9,))
    moved = ideal != noisy
    assert 20 < int(moved.sum()) < len(ideal)
    assert bool((noisy[moved] < 4).all())
    assert bool((ideal[moved] >= 4).all())


def test_the_compiled_engine_is_never_answered_for_by_the_forms_of_another(monkeypatch: pytest.MonkeyPatch) -> None:
    circuit = amplitude_encoding(16) + strongly_entangling(4, 30)
    readout = Readout(OutcomeGroups.first(qubits=1, classes=2))
    monkeypatch.setattr("counterspin.simulation.folding.kernel", lambda: None)
    assert [pays_to_fold(circuit, readout, engine) for engine in ("auto", "torch", "compiled")] == [True, True, False]

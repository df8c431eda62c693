"""States certified through a circuit, against closed forms, a dense simulation and an independent search."""

import math

import numpy as np
import pytest
import torch
from dense_oracle import observables, unitary
from random_circuits import random_circuit, random_groups
from scipy.optimize import minimize
from torch import Tensor

from counterspin.circuits import Amplitudes, Circuit, OutcomeGroups, Readout, feature, weight
from counterspin.circuits.readout_text import readout_from_text
from counterspin.errors import ConditionsError, InputError, UsageError
from counterspin.evaluation.state_bounds import class_probabilities, probability_bound
from counterspin.evaluation.state_certification import certify_states
from counterspin.evaluation.state_observables import effective_observables, threshold_observables

BIT = Readout(OutcomeGroups((0,), ((0,), (1,))))
FLIPS = [  # p_A, infidelity, trace distance against pure and against any states
    (0.95, 0.282055, 0.531089, 0.45),
    (0.9, 0.2, 0.447214, 0.4),
    (0.8, 0.1, 0.316228, 0.3),
    (0.6, 0.010102, 0.100509, 0.1),
    (1.0, 0.5, 0.707107, 0.5),
]


def qubit(p: float) -> Tensor:
    return torch.tensor([[math.sqrt(p), math.sqrt(1 - p)]], dtype=torch.complex128)


def random_states(count: int, qubits: int, seed: int, *, real: bool = False) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    states = torch.randn(count, 2**qubits, dtype=torch.complex128, generator=generator)
    states = states.real.to(torch.complex128) if real else states
    return states / torch.linalg.vector_norm(states, dim=1, keepdim=True)


@pytest.mark.parametrize(("p", "infidelity", "pure", "mixed"), FLIPS)
def test_one_qubit_to_the_printed_digits(p: float, infidelity: float, pure: float, mixed: float) -> None:
    found = certify_states(Circuit(1), None, BIT, qubit(p))
    assert found.lower.item() == pytest.approx(infidelity, abs=5e-7)
    assert found.upper.item() == pytest.approx(infidelity, abs=5e-7)
    for adversary, expected in (("pure", pure), ("real", pure), ("quantum", mixed)):
        found = certify_states(Circuit(1), None, BIT, qubit(p), metric="trace", adversary=adversary)
        assert found.lower.item() == pytest.approx(expected, abs=5e-7)
        assert found.upper.item() == pytest.approx(expected, abs=5e-7)


@pytest.mark.parametrize("p", [0.95, 0.6])
def test_a_circuit_in_front_moves_the_state_and_not_the_distance(p: float) -> None:
    turned = Circuit(1).add("Rot", 0, 0.3, -1.1, 0.7)
    back = torch.as_tensor(unitary(turned, np.zeros(0), np.zeros(0))).conj().T
    found = certify_states(turned, None, BIT, qubit(p) @ back.T)
    assert found.lower.item() == pytest.approx(certify_states(Circuit(1), None, BIT, qubit(p)).lower.item(), abs=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_effective_observables_are_those_of_a_dense_simulation(seed: int) -> None:
    rng = np.random.default_rng(seed)
    circuit = random_circuit(rng, 3, amplitudes=Amplitudes(5), uploads=False)
    w = rng.normal(size=circuit.weights)
    u = unitary(circuit, np.zeros(0), w)
    groups = random_groups(rng, 3)
    expected = [u.conj().T @ e @ u for e in observables(groups, 3)]
    found = effective_observables(circuit, torch.as_tensor(w), Readout(groups))
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-12)
    matrix = torch.as_tensor(sum(k * e for k, e in enumerate(observables(groups, 3), start=1)))
    found = effective_observables(circuit, torch.as_tensor(w), threshold_observables(matrix, 0.3))
    difference = u.conj().T @ (matrix.numpy() - 0.3 * np.eye(8)) @ u
    np.testing.assert_allclose((found[0] - found[1]).numpy(), difference, atol=1e-12)


@pytest.mark.one_fast
@pytest.mark.parametrize("real", [False, True])
def test_the_nearest_state_against_a_search(real: bool) -> None:
    circuit = Circuit(2).add("U3", 0, 0.4, 0.2, -0.9).add("CRX", (0, 1), 1.3).add("RYY", (0, 1), 0.4)
    readout = readout_from_text("Z[0]*X[1] + 0.5*Y[1]", threshold=-0.2)
    states = random_states(4, 2, 1, real=real)
    found = certify_states(circuit, None, readout, states, adversary="real" if real else "quantum")
    m = effective_observables(circuit, None, readout)
    margin = (m[0] - m[1]).numpy()
    for row, (psi, decision) in enumerate(zip(states.numpy(), found.decisions.tolist(), strict=True)):
        sign = 1 if decision == 0 else -1
        assert found.lower[row] == pytest.approx(_searched(sign * margin, psi, real), abs=1e-6)
        assert found.upper[row] - found.lower[row] < 1e-9


def _searched(margin: np.ndarray, psi: np.ndarray, real: bool) -> float:
    """Least infidelity of a state with ⟨margin⟩ <= 0, by many local searches."""

    def state(v: np.ndarray) -> np.ndarray:
        z = v[:4] + (0 if real else 1j * v[4:])
        return z / np.linalg.norm(z)

    def infidelity(v: np.ndarray) -> float:
        return 1 - abs(np.vdot(state(v), psi)) ** 2

    def excess(v: np.ndarray) -> float:
        return -float(np.vdot(state(v), margin @ state(v)).real)

    rng = np.random.default_rng(0)
    runs = [
        minimize(
            infidelity,
            rng.normal(size=4 if real else 8),
            method="SLSQP",
            constraints={"type": "ineq", "fun": excess},
            options={"ftol": 1e-13, "maxiter": 300},
        )
        for _ in range(6)
    ]
    return min(run.fun for run in runs if excess(run.x) > -1e-9)


@pytest.mark.parametrize("metric", ["fidelity", "trace"])
@pytest.mark.parametrize("adversary", ["quantum", "pure"])
def test_probabilities_alone_never_prove_more_and_as_much_for_outcomes(metric: str, adversary: str) -> None:
    states = random_states(20, 2, 3)
    for text, tight in (("P[0]", True), ("P[0,1]", metric == "fidelity" or adversary == "pure"), ("Z[0]+Z[1]", False)):
        found = certify_states(
            Circuit(2).add("H", 0), None, readout_from_text(text), states, metric=metric, adversary=adversary
        )
        nearest, alone = (method.lower for method in found.methods)
        assert bool((alone <= nearest + 1e-9).all())
        if tight:
            torch.testing.assert_close(alone, nearest, atol=1e-9, rtol=1e-6)


def test_real_adversaries_need_at_least_as_far() -> None:
    states = random_states(20, 2, 5, real=True)
    circuit, readout = Circuit(2).add("U3", 0, 1.4, 0.7, -0.9).add("CNOT", (0, 1)), readout_from_text("X[0]*Y[1]")
    free, real = (certify_states(circuit, None, readout, states, adversary=a).lower for a in ("quantum", "real"))
    assert bool((real >= free - 1e-9).all())
    assert bool((real > 1.01 * free).any())


def test_mixed_states() -> None:
    rho = torch.diag(torch.tensor([0.9, 0.1], dtype=torch.complex128))[None]
    found = certify_states(Circuit(1), None, BIT, rho)
    assert found.lower.item() == pytest.approx(0.2, abs=1e-9)
    with pytest.raises(ConditionsError, match="the states are mixed; only an adversary who prepares any state"):
        certify_states(Circuit(1), None, BIT, rho, adversary="pure")


def test_the_shares_of_each_budget() -> None:
    # Infidelities .2 (right), .1 (right), .2 (wrong label), a tie, and the other class at .1 (right).
    states = torch.cat([qubit(0.9), qubit(0.8), qubit(0.9), qubit(0.5), qubit(0.2)])
    found = certify_states(Circuit(1), None, BIT, states, [0, 0, 1, 0, 1], eps=(0.0, 0.05, 0.15, 0.3))
    assert found.clean_accuracy.value == 0.6
    assert [found.certified(e).value for e in found.eps] == [0.6, 0.6, 0.2, 0.0]
    assert [found.unbroken(e).value for e in found.eps] == [0.6, 0.6, 0.2, 0.0]
    assert [found.not_provably_broken(e).value for e in found.eps] == [0.8, 0.8, 0.4, 0.0]
    assert [found.decided(e).value for e in found.eps] == [1.0] * 4
    assert found.certified(0.05).n == 5


def test_a_flip_at_the_budget_counts_as_broken() -> None:
    # A state without doubt, m = 1, has its nearest flip at infidelity 1/2.
    found = certify_states(Circuit(1), None, BIT, qubit(1.0), eps=(0.5,))
    assert found.certified(0.5).value == 0.0
    assert certify_states(Circuit(1), None, BIT, qubit(1.0), eps=(0.499999,)).certified(0.499999).value == 1.0


def test_a_bracket_that_is_open_is_not_decided() -> None:
    readout = readout_from_text("Z[0] + 0.3*X[1] | 0.8*Z[1] | X[0]*X[1]")
    found = certify_states(Circuit(2), None, readout, random_states(30, 2, 2), metric="trace")
    assert bool((found.lower <= found.upper).all())
    row = int((found.upper - found.lower).argmax())
    between = float(found.lower[row] + found.upper[row]) / 2
    assert found.upper[row] - found.lower[row] > 1e-3
    assert found.decided(between).value < 1
    assert found.certified(between).value < found.unbroken(between).value


def test_json_of_a_certification() -> None:
    states = torch.cat([qubit(0.9), qubit(0.8)])
    printed = certify_states(Circuit(1), None, BIT, states, eps=(0.15,)).to_json()
    assert list(printed) == [
        *("metric", "adversary", "samples", "clean_accuracy", "budgets", "methods"),
        *("prepare_seconds", "assumptions", "versions"),
    ]
    (budget,) = printed["budgets"]
    assert budget["certified"]["value"] == budget["exact"]["lower"]["value"] == 0.5
    assert set(budget) == {"eps", "certified", "exact", "not_provably_broken"}
    assert set(budget["exact"]) == {"lower", "upper", "decided"}
    assert {k: len(v["certified"]) for k, v in printed["methods"].items()} == {"nearest-state": 1, "guan": 1}
    assert printed["methods"]["nearest-state"]["median_radius"] == pytest.approx(0.1)
    assert "labels are the predictions of the circuit itself" in printed["assumptions"]
    assert "against any quantum state" in printed["assumptions"]


def test_a_decision_nothing_can_change_has_no_median() -> None:
    always = threshold_observables(torch.eye(2, dtype=torch.complex128), 0.0)
    found = certify_states(Circuit(1), None, always, qubit(0.9), eps=(1.0,))
    assert found.certified(1.0).value == 1.0
    assert found.to_json()["methods"]["nearest-state"]["median_radius"] is None


def test_probabilities_of_two_classes_are_scaled_by_the_norm() -> None:
    m = threshold_observables(torch.diag(torch.tensor([3.0, -1.0], dtype=torch.complex128)), 0.0)
    p = class_probabilities(m, m, torch.tensor([[0.6, -0.6]], dtype=torch.float64))
    assert p is not None
    torch.testing.assert_close(p, torch.tensor([[0.7, 0.3]], dtype=torch.float64))
    assert class_probabilities(torch.cat([m, m]), m, torch.zeros(1, 4)) is None
    bound = probability_bound(p, torch.tensor([0]), "trace", "pure")
    assert bound.item() == pytest.approx((math.sqrt(0.7) - math.sqrt(0.3)) / math.sqrt(2), abs=1e-9)


@pytest.mark.parametrize(
    ("change", "error", "what"),
    [
        ({"metric": "angle"}, UsageError, "metric is 'angle'; allowed: fidelity, trace"),
        ({"adversary": "evil"}, UsageError, "adversary is 'evil'; allowed: quantum, pure, real"),
        ({"eps": ()}, UsageError, "ascending budgets"),
        ({"eps": (0.2, 0.1)}, UsageError, "ascending budgets"),
        ({"eps": (0.2, 1.1)}, UsageError, "between 0 and 1"),
        ({"eps": (float("nan"),)}, UsageError, "between 0 and 1"),
        ({"states": 2 * qubit(0.9)}, InputError, r"states\[0\] is not normalised"),
        ({"states": random_states(1, 2, 0)}, InputError, r"give pure \(batch, 2\)"),
        ({"states": torch.diag(torch.tensor([1.2, -0.2])).cdouble()[None]}, InputError, r"states\[0\] is not positive"),
        ({"states": 1j * qubit(0.9), "adversary": "real"}, ConditionsError, "has imaginary parts up to 0.949"),
        ({"labels": [2]}, InputError, "labels holds label 2"),
        ({"labels": [0, 1]}, InputError, "one label per sample"),
        ({"circuit": Circuit(1).add("RX", 0, feature(0))}, InputError, "inputs in gate angles"),
        ({"readout": readout_from_text("Z[3]")}, InputError, "measures qubit 3"),
        ({"readout": torch.eye(4).expand(2, 4, 4).cdouble()}, InputError, r"observables have shape \(2, 4, 4\)"),
        ({"readout": torch.triu(torch.ones(2, 2, 2)).cdouble()}, InputError, r"observables\[0\] is not Hermitian"),
    ],
)
def test_what_is_refused(change: dict, error: type[Exception], what: str) -> None:
    arguments = {"circuit": Circuit(1), "weights": None, "readout": BIT, "states": qubit(0.9)} | change
    with pytest.raises(error, match=what) as caught:
        certify_states(**arguments)
    assert str(caught.value).count(". ") == 0


def test_weights_are_needed_where_the_circuit_has_them() -> None:
    circuit = Circuit(1).add("RY", 0, weight(0))
    with pytest.raises(InputError, match="takes 1 weights and none are given"):
        certify_states(circuit, None, BIT, qubit(0.9))
    found = certify_states(circuit, torch.tensor([math.pi], dtype=torch.float64), BIT, qubit(0.9))
    assert found.decisions.tolist() == [1]

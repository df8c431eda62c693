"""The closed form for outcomes against the general solver and against probabilities alone."""

import pytest
import torch

from counterspin.certificates.guan import guan_infidelity
from counterspin.circuits import Circuit, OutcomeGroups, Readout
from counterspin.evaluation.state_certification import certify_states
from counterspin.evaluation.state_observables import effective_observables
from counterspin.evaluation.state_outcomes import nearest_outcomes
from counterspin.optimum.states import nearest_states, state_scores

TURNED = Circuit(3).add("U3", 0, 0.4, 0.2, -0.9).add("CRX", (0, 1), 1.3).add("RYY", (1, 2), 0.4).add("RX", 2, 0.8)
GROUPS = [((0,), (1,), (2,), (3,)), ((0, 3), (1,), (2,)), ((0,), (3,), (1,))]


def states(count: int, seed: int) -> torch.Tensor:
    psi = torch.randn(count, 8, dtype=torch.complex128, generator=torch.Generator().manual_seed(seed))
    return psi / torch.linalg.vector_norm(psi, dim=1, keepdim=True)


@pytest.mark.parametrize("groups", GROUPS)
def test_as_near_as_the_general_solver_and_the_bound(groups: tuple[tuple[int, ...], ...]) -> None:
    projectors = effective_observables(TURNED, None, Readout(OutcomeGroups((2, 0), groups)))
    psi = states(40, 0)
    scores = state_scores(projectors, psi)
    y = scores.argmax(dim=1)
    found = nearest_outcomes(projectors, psi, y)
    torch.testing.assert_close(found, nearest_states(projectors, psi, y).lower, rtol=1e-6, atol=1e-12)
    assert bool((found >= guan_infidelity(scores, y) - 1e-12).all())


def test_a_state_without_any_weight_on_its_rivals() -> None:
    projectors = effective_observables(Circuit(2), None, Readout(OutcomeGroups((0, 1), GROUPS[0])))
    basis = torch.eye(4, dtype=torch.complex128)
    found = nearest_outcomes(projectors, basis, torch.arange(4))
    torch.testing.assert_close(found, torch.full((4,), 0.5, dtype=torch.float64), rtol=1e-9, atol=0)


def test_states_of_other_classes_and_ties_are_at_distance_0() -> None:
    projectors = effective_observables(Circuit(2), None, Readout(OutcomeGroups((0, 1), GROUPS[0])))
    psi = torch.tensor([[0.8, 0.6, 0, 0], [0.5, 0.5, 0.5, 0.5]], dtype=torch.complex128)
    assert nearest_outcomes(projectors, psi, torch.tensor([1, 2])).tolist() == [0.0, 0.0]


@pytest.mark.parametrize(("metric", "adversary"), [("fidelity", "quantum"), ("fidelity", "pure"), ("trace", "pure")])
def test_certified_either_way_the_shares_are_the_same(metric: str, adversary: str) -> None:
    groups, psi, eps = Readout(OutcomeGroups((2, 0), GROUPS[0])), states(60, 1), (0.01, 0.1)
    as_matrices = effective_observables(Circuit(3), None, groups)
    closed, general = (
        certify_states(TURNED, None, readout, psi, eps=eps, metric=metric, adversary=adversary)
        for readout in (groups, as_matrices)
    )
    for budget in eps:
        assert closed.certified(budget) == general.certified(budget)
        assert closed.unbroken(budget) == general.unbroken(budget)
        assert closed.decided(budget).value == 1.0

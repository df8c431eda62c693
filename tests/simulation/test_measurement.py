"""Settings: which observables share a basis, and what each outcome counts for."""

import pytest
import torch

from counterspin.circuits import OutcomeGroups, PauliExpectations
from counterspin.simulation.measurement import measured_values, rotated, settings


def test_qubit_wise_commuting_strings_share_a_setting() -> None:
    chosen = settings(PauliExpectations.of("Z0", "X1", "Z0 X1 Y2", "X0"), 3)
    assert [s.basis for s in chosen] == [((1, "X"), (2, "Y")), ((0, "X"),)]


def test_group_tables_follow_the_order_of_the_measured_qubits() -> None:
    (setting,) = settings(OutcomeGroups((1, 0), ((1,), (2, 3))), 2)
    # Basis states 00, 01, 10, 11 read in the order (qubit 1, qubit 0): outcomes 0, 2, 1, 3.
    assert setting.table.tolist() == [[0, 0], [0, 1], [1, 0], [0, 1]]


def test_parity_tables_and_values_add_up_over_settings() -> None:
    chosen = settings(PauliExpectations.of("Z0 Z1", "X0"), 2)
    assert chosen[0].table[:, 0].tolist() == [1, -1, -1, 1]
    assert chosen[0].table[:, 1].tolist() == [0, 0, 0, 0]
    first, second = torch.tensor([[0.5, 0.0, 0.0, 0.5]]), torch.tensor([[0.25, 0.25, 0.5, 0.0]])
    assert measured_values([first, second], chosen).tolist() == [[1.0, 0.0]]


@pytest.mark.parametrize(("pauli", "state"), [("X", [1.0, 1.0]), ("Y", [1.0, 1.0j])])
def test_eigenstates_become_basis_states(pauli: str, state: list[complex]) -> None:
    (setting,) = settings(PauliExpectations.of(f"{pauli}0"), 1)
    vector = torch.tensor([state], dtype=torch.complex128) / 2**0.5
    assert torch.allclose(rotated(vector, setting, 1).abs(), torch.tensor([[1.0, 0.0]], dtype=torch.float64))

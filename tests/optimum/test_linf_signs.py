"""Forms that are positive because of the signs of the box."""

import pytest
import torch

from counterspin.optimum.linf_signs import positive_by_signs


@pytest.mark.parametrize(
    ("form", "lower", "upper", "expected"),
    [
        ([[1.0, 5.0], [5.0, 1.0]], [0.0, 0.0], [1.0, 1.0], True),
        ([[1.0, -5.0], [-5.0, 1.0]], [0.0, 0.0], [1.0, 1.0], False),
        ([[1.0, -5.0], [-5.0, 1.0]], [0.0, -1.0], [1.0, 0.0], True),
        ([[1.0, 5.0], [5.0, 1.0]], [0.0, -1.0], [1.0, 1.0], False),  # the second feature has no sign
        ([[1.0, 5.0], [5.0, 0.0]], [0.0, 0.0], [1.0, 1.0], False),  # 0 at (0, 1): a tie
        ([[2.0, -1.0], [-1.0, 2.0]], [-1.0, -1.0], [1.0, 1.0], True),  # positive definite
        ([[1.0, -1.0], [-1.0, 1.0]], [0.0, 0.0], [1.0, 1.0], False),  # 0 at (1, 1)
    ],
)
def test_two_features(form, lower, upper, expected):
    assert positive_by_signs(torch.tensor(form).double(), torch.tensor(lower), torch.tensor(upper)) is expected


def test_what_is_proved_holds_on_samples():
    generator = torch.Generator().manual_seed(0)
    proved = 0
    for _ in range(200):
        form = torch.randn(3, 3, generator=generator, dtype=torch.float64)
        form = form + form.mT + 2 * torch.eye(3)
        if positive_by_signs(form, torch.zeros(3), torch.ones(3)):
            proved += 1
            z = torch.rand(500, 3, generator=generator, dtype=torch.float64)
            assert float(((z @ form) * z).sum(dim=1).min()) > 0
    assert proved >= 10

"""The benchmark of imports on a model small enough for a test, and what it counts as missed."""

import pytest
import torch

from benchmarks import integrations
from benchmarks.integrations import _central_differences, _differences, _missed, _value_and_gradient
from benchmarks.integrations_models import SUBJECTS, Subject
from benchmarks.outcome import Options
from counterspin.errors import ModelError

ROW = {"ratio": 60.0, "required": 50.0, "value_difference": 1e-8, "gradient_difference": 1e-7, "import_seconds": 0.3}


def forms(x: torch.Tensor) -> torch.Tensor:
    return torch.stack([x[:, 0] * x[:, 1], x.sin().sum(dim=1)], dim=1)


def test_requirements_are_those_of_the_project():
    required = {subject.name: (subject.features, subject.required) for subject in SUBJECTS}
    assert required == {
        "EstimatorQNN": (4, 500.0),
        "VQC": (4, 50.0),
        "QSVC": (4, 50.0),
        "default.qubit, backprop": (8, 40.0),
        "lightning.qubit, adjoint": (4, 100.0),
    }


@pytest.mark.parametrize(
    ("name", "value"),
    [("ratio", 49.0), ("value_difference", 2e-6), ("gradient_difference", 2e-5), ("import_seconds", 1.1)],
)
def test_what_is_missed(name, value):
    assert _missed(ROW) == []
    assert _missed({**ROW, name: value}) == [name]


def test_the_gradient_is_that_of_the_combination():
    x = torch.tensor([[0.3, 0.7], [1.0, -0.4]], dtype=torch.float64)
    scores, gradient = _value_and_gradient(forms, x)
    assert torch.equal(scores, forms(x))
    torch.testing.assert_close(gradient, x.flip(1) + 2 * x.cos(), atol=1e-14, rtol=0)
    torch.testing.assert_close(_central_differences(forms, x), gradient, atol=1e-8, rtol=0)


@pytest.mark.parametrize("by_autograd", [True, False])
def test_differences(by_autograd):
    x = torch.tensor([[0.3, 0.7]], dtype=torch.float64)
    same = _differences(forms, forms, x, by_autograd)
    assert (same["value_difference"], same["gradient_difference"] < 1e-7) == (0.0, True)
    other = _differences(lambda x: 1.01 * forms(x), forms, x, by_autograd)
    assert other["gradient_difference"] == pytest.approx(0.01, rel=1e-3)
    assert other["value_difference"] == pytest.approx(0.01 * float(forms(x).abs().max()))


def test_a_model_that_was_not_imported_is_no_row(monkeypatch, tmp_path):
    function = Subject(name="function", build=lambda: forms, features=2, rows=4, required=1.0)
    monkeypatch.setattr(integrations, "SUBJECTS", (function,))
    with pytest.raises(ModelError, match="function was not imported"):
        integrations.run(Options(folder=tmp_path, quick=True))


def test_rows_name_what_was_measured(monkeypatch, tmp_path):
    def linear():
        from sklearn.linear_model import LogisticRegression

        from benchmarks.integrations_models import samples

        return LogisticRegression().fit(*samples(2))

    subject = Subject(name="linear", build=linear, features=2, rows=16, required=0.0)
    monkeypatch.setattr(integrations, "SUBJECTS", (subject,))
    outcome = integrations.run(Options(folder=tmp_path, quick=True))
    (row,) = outcome.rows
    assert (row["model"], row["n"], row["batch"], row["home_rows"], row["home_gradient"]) == (
        "linear",
        2,
        256,
        16,
        False,
    )
    assert row["ratio"] == pytest.approx(row["home_milliseconds"] / row["milliseconds"])
    assert row["adoption_seconds"] > 0
    assert outcome.missed == len(row["missed"]) == 0

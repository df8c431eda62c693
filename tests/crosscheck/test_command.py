"""`counterspin crosscheck` and its runner: shape of the answer, exit codes, refusals."""

import json

import pytest
import torch
import typer

from counterspin.attacks import APGD, PGD
from counterspin.attacks.evasion.ddn import DDN
from counterspin.cli.crosscheck import crosscheck as command
from counterspin.errors import CapabilityError, ConditionsError, InputError, UsageError
from counterspin.evaluation.crosscheck import Crosscheck, Row, accuracies, closed_forms, crosscheck, distances
from counterspin.threats import L0, L2, Linf

GOOD = Row(tool="art", attack="a", quantity="q", theirs=1.0, ours=1.0, tolerance=0.01, relation=">=")
BAD = Row(tool="foolbox", attack="b", quantity="q", theirs=1.0, ours=0.5, tolerance=0.01, relation=">=")


def answer(*rows):
    return lambda *_, **__: Crosscheck(rows=rows, skipped=("c: no start",), samples=3, versions={}, seconds=0.1)


@pytest.fixture
def run(monkeypatch):
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(command)

    def call(*arguments, rows=(GOOD,)):
        monkeypatch.setattr("counterspin.evaluation.crosscheck.crosscheck", answer(*rows))
        return app(list(arguments), standalone_mode=False)

    return call


def test_json_and_exit_codes(run, capsys):
    assert run("cancer-angle-classical", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["passed"] is True
    assert (
        found["rows"][0].items() >= {"tool": "art", "attack": "a", "quantity": "q", "theirs": 1.0, "ours": 1.0}.items()
    )
    assert (found["rows"][0]["tolerance"], found["rows"][0]["pass"]) == (0.01, True)
    assert run("cancer-angle-classical", "--json", rows=(GOOD, BAD)) == 1
    assert [row["pass"] for row in json.loads(capsys.readouterr().out)["rows"]] == [True, False]


def test_the_table_says_what_failed(run, capsys):
    assert run("cancer-angle-classical", rows=(GOOD, BAD)) == 1
    out = capsys.readouterr().out
    assert "FAIL" in out
    assert "1 of 2 rows FAIL" in out
    assert "c: no start" in out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [(("--samples", "0"), "--samples is 0"), (("--norm", "linf"), "go together"), (("--eps", "0.1"), "go together")],
)
def test_bad_options(run, arguments, sentence):
    with pytest.raises(UsageError, match=sentence):
        run("cancer-angle-classical", *arguments)


@pytest.mark.parametrize(
    ("threat", "sentence"),
    [
        (L0(1), "norm 'l0'"),
        (Linf(0.1, target=1), "target"),
        (Linf(0.1, mask=(True, False, True)), "mask"),
    ],
)
def test_threats_other_tools_cannot_know(linear, threat, sentence):
    model, x, y, _ = linear(2)
    with pytest.raises(ConditionsError, match=sentence):
        crosscheck(model, x, y, threat)


def test_models_and_labels_that_leave_nothing_to_compare(linear):
    model, x, y, _ = linear(2)
    with pytest.raises(InputError, match="none of the 12 samples"):
        crosscheck(model, x, 1 - y, Linf(0.1))
    model.differentiable = False
    with pytest.raises(CapabilityError, match="without gradients"):
        crosscheck(model, x, y, Linf(0.1))


@pytest.mark.slow
def test_every_row_passes_on_a_curved_model(curved, monkeypatch):
    model, x, y = curved
    # The parts that take long have tests of their own.
    monkeypatch.setattr(distances, "_PAIRS", {"l2": ((DDN(steps=100), "DDNAttack", {"steps": 300}),)})
    monkeypatch.setattr(closed_forms, "_ATTACKS", {"l2": (DDN(steps=100),)})
    monkeypatch.setattr(accuracies, "suite", lambda _: (PGD(restarts=5), APGD(restarts=5)))
    steps = []
    found = crosscheck(model, x, y, L2(0.05, 0.1, 0.2, units="relative"), progress=lambda *step: steps.append(step))
    assert found.passed, [row for row in found.rows if not row.passed]
    assert found.skipped == ()
    assert {row.tool for row in found.rows} == {"scipy", "statsmodels", "closed form", "foolbox", "art", "pyautoattack"}
    assert {"foolbox", "adversarial-robustness-toolbox", "pyautoattack", "torch"} <= set(found.versions)
    assert [finished for _, finished, _ in steps] == list(range(8))
    assert all(total == 8 for _, _, total in steps)
    assert all(not parameter.requires_grad for parameter in model.parameters())
    eps = 0.1 * float(torch.linalg.vector_norm(x, dim=1).median())
    assert f"robust accuracy, l2, ε = {eps:.4g}" in {row.quantity for row in found.rows}

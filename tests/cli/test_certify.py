"""`counterspin certify`: text, JSON, .qasm circuits and refusals; each asked of the command itself."""

import json

import numpy as np
import pytest

from counterspin.cli.app import run

CIRCUIT = 'OPENQASM 2.0;\ninclude "qelib1.inc";\nqreg q[1];\n'


def stated(capsys, *arguments):
    code = run(["certify", *arguments, "--json"])
    captured = capsys.readouterr()
    assert code == 0, captured.err
    return json.loads(captured.out)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.slow
def test_json_of_an_exact_case(capsys):
    options = ["--norm", "l2", "--units", "relative", "--box", "none", "--eps", "0.05,0.1", "--samples", "30"]
    record = stated(capsys, "digits-amplitude", *options)
    for budget in record["budgets"]:
        assert budget["certified"] == budget["exact"]["lower"] == budget["exact"]["upper"] == budget["upper"]
    assert record["methods"]["exact-l2"]["tightness"] == pytest.approx(1, abs=1e-6)
    assert len(record["methods"]["guan"]["certified"]) == 2
    assert record["run"].startswith("runs/digits-amplitude-certify-")
    # The same command reads what is finished and prints the same.
    assert stated(capsys, "digits-amplitude", *options) == record


@pytest.mark.slow
def test_text_names_the_methods_and_what_they_assume(capsys):
    assert run(["certify", "cancer-angle", "--eps", "0.01,0.02", "--samples", "20", "--method", "bernstein"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "Share correct and proved" in out
    assert "bernstein: circuit, weights and noise are known; whatever channels act between the gates" in out


def test_a_circuit_with_states(tmp_path, capsys):
    (tmp_path / "c.qasm").write_text(CIRCUIT)
    angle = np.arcsin(np.sqrt(0.1))
    np.savez(tmp_path / "s.npz", states=np.array([[np.cos(angle), np.sin(angle)]], dtype=complex))
    record = stated(capsys, "c.qasm", "--states", "s.npz", "--readout", "Z[0]", "--eps", "0.19,0.21")
    # p_A = 0.9: the nearest losing state is at infidelity 0.2.
    assert [budget["certified"]["value"] for budget in record["budgets"]] == [1.0, 0.0]


@pytest.mark.one_fast
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["cancer-angle", "--method", "magic"], "method is 'magic'; allowed: auto, "),
        (["cancer-angle", "--norm", "foo"], "norm is 'foo'; method auto proves radii in l0, l1, l2, linf."),
        (["cancer-angle", "--norm", "l0", "--eps", "1"], "no certificate holds"),
        (
            ["cancer-angle", "--norm", "l0", "--method", "guan"],
            "norm is 'l0'; method guan proves radii in l1, l2, linf.",
        ),
        (["cancer-angle", "--norm", "linf", "--method", "exact-l2", "--eps", "1"], "gate angles"),
        (["cancer-angle", "--norm", "l1", "--method", "quadratic-linf"], "method quadratic-linf proves radii in linf."),
        (["cancer-angle", "--units", "foo"], "units is 'foo'; allowed: feature, relative."),
        (["cancer-angle", "--norm", "l2", "--box", "foo"], "box is 'foo'; allowed: data, none."),
        (["cancer-angle", "--norm", "l2", "--engine", "foo"], "engine is 'foo'"),
        (["cancer-angle", "--norm", "l2", "--method", "magic"], "method is 'magic'"),
        (["cancer-angle", "--norm", "l2"], "--eps must be given here"),
        (["cancer-angle", "--method", "exact-l2", "--eps", "0.1"], "gate angles"),
        (["cancer-angle", "--states", "s.npz"], "--states cannot be used here"),
        (["cancer-angle", "--metric", "trace", "--qubit-order", "big"], "--metric, --qubit-order cannot be used here"),
        (["c.qasm", "--norm", "l2"], "--norm cannot be used here"),
        (["c.qasm", "--box", "data", "--seed", "1"], "--box, --seed cannot be used here"),
        (["c.qasm"], "it needs --states FILE.npz and --readout 'Z[0]' besides"),
        (["c.qasm", "--states", "s.npz"], "it needs --readout 'Z[0]' besides"),
        (["absent.qasm", "--metric", "foo"], "metric is 'foo'"),
        (["absent.qasm", "--metric", ""], "metric is ''"),
        (["absent.qasm", "--adversary", "foo"], "adversary is 'foo'"),
        (["absent.qasm", "--qubit-order", "foo"], "qubit order is 'foo'"),
        (["absent.qasm", "--eps", "2"], "eps is (2.0,)"),
        (["cancer-angle", "--samples", "0"], "--samples is 0"),
        (["cancer-angle", "--eps", "x"], "--eps is 'x'"),
    ],
)
def test_refusals_are_one_sentence(tmp_path, capsys, arguments, message):
    (tmp_path / "c.qasm").write_text(CIRCUIT)
    assert run(["certify", *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error


def test_a_missing_circuit_is_named_before_missing_options(capsys):
    assert run(["certify", "absent.qasm"]) == 3
    assert "absent.qasm cannot be read" in capsys.readouterr().err


def test_words_are_checked_before_a_recipe_is_loaded(capsys, monkeypatch):
    monkeypatch.setattr("counterspin.cli.threats.audit_target", lambda *_: pytest.fail("loaded"))
    for verb in ("audit", "certify"):
        for option in ("--norm", "--units", "--box", "--engine", "--eps"):
            assert run([verb, "cancer-angle", option, "foo"]) == 2
            assert f"{option.strip('-')} is 'foo'" in capsys.readouterr().err

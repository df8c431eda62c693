import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from counterspin.attacks.evasion.pgd import PGD
from counterspin.errors import CapabilityError, ModelError
from counterspin.evaluation.records import CheckRecord
from counterspin.evaluation.sanity import run_checks
from counterspin.evaluation.sanity.masks import Masked
from counterspin.evaluation.sanity.rehearsal import rehearse
from counterspin.evaluation.sanity.zoo import specimens
from counterspin.evaluation.sanity.zoo_matrix import fired, matrix_text, surprises, zoo_matrix

ZOO = specimens(samples=20)


def record(check: str, status: str) -> CheckRecord:
    return CheckRecord(id=check, title="", status=status, statistic=None, threshold=None, samples=[], advice="")


def test_the_zoo_holds_what_the_evaluation_protocol_names():
    reasons = {specimen.name: specimen.expected for specimen in ZOO}
    assert reasons["sign-quantised output"] == reasons["frozen gradient"] == reasons["smaller box"] == "S17"
    assert reasons["temperature 1e-3"] == "S20"
    assert reasons["noise, undeclared"] == "S15"
    plain = ["plain, 2 classes", "plain, 4 classes", "plain, amplitudes"]
    assert [s.name for s in ZOO if not s.expected] == plain
    assert len(reasons) == len(ZOO)


@pytest.mark.parametrize(
    "name",
    ["sign-quantised output", "frozen gradient", "reversed gradient", "shattered gradient", "temperature 1e-3"],
)
def test_a_mask_keeps_the_decisions_of_its_circuit(name):
    specimen = next(s for s in ZOO if s.name == name)
    assert isinstance(specimen.model, Masked)
    x = torch.rand(200, 3, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    bare, masked = specimen.model.undefended(x), specimen.model(x)
    clear = (bare[:, 0] - bare[:, 1]).abs() > 0.02
    assert clear.sum() > 150
    assert torch.equal(bare.argmax(dim=1)[clear], masked.argmax(dim=1)[clear])


def test_the_same_seed_gives_the_same_zoo_and_another_one_another():
    again, other = specimens(samples=20), specimens(samples=20, seed=1)
    for first, second, third in zip(ZOO, again, other, strict=True):
        assert torch.equal(first.x, second.x)
        assert torch.equal(first.y, second.y)
        assert not torch.equal(first.x, third.x)


@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
def test_the_threat_has_the_norm_asked_for(norm):
    assert {s.threat.norm for s in specimens(samples=2, norm=norm)} == {norm}


def test_a_model_that_cannot_be_evaluated_is_refused_in_plain_words():
    by_name = {s.name: s for s in ZOO}
    for name, error in (
        ("detached", CapabilityError),
        ("NaN beyond a region", ModelError),
    ):
        with pytest.raises(error, match="model"):
            rehearse(by_name[name], (PGD(steps=10),))


def test_a_matrix_says_what_fires_and_what_should_not():
    zoo = [s for s in ZOO if s.name in ("plain, 2 classes", "frozen gradient", "detached")]
    answers = {
        "plain, 2 classes": [record("S17", "PASS"), record("S25", "WARN"), record("S13", "WARN")],
        "frozen gradient": [record("S17", "SKIP"), record("S05", "FAIL")],
    }

    def evaluate(specimen):
        if specimen.name == "detached":
            raise CapabilityError("no gradient")
        return answers[specimen.name]

    matrix = zoo_matrix(evaluate, zoo)
    assert fired(matrix["plain, 2 classes"]) == {"S13"}
    assert surprises(matrix, zoo) == ["plain, 2 classes: S13 fires", "frozen gradient: S17 is silent"]
    lines = matrix_text(matrix).splitlines()
    assert lines[0].split() == ["model", "S05", "S13", "S17", "S25"]
    assert lines[1].split()[-3:] == ["W", ".", "W"]
    assert lines[3].split() == ["detached", "CapabilityError"]


@pytest.mark.slow
def test_a_rehearsal_is_an_evaluation_without_a_flaw():
    record = run_checks(rehearse(specimens(samples=8)[0], (PGD(steps=10),)), "quick")
    assert {c.id for c in record.checks if c.status in ("WARN", "FAIL")} <= {"S05", "S13", "S25"}
    assert {c.id: c.status for c in record.checks}["S27"] == "PASS"


@pytest.mark.long
def test_exactly_the_expected_checks_fire_in_an_audit():
    program = Path(__file__).parents[2] / "support" / "zoo_audit.py"
    done = subprocess.run([sys.executable, str(program)], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert found["surprises"] == [], found["text"]
    assert len(found["matrix"]) == len(ZOO)
    fired_on_plain = {name for row in list(found["matrix"].values())[:3] for name in fired(row)}
    assert fired_on_plain == set()

"""The adaptive check on defences whose worth is known: none at all, and masks that only look like one."""

from types import SimpleNamespace

import pytest
import torch

from counterspin.attacks.evasion import APGD
from counterspin.attacks.losses import Margin
from counterspin.evaluation.attack_stage import attack_stage
from counterspin.evaluation.audit import AuditSettings, Subject, audit_config
from counterspin.evaluation.clean_stage import clean_stage
from counterspin.evaluation.execution import Execution
from counterspin.evaluation.hardening.adaptive import adaptive_check, replays_of
from counterspin.evaluation.run_store import RunStore
from counterspin.evaluation.sanity import masks
from counterspin.evaluation.sanity.masks import Masked
from counterspin.evaluation.sanity.zoo import specimens
from counterspin.evaluation.steps import Steps

pytestmark = pytest.mark.slow

SETTINGS = AuditSettings(
    tier="quick", seed=0, attacks=(APGD(steps=15, restarts=1, loss=Margin(), precision="float32"),)
)


@pytest.fixture(scope="module")
def plain():
    return next(specimen for specimen in specimens(samples=24) if specimen.name == "plain, 2 classes")


@pytest.fixture(scope="module")
def audited(plain, tmp_path_factory):
    """A function that attacks a model on the plain circuit's samples as an audit does, without its other stages."""

    def run(name: str, model):
        subject = Subject(model=model, x=plain.x, y=plain.y)
        directory = tmp_path_factory.mktemp("audits") / name
        with RunStore(directory, audit_config(subject, plain.threat, SETTINGS)) as store:
            clean = clean_stage(subject, SETTINGS, store)
            steps, execution = Steps(lambda *_: None, 10), Execution(None, model, store)
            results = [
                attack_stage(attack, subject, clean, plain.threat, SETTINGS, store, steps, execution)
                for attack in SETTINGS.attacks
            ]
        standing = clean.correct & ~results[0].success
        robust = standing.double().mean(dim=1).tolist()
        return SimpleNamespace(model=model, directory=directory, robust=robust, subject=subject)

    return run


@pytest.fixture(scope="module")
def undefended(plain, audited):
    return audited("undefended", plain.model)


def checked(plain, undefended, defended):
    return adaptive_check(
        undefended.model,
        undefended.directory,
        defended.directory,
        defended.subject,
        plain.threat,
        SETTINGS,
        (),
    )


def by_id(record):
    return {check.id: check for check in record.checks}


def test_no_defence_passes(plain, undefended, audited) -> None:
    record = checked(plain, undefended, audited("again", Masked(plain.model, lambda model, x: model(x)).eval()))
    assert by_id(record)["A01"].status == "PASS"
    assert record.verdict != "fail"
    # Points on the boundary of the twin are points on the boundary of the same function.
    for line, robust in zip(record.transfer, undefended.robust, strict=True):
        assert line.replayed.value == pytest.approx(1 - robust)
        assert line.missed == 0
    assert "need no stand-in" in record.hooks[0]


@pytest.mark.parametrize("mask", [masks.sign_quantised, masks.frozen_gradient, masks.rounded_input(12)])
def test_a_defence_that_only_masks_gradients_fails(plain, undefended, audited, mask) -> None:
    defended = audited(getattr(mask, "__name__", "mask"), Masked(plain.model, mask).eval())
    # It looks robust: its own attacks break less than those on the circuit behind it.
    assert defended.robust[-1] > undefended.robust[-1] + 0.1
    record = checked(plain, undefended, defended)
    assert record.verdict == "fail"
    transfer = by_id(record)["A01"]
    assert transfer.status == "FAIL"
    assert transfer.statistic >= transfer.threshold == 2.0
    assert record.transfer[-1].missed >= 2
    assert "its robust accuracy is not to be believed" in transfer.advice
    assert by_id(record)["S17"].status in ("WARN", "FAIL")


def test_outputs_that_are_saturated_are_flagged(plain, undefended, audited) -> None:
    defended = audited("saturated", Masked(plain.model, masks.temperature(1e-3)).eval())
    record = checked(plain, undefended, defended)
    assert by_id(record)["S20"].status == "WARN"
    assert record.verdict == "warn"


def test_fresh_points_lie_beyond_the_boundary_that_replayed_ones_stop_at(plain, undefended, audited) -> None:
    """A model that is harder to break by a constant: what stops at the twin's boundary does not reach its own."""
    margin = 0.15

    def harder(model, x):
        scores = model(x)
        label = plain_labels(x)
        return scores + margin * torch.nn.functional.one_hot(label, 2).to(scores)

    def plain_labels(x):
        # Each attacked point belongs to the sample it came from: the nearest one.
        return plain.y[torch.cdist(x.double(), plain.x, p=torch.inf).argmin(dim=1)]

    record = checked(plain, undefended, audited("harder", Masked(plain.model, harder).eval()))
    assert sum(line.fresh.value - line.replayed.value for line in record.transfer) > 0.05
    assert all(line.fresh.value >= line.replayed.value for line in record.transfer)
    assert by_id(record)["A01"].status in ("PASS", "WARN")


def test_every_attack_of_the_audit_before_is_replayed(undefended) -> None:
    replays = replays_of(undefended.directory)
    assert set(replays) == {attack.name for attack in SETTINGS.attacks}
    assert all(points.shape == (2, 24, 3) for points in replays.values())

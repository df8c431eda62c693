from dataclasses import replace

import pytest

from counterspin.attacks.evasion.apgd import APGD
from counterspin.attacks.evasion.pgd import PGD
from counterspin.attacks.evasion.random_draws import RandomDraws
from counterspin.attacks.losses import Margin
from counterspin.evaluation.sanity import known_masks, masks
from counterspin.evaluation.sanity.known_masks import KnownMasksAreBroken
from counterspin.evaluation.sanity.masks import Masked
from counterspin.evaluation.sanity.rehearsal import rehearse
from counterspin.evaluation.sanity.zoo import specimens
from counterspin.models import QuantumClassifier

SUITE = (APGD(steps=10, restarts=2, loss=Margin()), RandomDraws(draws=50))
THOROUGH = (APGD(steps=50, restarts=3, loss=Margin()), RandomDraws(draws=200))
PLAIN = specimens(samples=16)[0]


def no_zoo(monkeypatch):
    """Only the twin and the plain circuit are looked at, and by less: the masked circuits take seconds."""
    monkeypatch.setattr(known_masks, "_ANSWERS", {})
    monkeypatch.setattr(known_masks, "_SAMPLES", 12)
    monkeypatch.setattr(known_masks, "_REFERENCE", APGD(steps=10, restarts=2, loss=Margin()))


@pytest.mark.slow
def test_a_decent_suite_passes_on_a_plain_model(monkeypatch):
    no_zoo(monkeypatch)
    record = KnownMasksAreBroken().run(rehearse(PLAIN, SUITE))
    assert (record.status, record.statistic) == ("PASS", 0.0)


@pytest.mark.slow
def test_a_weak_suite_fails_on_the_plain_circuit(monkeypatch):
    no_zoo(monkeypatch)
    record = KnownMasksAreBroken().run(rehearse(PLAIN, (PGD(steps=2, step_size=1e-9),)))
    assert record.status == "FAIL"
    assert "plain circuit" in record.advice


@pytest.mark.slow
def test_every_mask_is_broken_or_noticed():
    assert KnownMasksAreBroken().run(rehearse(PLAIN, THOROUGH)).status == "PASS"


@pytest.mark.slow
def test_a_mask_nobody_notices_fails(monkeypatch):
    class Silent(known_masks.GradientsAgree):
        def run(self, context):
            return self.record("PASS", "")

    monkeypatch.setattr(known_masks, "_ANSWERS", {"S17": Silent()})
    record = KnownMasksAreBroken().run(rehearse(PLAIN, THOROUGH[:1]))
    assert record.status == "FAIL"
    assert "'frozen gradient'" in record.advice
    assert "plain circuit" not in record.advice


@pytest.mark.slow
def test_a_suite_fitted_to_the_defended_model_only_fails_on_the_twin(monkeypatch):
    no_zoo(monkeypatch)
    # The mask hands the right gradient to the attack; the twin it shows has none.
    blind = Masked(PLAIN.model, masks.frozen_gradient).eval()
    defended = Masked(PLAIN.model, lambda model, x: model(x)).eval()
    defended.undefended = blind
    specimen = replace(PLAIN, model=defended)
    defended.mask = lambda model, x: PLAIN.model(x)
    record = KnownMasksAreBroken().run(rehearse(specimen, SUITE[:1]))
    assert record.status == "FAIL"
    assert "twin" in record.advice


@pytest.mark.slow
def test_a_wrapper_that_shows_its_circuit_has_that_as_its_twin():
    class Scaled(QuantumClassifier):
        def forward(self, x):
            return 2 * super().forward(x)

    plain = PLAIN.model
    wrapped = Scaled(plain.circuit, plain.measurement, plain.bounds, weights=plain.weights).requires_grad_(False)
    for model, wraps in ((wrapped, True), (plain, False)):
        context = rehearse(replace(PLAIN, model=model), (RandomDraws(draws=5),))
        assert (known_masks._twin(context) is not None) == wraps


def test_random_models_and_counts_of_features_are_skipped():
    context = rehearse(PLAIN, (RandomDraws(draws=5),))
    assert KnownMasksAreBroken().run(replace(context, suite={})).status == "SKIP"
    counted = replace(context, threat=replace(context.threat, norm="l0", eps=(1.0,)))
    assert KnownMasksAreBroken().run(counted).status == "SKIP"

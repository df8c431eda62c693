from dataclasses import dataclass, replace

import pytest
import torch

from counterspin.attacks.evasion.pgd import PGD
from counterspin.evaluation.sanity.reproducibility import Reproducible, samples_digest


@dataclass(frozen=True, kw_only=True)
class Careless(PGD):
    """Draws its start from the global generator."""

    def _run(self, oracle, start, ball, generator):
        x = ball.project(ball.center + 0.5 * ball.radius * (2 * torch.rand_like(ball.center) - 1))
        oracle.gradient(x, self.loss)


@pytest.mark.slow
def test_plain_runs_repeat(plain):
    record = Reproducible().run(plain)
    assert (record.status, record.statistic) == ("PASS", 0.0)


def test_hidden_randomness_of_an_attack_is_caught(helpers):
    record = Reproducible().run(helpers.build(helpers.Function(helpers.linear), suite=(PGD(steps=3), Careless())))
    assert record.status == "FAIL"
    assert "randomness" in record.advice


@pytest.mark.parametrize("name", ["model_sha256", "samples_sha256"])
def test_missing_and_outdated_hashes_are_caught(plain, name):
    left = {key: value for key, value in plain.provenance.items() if key != name}
    missing = Reproducible().run(replace(plain, provenance=left))
    assert missing.status == "FAIL"
    assert f"stores no {name}" in missing.advice
    outdated = Reproducible().run(replace(plain, provenance={**left, name: "0" * 64}))
    assert outdated.status == "FAIL"
    assert "is not that of the present" in outdated.advice


def test_another_model_or_other_labels_are_caught(plain, helpers):
    other = helpers.Function(lambda x: 1.01 * helpers.linear(x))
    assert Reproducible().run(replace(plain, model=other)).status == "FAIL"
    y = plain.y.clone()
    y[0] = (y[0] + 1) % 3
    assert samples_digest(plain.x, y) != plain.provenance["samples_sha256"]
    assert Reproducible().run(replace(plain, y=y)).status == "FAIL"


def test_missing_versions_are_caught(plain):
    results = {name: replace(result, versions={}) for name, result in plain.results.items()}
    record = Reproducible().run(replace(plain, results=results))
    assert record.status == "FAIL"
    assert "versions" in record.advice.lower()

"""The section about noise of an audit: what it measures, that it resumes, and that its numbers are its rows."""

import jsonschema
import pytest
import torch

from counterspin.api import audit, certify, plan
from counterspin.attacks import PGD
from counterspin.attacks.gradients import Twin
from counterspin.circuits import OutcomeGroups, PauliExpectations, Scale, amplitude_encoding, reuploading
from counterspin.circuits import strongly_entangling as entangling
from counterspin.evaluation.clean import clean_verdict
from counterspin.evaluation.noise_modes import replayed
from counterspin.evaluation.run_store import RunStore
from counterspin.evaluation.schema import audit_schema
from counterspin.models import QuantumClassifier
from counterspin.threats import L2, Linf
from counterspin.types import Box

ATTACKS = (PGD(steps=5),)


def angle_model() -> QuantumClassifier:
    generator = torch.Generator().manual_seed(0)
    box = Box.uniform(0.0, 1.0, features=2)
    body = QuantumClassifier(
        reuploading(2, 2, scale=torch.pi), PauliExpectations.of("Z0", "Z1"), box, head=Scale(torch.tensor(4.0)),
        generator=generator,
    )  # fmt: skip
    return body.requires_grad_(False).eval()


def amplitude_model() -> QuantumClassifier:
    """Two classes of one qubit each: both observables have the same trace."""
    circuit = amplitude_encoding(4) + entangling(2, 2)
    weights = torch.randn(circuit.weights, generator=torch.Generator().manual_seed(0))
    box = Box.uniform(0.0, 1.0, features=4)
    body = QuantumClassifier(circuit, OutcomeGroups.first(qubits=1, classes=2), box, weights=weights)
    return body.requires_grad_(False).eval()


def samples(model, count: int = 12):
    x = torch.rand(count, model.bounds.features, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    y = model(x).argmax(dim=1)
    y[0] = 1 - y[0]
    return x, y


def audited(model, threat, out=None, attacks=ATTACKS, **asked):
    x, y = samples(model)
    return audit(model, x, y, threat, tier="quick", attacks=attacks, out=out, **asked)


def modes(condition) -> dict:
    return {mode.mode: mode for mode in condition.attacks}


@pytest.mark.slow
def test_a_balanced_readout_under_global_depolarising_noise_does_not_change():
    report = audited(amplitude_model(), L2(0.05, 0.2, units="relative", box="none"), noise="depolarizing:0.3")
    found = report.record.noise_conditions
    assert found is not None
    ideal, noisy = found.conditions
    assert [ideal.name, noisy.name] == ["ideal", "noisy"]
    # Margins shrink by 0.7 and no decision moves: accuracies and exact certificates are those without noise.
    assert ideal.clean_accuracy == noisy.clean_accuracy
    assert ideal.certified == noisy.certified
    assert modes(ideal)["fixed"].budgets == modes(noisy)["fixed"].budgets
    assert all(test.paired.p_value == 1.0 for test in found.comparisons)
    assert "preparation ideal" in found.notes[0]
    # Confidences shrink with the margins, so calibration does change.
    assert ideal.ece != noisy.ece
    jsonschema.validate(report.record.to_json(), audit_schema())


@pytest.mark.slow
@pytest.mark.usefixtures("without_page")
def test_unequal_noise_moves_the_boundary_and_the_tests_see_the_same_samples():
    report = audited(angle_model(), Linf(0.05, 0.15), noise="amplitude_damping:0.3/gate")
    record = report.record
    found = record.noise_conditions
    assert found is not None
    ideal, noisy = found.conditions
    assert noisy.clean_accuracy.value < ideal.clean_accuracy.value
    # The audit's own numbers are those of the noisy model.
    assert record.clean_accuracy == noisy.clean_accuracy
    for condition in found.conditions:
        for mode in modes(condition).values():
            values = [budget.robust_accuracy.value for budget in mode.budgets]
            assert values == sorted(values, reverse=True)
            if mode.mode != "hardware-valid":
                assert max(values) <= condition.clean_accuracy.value
    clean = next(test for test in found.comparisons if test.what == "clean accuracy")
    assert clean.paired.first == ideal.clean_accuracy
    assert clean.paired.second == noisy.clean_accuracy
    fixed = [b.robust_accuracy.value for b in modes(ideal)["fixed"].budgets]
    assert fixed == [b.robust_accuracy.value for b in modes(ideal)["re-optimised"].budgets]
    assert record.model["conditions"]["noise"] == "amplitude_damping:0.3/gate"


@pytest.mark.slow
@pytest.mark.usefixtures("without_page")
def test_a_finished_section_is_read_and_an_interrupted_one_goes_on(tmp_path):
    out, threat = tmp_path / "run", Linf(0.1)
    first = audited(angle_model(), threat, out, noise="depolarizing:0.02/gate").record
    with RunStore(out, None) as store:
        kept = store.tensors("noise-noisy-re-optimised")
        assert kept is not None
        # As if it had stopped before the section and the record were written: its parts are not computed again.
        for name in ("record", "noise conditions"):
            store.save_stage(name, None)
        card = store.stage("noise-ideal/fixed")
        store.save_stage("noise-ideal/fixed", {**card, "seconds": 12345.0})
    again = audited(angle_model(), threat, out, noise="depolarizing:0.02/gate").record
    assert again.noise_conditions is not None
    assert modes(again.noise_conditions.conditions[0])["fixed"].cost.seconds == 12345.0
    assert again.noise_conditions.comparisons == first.noise_conditions.comparisons
    other = audited(angle_model(), threat, tmp_path / "other", noise="depolarizing:0.03/gate").record
    assert other.model["sha256"] != again.model["sha256"]


@pytest.mark.slow
def test_nobody_asked_nothing_is_there():
    assert audited(angle_model(), Linf(0.1)).record.noise_conditions is None


def test_what_breaks_at_a_smaller_budget_is_broken_at_a_larger_one():
    model = angle_model()
    x, y = samples(model)
    clean = clean_verdict(model, x, y, generator=torch.Generator().manual_seed(0))
    # Second budget: the clean points themselves, which break nothing on their own.
    flipped = x.flip(0)
    found = replayed(model, torch.stack([flipped, x]), y, clean, torch.Generator().manual_seed(0))
    expected = clean.correct & (model(flipped).argmax(dim=1) != y)
    assert torch.equal(found.broken[0], expected)
    assert torch.equal(found.broken[1], expected)
    assert bool(expected.any())
    assert not found.undecided.any()


@pytest.mark.slow
def test_finite_shots_are_counted_by_the_plan():
    model = angle_model()
    x, y = samples(model)
    bare = plan(model, x, y, Linf(0.1), attacks=ATTACKS, noise="depolarizing:0.01/gate")
    through = (PGD(steps=5, gradient=Twin()),)
    read = plan(model, x, y, Linf(0.1), attacks=through, noise="depolarizing:0.01/gate", shots=100)
    # Where nobody asks for shots, accuracy against shots and the attack that a device could run take some all the same.
    shots = {step.name: step.most.shots for step in bare.steps}
    assert [name for name, spent in shots.items() if spent] == ["noise draws", "noise conditions (hardware-valid)"]
    assert read.total.shots >= 100 * bare.steps[0].most.circuits


@pytest.mark.slow
def test_certify_proves_the_noisy_model():
    model = amplitude_model()
    x, y = samples(model)
    threat = L2(0.1, units="relative", box="none")
    ideal = certify(model, x, y, threat, method="exact-l2")
    noisy = certify(model, x, y, threat, method="exact-l2", noise="depolarizing:0.3")
    assert torch.allclose(ideal.radius, noisy.radius, rtol=1e-6)
    moved = certify(model, x, y, threat, method="exact-l2", noise="amplitude_damping:0.1/gate")
    assert float((ideal.radius - moved.radius).abs().max()) > 0.01
    assert moved.record.model["conditions"]["noise"] == "amplitude_damping:0.1/gate"


@pytest.mark.slow
def test_shots_and_mitigation_give_all_four_conditions_and_a_hardware_valid_attack():
    asked = {"noise": "depolarizing:0.02/gate", "shots": 300, "mitigation": "zne"}
    through = (PGD(steps=5, gradient=Twin()),)
    found = audited(angle_model(), Linf(0.15), attacks=through, **asked).record.noise_conditions
    assert found is not None
    assert [condition.name for condition in found.conditions] == ["ideal", "noisy", "mitigated", "shots"]
    hardware = modes(found.conditions[-1])["hardware-valid"]
    assert hardware.skipped is None
    assert hardware.gradient.startswith("shifted circuits")
    assert hardware.cost.shots > 0
    assert found.asked["circuits_per_sample"] == 3
    assert {(test.first, test.second) for test in found.comparisons} >= {
        ("ideal", "noisy"),
        ("noisy", "mitigated"),
        ("mitigated", "shots"),
        ("fixed", "re-optimised"),
    }

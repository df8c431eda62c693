"""The noise study: depolarising and balance both ways, a map that counts what it says, drift, mitigation, resuming."""

import pytest
import torch

from counterspin.circuits import OutcomeGroups, Scale, amplitude_encoding, strongly_entangling
from counterspin.evaluation.analysis.noise_drift import DriftSubject, drift_cells
from counterspin.evaluation.analysis.noise_ladder import CHANNELS, IDEAL, Channel, climb, ladder_findings, ladder_points
from counterspin.evaluation.analysis.noise_map import map_cells
from counterspin.evaluation.analysis.noise_mitigation import mitigation_findings, mitigation_rows
from counterspin.evaluation.analysis.noise_points import StudyTask, under
from counterspin.evaluation.analysis.readouts import counterpart, mixed_scores
from counterspin.evaluation.run_store import RunStore
from counterspin.models import LogisticRegression, NoisyClassifier, QuantumClassifier
from counterspin.noise import NoiseModel
from counterspin.noise.text import parse
from counterspin.threats import L2
from counterspin.types import Box

pytestmark = pytest.mark.slow  # attacks and folded observables at every point

GLOBAL = CHANNELS[0]
DAMPING = Channel(
    name="amplitude-damping", label="damping", strengths=(0.15,), noise=lambda p: parse(f"amplitude_damping:{p!r}/gate")
)


def amplitude_model(groups=((0,), (1,)), measured=(0,)) -> QuantumClassifier:
    """Two qubits; by default both classes have the same trace."""
    circuit = amplitude_encoding(4) + strongly_entangling(2, 2)
    weights = torch.randn(circuit.weights, generator=torch.Generator().manual_seed(0))
    body = QuantumClassifier(
        circuit, OutcomeGroups(measured, groups), Box.uniform(0.0, 1.0, features=4), head=Scale(torch.tensor(5.0)),
        trainable_head=False, weights=weights,
    )  # fmt: skip
    return body.requires_grad_(False).eval()


def task(model, store, count: int = 10) -> StudyTask:
    x = torch.rand(count, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return StudyTask(
        model=model,
        x=x,
        y=model(x).argmax(dim=1),
        threat=L2(0.05, 0.2, units="relative", box="none"),
        tier="quick",
        seed=0,
        shots=64,
        store=store,
        announce=lambda label: None,
    )


@pytest.fixture
def store(tmp_path):
    with RunStore(tmp_path / "study", {"study": 1}) as opened:
        yield opened


def test_global_depolarising_moves_exact_radii_only_where_the_readout_is_unbalanced(store):
    found = task(amplitude_model(), store)
    runs = climb(found, (GLOBAL,))
    assert runs.counterpart.own_balanced is True
    assert runs.counterpart.balanced is False
    clean = runs.own[IDEAL, 0.0]
    assert clean.radius_kind.startswith("exact")
    for strength in GLOBAL.strengths:
        assert torch.allclose(runs.own[GLOBAL.name, strength].radius, clean.radius, rtol=1e-6)
    moved = [(runs.other[GLOBAL.name, s].radius - runs.other[IDEAL, 0.0].radius).abs().max() for s in GLOBAL.strengths]
    assert float(max(moved)) > 1e-3
    # C3 is a certificate of the noise: it grows with it, while the exact radius does not.
    c3 = [float(runs.own[GLOBAL.name, strength].c3.median()) for strength in GLOBAL.strengths]
    assert c3 == sorted(c3)
    assert c3[-1] > c3[0] > 0
    said = {finding.expected.split(",")[0]: finding.found for finding in ladder_findings(found, runs)}
    assert "no exact radius moves" in said["own readout"]
    assert "exact radii move" in said["counterpart readout"]
    points = ladder_points(found, runs)
    assert {(p.readout, p.balanced) for p in points} == {("own", True), ("counterpart", False)}
    assert [p.strength for p in points if p.readout == "own"] == [0.0, *GLOBAL.strengths]


def test_the_counterpart_of_an_unbalanced_readout_is_balanced():
    model = amplitude_model(groups=((0,), (1, 2, 3)), measured=(0, 1))
    x = torch.rand(8, 4, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    found = counterpart(model, x)
    assert found.own_balanced is False
    assert found.balanced is True
    mixed = mixed_scores(found.model, x)
    assert torch.allclose(mixed, mixed.mean(), atol=1e-9)
    # Only biases changed: differences between inputs are those of the model.
    assert torch.allclose(found.model(x) - found.model(x[:1]), model(x) - model(x[:1]), atol=1e-9)


def test_a_model_without_a_circuit_has_no_counterpart():
    classical = LogisticRegression(Box.uniform(0.0, 1.0, features=4), classes=2)
    assert counterpart(classical, torch.rand(3, 4)).model is None


def test_a_point_is_stored_and_the_map_counts_common_samples(store):
    found = task(amplitude_model(), store)
    runs = climb(found, (DAMPING,))
    again = climb(found, (DAMPING,))
    for key, point in runs.own.items():
        assert torch.equal(point.broken, again.own[key].broken)
        assert torch.equal(point.x_adv, again.own[key].x_adv)
    cells = map_cells(found, runs)
    clean, noisy = runs.own[IDEAL, 0.0], runs.own[DAMPING.name, 0.15]
    both = clean.correct & noisy.correct
    for place, cell in enumerate(cells):
        assert cell.samples == int(both.sum())
        assert cell.re_optimised.value == pytest.approx(float(noisy.broken[place][both].double().mean()))
        assert cell.ideal.value == pytest.approx(float(clean.broken[place][both].double().mean()))
        assert cell.noise_effect.p_holm >= cell.noise_effect.p_value
    # The exact radius says which samples fall within each budget, and no attack breaks any other.
    radii = found.threat.radii(found.x)
    for point in (clean, noisy):
        assert not bool((point.broken & (point.radius[None] > radii * (1 + 1e-6))).any())


def test_inputs_drift_between_noises(store):
    model = amplitude_model()
    found = task(model, store)
    weak, strong = (NoiseModel(global_depolarizing=p) for p in (0.1, 0.5))
    damped = parse("amplitude_damping:0.2/gate")
    subjects = [
        DriftSubject(name=name, model=under(model, noise))
        for name, noise in (("weak", weak), ("strong", strong), ("damped", damped))
    ]
    cells = {(cell.source, cell.target, cell.eps): cell for cell in drift_cells(found, subjects)}
    assert len(cells) == 9 * 2
    for eps in found.threat.eps:
        # Both have the same boundary: inputs of one break what those of the other do, up to those that touch it.
        assert abs(cells["weak", "strong", eps].success.value - cells["strong", "strong", eps].success.value) <= 0.1
        assert cells["weak", "weak", eps].own is None
        assert cells["damped", "weak", eps].success.value <= cells["weak", "weak", eps].success.value + 0.1


def test_mitigation_brings_margins_nearer_and_says_what_it_does_to_robustness(store):
    model = amplitude_model()
    found = task(model, store)
    noisy = NoisyClassifier(model, noise=parse("depolarizing:0.02/gate"))
    rows, refused = mitigation_rows(found, noisy, ("zne", "prayer"))
    assert [row.mitigation for row in rows] == ["none", "zne"]
    assert "unknown" in refused["prayer"]
    assert rows[1].circuits == 3
    assert (rows[0].shot_overhead, rows[1].shot_overhead) == (1.0, pytest.approx(3 * (9 + 9 + 1)))
    assert rows[1].score_error < 0.3 * rows[0].score_error
    (finding,) = mitigation_findings(rows, 0.2)
    assert finding.significant is False
    assert "1 of 1 techniques" in finding.found

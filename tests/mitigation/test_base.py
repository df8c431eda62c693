"""The two stages put together: batched runs, readout corrections, costs, and observables of linear mitigations."""

from dataclasses import dataclass, field

import pytest
import torch
from torch import Tensor

from counterspin.circuits import Circuit, Linear, OutcomeGroups, PauliExpectations, Readout, Scale
from counterspin.errors import ConditionsError, UsageError
from counterspin.mitigation.base import Correction, Mitigation, Variant, constructed
from counterspin.mitigation.cost import mitigation_cost
from counterspin.mitigation.decoupling import Decoupling
from counterspin.mitigation.effective import fold_mitigated
from counterspin.mitigation.extrapolation import Exponential, Polynomial
from counterspin.mitigation.pec import PEC
from counterspin.mitigation.twirling import Twirling
from counterspin.mitigation.values import mitigated_values, variant_values
from counterspin.mitigation.zne import ZNE
from counterspin.noise import NoiseModel, ReadoutErrors
from counterspin.simulation import fold, run
from counterspin.types import Cost
from tests.support.noisy_circuits import AMPLITUDES, GATES, IDLE, MEASUREMENT, NOISE, arguments, noisy_values

FLIPS = ReadoutErrors(flips=((0.02, 0.1), (0.05, 0.03), (0.01, 0.04)))
READ = NoiseModel(rules=NOISE.rules, readout=FLIPS, global_depolarizing=0.1)
LINEAR = [
    ZNE(),
    ZNE(extrapolation=Polynomial(), amplification="global", scale_factors=(1.0, 3.0)),
    PEC(),
    PEC(samples=4),
    Twirling(),
    Twirling(samples=3),
]


@dataclass(frozen=True)
class Inverted:
    """The inverse of the readout's confusion matrices, as a correction."""

    linear: bool = True

    def apply(self, distribution: Tensor) -> Tensor:
        matrix = torch.ones(1, 1, dtype=torch.float64)
        for _, confusion in FLIPS.factors():
            matrix = torch.kron(matrix, torch.linalg.inv(confusion))
        return distribution @ matrix.T.to(distribution)


@dataclass(frozen=True)
class Corrected:
    """A mitigation of readout errors alone, twice the value minus once: another linear map than the identity."""

    linear: bool = True
    name: str = "corrected"

    def construct(self, circuit: Circuit, noise: NoiseModel) -> tuple[Variant, ...]:
        bare = Variant(circuit=circuit, noise=noise, coefficient=-0.5)
        return Variant(circuit=circuit, noise=noise, correction=Inverted(self.linear)), bare

    def combine(self, values: Tensor) -> Tensor:
        return 1.5 * values[0] + values[1] + 0.25

    def linear_map(self, variants: int, values: int) -> tuple[Tensor, Tensor]:
        identity = torch.eye(values, dtype=torch.float64)
        return torch.stack([1.5 * identity, identity]), torch.full((values,), 0.25, dtype=torch.float64)

    def shot_factor(self, circuit: Circuit, noise: NoiseModel) -> float:
        return 1.0


def test_techniques_and_corrections_keep_their_protocols() -> None:
    for technique in (*LINEAR, Decoupling(), ZNE(extrapolation=Exponential())):
        assert isinstance(technique, Mitigation)
        assert hash(technique) == hash(technique)
    assert isinstance(Inverted(), Correction)


def test_a_variant_without_correction_is_a_run() -> None:
    x, w = arguments(GATES)
    variant = Variant(circuit=GATES, noise=READ, coefficient=-2.0)
    assert torch.allclose(variant_values(variant, x, w, MEASUREMENT), -2 * noisy_values(GATES, x, w, READ))


def test_an_inverted_readout_is_as_if_there_were_no_errors() -> None:
    x, w = arguments(GATES)
    variant = Variant(circuit=GATES, noise=READ, correction=Inverted())
    without = NoiseModel(rules=NOISE.rules, global_depolarizing=0.1)
    assert torch.allclose(variant_values(variant, x, w, MEASUREMENT), noisy_values(GATES, x, w, without), atol=1e-10)


@pytest.mark.parametrize("correction", [None, Inverted()])
def test_shots_are_unbiased(correction: Correction | None) -> None:
    x, w = arguments(GATES, batch=2)
    variant = Variant(circuit=GATES, noise=READ, correction=correction)
    exact = variant_values(variant, x, w, MEASUREMENT)
    drawn = variant_values(variant, x, w, MEASUREMENT, shots=40_000, generator=torch.Generator().manual_seed(0))
    assert float((drawn - exact).abs().max()) < 5 * 1.3 / 200
    assert float((drawn - exact).abs().max()) > 1e-5


@pytest.mark.parametrize(("shots", "message"), [(0, "shots is 0"), (10, "generator is None")])
def test_shots_without_a_source_are_refused(shots: int, message: str) -> None:
    x, w = arguments(GATES)
    for correction in (None, Inverted()):
        with pytest.raises(UsageError, match=message):
            variant_values(Variant(circuit=GATES, noise=READ, correction=correction), x, w, MEASUREMENT, shots=shots)


def test_variants_are_constructed_once() -> None:
    assert constructed(ZNE(), GATES, NOISE) is constructed(ZNE(), GATES, NOISE)
    assert constructed(ZNE(), GATES, NOISE) is not constructed(ZNE(scale_factors=(1.0, 3.0)), GATES, NOISE)

    @dataclass(frozen=True)
    class Unhashable(Corrected):
        options: dict[str, int] = field(default_factory=dict)

    assert len(constructed(Unhashable(), GATES, READ)) == 2


@pytest.mark.parametrize("mitigation", [*LINEAR, Corrected()], ids=lambda m: m.name)
@pytest.mark.parametrize("head", [None, "scale", "linear"])
def test_folded_scores_are_the_mitigated_scores(mitigation: Mitigation, head: str | None) -> None:
    generator = torch.Generator().manual_seed(5)
    scale = Scale(torch.tensor(3.0, dtype=torch.float64))
    weight = torch.randn(4, 3, generator=generator, dtype=torch.float64)
    line = Linear(weight, torch.randn(4, generator=generator, dtype=torch.float64))
    readout = Readout(MEASUREMENT, {None: None, "scale": scale, "linear": line}[head])
    x, w = arguments(AMPLITUDES)
    folded = fold_mitigated(mitigation, AMPLITUDES, w, readout, READ)
    expected = readout.scores(mitigated_values(mitigation, AMPLITUDES, x, w, MEASUREMENT, READ))
    assert torch.allclose(folded.scores(x), expected, atol=1e-10)


def test_folded_scores_of_groups_and_of_waiting_qubits() -> None:
    groups = OutcomeGroups.first(qubits=2, classes=4)
    x, w = arguments(AMPLITUDES)
    for mitigation, noise in ((Corrected(), READ), (Decoupling(), IDLE), (ZNE(), IDLE)):
        folded = fold_mitigated(mitigation, AMPLITUDES, w, Readout(groups), noise)
        expected = mitigated_values(mitigation, AMPLITUDES, x, w, groups, noise)
        assert torch.allclose(folded.scores(x), expected, atol=1e-10)


def test_the_limit_of_error_cancellation_folds_to_the_ideal_observables() -> None:
    _, w = arguments(AMPLITUDES)
    folded = fold_mitigated(PEC(), AMPLITUDES, w, Readout(MEASUREMENT), NOISE)
    assert torch.allclose(folded.matrices, fold(AMPLITUDES, w, Readout(MEASUREMENT)).matrices, atol=1e-10)


@pytest.mark.parametrize("mitigation", [ZNE(extrapolation=Exponential()), Corrected(linear=False)])
def test_what_is_not_linear_is_not_folded(mitigation: Mitigation) -> None:
    _, w = arguments(AMPLITUDES)
    with pytest.raises(ConditionsError, match="not linear in the measured values"):
        fold_mitigated(mitigation, AMPLITUDES, w, Readout(MEASUREMENT), READ)


def test_a_linear_mitigation_with_a_correction_that_is_not_is_not_folded() -> None:
    @dataclass(frozen=True)
    class Claims(Corrected):
        def construct(self, circuit: Circuit, noise: NoiseModel) -> tuple[Variant, ...]:
            return (Variant(circuit=circuit, noise=noise, correction=Inverted(linear=False)),)

    _, w = arguments(AMPLITUDES)
    with pytest.raises(ConditionsError, match="not linear"):
        fold_mitigated(Claims(), AMPLITUDES, w, Readout(MEASUREMENT), READ)


def test_angle_encodings_are_not_folded() -> None:
    _, w = arguments(GATES)
    for mitigation in (ZNE(), Corrected()):
        with pytest.raises(ConditionsError, match="gate angles"):
            fold_mitigated(mitigation, GATES, w, Readout(MEASUREMENT), READ)


def test_costs_count_every_variant_sample_and_setting() -> None:
    assert mitigation_cost(ZNE(), GATES, NOISE, 10, 100, 2) == Cost(forwards=10, circuits=60, shots=6000, jobs=1)
    assert mitigation_cost(PEC(samples=7), GATES, NOISE, 10, None, 1) == Cost(forwards=10, circuits=70)
    assert mitigation_cost(ZNE(), GATES, NOISE, 0, 100, 2) == Cost()
    for samples, shots, settings in ((-1, 1, 1), (1, 0, 1), (1, 1, 0)):
        with pytest.raises(UsageError, match="samples is"):
            mitigation_cost(ZNE(), GATES, NOISE, samples, shots, settings)


def test_precision_is_that_of_the_inputs() -> None:
    x, w = arguments(GATES)
    for mitigation in (*LINEAR, Corrected()):
        found = mitigated_values(mitigation, GATES, x.float(), w.float(), MEASUREMENT, READ)
        expected = mitigated_values(mitigation, GATES, x, w, MEASUREMENT, READ)
        assert found.dtype == torch.float32
        assert torch.allclose(found.double(), expected, atol=1e-3)


def test_one_row_is_that_row_of_the_batch() -> None:
    x, w = arguments(GATES)
    for mitigation in LINEAR:
        whole = mitigated_values(mitigation, GATES, x, w, MEASUREMENT, READ)
        row = mitigated_values(mitigation, GATES, x[2:3], w, MEASUREMENT, READ)
        assert torch.allclose(row[0], whole[2], atol=1e-12)


def test_readouts_alone_need_no_channels() -> None:
    noise = NoiseModel(readout=FLIPS)
    x, w = arguments(AMPLITUDES)
    folded = fold_mitigated(Corrected(), AMPLITUDES, w, Readout(PauliExpectations.of("X0", "Z1 Z2")), noise)
    ideal = run(AMPLITUDES, x, w, Readout(PauliExpectations.of("X0", "Z1 Z2")))
    read = run(AMPLITUDES, x, w, Readout(PauliExpectations.of("X0", "Z1 Z2")), noise=noise)
    assert torch.allclose(folded.scores(x), 1.5 * ideal - 0.5 * read + 0.25, atol=1e-10)

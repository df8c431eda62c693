"""certified <= attacked on random models of every kind, for every certificate that applies; and how near they come."""

from dataclasses import dataclass

import pytest
import torch
from angle_models import random_model

from counterspin.attacks import DDN, FMN
from counterspin.certificates import Certificate
from counterspin.certificates.registry import methods
from counterspin.circuits import Linear, OutcomeGroups, Scale, amplitude_encoding, strongly_entangling
from counterspin.models import AffineInputs, QuantumClassifier
from counterspin.optimum import AffineMap
from counterspin.threats import L1, L2, Linf, ThreatModel
from counterspin.types import Box

# Of the methods of the quick tier those whose searches would take most of the time here.
_SLOW = ("branch-and-bound",)

# Two sums of the same squares in another order.
_ROUNDING = 1e-9


@dataclass(frozen=True, eq=False)
class Case:
    model: object
    x: torch.Tensor
    y: torch.Tensor
    threat: ThreatModel


def amplitude_case(seed: int, *, samples: int) -> Case:
    """2 to 4 qubits, real or complex data, padding, unbalanced groups, scales and biased heads, with or without box."""
    generator = torch.Generator().manual_seed(seed)
    qubits, complex_data = 2 + seed % 3, seed % 4 == 3
    length = 2**qubits - seed % 2
    circuit = amplitude_encoding(length, complex_data=complex_data) + strongly_entangling(qubits, 2)
    classes = 2 + seed % 3
    outcomes = list(range(2**qubits))
    # The last class gets what is left: traces differ.
    groups = (*((k,) for k in range(classes - 1)), tuple(outcomes[classes - 1 :]))
    measurement, head = OutcomeGroups(tuple(range(qubits)), groups), None
    if seed % 5 == 1:
        head = Scale(torch.tensor(5.0))
    if seed % 5 == 2:
        head = Linear(
            torch.randn(classes, classes, generator=generator), 0.1 * torch.randn(classes, generator=generator)
        )
    features = circuit.inputs
    weights = 2 * torch.randn(circuit.weights, generator=generator)
    box = Box.uniform(0.0, 1.0, features) if seed % 2 else Box.uniform(-1.0, 1.0, features)
    model = QuantumClassifier(circuit, measurement, box, head=head, weights=weights).requires_grad_(False)
    if seed % 7 == 0:
        weight = torch.randn(features, features + 2, generator=generator, dtype=torch.float64)
        bias = 0.3 * torch.randn(features, generator=generator, dtype=torch.float64)
        model = AffineInputs(model, AffineMap(weight, bias), Box.uniform(-1.0, 1.0, features + 2))
    share = torch.rand(samples, model.bounds.features, generator=generator, dtype=torch.float64)
    x = model.bounds.lower + (0.02 + 0.96 * share) * (model.bounds.upper - model.bounds.lower)
    norm, rule = (L2, Linf, L1)[seed % 3], ("data", "none")[seed // 3 % 2]
    return Case(model, x, model(x).argmax(dim=1), norm(3.0, box=rule))


def angle_case(seed: int, *, samples: int) -> Case:
    """1 to 4 qubits, re-uploading, every gate there is; every third with channels between the gates."""
    model, x, y = random_model(seed, samples=samples, noisy=seed % 3 == 0, plain=seed % 2 == 0)
    return Case(model, x, y, (L2, Linf, L1)[seed // 2 % 3](3.0, box="none"))


def compared(case: Case, certificates: tuple[Certificate, ...]) -> dict[str, torch.Tensor]:
    """Certified radius over distance of the nearest flip any attack found, per method; asserts the order."""
    model, x, y, threat = case.model, case.x, case.y, case.threat
    attacks = [FMN(steps=60, restarts=2)] + ([DDN(steps=60, restarts=1)] if threat.norm == "l2" else [])
    found = torch.stack(
        [a(model, x, y, threat, generator=torch.Generator().manual_seed(0)).distance[-1] for a in attacks]
    ).amin(dim=0)
    results = [c(model, x, y, threat) for c in certificates if c.refusal(model, threat) is None]
    assert results
    ratios = {}
    for result in results:
        known = torch.minimum(found, result.radius_upper)
        assert bool((result.radius_lower <= known * (1 + _ROUNDING)).all()), result.method
        broken = torch.isfinite(known) & (known > 0)
        ratios[result.method] = (result.radius_lower / known)[broken]
    return ratios


def gathered(cases) -> dict[str, torch.Tensor]:
    certificates = tuple(c for c in methods("quick") if c.name not in _SLOW)
    found: dict[str, list[torch.Tensor]] = {}
    for case in cases:
        for name, ratios in compared(case, certificates).items():
            found.setdefault(name, []).append(ratios)
    return {name: torch.cat(parts) for name, parts in found.items()}


@pytest.mark.one_fast(2)
@pytest.mark.parametrize("seed", range(6))
def test_order_on_a_few_models(seed):
    certificates = tuple(c for c in methods("quick") if c.name not in _SLOW)
    assert compared(amplitude_case(seed, samples=6), certificates)
    assert compared(angle_case(seed, samples=6), certificates)


# Medians over the cases below, measured once and held a little lower: a certificate that grows loose shows here.
FLOORS = {
    "amplitude": {
        "boxed-l2": 1 - 1e-6,
        "quadratic-linf": 0.999,
        "exact-l2": 0.74,  # a lower bound only wherever there is a box, or a norm that is not L2
        "guan": 0.62,
        "weber": 0.6,
    },
    "angle": {"bernstein": 0.45, "bures": 0.17, "lipschitz": 0.08},
}


@pytest.mark.long
@pytest.mark.parametrize(("kind", "build", "models"), [("amplitude", amplitude_case, 42), ("angle", angle_case, 36)])
def test_no_violation_and_no_loss_of_tightness(kind, build, models):
    ratios = gathered(build(seed, samples=20) for seed in range(models))
    cases = sum(len(values) for values in ratios.values())
    assert cases >= 1000, cases  # together with the other kind 2000 samples that an attack did break
    medians = {name: float(values.median()) for name, values in ratios.items()}
    assert set(FLOORS[kind]) <= set(medians)
    for name, floor in FLOORS[kind].items():
        assert medians[name] >= floor, (name, medians[name])

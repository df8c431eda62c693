"""One unitary for all samples: against a grid on one qubit, against the certificates, over several classifiers."""

import math

import pytest
import torch
from state_models import amplitude_bit, amplitude_classes, samples, seeded, uploads

from counterspin.attacks.losses import verdict_margin
from counterspin.attacks.quantum.registry import by_name
from counterspin.attacks.quantum.states import LocalUnitary, Other, UniversalUnitary, state_site
from counterspin.attacks.quantum.states.rotations import rotated
from counterspin.attacks.quantum.states.shared_families import Generators, Rotations
from counterspin.circuits import OutcomeGroups, amplitude_encoding
from counterspin.errors import CapabilityError, ConditionsError, UsageError
from counterspin.evaluation.parts.state import certified
from counterspin.models import QuantumClassifier
from counterspin.types import Box


def bit():
    """One qubit, the two amplitudes squared."""
    box = Box.uniform(-1.0, 1.0, features=2)
    return QuantumClassifier(amplitude_encoding(2), OutcomeGroups((0,), ((0,), (1,))), box)


def circle(angles):
    return torch.tensor([[math.cos(a / 2), math.sin(a / 2)] for a in angles], dtype=torch.float64)


@pytest.mark.parametrize("kind", ["local", "global"])
def test_a_rotation_of_the_circle_in_closed_form(kind) -> None:
    """States at polar angles below and above π/2: turning all by ε breaks those of one side within ε of the equator."""
    below, above = [1.5, 1.4, 1.2, 0.9], [1.65, 1.85]
    x = circle(below + above)
    y = torch.tensor([0] * 4 + [1] * 2)
    # e^{-iH} turns the Bloch vector by twice the operator norm.
    share = 1.0 if kind == "local" else 0.5
    result = UniversalUnitary(kind=kind, steps=25, restarts=2)(
        bit(), x, y, [share * eps for eps in (0.05, 0.25, 0.45, 0.75)]
    )
    # To the equator it is 0.07, 0.17, 0.37, 0.67 from below; 0.08 and 0.28 from above.
    assert result.success.sum(dim=1).tolist() == [0, 2, 3, 4]


def test_no_grid_of_rotations_breaks_more() -> None:
    g = seeded(0)
    model = amplitude_bit(qubits=1)
    x = torch.nn.functional.normalize(torch.randn(40, 2, generator=g, dtype=torch.float64), dim=1)
    y = model(x).argmax(dim=1)
    site, eps = state_site(model, x), 0.6
    axis = torch.linspace(-eps, eps, 13, dtype=torch.float64)
    grid = torch.cartesian_prod(axis, axis, axis)
    grid = grid[torch.linalg.vector_norm(grid, dim=1) <= eps]
    most = max(int((verdict_margin(site.scores(rotated(site.states, a.expand(40, 1, 3))), y) <= 0).sum()) for a in grid)
    found = UniversalUnitary()(model, x, y, (eps,))
    assert int(found.success.sum()) >= most > 0


@pytest.mark.parametrize("model", [amplitude_bit(), amplitude_classes(), uploads()], ids=["bit", "classes", "uploads"])
@pytest.mark.parametrize("kind", ["local", "global"])
def test_one_for_all_never_beats_the_certificate_nor_one_for_each(model, kind) -> None:
    x, y = samples(model, 20)
    levels = (0.1, 0.3, 0.6)
    attack = UniversalUnitary(kind=kind, steps=20, restarts=2)
    result, proved = attack(model, x, y, levels), certified(attack, model, x, y, levels)
    assert proved is not None
    assert not proved.exact
    assert not bool((proved.holds & result.success).any())
    assert bool(proved.holds.any())
    for budget in result.budgets:
        what = budget.manipulation.what
        assert torch.allclose(what.site.scores(what.states), budget.manipulation.scores)
        assert float(budget.manipulation.spent.max()) <= budget.budget
    if kind == "local":
        alone = LocalUnitary()(model, x, y, levels)
        assert bool((result.success.sum(dim=1) <= alone.success.sum(dim=1)).all())


def test_the_penalty_buys_fidelity() -> None:
    model = amplitude_classes()
    x, y = samples(model, 20)

    def fidelity(penalty):
        found = UniversalUnitary(penalty=penalty, restarts=2)(model, x, y, (0.6,)).budgets[0]
        return found.manipulation.evidence["fidelity"]["mean"], int(found.success.sum())

    (free, most), (dear, few) = fidelity(0.0), fidelity(50.0)
    assert most > few
    assert dear > free + 0.02


def test_over_several_classifiers_all_of_them_count() -> None:
    """A second classifier with the classes the other way round on the same states pulls the other way."""
    first, x = bit(), circle([1.4, 1.45, 1.5])
    other = QuantumClassifier(
        amplitude_encoding(2), OutcomeGroups((0,), ((0,), (1,))), Box.uniform(-1.0, 1.0, features=2)
    )
    y = torch.zeros(3, dtype=torch.long)
    attack = UniversalUnitary(others=(Other(name="second", model=other),), restarts=2)
    found = attack(first, x, y, (0.3,)).budgets[0]
    assert found.manipulation.evidence["broken"] == {"model": "3 of 3", "second": "3 of 3"}
    assert attack.config["others"] == ["second"]


class TestFamilies:
    def test_the_unitary_of_a_generator(self) -> None:
        sigma = torch.tensor([[0, -1j], [1j, 0]], dtype=torch.complex128)
        up = torch.tensor([[1, 0]], dtype=torch.complex128)
        turned = Generators().turned(up, 0.3 * sigma)
        expected = Rotations().turned(up, torch.tensor([[0.0, 0.6, 0.0]], dtype=torch.float64))
        assert torch.allclose(turned, expected)
        mixed = Generators().turned(up[:, :, None] * up[:, None, :].conj(), 0.3 * sigma)
        assert torch.allclose(mixed[0], turned.mT @ turned.conj())
        assert Generators().size(0.3 * sigma) == pytest.approx(0.3)

    def test_the_steepest_step_gains_the_trace_norm(self) -> None:
        g = seeded(0)
        slope = torch.randn(4, 4, generator=g, dtype=torch.complex128)
        step = Generators().steepest(slope)
        gain = float((slope.conj() * step).sum().real)
        hermitian = (slope + slope.mH) / 2
        assert gain == pytest.approx(float(torch.linalg.matrix_norm(hermitian, ord="nuc")))
        assert Generators().size(step) == pytest.approx(1.0)

    @pytest.mark.parametrize("family", [Rotations(), Generators()], ids=["rotations", "generators"])
    def test_within(self, family) -> None:
        site = state_site(amplitude_classes(), samples(amplitude_classes(), 2)[0])
        drawn = family.drawn(family.nothing(site), 0.4, seeded(1))
        assert family.size(drawn) <= 0.4 * (1 + 1e-9)
        assert family.size(family.within(5 * drawn, 0.4)) == pytest.approx(0.4)
        assert torch.allclose(family.within(drawn, 1.0), drawn)


class TestRefusals:
    @pytest.mark.parametrize(
        ("options", "said"), [({"steps": 0}, "steps is 0"), ({"penalty": -1.0}, "penalty is -1.0")]
    )
    def test_options(self, options, said) -> None:
        with pytest.raises(UsageError, match=said):
            UniversalUnitary(**options)

    def test_kinds(self) -> None:
        with pytest.raises(UsageError, match="kind is 'both'"):
            by_name("state", "universal-unitary:kind=both")

    def test_other_classifiers_of_another_task_or_size(self) -> None:
        def with_other(model):
            return UniversalUnitary(others=(Other(name="second", model=model),))

        with pytest.raises(CapabilityError, match="'second' has 8 features and 4 classes, the model 2 and 2"):
            with_other(amplitude_classes()).check(bit())
        wide = QuantumClassifier(
            amplitude_encoding(2, qubits=2), OutcomeGroups((0,), ((0,), (1,))), Box.uniform(-1.0, 1.0, features=2)
        )
        with pytest.raises(ConditionsError, match="'second' has 2 qubits, the model 1"):
            with_other(wide).check(bit())

    def test_a_global_unitary_on_seven_qubits(self) -> None:
        box = Box.uniform(-1.0, 1.0, features=128)
        model = QuantumClassifier(amplitude_encoding(128), OutcomeGroups((0,), ((0,), (1,))), box)
        with pytest.raises(ConditionsError, match="7 qubits; kind='global' takes at most 6"):
            UniversalUnitary(kind="global").check(model)

"""Transfer between linear models in closed form, extraction within its budget, and what is refused."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from state_models import uploads

from counterspin.attacks.quantum.registry import by_name, label
from counterspin.attacks.transfer import ATTACKS, OwnInputs, Surrogate, Transfer
from counterspin.errors import CapabilityError, ConditionsError, InputError, UsageError
from counterspin.models import MLP, LogisticRegression, NoisyClassifier
from counterspin.noise import NoiseModel
from counterspin.types import Box


def logistic(w, b=0.0, box=None):
    """Margin w·x + b between class 0 and 1."""
    w = torch.as_tensor(w, dtype=torch.float64)
    model = LogisticRegression(Box.unbounded(len(w)) if box is None else box, classes=2).double()
    model.weight.data = torch.stack([w / 2, -w / 2])
    model.bias.data = torch.tensor([b / 2, -b / 2], dtype=torch.float64)
    return model.requires_grad_(False)


def margin(model, x):
    scores = model(x)
    return scores[:, 0] - scores[:, 1]


def only(model, **options):
    return Transfer(surrogates=(), others=(Surrogate(name="mine", model=model),), **options)


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10_000), eps=st.floats(0.05, 2.0), norm=st.sampled_from(["linf", "l2"]))
def test_between_linear_models_it_is_an_inner_product(seed, eps, norm) -> None:
    r"""A point made on w takes v·d from the margin of v, with d the direction of w in the dual norm."""
    g = torch.Generator().manual_seed(seed)
    w, v = (torch.randn(4, generator=g, dtype=torch.float64) for _ in range(2))
    source, target = logistic(w), logistic(v, 0.1)
    x = torch.randn(15, 4, generator=g, dtype=torch.float64)
    y = (margin(target, x) < 0).long()
    direction = w.sign() if norm == "linf" else w / torch.linalg.vector_norm(w)
    side = 1 - 2 * y.double()
    after = side * margin(target, x) - eps * float(v @ direction)
    result = only(source, norm=norm, steps=40, draws=1)(target, x, y, (eps,))
    clear = after.abs() > 0.02 * eps * float(v.abs().sum())
    assert torch.equal(result.success[0][clear], (after <= 0)[clear])
    found = result.budgets[0].manipulation
    assert torch.allclose(side * margin(target, found.what.x_adv), after, atol=0.02 * eps * float(v.abs().sum()))


def test_a_surrogate_at_right_angles_breaks_nothing_and_one_the_other_way_round_neither() -> None:
    target = logistic([1.0, 0.0])
    x = torch.tensor([[0.1, 0.0], [-0.1, 0.3]], dtype=torch.float64)
    y = (margin(target, x) < 0).long()
    for w, broken in (([0.0, 1.0], 0), ([-1.0, 0.0], 0), ([1.0, 0.0], 2)):
        assert int(only(logistic(w), norm="l2")(target, x, y, (0.5,)).success.sum()) == broken


def test_scores_and_sizes_can_be_recomputed() -> None:
    g = torch.Generator().manual_seed(1)
    box = Box.uniform(0.0, 1.0, 3)
    target = logistic([2.0, -1.0, 0.5], -0.6, box)
    x = torch.rand(20, 3, generator=g, dtype=torch.float64)
    y = (margin(target, x) < 0).long()
    result = only(logistic([2.0, -1.0, 1.0]), norm="l2", units="relative")(target, x, y, (0.1, 0.3))
    for budget in result.budgets:
        found = budget.manipulation
        assert torch.equal(found.scores, target(found.what.x_adv))
        assert bool(box.contains(found.what.x_adv).all())
        size = torch.linalg.vector_norm(found.what.x_adv - x, dim=1) / torch.linalg.vector_norm(x, dim=1)
        assert torch.allclose(found.spent, size)
        assert bool((size <= budget.budget * (1 + 1e-9)).all())
        assert bool((budget.spent[budget.success] == size[budget.success]).all())
    # What broke at the smaller budget is not tried again.
    first, second = (b.manipulation.what.x_adv for b in result.budgets)
    assert bool(result.success[0].any())
    assert torch.equal(first[result.success[0]], second[result.success[0]])


def test_without_a_box_inputs_may_leave_it() -> None:
    box = Box.uniform(0.0, 1.0, 1)
    target = logistic([1.0], 0.1, box)
    x, y = torch.tensor([[0.05]], dtype=torch.float64), torch.tensor([0])
    inside = only(logistic([1.0]))(target, x, y, (0.5,))
    outside = only(logistic([1.0]), box="none")(target, x, y, (0.5,))
    assert not bool(inside.success.any())
    assert bool(outside.success.all())


@pytest.fixture(scope="module")
def case():
    model = uploads(classes=2).requires_grad_(False)
    x = 2 * torch.rand(40, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64) - 1
    return model, x, model(x).argmax(dim=1)


class TestExtraction:
    @pytest.mark.parametrize("kinds", [("mlp",), ("same",), ("other-encoding",)], ids="+".join)
    def test_it_breaks_most_of_what_the_model_itself_gives_away(self, kinds, case) -> None:
        model, x, y = case
        own = only(model, steps=20)(model, x, y, (0.1, 0.2))
        found = Transfer(surrogates=kinds, queries=200, steps=20)(model, x, y, (0.1, 0.2))
        assert int(own.success[1].sum()) >= 8
        assert int(found.success[1].sum()) >= 0.7 * int(own.success[1].sum())
        evidence = found.budgets[0].manipulation.evidence
        assert evidence["queries"] == 200
        assert evidence["agreement"][kinds[0]] >= 0.7
        assert 0 < evidence["fidelity"]["lowest"] <= evidence["fidelity"]["median"] < 1

    def test_queries_are_paid_once_and_verdicts_each_time(self, case) -> None:
        model, x, y = case
        found = Transfer(surrogates=("logistic",), queries=77, steps=5)(model, x, y, (0.05, 0.1))
        first, second = (budget.manipulation.cost.circuits for budget in found.budgets)
        assert first == 77 + 40
        assert second == 40 - int(found.success[0].sum())

    def test_a_seed_is_an_attack(self, case) -> None:
        model, x, y = case
        attack = Transfer(surrogates=("mlp",), queries=60, steps=5, answers="labels")
        again = [attack(model, x, y, (0.1,), generator=torch.Generator().manual_seed(s)) for s in (4, 4, 5)]
        points = [result.budgets[0].manipulation.what.x_adv for result in again]
        assert torch.equal(points[0], points[1])
        assert not torch.equal(points[0], points[2])

    def test_own_inputs_are_asked_instead(self, case) -> None:
        model, x, y = case
        own = OwnInputs(torch.rand(30, 2, generator=torch.Generator().manual_seed(9)))
        found = Transfer(surrogates=("logistic",), queries=30, steps=5, own=own)(model, x, y, (0.1,))
        asked = found.budgets[0].manipulation.what.queries.x
        assert sorted(asked.tolist()) == sorted(own.x.tolist())
        assert found.config["own"] == "30 inputs"

    def test_the_noiseless_twin_needs_no_queries(self, case) -> None:
        body, x, y = case
        noisy = NoisyClassifier(body, noise=NoiseModel(global_depolarizing=0.1)).requires_grad_(False)
        found = Transfer(surrogates=("twin",), steps=20)(noisy, x, y, (0.2,))
        evidence = found.budgets[0].manipulation.evidence
        assert "queries" not in evidence
        # Depolarising with a readout that is balanced on the mixed state only shrinks the margins.
        assert int(found.success.sum()) >= 0.7 * int(only(noisy)(noisy, x, y, (0.2,)).success.sum()) > 0


def test_a_target_class() -> None:
    g = torch.Generator().manual_seed(0)
    model = MLP(Box.uniform(-1.0, 1.0, 3), classes=3, hidden=(8,), generator=g).requires_grad_(False).double()
    x = 2 * torch.rand(60, 3, generator=g, dtype=torch.float64) - 1
    y = model(x).argmax(dim=1)
    target = int(y.mode().values)
    found = only(model, target=target)(model, x, y, (0.5,))
    hit = found.success[0]
    assert bool(hit.any())
    assert bool((model(found.budgets[0].manipulation.what.x_adv)[hit].argmax(dim=1) == target).all())
    assert not bool((hit & (y == target)).any())


class TestRefusals:
    @pytest.mark.parametrize(
        ("options", "said"),
        [
            ({"norm": "l0"}, "norm is 'l0'; transfer takes linf, l2, l1"),
            ({"units": "pixels"}, "units is 'pixels'"),
            ({"surrogates": ("cnn",)}, "surrogates holds 'cnn'"),
            ({"surrogates": ()}, "surrogates are none"),
            ({"surrogates": ("mlp", "mlp")}, "each name once"),
            ({"answers": "gradients"}, "answers is 'gradients'"),
            ({"queries": 0}, "queries is 0"),
            ({"steps": 0}, "steps is 0"),
            ({"diversity": -1.0}, "diversity is -1.0"),
        ],
    )
    def test_options(self, options, said) -> None:
        with pytest.raises(UsageError, match=said):
            Transfer(**options)

    def test_a_surrogate_of_other_classes(self) -> None:
        other = LogisticRegression(Box.unbounded(2), classes=7)
        with pytest.raises(CapabilityError, match="'mine' has 2 features and 7 classes, the model 2 and 2"):
            only(other)(logistic([1.0, 0.0]), torch.zeros(1, 2), [0], (0.1,))

    def test_an_architecture_that_cannot_be_trained(self, linear) -> None:
        assert "Linear" in (Transfer(surrogates=("same",)).refusal(linear([1.0])) or "")

    def test_a_twin_of_nothing(self) -> None:
        assert "twin" in (Transfer(surrogates=("twin",)).refusal(logistic([1.0])) or "")

    def test_own_inputs_of_another_task(self) -> None:
        attack = Transfer(own=OwnInputs(torch.zeros(3, 5)))
        with pytest.raises(ConditionsError, match="5 features, the model takes 1"):
            attack.check(logistic([1.0]))
        with pytest.raises(InputError, match="own holds NaN"):
            OwnInputs(torch.full((2, 2), torch.nan))

    def test_budgets(self) -> None:
        with pytest.raises(UsageError, match=r"feature units \(linf\)"):
            Transfer().checked_budgets((-0.1,))


def test_listed_attacks_are_read_back_from_their_labels() -> None:
    assert len({label(attack) for attack in ATTACKS}) == len(ATTACKS)
    for attack in ATTACKS:
        assert by_name("transfer", label(attack)) == attack
    assert by_name("transfer", "transfer:surrogates=mlp+same,queries=50,norm=l2").surrogates == ("mlp", "same")

"""The recipes are those of the table, and each has a twin on the same data."""

import pytest
import torch

from counterspin import recipes
from counterspin.circuits import Linear, OutcomeGroups, Scale
from counterspin.errors import UsageError
from counterspin.models import HybridClassifier, QuantumClassifier
from counterspin.types import Classifier

# name: qubits, layers, epochs, bar, norm, units, budgets. A change here changes what every published number means.
TABLE = {
    "digits-amplitude": (6, 30, 80, 0.95, "l2", "relative", (0.05, 0.1, 0.15)),
    "digits-reuploading": (8, 6, 100, 0.91, "linf", "feature", (0.02, 0.05, 0.1)),
    "mnist-amplitude": (8, 30, 25, 0.90, "linf", "feature", (0.01, 0.02, 0.03)),
    "mnist-amplitude-1v9": (8, 20, 40, 0.98, "linf", "feature", (0.05, 0.1, 0.15)),
    "cancer-angle": (4, 4, 60, 0.93, "linf", "feature", (0.05, 0.1)),
    "digits-hybrid": (6, 3, 60, None, "linf", "feature", (0.02, 0.05, 0.1)),
    "phishing-angle": (9, 3, 60, None, "l0", "feature", (1.0, 2.0, 3.0)),
    "tfim-phases": (8, 20, 40, 0.97, "l2", "feature", (0.05, 0.1, 0.2)),
    "cluster-phases": (8, 30, 40, 0.95, "l2", "feature", (0.05, 0.1, 0.2)),
}


def fresh(name: str, scale: float | None = None) -> QuantumClassifier | HybridClassifier:
    model = recipes.get(name).architecture(torch.Generator().manual_seed(0), scale)
    assert isinstance(model, QuantumClassifier | HybridClassifier)
    return model


def size(name: str) -> int:
    model = recipes.get(name).architecture(torch.Generator().manual_seed(0), None)
    return sum(parameter.numel() for parameter in model.parameters())


def test_names_are_the_table_with_twins() -> None:
    assert sorted(recipes.names()) == sorted([*TABLE, *(f"{name}-classical" for name in TABLE)])
    assert all(recipes.get(name).name == name for name in recipes.names())


@pytest.mark.one_fast(5)
@pytest.mark.parametrize("name", TABLE)
def test_settings_are_those_of_the_table(name: str) -> None:
    qubits, layers, epochs, bar, norm, units, eps = TABLE[name]
    recipe = recipes.get(name)
    circuit = fresh(name).circuit
    assert (circuit.qubits, len(circuit.layers)) == (qubits, layers)
    assert (recipe.settings.epochs, recipe.bar) == (epochs, bar)
    assert (recipe.threat.norm, recipe.threat.units, recipe.threat.eps) == (norm, units, eps)
    assert (recipe.threat.box, recipe.threat.target) == ("none" if recipe.dataset().quantum else "data", None)
    assert recipe.settings.learning_rate == 0.03


@pytest.mark.one_fast(4)
@pytest.mark.parametrize("name", TABLE)
def test_the_twin_sees_the_same_features_under_the_same_threat(name: str) -> None:
    recipe, twin = recipes.get(name), recipes.get(f"{name}-classical")
    assert (twin.load, twin.settings, twin.threat) == (recipe.load, recipe.settings, recipe.threat)
    # 256 pixels and ten classes need 2570 weights even without a hidden layer; elsewhere the sizes agree.
    assert size(twin.name) / size(name) < (3.6 if name == "mnist-amplitude" else 1.25)
    assert size(twin.name) / size(name) > 0.8


def test_a_phisher_changes_whole_features_among_values_that_occur() -> None:
    recipe = recipes.get("phishing-angle")
    data, threat = recipe.dataset(), recipe.threat
    assert data.constraints is not None
    assert threat.mask == data.constraints.controlled
    assert [group.features for group in threat.groups] == [(feature,) for feature in range(9)]
    for group, listed in zip(threat.groups, data.constraints.values, strict=True):
        assert tuple(value for (value,) in group.values) == listed
    threat.check(recipe.model().bounds)


@pytest.mark.parametrize("name", ["phishing-angle", "phishing-angle-classical"])
def test_repeated_rows_are_owned_up_to(name: str) -> None:
    recipe = recipes.get(name)
    shares = [row["repeated_share"] for row in recipe.card()["seeds"]]
    assert shares[0] == recipe.dataset().repeated_share
    assert f"{100 * shares[0]:.0f} % of the test rows also occur in training" in recipe.summary


def test_sizes_are_those_of_the_summaries() -> None:
    for name in recipes.names():
        summary = recipes.get(name).summary
        if "weights)" in summary:
            assert f"({size(name)} weights)" in summary


@pytest.mark.one_fast
@pytest.mark.parametrize("name", ["digits-amplitude", "mnist-amplitude"])
def test_groups_learn_a_scale_that_can_be_frozen(name: str) -> None:
    learning, frozen = fresh(name), fresh(name, 12.5)
    assert isinstance(learning.readout.measurement, OutcomeGroups)
    assert isinstance(learning.readout.head, Scale)
    assert isinstance(frozen.readout.head, Scale)
    assert learning.readout.head.value.requires_grad
    assert float(learning.readout.head.value.detach()) == pytest.approx(10.0, rel=1e-6)
    assert [name for name, _ in frozen.named_parameters()] == ["weights"]
    assert float(frozen.readout.head.value) == 12.5
    assert torch.equal(learning.weights, frozen.weights)


def test_one_against_nine_has_the_fixed_scale() -> None:
    model = fresh("mnist-amplitude-1v9")
    assert [name for name, _ in model.named_parameters()] == ["weights"]
    head = model.readout.head
    assert isinstance(head, Linear)
    assert head.weight.tolist() == [[20.0], [-20.0]]
    assert head.bias.tolist() == [0.0, 0.0]


@pytest.mark.one_fast
@pytest.mark.parametrize("name", recipes.names())
def test_models_are_classifiers_with_a_gradient(name: str) -> None:
    model = recipes.get(name).architecture(torch.Generator().manual_seed(1), None)
    assert isinstance(model, Classifier)
    x = torch.rand(2, model.bounds.features, generator=torch.Generator().manual_seed(2), requires_grad=True)
    scores = model(x)
    assert scores.shape == (2, model.classes)
    scores.square().sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_unknown_names_list_and_suggest() -> None:
    with pytest.raises(UsageError, match=r"no recipe 'digit-amplitude'.*cancer-angle.*Did you mean digits-amplitude\?"):
        recipes.get("digit-amplitude")
    with pytest.raises(UsageError) as caught:
        recipes.get("zzz")
    assert "Did you mean" not in str(caught.value)

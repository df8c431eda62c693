import shutil

import pytest
import torch
from installed import install

from counterspin import recipes
from counterspin.cli.samples import write_samples
from counterspin.cli.targets import audit_target
from counterspin.errors import UsageError


@pytest.fixture
def model(tmp_path, monkeypatch):
    """A directory named like a recipe with a copy of its committed model."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(recipes.get("cancer-angle").directory, tmp_path / "cancer-angle")
    return tmp_path / "cancer-angle"


def test_recipe() -> None:
    target = audit_target("cancer-angle", None)
    assert torch.equal(target.x, recipes.get("cancer-angle").dataset().test.x)
    assert target.threat == recipes.get("cancer-angle").threat
    assert target.class_names == ("malignant", "benign")
    assert target.dataset_card["split"] == "test"


def test_a_recipe_goes_before_a_directory(model) -> None:
    assert audit_target("cancer-angle", None).threat is not None
    with pytest.raises(UsageError, match=r"saved model without test\.npz beside it; give the samples .* --data FILE"):
        audit_target("./cancer-angle", None)


def test_samples_beside_a_saved_model(model) -> None:
    dataset = recipes.get("cancer-angle").dataset()
    write_samples(dataset, model / "test.npz")
    target = audit_target("./cancer-angle", None)
    assert target.dataset_card == {"name": "cancer-angle/test.npz", "split": "given", "source": "file"}
    assert (target.name, target.threat) == ("./cancer-angle", None)
    (model / "test.npz").rename(model.parent / "other.npz")
    given = audit_target("./cancer-angle", model.parent / "other.npz")
    assert torch.equal(given.x, dataset.test.x)
    assert given.class_names == dataset.class_names


@pytest.mark.parametrize("name", ["", "digits-amplitud", "models/none"])
def test_neither_recipe_nor_model(name) -> None:
    with pytest.raises(UsageError, match=f"'{name}' is no directory of a saved model, and there is no recipe"):
        audit_target(name, None)


SOURCE = """
from counterspin import recipes
def load():
    return recipes.get("cancer-angle").model()
"""


def test_a_registered_model_needs_samples(tmp_path, monkeypatch) -> None:
    points = {"counterspin.models": {"lab-model": "lab_models:load", "gone-model": "lab_models:gone"}}
    install(monkeypatch, tmp_path, "lab-pack", points, lab_models=SOURCE)
    monkeypatch.chdir(tmp_path)
    dataset = recipes.get("cancer-angle").dataset()
    write_samples(dataset, tmp_path / "data.npz")
    target = audit_target("lab-model", tmp_path / "data.npz")
    assert (target.name, target.threat) == ("lab-model", None)
    assert torch.equal(target.model(target.x), recipes.get("cancer-angle").model()(dataset.test.x))
    with pytest.raises(UsageError, match=r"lab-model is a registered model without test\.npz"):
        audit_target("lab-model", None)
    with pytest.raises(UsageError, match=r"lab-pack 1\.0 registers 'gone-model' in counterspin\.models"):
        audit_target("gone-model", tmp_path / "data.npz")


def test_data_of_a_recipe(tmp_path) -> None:
    with pytest.raises(UsageError, match="a recipe brings its own data"):
        audit_target("cancer-angle", tmp_path / "data.npz")

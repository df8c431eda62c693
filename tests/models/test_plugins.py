import sys

import pytest
import torch
from installed import install

from counterspin.errors import UsageError
from counterspin.models import plugins

SOURCE = '''
import torch
from counterspin.types import Box


class Half:
    """Class 1 above one half."""

    classes = 2
    outputs = "logits"
    stochastic = False
    bounds = Box.uniform(0.0, 1.0, features=1)

    def __call__(self, x):
        return torch.cat([0.5 - x, x - 0.5], dim=1)


INSTANCE = Half()
NUMBER = 3


def make():
    return Half()


def fails():
    raise OSError("weights are gone")


def lacks():
    return len
'''


@pytest.fixture
def installed(tmp_path, monkeypatch):
    def put(target: str) -> plugins.Plugin:
        monkeypatch.delitem(sys.modules, "halves", raising=False)
        install(monkeypatch, tmp_path, "half-pack", {plugins.GROUP: {"half": f"halves:{target}"}}, halves=SOURCE)
        return plugins.registered()["half"]

    return put


@pytest.mark.parametrize("target", ["Half", "INSTANCE", "make"])
def test_a_class_an_instance_or_a_function_is_a_model(installed, target):
    model = plugins.model_of(installed(target))
    assert model(torch.tensor([[0.2], [0.9]])).argmax(dim=1).tolist() == [0, 1]


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("fails", "calling it raised OSError: weights are gone"),
        ("lacks", "lacks bounds, classes"),
        ("NUMBER", "lacks bounds, classes, outputs, stochastic, __call__"),
    ],
)
def test_what_is_no_classifier_is_one_sentence(installed, target, reason):
    with pytest.raises(UsageError, match=rf"half-pack 1\.0 registers 'half' in counterspin\.models .*{reason}"):
        plugins.model_of(installed(target))

import pytest
import torch
from torch import nn

from counterspin.attacks.modes import frozen


def make_module():
    module = nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.5), nn.Linear(2, 2))
    module.train()
    module[2].eval()
    module[0].bias.requires_grad_(False)
    return module


def flags(module):
    return [m.training for m in module.modules()], [p.requires_grad for p in module.parameters()]


def test_a_module_is_held_in_evaluation_mode_and_restored():
    module = make_module()
    before = flags(module)
    with frozen(module):
        assert not any(flags(module)[0])
        assert not any(flags(module)[1])
        assert torch.equal(module(torch.ones(1, 2)), module(torch.ones(1, 2)))
    assert flags(module) == before


def test_flags_are_restored_after_an_interrupt():
    module = make_module()
    before = flags(module)
    with pytest.raises(KeyboardInterrupt), frozen(module):
        raise KeyboardInterrupt
    assert flags(module) == before


def test_other_models_are_left_alone(linear):
    model = linear([1.0])
    with frozen(model):
        assert model(torch.ones(1, 1)).shape == (1, 2)

"""Which module answers for which part."""

from types import SimpleNamespace

import torch
from part_attacks import Shift, shifted_qubit

from counterspin.evaluation.parts.matched import Certified, matched


def test_the_module_of_the_part_answers(monkeypatch) -> None:
    proof = Certified(holds=torch.ones(1, 2).bool(), method="toy", exact=True)
    asked = []

    def certified(*arguments):
        asked.append(arguments)
        return proof

    modules = {"counterspin.evaluation.parts.parameters": SimpleNamespace(certified=certified)}
    monkeypatch.setattr("counterspin.evaluation.parts.matched.import_module", modules.__getitem__)
    x, y = torch.zeros(2, 1).double(), torch.zeros(2).long()
    model = shifted_qubit()
    assert matched(Shift(), model, x, y, (0.1,)) is proof
    assert asked == [(Shift(), model, x, y, (0.1,))]

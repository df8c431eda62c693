r"""What a model measures, as distributions of outcomes and what each outcome counts for.

Scores are linear in the distributions :math:`D_s` of the settings s: :math:`z = \sum_s D_s T_s + b`, with the table
:math:`T_s` of what every outcome adds to every class, head included. Whoever tampers with the measurement changes
:math:`D_s` and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from counterspin.attacks.quantum.results import Situation
from counterspin.circuits import Linear, Readout, Scale
from counterspin.errors import CapabilityError
from counterspin.models import NoisyClassifier
from counterspin.noise import NoiseModel
from counterspin.simulation import run
from counterspin.simulation.measurement import every_outcome, in_basis, settings
from counterspin.types import HasChannels, HasCircuit

__all__ = ["Outcomes", "check_measured", "noise_of", "outcomes", "worst_of_pairs"]

Tamper = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True, kw_only=True, eq=False)
class Outcomes:
    """The measured outcomes of a batch.

    Args:
        distributions: one per setting, float64 `(batch, outcomes)`.
        tables: what an outcome adds to each score, one per setting, float64 `(outcomes, classes)`.
        bias: of the scores `(classes,)`.
    """

    distributions: tuple[Tensor, ...]
    tables: tuple[Tensor, ...]
    bias: Tensor

    def scores(self, distributions: tuple[Tensor, ...] | None = None) -> Tensor:
        """Scores `(batch, classes)` of these distributions, or of others in their place."""
        chosen = self.distributions if distributions is None else distributions
        return sum((d @ t for d, t in zip(chosen, self.tables, strict=True)), start=self.bias)

    def gaps(self, own: Tensor, rival: Tensor) -> tuple[Tensor, ...]:
        """What an outcome adds to the margin of class `own` over `rival`, both `(batch,)`: `(batch, outcomes)` each."""
        return tuple((table[:, own] - table[:, rival]).T for table in self.tables)


def check_measured(model: Any) -> None:
    """Refuse models whose scores are not linear in the distributions of the outcomes of one circuit.

    Raises:
        CapabilityError: there is no circuit, its channels are not known here, or its values are mitigated.
    """
    known = isinstance(model, NoisyClassifier) or not isinstance(model, HasChannels)
    if not isinstance(model, HasCircuit) or not known:
        raise CapabilityError(
            f"model ({type(model).__name__}) shows no circuit with its readout, whose outcomes this attack changes; "
            "import the circuit, see `counterspin inspect`."
        )
    if getattr(model, "mitigation", None) is not None:
        raise CapabilityError(
            "the values of this model are mitigated, so that its scores come from several circuits; attack it without "
            "mitigation, or its calibration."
        )


def noise_of(model: Any) -> NoiseModel | None:
    """The noise a model runs under; None: none."""
    return model.noise if isinstance(model, NoisyClassifier) else None


def outcomes(model: Any, x: Tensor, *, noise: NoiseModel | None = None) -> Outcomes:
    """The outcome distributions of `x` `(batch, features)` float64 under `noise`, and what they count for.

    Example:
        >>> from counterspin import recipes
        >>> recipe = recipes.get("cancer-angle")
        >>> model, x = recipe.model(), recipe.dataset().test.x[:3].double()
        >>> found = outcomes(model, x)
        >>> found.distributions[0].shape, bool(torch.allclose(found.scores(), model(x)))
        (torch.Size([3, 16]), True)
    """
    circuit, readout = model.circuit, model.readout
    chosen = settings(readout.measurement, circuit.qubits)
    whole = Readout(every_outcome(tuple(range(circuit.qubits))))
    inputs, weights = model.circuit_inputs(x).detach(), model.weights.detach().to(x.dtype)
    distributions = tuple(
        run(in_basis(circuit, setting), inputs, weights, whole, noise=noise, generator=_seeded(model)).clamp(min=0)
        for setting in chosen
    )
    tables = tuple(torch.as_tensor(setting.table, dtype=torch.float64, device=x.device) for setting in chosen)
    match readout.head:
        case Scale(value):
            scale = value.detach().double()
            tables, bias = tuple(scale * table for table in tables), torch.zeros(model.classes, dtype=torch.float64)
        case Linear(weight, bias):
            tables, bias = tuple(table @ weight.detach().double().T for table in tables), bias.detach().double()
        case _:
            bias = torch.zeros(model.classes, dtype=torch.float64)
    return Outcomes(distributions=distributions, tables=tables, bias=bias.to(x.device))


def worst_of_pairs(found: Outcomes, situation: Situation, tamper: Tamper) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Scores and distributions after the tampering that leaves each sample the smallest verdict margin.

    The margin over one rival is linear in the distributions, so that the worst tampering against each rival is exact,
    and the worst over the rivals is exact without a target. With a target the winner has to fall behind it: the pairs
    of the target with every other class are tried, and the one that leaves least is a bound on what can be reached.

    Args:
        found: the outcomes.
        situation: labels, target.
        tamper: distributions and gaps `(batch, outcomes)` -> the distributions with the smallest mean gap that the
            attacker can reach.
    """
    classes = len(found.bias)
    best, scores, chosen = None, found.scores(), found.distributions
    for other in range(classes):
        if other == situation.target:
            continue
        if situation.target is None:
            own, rival = situation.y, torch.full_like(situation.y, other)
        else:
            own, rival = torch.full_like(situation.y, other), torch.full_like(situation.y, situation.target)
        gaps = found.gaps(own, rival)
        moved = tuple(tamper(d, gap) for d, gap in zip(found.distributions, gaps, strict=True))
        reached = found.scores(moved)
        margin = situation.margin(reached)
        if best is None:
            best = situation.margin(scores)
        better = (margin < best) & (own != rival)
        best = torch.where(better, margin, best)
        scores = torch.where(better[:, None], reached, scores)
        chosen = tuple(torch.where(better[:, None], m, c) for m, c in zip(moved, chosen, strict=True))
    return scores, chosen


def _seeded(model: Any) -> torch.Generator:
    """The stream of a model's drawn errors, as its own forward pass starts it."""
    return torch.Generator().manual_seed(int(getattr(model, "seed", 0)))

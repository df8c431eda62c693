"""Which model's adversarial inputs break which other model: a matrix that need not be symmetric, and its findings."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from pydantic import Field
from torch import Tensor

from counterspin.attacks.ball import Ball
from counterspin.attacks.modes import frozen
from counterspin.attacks.transfer import Ensemble, Surrogate, craft
from counterspin.attacks.transfer.surrogate import check_alike
from counterspin.attacks.verdict import margins, trace_distance
from counterspin.errors import ConditionsError, UsageError
from counterspin.evaluation.analysis.study_record import StudyFinding
from counterspin.evaluation.compare import paired_record
from counterspin.evaluation.measured import Measured, PairedRecord, Record
from counterspin.evaluation.seeds import derived_generator
from counterspin.evaluation.statistics import holm, mcnemar, measured_share
from counterspin.threats import ThreatModel
from counterspin.types import Box
from counterspin.validation import as_features, as_labels

__all__ = ["TransferCell", "TransferDirections", "TransferMatrix", "transfer_matrix"]

_ALPHA = 0.05


class TransferCell(Record):
    """Inputs made on one model, judged by another."""

    source: str
    target: str
    eps: float
    samples: int = Field(description="samples that both models get right")
    broken: Measured | None = Field(description="share of them that breaks the target; null: there are none")
    fidelity: float | None = Field(
        description="median fidelity of the target's states of clean and adversarial inputs; null: it shows no states"
    )


class TransferDirections(Record):
    """Both directions between two models on the samples both get right."""

    one: str
    other: str
    eps: float
    paired: PairedRecord = Field(description="first: from one to the other; second: back; Holm over the whole matrix")


@dataclass(frozen=True, kw_only=True)
class TransferMatrix:
    """A whole matrix.

    Args:
        names: of the models, in the order of rows and columns.
        cells: for each budget, source and target; on the diagonal the attack on the model itself.
        directions: for each budget and pair of models with samples both get right.
        findings: what was expected and found.
    """

    names: tuple[str, ...]
    cells: tuple[TransferCell, ...]
    directions: tuple[TransferDirections, ...]
    findings: tuple[StudyFinding, ...]

    def shares(self, eps: float) -> Tensor:
        """Shares broken `(models, models)` at one budget, rows by source; NaN where there is no common sample."""
        found = [torch.nan if cell.broken is None else cell.broken.value for cell in self.cells if cell.eps == eps]
        return torch.tensor(found, dtype=torch.float64).reshape(len(self.names), len(self.names))


def transfer_matrix(
    models: Sequence[Surrogate],
    x: Tensor,
    y: Tensor,
    threat: ThreatModel,
    *,
    steps: int = 50,
    draws: int = 4,
    diversity: float = 0.3,
    seed: int = 0,
) -> TransferMatrix:
    """Attack every model, and judge all points by all models.

    The points lie as far beyond the boundary of their source as the search gets (`attacks.transfer.craft`).

    Args:
        models: at least two, each with a name; of the same features and classes.
        x: inputs `(batch, features)`.
        y: labels `(batch,)`.
        threat: norm, budgets, units and box; untargeted, without constraints on features.
        steps: gradient steps on each source.
        draws: gradients averaged in each step.
        diversity: length of the jitter as a share of the budget.
        seed: of every random stream.

    Raises:
        UsageError: fewer than two models, or a name given twice.
        CapabilityError: models of different tasks, or stochastic ones.
        ConditionsError: a threat with a target or with constraints, or in L0.
    """
    names = tuple(entry.name for entry in models)
    if len(names) < 2 or len(set(names)) < len(names):
        raise UsageError(f"models are {', '.join(names) or 'none'}; give at least two, each name once.")
    if threat.target is not None or threat.constraints or threat.norm == "l0":
        raise ConditionsError(
            "the transfer matrix is about untargeted threats in linf, l2 or l1 without constraints on features; leave "
            "target, mask, groups and ties out."
        )
    for entry in models:
        check_alike(entry, models[0].model)
    x = as_features(x, models[0].model.bounds).double()
    y = as_labels(y, models[0].model.classes, len(x))
    correct = {entry.name: margins(entry.model, x, y) > 0 for entry in models}
    cells: list[TransferCell] = []
    broken: dict[tuple[float, str, str], Tensor] = {}
    for place, eps in enumerate(threat.eps):
        for source in models:
            generator = derived_generator(seed, "transfer matrix", source.name, str(eps))
            box = source.model.bounds if threat.box == "data" else Box.unbounded(x.shape[1])
            ball = Ball.around(x, threat.radii(x)[place], threat.norm, box)
            with frozen(source.model):
                points = craft(
                    Ensemble([source.model], x),
                    x,
                    y,
                    ball,
                    target=None,
                    steps=steps,
                    diversity=diversity,
                    draws=draws,
                    generator=generator,
                )
            for target in models:
                hit = margins(target.model, points, y) <= 0
                both = correct[source.name] & correct[target.name]
                broken[eps, source.name, target.name] = hit
                fidelity = 1 - trace_distance(target.model, x, points)[both].square()
                known = len(fidelity) > 0 and bool(fidelity.isfinite().all())
                cells.append(
                    TransferCell(
                        source=source.name,
                        target=target.name,
                        eps=eps,
                        samples=int(both.sum()),
                        broken=measured_share(int((hit & both).sum()), int(both.sum())) if both.any() else None,
                        fidelity=float(fidelity.median()) if known else None,
                    )
                )
    directions = _directions(names, threat.eps, correct, broken)
    return TransferMatrix(
        names=names,
        cells=tuple(cells),
        directions=directions,
        findings=(_asymmetry(directions), *_own_against_others(names, threat.eps, correct, broken)),
    )


def _directions(
    names: tuple[str, ...],
    budgets: tuple[float, ...],
    correct: dict[str, Tensor],
    broken: dict[tuple[float, str, str], Tensor],
) -> tuple[TransferDirections, ...]:
    """Both directions of every pair, adjusted for all pairs and budgets together."""
    tables = []
    for eps, (one, other) in itertools.product(budgets, itertools.combinations(names, 2)):
        both = correct[one] & correct[other]
        if bool(both.any()):
            tables.append((eps, one, other, broken[eps, one, other][both], broken[eps, other, one][both]))
    adjusted = holm([mcnemar(int((a & ~b).sum()), int((b & ~a).sum())) for *_, a, b in tables])
    return tuple(
        TransferDirections(one=one, other=other, eps=eps, paired=paired_record(there, back, p))
        for (eps, one, other, there, back), p in zip(tables, adjusted, strict=True)
    )


def _asymmetry(directions: tuple[TransferDirections, ...]) -> StudyFinding:
    """Whether some pair breaks differently in its two directions."""
    clear = [pair for pair in directions if (pair.paired.p_holm or 0.0) <= _ALPHA]
    said = f"{len(clear)} of {len(directions)} pairs and budgets differ"
    if clear:
        most = max(clear, key=lambda pair: abs(pair.paired.difference))
        said += (
            f"; most of all at {most.eps:g}: {most.paired.first.value:.0%} from {most.one} to {most.other}, "
            f"{most.paired.second.value:.0%} back"
        )
    return StudyFinding(
        about="directions",
        expected="transfer between two models is not symmetric: inputs of the smoother one break more of the other",
        found=f"{said}.",
        significant=bool(clear),
    )


def _own_against_others(
    names: tuple[str, ...],
    budgets: tuple[float, ...],
    correct: dict[str, Tensor],
    broken: dict[tuple[float, str, str], Tensor],
) -> tuple[StudyFinding, ...]:
    """Whether inputs made on a model break more of it than those of the best other model, at the largest budget."""
    eps, rows = budgets[-1], []
    for name in names:
        mine = correct[name]
        if not bool(mine.any()):
            continue
        best = max((n for n in names if n != name), key=lambda n: int((broken[eps, n, name] & mine).sum()))
        own, other = broken[eps, name, name][mine], broken[eps, best, name][mine]
        rows.append((name, best, own, other, mcnemar(int((own & ~other).sum()), int((other & ~own).sum()))))
    adjusted = holm([p for *_, p in rows])
    return tuple(
        StudyFinding(
            about=f"attacks on {name}",
            expected="inputs made on the model itself break more of it than inputs made on any other",
            found=(
                f"at {eps:g}, {float(own.double().mean()):.0%} break by its own, {float(other.double().mean()):.0%} "
                f"by those of {best}, the best of the others."
            ),
            significant=p <= _ALPHA,
        )
        for (name, best, own, other, _), p in zip(rows, adjusted, strict=True)
    )

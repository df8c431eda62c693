"""Pruning: rotations that hardly turn are taken out of a trained circuit."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from counterspin.datasets import Split, held_back
from counterspin.defenses.training.base import Entry, as_json
from counterspin.defenses.training.options import count, real
from counterspin.defenses.training.pruned_circuit import prunable, pruned, turns
from counterspin.errors import CapabilityError, UsageError
from counterspin.models import QuantumClassifier
from counterspin.models.fronted import FrontedClassifier
from counterspin.threats import ThreatModel
from counterspin.training import Objective, Step, TrainingSettings, accuracy, fit
from counterspin.types import Classifier

__all__ = ["ENTRY", "Prune", "PruneReport", "body_of"]


@dataclass(frozen=True, kw_only=True)
class PruneReport:
    """What pruning did.

    Args:
        angles: trained angles before and after.
        gates: of the circuit, before and after.
        two_qubit_gates: before and after.
        accuracy: clean accuracy before and after, in the training's precision.
        checked_on: the samples of that accuracy: `"validation"`, or `"training, held back"`, which the training had and
            the further training has not.
        asked: share of the angles that was to go.
    """

    angles: tuple[int, int]
    gates: tuple[int, int]
    two_qubit_gates: tuple[int, int]
    accuracy: tuple[float, float]
    checked_on: str
    asked: float

    def to_json(self) -> dict[str, Any]:
        """It as JSON values."""
        return as_json(self) | {"name": Prune.name}


@dataclass(frozen=True, kw_only=True)
class Prune:
    r"""After the training, the angles nearest to a full turn are set to it and leave the circuit, in rounds.

    Each round takes its part of the share, the smallest :math:`|\theta_k - 2\pi \lfloor\theta_k/2\pi\rceil|` first (an
    L1 norm of the angles as regulariser makes many small), and trains what is left on with the objective of the
    training. Angles that then add up to one become one. A round after which clean accuracy is more than `max_loss`
    below that of the start is undone and is the last; without validation samples, 15 % of the training samples are held
    back from the further training for that. Fewer gates are less noise on a device; exact simulation does not gain
    robustness by it.

    Args:
        share: of the trained angles that is to go, at most.
        max_loss: clean accuracy that may be lost.
        rounds: in how many steps.
        epochs: of further training in each round; None: a tenth of the training's.

    Raises:
        UsageError: a share or a count that makes no pruning.

    Example:
        >>> Prune(share=0.5).to_json()["rounds"]
        4
    """

    name: ClassVar[str] = "prune"
    kind: ClassVar[str] = "finisher"

    share: float = 0.3
    max_loss: float = 0.01
    rounds: int = 4
    epochs: int | None = None

    def __post_init__(self) -> None:
        """Refuse what makes no pruning."""
        if not 0 < self.share <= 1:
            raise UsageError(f"share is {self.share}; give the share of angles to prune, above 0 and at most 1.")
        if not 0 <= self.max_loss < 1:
            raise UsageError(f"max_loss is {self.max_loss}; give the accuracy that may be lost, from 0 to below 1.")
        if self.rounds < 1 or (self.epochs is not None and self.epochs < 1):
            raise UsageError(f"rounds is {self.rounds} and epochs {self.epochs}; give whole numbers from 1.")

    def check(self, model: Classifier, threat: ThreatModel) -> None:
        """Refuse a model without a circuit of its own.

        Raises:
            CapabilityError: no quantum classifier, or none of its weights is the angle of a rotation.
        """
        if not prunable(body_of(model).circuit):
            raise CapabilityError("no weight of the model's circuit is the angle of one rotation; there is no pruning.")

    def to_json(self) -> dict[str, Any]:
        """The defence as JSON values."""
        return as_json(self)

    def finish(
        self,
        model: nn.Module,
        train: Split,
        validation: Split | None,
        settings: TrainingSettings,
        *,
        generator: torch.Generator,
        objective: Objective,
        checkpoint: Path | None = None,
    ) -> PruneReport:
        """Prune the model in place; see `Finisher.finish`.

        Raises:
            CapabilityError: no quantum classifier.
            InputError: a damaged checkpoint.
            UsageError: no sample can be held back, or the checkpoint of another run.
            ModelError: the further training diverged in its first epoch.
            InterruptedRunError: Ctrl-C; what the rounds trained is in the checkpoints.
        """
        classifier: Any = model
        body = body_of(classifier)
        held = validation is None
        if validation is None:
            away = held_back(train.y, generator=generator)
            kept_rows = (~away).nonzero().squeeze(1)
            validation, objective = Split(train.x[away], train.y[away]), _OnPart(objective, kept_rows)
            train = Split(train.x[kept_rows], train.y[kept_rows])
        before, total = body.circuit, len(prunable(body.circuit))
        first = last = accuracy(classifier, validation, dtype=body.weights.dtype)
        again = self._further(settings)
        for done in range(1, self.rounds + 1):
            left = total - round(total * self.share * done / self.rounds)
            kept = _Kept.of(model, body)
            _take_out(body, max(0, len(prunable(body.circuit)) - left))
            place = None if checkpoint is None else checkpoint.with_stem(f"{checkpoint.stem}-{self.name}-{done}")
            fit(model, objective, train, None, again, generator=generator, checkpoint=place)
            reached = accuracy(classifier, validation, dtype=body.weights.dtype)
            if reached < first - self.max_loss:
                kept.restore(model, body)
                break
            last = reached
        after = body.circuit
        return PruneReport(
            angles=(total, len(prunable(after))),
            gates=(len(before.gates), len(after.gates)),
            two_qubit_gates=(_two_qubit_gates(before.gates), _two_qubit_gates(after.gates)),
            accuracy=(first, last),
            checked_on="training, held back" if held else "validation",
            asked=self.share,
        )

    def _further(self, settings: TrainingSettings) -> TrainingSettings:
        epochs = max(1, settings.epochs // 10) if self.epochs is None else self.epochs
        # A trained model is near its optimum: the full peak of the cycle would throw it out.
        return replace(settings, epochs=epochs, learning_rate=settings.learning_rate / 3)


def body_of(model: Any) -> QuantumClassifier:
    """The quantum classifier of a model, behind its classical front if it has one.

    Raises:
        CapabilityError: there is none.
    """
    body = model.body if isinstance(model, FrontedClassifier) else model
    if not isinstance(body, QuantumClassifier):
        raise CapabilityError(
            f"model ({type(model).__name__}) is no quantum classifier with weights of its own; give one, or leave the "
            "defence out."
        )
    return body


@dataclass(frozen=True, eq=False)
class _Kept:
    """A model as it was."""

    circuit: Any
    weights: nn.Parameter
    state: dict[str, torch.Tensor]

    @classmethod
    def of(cls, model: nn.Module, body: QuantumClassifier) -> _Kept:
        state = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
        return cls(body.circuit, body.weights, state)

    def restore(self, model: nn.Module, body: QuantumClassifier) -> None:
        body.circuit, body.weights = self.circuit, self.weights
        model.load_state_dict(self.state)


@dataclass(frozen=True, eq=False)
class _OnPart:
    """An objective that is told the rows of the whole training split while it trains on a part of it."""

    objective: Objective
    kept: Tensor

    def __repr__(self) -> str:
        return repr(self.objective)

    def __call__(self, model: Classifier, x: Tensor, y: Tensor, step: Step, /) -> Tensor:
        return self.objective(model, x, y, replace(step, rows=self.kept[step.rows]))


def _take_out(body: QuantumClassifier, number: int) -> None:
    """Prune so many angles of a model in place, the smallest first."""
    sizes = turns(body.circuit, body.weights)
    small = pruned(body.circuit, sorted(sizes, key=lambda weight: (sizes[weight], weight))[:number])
    rest = small.values(body.weights.detach())
    body.circuit, body.weights = small.circuit, nn.Parameter(rest, requires_grad=body.weights.requires_grad)


def _two_qubit_gates(gates: tuple[Any, ...]) -> int:
    return sum(len(gate.qubits) > 1 for gate in gates)


def _build(options: dict[str, str], threat: ThreatModel) -> Prune:
    return Prune(
        share=real(options, "share", Prune.share),
        max_loss=real(options, "max_loss", Prune.max_loss),
        rounds=count(options, "rounds", Prune.rounds),
        epochs=count(options, "epochs", 1) if "epochs" in options else None,
    )


ENTRY = Entry(
    name="prune",
    summary="after the training, rotations that hardly turn leave the circuit, with clean accuracy kept",
    build=_build,
    options={
        "share": "of the trained angles, at most",
        "max_loss": "clean accuracy that may be lost",
        "rounds": "steps in which it is done",
        "epochs": "further training in each round",
    },
    argument="share",
)

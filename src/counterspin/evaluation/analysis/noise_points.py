"""One model under one noise: how right, how attackable, how far from its boundary. Every point is a stage."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from counterspin.certificates.guan import guan_infidelity
from counterspin.certificates.registry import named
from counterspin.certificates.states.depolarizing_privacy import privacy_trace_distance
from counterspin.circuits import OutcomeGroups, Scale
from counterspin.errors import CapabilityError, ConditionsError
from counterspin.evaluation.clean import CleanVerdict, clean_verdict
from counterspin.evaluation.noise_modes import replayed, searched, through_noise
from counterspin.evaluation.seeds import derived_generator
from counterspin.evaluation.shelves import Shelf
from counterspin.models import NoisyClassifier
from counterspin.models.sampled import SampledModel
from counterspin.noise import NoiseModel
from counterspin.threats import L2, ThreatModel
from counterspin.types import Classifier, HasCircuit

__all__ = ["NoisyPoint", "StudyTask", "class_probabilities", "measured_point", "under"]

# In this order; the first that applies and the best of the rest. Searches of minutes per sample are no part of a study.
_CERTIFICATES = ("bernstein", "bures", "lipschitz", "quadratic-linf")


@dataclass(frozen=True, kw_only=True, eq=False)
class StudyTask:
    """What all points of a study share.

    Args:
        model: the noiseless classifier, which shows its circuit.
        x: samples `(batch, features)` float64.
        y: labels `(batch,)`.
        threat: the attacker.
        tier: `"quick"` or `"standard"`: steps and restarts of the attacks.
        seed: of every random stream.
        shots: of the finite-shot readings.
        store: where finished points live.
        announce: called with a label before each point.
    """

    model: Classifier
    x: Tensor
    y: Tensor
    threat: ThreatModel
    tier: str
    seed: int
    shots: int
    store: Any
    announce: Callable[[str], None]

    @property
    def middle(self) -> int:
        """Place of the ε that single numbers are about: the middle one, the larger of two."""
        return len(self.threat.eps) // 2

    def generator(self, *labels: object) -> torch.Generator:
        """A random stream of one part."""
        return derived_generator(self.seed, "noise study", *labels)


@dataclass(frozen=True, kw_only=True, eq=False)
class NoisyPoint:
    """What was measured of one model; tensors are per sample.

    Args:
        correct: clean verdicts `(batch,)`.
        sampled: clean verdicts of one reading with finite shots `(batch,)`.
        radius: exact or certified radius in feature units `(batch,)`, 0 where misclassified; empty where there is none.
        c1: trace distance of the C1 bound `(batch,)`; empty where scores are no probabilities.
        c3: that of the depolarising-privacy bound `(batch,)`; empty elsewhere.
        margins: clean margins `(batch,)`.
        fixed: broken by replayed inputs `(budgets, batch)`; empty where it was not attacked.
        broken: broken by the attack through the noise `(budgets, batch)`; empty where it was not attacked.
        x_adv: its inputs `(budgets, batch, features)`.
        radius_kind: `"exact"`, `"certified"`, or why there is none.
    """

    correct: Tensor
    sampled: Tensor
    radius: Tensor
    c1: Tensor
    c3: Tensor
    margins: Tensor
    fixed: Tensor
    broken: Tensor
    x_adv: Tensor
    radius_kind: str

    @property
    def attacked(self) -> bool:
        """Whether attacks were run."""
        return len(self.broken) > 0


def under(model: Classifier, noise: NoiseModel) -> Classifier:
    """The model under `noise`, itself where there is none."""
    return model if noise.is_ideal else NoisyClassifier(model, noise=noise)


def measured_point(
    task: StudyTask,
    name: str,
    model: Classifier,
    *,
    made: Tensor | None = None,
    attack: bool = True,
    depolarizing: float = 0.0,
) -> NoisyPoint:
    """Measure `model`, or read what an earlier start stored under `name`.

    Args:
        task: the study.
        name: of the stage.
        model: the classifier.
        made: inputs `(budgets, batch, features)` to replay; None: the attack's own.
        attack: whether to attack.
        depolarizing: strength of the global depolarising noise in the model, for C3.
    """
    shelf = Shelf(task.store, "points")
    stored, kind = shelf.tensors(name), shelf.stage(name)
    if stored is not None and kind is not None:
        return NoisyPoint(**stored, radius_kind=kind)
    task.announce(name)
    clean = clean_verdict(model, task.x, task.y, generator=task.generator(name, "clean"))
    radius, kind = _radius(model, task)
    nothing = task.x.new_zeros(0)
    found = {
        "correct": clean.correct,
        "sampled": _read_once(model, task, name),
        "radius": nothing if radius is None else torch.where(clean.correct, radius, 0.0),
        "c1": nothing,
        "c3": nothing,
        "margins": _margins(clean.scores, task.y),
        **_attacked(model, task, name, clean, made, attack),
    }
    probabilities = class_probabilities(model, clean.scores)
    if probabilities is not None:
        found["c1"] = torch.where(clean.correct, guan_infidelity(probabilities, task.y).sqrt(), 0.0)
        share = _smallest_share(model)
        if 0 < depolarizing < 1 and share is not None:
            found["c3"] = privacy_trace_distance(probabilities, task.y, depolarizing, share)
    shelf.save_tensors(name, {key: value.clone() for key, value in found.items()})
    shelf.save_stage(name, kind)
    return NoisyPoint(**found, radius_kind=kind)


def class_probabilities(model: Classifier, scores: Tensor) -> Tensor | None:
    """Outcome probabilities `(batch, classes)` behind scores; None where scores are something else."""
    if not isinstance(model, HasCircuit) or not isinstance(model.readout.measurement, OutcomeGroups):
        return None
    if isinstance(model, NoisyClassifier) and model.mitigation is not None:
        return None
    head = model.readout.head
    if head is not None and not (isinstance(head, Scale) and float(head.value) > 0):
        return None
    return scores if head is None else scores / float(head.value)


def _smallest_share(model: Classifier) -> float | None:
    if not isinstance(model, HasCircuit) or not isinstance(model.readout.measurement, OutcomeGroups):
        return None
    measurement = model.readout.measurement
    return min(len(group) for group in measurement.groups) / 2 ** len(measurement.measured)


def _margins(scores: Tensor, y: Tensor) -> Tensor:
    others = scores.scatter(1, y[:, None], -torch.inf).amax(dim=1)
    return scores.gather(1, y[:, None])[:, 0] - others


def _radius(model: Classifier, task: StudyTask) -> tuple[Tensor | None, str]:
    """Exact where the model folds to quadratic forms, otherwise the best of the fast certificates."""
    try:
        result = named("exact-l2")(model, task.x, task.y, L2(1.0, box="none"), generator=task.generator("radius"))
        return result.radius_lower, "exact (L2, no box)"
    except (CapabilityError, ConditionsError) as error:
        reason = str(error)
    proved = []
    for name in _CERTIFICATES:
        try:
            certificate = named(name, "quick")
            result = certificate(model, task.x, task.y, task.threat, generator=task.generator("radius", name))
            proved.append(result.radius_lower)
        except (CapabilityError, ConditionsError) as error:
            reason = str(error)
    if not proved:
        return None, f"none: {reason}"
    return torch.stack(proved).amax(dim=0), f"certified ({task.threat.norm})"


def _read_once(model: Classifier, task: StudyTask, name: str) -> Tensor:
    """Which samples one reading with finite shots gets right `(batch,)`; a tie is wrong."""
    read = SampledModel(model, shots=task.shots, seed=task.generator(name, "shots").initial_seed())
    return _margins(read(task.x).double(), task.y) > 0


def _attacked(
    model: Classifier, task: StudyTask, name: str, clean: CleanVerdict, made: Tensor | None, attack: bool
) -> dict[str, Tensor]:
    if not attack:
        nothing = task.x.new_zeros(0)
        return {"fixed": nothing, "broken": nothing, "x_adv": nothing}
    generator = task.generator(name, "attack")
    chosen = through_noise(model, task.threat, task.tier)
    found = searched(chosen, model, task.x, task.y, task.threat, clean, generator)
    target = task.threat.targets(task.y)
    again = found if made is None else replayed(model, made, task.y, clean, generator, target)
    return {"fixed": again.broken, "broken": found.broken, "x_adv": found.x_adv}

"""Robust accuracy under the suites of other tools, and under ours."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from torch import Tensor

from counterspin.attacks import Attack, suite
from counterspin.attacks.external import ARTAttack, AutoAttackExternal, FoolboxAttack
from counterspin.attacks.registry import applicable
from counterspin.attacks.verdict import margins
from counterspin.evaluation.crosscheck.rows import Row
from counterspin.evaluation.seeds import derived_generator
from counterspin.threats import ThreatModel
from counterspin.types import Classifier

__all__ = ["accuracy_rows", "robust_accuracy"]

_PGD = {"max_iter": 100, "num_random_init": 5}
_APGD = {"max_iter": 100, "nb_random_init": 5, "loss_type": "cross_entropy"}

_TOOLS: dict[str, dict[str, tuple[Attack, ...]]] = {
    "linf": {
        "foolbox": (
            FoolboxAttack(attack="LinfPGD", settings={"steps": 100}),
            FoolboxAttack(attack="LinfBasicIterativeAttack", settings={"steps": 100}),
            FoolboxAttack(attack="LinfDeepFoolAttack"),
            FoolboxAttack(attack="LInfFMNAttack", settings={"steps": 200}),
        ),
        "art": (ARTAttack(settings=_PGD), ARTAttack(attack="AutoProjectedGradientDescent", settings=_APGD)),
        "pyautoattack": (AutoAttackExternal(),),
    },
    "l2": {
        "foolbox": (
            FoolboxAttack(attack="L2PGD", settings={"steps": 100}),
            FoolboxAttack(attack="L2BasicIterativeAttack", settings={"steps": 100}),
            FoolboxAttack(attack="L2DeepFoolAttack"),
            FoolboxAttack(attack="DDNAttack", settings={"steps": 200}),
        ),
        "art": (ARTAttack(settings=_PGD), ARTAttack(attack="AutoProjectedGradientDescent", settings=_APGD)),
        "pyautoattack": (AutoAttackExternal(),),
    },
}


def accuracy_rows(
    model: Classifier, x: Tensor, y: Tensor, threat: ThreatModel, seed: int, progress: Callable[[str], None]
) -> Iterator[Row]:
    """One row per tool: share of samples that are correct and unbroken by every attack of its suite.

    Their attacks run with our bookkeeping: the best point they ever asked about counts, which flatters them.

    Args:
        model: the classifier.
        x: inputs `(batch, features)` float64.
        y: labels `(batch,)`.
        threat: one budget, L∞ or L2, in feature units.
        seed: of all randomness.
        progress: told what comes next.
    """
    progress("robust accuracy: our suite")
    ours = robust_accuracy(suite("standard"), model, x, y, threat, seed)
    for tool, attacks in _TOOLS[threat.norm].items():
        progress(f"robust accuracy: {tool}")
        yield Row(
            tool=tool,
            attack=", ".join(attack.name.removeprefix(f"{tool}-") for attack in attacks),
            quantity=f"robust accuracy, {threat.norm}, ε = {threat.eps[0]:.4g}",
            theirs=robust_accuracy(attacks, model, x, y, threat, seed),
            ours=ours,
            tolerance=0.01,
            relation="<=",
        )


def robust_accuracy(
    attacks: Sequence[Attack], model: Classifier, x: Tensor, y: Tensor, threat: ThreatModel, seed: int
) -> float:
    """Share of samples that are correct and unbroken by every attack that can serve the model under the threat."""
    standing = margins(model, x, y) > 0
    for attack in applicable(attacks, model, threat)[0]:
        alive = standing.nonzero()[:, 0]
        if len(alive) == 0:
            break
        generator = derived_generator(seed, "crosscheck", attack.name)
        standing[alive] = ~attack(model, x[alive], y[alive], threat, generator=generator).success[0]
    return float(standing.double().mean())

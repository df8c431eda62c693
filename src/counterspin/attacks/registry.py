"""The attacks by name, and the pinned suites an audit runs."""

from collections.abc import Iterable
from dataclasses import replace

from counterspin.attacks.base import Attack
from counterspin.attacks.evasion import (
    APGD,
    BIM,
    DDN,
    FGSM,
    FMN,
    MIM,
    NES,
    PGD,
    BoundaryAttack,
    BoxedL2Attack,
    CarliniWagner,
    CoordinateAttack,
    Corners,
    DeepFool,
    ExactL2Attack,
    Exhaustive,
    Greedy,
    HopSkipJump,
    RandomDraws,
    RandomSearch,
    SPSAAttack,
    Square,
    TargetedAPGD,
    Universal,
)
from counterspin.attacks.gradients import BPDA, EOT, SPSA, Autodiff, GradientSource, Twin
from counterspin.attacks.losses import CrossEntropy, Margin
from counterspin.errors import CapabilityError, ConditionsError, UsageError
from counterspin.threats import ThreatModel
from counterspin.types import Classifier, Differentiable, HasSubstitute, HasTwin, PricesCalls

__all__ = ["SUITES", "TIERS", "adapted", "applicable", "check_tier", "every_attack", "names", "suite", "suite_of"]

TIERS = ("quick", "standard", "paper")
SUITES = ("v1",)

# No step needs more than float32: verdicts are float64 anyway. The numbers of a suite are the interface of a
# benchmark: a change is a line in the changelog.
_V1: tuple[Attack, ...] = (
    APGD(steps=100, restarts=10, loss=CrossEntropy(), precision="float32"),
    APGD(steps=100, restarts=10, loss=Margin(), precision="float32"),
    TargetedAPGD(steps=100, restarts=2, rivals=9, precision="float32"),
    FMN(steps=200, restarts=5, precision="float32"),
    DDN(steps=200, restarts=5, precision="float32"),
    Square(queries=2000, precision="float32"),
    RandomDraws(draws=1000, precision="float32"),
)

_QUICK: tuple[Attack, ...] = (
    FGSM(precision="float32"),
    APGD(steps=50, restarts=3, loss=CrossEntropy(), precision="float32"),
    APGD(steps=50, restarts=5, loss=Margin(), precision="float32"),
    TargetedAPGD(steps=50, restarts=1, rivals=3, precision="float32"),
    RandomDraws(draws=1000, precision="float32"),
)

# Attacks for one kind of model or threat: they are part of a suite wherever they apply.
_CHEAP_WHERE_THEY_APPLY: tuple[Attack, ...] = (
    Corners(precision="float32"),
    Exhaustive(),
    Greedy(),
    ExactL2Attack(),
    BoxedL2Attack(),
)
_WHERE_THEY_APPLY: tuple[Attack, ...] = (CoordinateAttack(precision="float32"), *_CHEAP_WHERE_THEY_APPLY)

# For models that answer and have no gradient; decisions alone are enough for HopSkipJump and the random draws.
_BLACK_BOX_QUICK: tuple[Attack, ...] = (HopSkipJump(precision="float32"), RandomDraws(draws=1000, precision="float32"))
_BLACK_BOX: tuple[Attack, ...] = (
    HopSkipJump(precision="float32"),
    BoundaryAttack(precision="float32"),
    Square(queries=2000, precision="float32"),
    RandomDraws(draws=1000, precision="float32"),
)

_IN_NO_SUITE: tuple[Attack, ...] = (
    FGSM(),
    BIM(),
    PGD(steps=100, restarts=5),
    MIM(),
    CarliniWagner(),
    DeepFool(),
    RandomSearch(),
    NES(),
    SPSAAttack(),
    CoordinateAttack(order="greedy"),
    BoundaryAttack(),
    HopSkipJump(),
    Universal(),
)


def check_tier(tier: str) -> None:
    """Refuse what is no tier.

    Raises:
        UsageError: an unknown tier.
    """
    if tier not in TIERS:
        raise UsageError(f"tier is {tier!r}; allowed: {', '.join(TIERS)}.")


def suite(tier: str = "standard") -> tuple[Attack, ...]:
    """The attacks of a tier, in their order: suite v1 for `"standard"` and `"paper"`, a smaller one for `"quick"`.

    Not every one serves every model and threat; `applicable` tells them apart.

    Raises:
        UsageError: an unknown tier.

    Example:
        >>> [attack.name for attack in suite("quick")][-5:]
        ['corners', 'exhaustive', 'greedy', 'exact', 'exact-boxed']
    """
    check_tier(tier)
    return (*_QUICK, *_CHEAP_WHERE_THEY_APPLY) if tier == "quick" else (*_V1, *_WHERE_THEY_APPLY)


def suite_of(model: Classifier, tier: str = "standard") -> tuple[Attack, ...]:
    """The attacks of a tier for one model: one without a gradient or a substitute is attacked by its answers alone.

    Raises:
        UsageError: an unknown tier.

    Example:
        >>> from counterspin.models import LogisticRegression
        >>> from counterspin.types import Box
        >>> model = LogisticRegression(Box.uniform(0.0, 1.0, features=2), classes=2)
        >>> suite_of(model) == suite()
        True
    """
    smooth = not isinstance(model, Differentiable) or model.differentiable or isinstance(model, HasSubstitute)
    if smooth or model.stochastic:
        return suite(tier)
    check_tier(tier)
    asking = _BLACK_BOX_QUICK if tier == "quick" else _BLACK_BOX
    return (*asking, *(attack for attack in _CHEAP_WHERE_THEY_APPLY if attack.knowledge != "white"))


def applicable(
    attacks: Iterable[Attack], model: Classifier, threat: ThreatModel
) -> tuple[tuple[Attack, ...], dict[str, str]]:
    """The attacks that serve a model under a threat, and by name why the others do not.

    Raises:
        CapabilityError: the model lacks what a general attack needs (a gradient). That is no small print: without the
            white-box attacks a robust accuracy says little.
    """
    serving, refused = [], {}
    special = {attack.name for attack in _WHERE_THEY_APPLY}
    for attack in attacks:
        try:
            attack.check(model, threat)
        except ConditionsError as reason:
            refused[attack.name] = str(reason)
        except CapabilityError as reason:
            if attack.name not in special:
                raise
            refused[attack.name] = str(reason)
        else:
            serving.append(attack)
    return tuple(serving), refused


def adapted(attack: Attack, model: Classifier) -> Attack:
    """The attack with a gradient source that serves a defended or stochastic model; itself for any other.

    A model that says what stands for its own slopes is attacked through that (BPDA). The noiseless twin, where the
    model knows it, gives the best gradients an attacker can have; the scores that decide are the model's own. On a
    device each evaluation is a job, and the gradient hangs on no draw: one is enough.
    """
    source = getattr(attack, "gradient", None)
    if not isinstance(source, GradientSource) or source.averages:
        return attack
    if isinstance(model, HasSubstitute):
        through = EOT(source=BPDA(), samples=8) if model.stochastic else BPDA()
        return replace(attack, gradient=through)  # pyright: ignore[reportCallIssue]
    if not model.stochastic:
        return attack
    if isinstance(model, HasTwin) and isinstance(model, PricesCalls):
        return replace(attack, gradient=Twin())  # pyright: ignore[reportCallIssue]
    if isinstance(model, HasTwin):
        return replace(attack, gradient=Twin(calls=8))  # pyright: ignore[reportCallIssue]
    smooth = isinstance(model, Differentiable) and model.differentiable
    gradient = EOT(source=Autodiff(), samples=8) if smooth else EOT(source=SPSA(), samples=4)
    return replace(attack, gradient=gradient)  # pyright: ignore[reportCallIssue]


def every_attack() -> tuple[Attack, ...]:
    """Every built-in attack, in the settings of suite v1 or its own."""
    return (*suite("standard"), *_IN_NO_SUITE)


def names() -> tuple[str, ...]:
    """Every built-in attack by the name it has in results, as `counterspin list attacks` shows them.

    Example:
        >>> names()[:5]
        ('apgd-ce', 'apgd-margin', 'apgd-targeted', 'fmn', 'ddn')
    """
    return tuple(attack.name for attack in every_attack())

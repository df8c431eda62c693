"""The attacks by name, and the pinned suites an audit runs."""

from counterspin.attacks.base import Attack
from counterspin.attacks.evasion import APGD, FGSM, PGD, Corners, ExactL2Attack, RandomDraws
from counterspin.attacks.losses import CrossEntropy, Margin
from counterspin.errors import UsageError

__all__ = ["WHERE_IT_APPLIES", "every_attack", "names", "suite"]

# No step needs more than float32: verdicts are float64 anyway. The numbers of a suite are the interface of a
# benchmark: a change is a line in the changelog.
_SUITES: dict[str, tuple[Attack, ...]] = {
    "quick": (
        FGSM(precision="float32"),
        PGD(steps=40, restarts=5, precision="float32"),
        APGD(steps=50, restarts=3, loss=CrossEntropy(), precision="float32"),
        APGD(steps=50, restarts=5, loss=Margin(), precision="float32"),
        RandomDraws(draws=1000, precision="float32"),
    ),
    "standard": (
        FGSM(precision="float32"),
        PGD(steps=100, restarts=5, precision="float32"),
        APGD(steps=100, restarts=10, loss=CrossEntropy(), precision="float32"),
        APGD(steps=100, restarts=10, loss=Margin(), precision="float32"),
        RandomDraws(draws=1000, precision="float32"),
    ),
}


# Attacks that serve some models and threats only; an audit adds them to the suite where they do.
WHERE_IT_APPLIES: tuple[Attack, ...] = (Corners(precision="float32"), ExactL2Attack())


def suite(tier: str) -> tuple[Attack, ...]:
    """The attacks of a tier, `"quick"` or `"standard"`; an audit adds those of `WHERE_IT_APPLIES` that apply.

    Raises:
        UsageError: an unknown tier.

    Example:
        >>> [attack.name for attack in suite("quick")]
        ['fgsm', 'pgd', 'apgd-ce', 'apgd-margin', 'random']
    """
    if tier not in _SUITES:
        raise UsageError(f"tier is {tier!r}; allowed: {', '.join(_SUITES)}.")
    return _SUITES[tier]


def every_attack() -> tuple[Attack, ...]:
    """Every attack, in the settings of the standard tier."""
    return (*_SUITES["standard"], *WHERE_IT_APPLIES)


def names() -> tuple[str, ...]:
    """Every attack by the name it has in results, as `counterspin list attacks` shows them.

    Example:
        >>> names()
        ('fgsm', 'pgd', 'apgd-ce', 'apgd-margin', 'random', 'corners', 'exact')
    """
    return tuple(attack.name for attack in every_attack())

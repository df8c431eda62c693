"""Mitigations by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

from counterspin.errors import UsageError
from counterspin.mitigation.base import Mitigation
from counterspin.mitigation.cdr import CDR
from counterspin.mitigation.combined import Combined
from counterspin.mitigation.decoupling import Decoupling
from counterspin.mitigation.extrapolation import Exponential, Polynomial, Richardson
from counterspin.mitigation.learned import LearnedMitigation
from counterspin.mitigation.pec import PEC
from counterspin.mitigation.readout import ReadoutMitigation
from counterspin.mitigation.regressors import KernelRidge, MultilayerPerceptron
from counterspin.mitigation.selection import AutoMitigation
from counterspin.mitigation.twirling import Twirling
from counterspin.mitigation.unmitigated import Unmitigated
from counterspin.mitigation.zne import ZNE

__all__ = ["MITIGATIONS", "MitigationEntry", "by_name"]


@dataclass(frozen=True, kw_only=True)
class MitigationEntry:
    """One name under which a mitigation can be asked for.

    Args:
        name: the name.
        description: one line.
        make: the technique with its defaults.
        fitted: it learns from training or calibration circuits before it is used.
    """

    name: str
    description: str
    make: Callable[[], Mitigation]
    fitted: bool = False

    @property
    def options(self) -> dict[str, Any]:
        """What can be changed, with its default."""
        made = self.make()
        hidden = ("fitted", "predictor", "told", "gain", "selection", "cost", "calibration")
        return (
            {f.name: getattr(made, f.name) for f in fields(made) if f.name not in hidden} if is_dataclass(made) else {}
        )


def by_name(name: str, **options: Any) -> Mitigation:
    """The mitigation of a name; one that learns is still to be fitted.

    Args:
        name: one of `MITIGATIONS`, or several of them joined by `+` in any order, see `Combined`.
        options: fields of the technique that differ from their default; none for several.

    Raises:
        UsageError: an unknown name or option, or names that cannot be combined.

    Example:
        >>> by_name("zne", scale_factors=(1.0, 3.0), extrapolation=Polynomial()).scale_factors
        (1.0, 3.0)
        >>> by_name("readout + zne").name
        'zne (richardson) + readout:tensored'
    """
    if "+" in name:
        return _combined(name, options)
    entry = MITIGATIONS.get(name)
    if entry is None:
        raise UsageError(f"mitigation {name!r} is unknown; allowed: {', '.join(MITIGATIONS)}.")
    unknown = sorted(set(options) - set(entry.options))
    if unknown:
        raise UsageError(
            f"mitigation {name} has no option {', '.join(unknown)}; allowed: {', '.join(entry.options) or 'none'}."
        )
    made: Any = entry.make()
    return replace(made, **options) if options else made


def _combined(text: str, options: dict[str, Any]) -> Combined:
    names = [name.strip() for name in text.split("+")]
    unknown = [name for name in names if name not in MITIGATIONS]
    if unknown:
        raise UsageError(
            f"mitigation {text!r} joins {unknown[0]!r}, which is unknown; allowed with '+': {', '.join(_JOINED)}."
        )
    if options:
        raise UsageError(
            f"mitigation {text!r} is given the options {', '.join(sorted(options))}; make its parts one by one and "
            "join them with Combined(parts=...)."
        )
    return Combined(parts=tuple(by_name(name) for name in names))


def _auto() -> AutoMitigation:
    # "none" first: what does not help is not chosen.
    tried = (
        "readout", "zne", "zne:linear", "zne:exponential", "pec", "cdr", "cdr:zne", "learned", "learned:mlp",
        "readout+zne", "readout+pec",
    )  # fmt: skip
    return AutoMitigation(candidates={"none": Unmitigated(), **{name: by_name(name) for name in tried}})


_ENTRIES = (
    MitigationEntry(
        name="zne",
        description="zero-noise extrapolation, Richardson, scale factors 1, 2, 3; linear",
        make=ZNE,
    ),
    MitigationEntry(
        name="zne:linear",
        description="zero-noise extrapolation by a straight line; linear",
        make=lambda: ZNE(extrapolation=Polynomial()),
    ),
    MitigationEntry(
        name="zne:richardson",
        description="zero-noise extrapolation by the polynomial through all points; linear",
        make=lambda: ZNE(extrapolation=Richardson()),
    ),
    MitigationEntry(
        name="zne:exponential",
        description="zero-noise extrapolation by an exponential; not linear",
        make=lambda: ZNE(extrapolation=Exponential()),
    ),
    MitigationEntry(
        name="pec",
        description="probabilistic error cancellation by quasi-probabilities of the noise model; linear",
        make=PEC,
    ),
    MitigationEntry(
        name="cdr",
        description="Clifford data regression on near-Clifford circuits of the model; linear",
        make=CDR,
        fitted=True,
    ),
    MitigationEntry(
        name="cdr:zne",
        description="Clifford data regression on noise-scaled values (variable-noise CDR); linear",
        make=lambda: CDR(variants=ZNE()),
        fitted=True,
    ),
    MitigationEntry(
        name="readout",
        description="inverse of the readout's confusion matrix, per group of qubits; linear",
        make=ReadoutMitigation,
        fitted=True,
    ),
    MitigationEntry(
        name="readout:full",
        description="inverse of the confusion matrix of all outcomes, at most 10 qubits; linear",
        make=lambda: ReadoutMitigation(method="full"),
        fitted=True,
    ),
    MitigationEntry(
        name="readout:least-squares",
        description="the distribution nearest to the inverted one; not linear",
        make=lambda: ReadoutMitigation(method="least-squares"),
        fitted=True,
    ),
    MitigationEntry(
        name="twirling",
        description="Pauli twirling: coherent errors become stochastic; linear",
        make=Twirling,
    ),
    MitigationEntry(
        name="decoupling",
        description="dynamical decoupling in the idle times of the schedule; linear",
        make=Decoupling,
    ),
    MitigationEntry(
        name="learned",
        description="ridge regression on noise-scaled values of training circuits; linear",
        make=lambda: LearnedMitigation(variants=ZNE()),
        fitted=True,
    ),
    MitigationEntry(
        name="learned:mlp",
        description="small neural network on noise-scaled values of training circuits; not linear",
        make=lambda: LearnedMitigation(regressor=MultilayerPerceptron(), variants=ZNE(), training=256),
        fitted=True,
    ),
    MitigationEntry(
        name="learned:kernel",
        description="kernel ridge regression on noise-scaled values of training circuits; not linear",
        make=lambda: LearnedMitigation(regressor=KernelRidge(), variants=ZNE(), training=256),
        fitted=True,
    ),
    MitigationEntry(
        name="auto",
        description="the technique with the least validated error at the shots there are; all candidates are reported",
        make=_auto,
        fitted=True,
    ),
)
MITIGATIONS: dict[str, MitigationEntry] = {entry.name: entry for entry in _ENTRIES}
_JOINED = tuple(name for name in MITIGATIONS if name != "auto")

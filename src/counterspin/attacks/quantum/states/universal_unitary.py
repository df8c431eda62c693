"""One unitary for the states of all samples, of one or of several classifiers (Gong and Deng, arXiv:2102.07788)."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, get_args

import torch
from torch import Tensor

from counterspin.attacks.losses import verdict_margin
from counterspin.attacks.quantum.base import QuantumAttack
from counterspin.attacks.quantum.results import Manipulation, Scope, Situation
from counterspin.attacks.quantum.states.shared_families import Generators, Rotations, UnitaryFamily
from counterspin.attacks.quantum.states.site import StateSite, check_site, site_qubits, state_site
from counterspin.errors import CapabilityError, ConditionsError, UsageError
from counterspin.types import Classifier, Cost

__all__ = ["Other", "SharedUnitary", "UniversalUnitary"]

Kind = Literal["local", "global"]

# Slope of the logistic function at a tie, in units of the mean margin, as for universal perturbations of features.
_SHARPNESS = 8.0
_GLOBAL_QUBITS = 6


@dataclass(frozen=True, kw_only=True, eq=False)
class Other:
    """A further classifier that the same unitary is to mislead.

    Args:
        name: what results call it.
        model: a classifier of the same features and classes, on as many qubits.
    """

    name: str
    model: Classifier = field(repr=False)

    def __str__(self) -> str:
        """The name."""
        return self.name


@dataclass(frozen=True, kw_only=True, eq=False)
class SharedUnitary:
    """The unitary that was found.

    Args:
        site: the clean states and the observables that score any state there: `site.scores(states)`.
        states: states under the unitary, pure `(batch, D)` or mixed `(batch, D, D)`.
        parameters: rotation vectors `(n, 3)` in radians, or the generator H `(D, D)`, Hermitian.
    """

    site: StateSite
    states: Tensor
    parameters: Tensor


@dataclass(frozen=True, kw_only=True)
class UniversalUnitary(QuantumAttack):
    r"""Ascent on the expected number of broken samples over one unitary, with a penalty on lost fidelity.

    .. math:: \max_{U}\ \sum_c \sum_i \sigma\Bigl(-\frac{8\, m_{ci}(U)}{\bar m_c}\Bigr)
        - \lambda \sum_c \sum_i \bigl(1 - |\langle\psi_{ci}|U|\psi_{ci}\rangle|^2\bigr)

    over samples i and classifiers c, with margins m and their mean size :math:`\bar m_c` (held fixed in the gradient).
    The unitary acts once, behind the last gate that holds data: a product of rotations of single qubits
    :math:`\bigotimes_q e^{-i a_q\cdot\sigma/2}`, :math:`\max_q |a_q|_2 \le \varepsilon`, or one :math:`e^{-iH}` on all
    qubits with :math:`\|H\| \le \varepsilon` in operator norm. Of all unitaries met, the one that breaks most samples
    of all classifiers together is kept, and among those the one of highest fidelity. On mixed states the penalty takes
    :math:`\mathrm{Tr}(\rho_{ci}\,U\rho_{ci}U^\dagger)`.

    The unitary of a smaller budget is one start at the next.

    Args:
        kind: `"local"` or `"global"`.
        penalty: :math:`\lambda`, in broken samples per unit of infidelity; 0: none.
        steps: gradient steps per start.
        restarts: starts.
        others: further classifiers.

    Raises:
        UsageError: another kind, counts below 1, or a penalty that is negative or not finite.

    Example:
        >>> UniversalUnitary().unit, UniversalUnitary(kind="global").unit
        ('radians (linf over qubits)', 'radians (operator norm)')
    """

    kind: Kind = "local"
    penalty: float = 0.0
    steps: int = 40
    restarts: int = 8
    others: tuple[Other, ...] = ()

    name: ClassVar[str] = "universal-unitary"
    where: ClassVar[str] = "state"
    scope: ClassVar[Scope] = "shared"
    goal: ClassVar[str] = "change as many decisions as possible, or send all samples to the target class"
    capability: ClassVar[str] = "apply one unitary, the same for every sample, behind the encoding"
    defense: ClassVar[str] = "training under random or adversarial rotations; classifiers that differ"
    default_budgets: ClassVar[tuple[float, ...]] = (0.05, 0.1, 0.2, 0.5)
    ceiling: ClassVar[float] = math.pi

    def __post_init__(self) -> None:
        """Refuse what makes no attack."""
        if self.kind not in get_args(Kind):
            raise UsageError(f"kind is {self.kind!r}; allowed: {', '.join(get_args(Kind))}.")
        if min(self.steps, self.restarts) < 1:
            raise UsageError(f"steps is {self.steps} and restarts {self.restarts}; each must be at least 1.")
        if not (math.isfinite(self.penalty) and self.penalty >= 0):
            raise UsageError(f"penalty is {self.penalty}; give a finite number from 0 upwards.")

    @property
    def unit(self) -> str:
        """Radians: the largest rotation angle of a qubit, or the operator norm of the generator."""
        return f"radians ({'linf over qubits' if self.kind == 'local' else 'operator norm'})"

    @property
    def config(self) -> dict[str, Any]:
        """Everything that defines the attack, as JSON values; other models by their names."""
        return {**super().config, "others": [other.name for other in self.others]}

    def check(self, model: Classifier) -> None:
        """Refuse a model without a state to reach, and other classifiers that do not share its state space.

        Raises:
            CapabilityError: no circuit, stochastic scores, or another classifier of other features or classes.
            ConditionsError: too many qubits, or another classifier on another number of them.
        """
        super().check(model)
        check_site(model)
        qubits = site_qubits(model)
        if self.kind == "global" and qubits > _GLOBAL_QUBITS:
            raise ConditionsError(
                f"the circuit has {qubits} qubits; kind='global' takes at most {_GLOBAL_QUBITS}, use kind='local'."
            )
        for other in self.others:
            _check_other(other, model, qubits)

    def _run(self, situation: Situation, budget: float, before: Manipulation | None) -> Manipulation:
        teams = self._teams(situation)
        site = teams[0].site
        family: UnitaryFamily = Rotations() if self.kind == "local" else Generators()
        nothing = family.nothing(site)
        starts = [nothing if before is None else before.what.parameters]
        starts += [family.drawn(nothing, budget, situation.generator) for _ in range(self.restarts - 1)]
        best, rank = nothing, (-math.inf, 0.0)
        for parameters in starts:
            for step in range(self.steps + 1):
                slope, found = self._slope(teams, family, parameters)
                if found > rank:
                    best, rank = parameters, found
                share = (1 + math.cos(math.pi * step / self.steps)) / 4 + 0.01
                parameters = family.within(parameters + share * budget * family.steepest(slope), budget)
        states = family.turned(site.states, best)
        asked = self.restarts * (self.steps + 1) * sum(len(team.y) for team in teams)
        return Manipulation(
            scores=site.scores(states),
            spent=torch.full((len(situation.y),), min(family.size(best), budget), dtype=torch.float64),
            what=SharedUnitary(site=site, states=states, parameters=best),
            evidence=self._evidence(teams, family, best),
            cost=Cost(forwards=asked, backwards=asked, circuits=asked),
        )

    def _teams(self, situation: Situation) -> list[_Team]:
        """The target first, then the other classifiers, each on the samples it gets right."""
        teams = [_Team.of("model", situation.model, situation, situation.correct)]
        for other in self.others:
            team = _Team.of(other.name, other.model, situation, torch.ones_like(situation.correct))
            right = verdict_margin(team.site.scores(team.site.states), situation.y) > 0
            if situation.target is not None:
                right = right & (situation.y != situation.target)
            teams.append(_Team.of(other.name, other.model, situation, right))
        return teams

    def _slope(
        self, teams: list[_Team], family: UnitaryFamily, parameters: Tensor
    ) -> tuple[Tensor, tuple[float, float]]:
        """Gradient of the objective, and what makes these parameters better than others."""
        broken = lost = 0.0
        with torch.enable_grad():
            leaf = parameters.detach().clone().requires_grad_()
            value = leaf.real.sum() * 0.0
            for team in teams:
                states = family.turned(team.states, leaf)
                margin = team.margin(states)
                infidelity = 1 - _fidelity(team.states, states)
                if len(margin):
                    scale = margin.detach().abs().mean().clamp_min(torch.finfo(margin.dtype).tiny) / _SHARPNESS
                    value = value + torch.sigmoid(-margin / scale).sum() - self.penalty * infidelity.sum()
                broken += float((margin <= 0).sum())
                lost += float(infidelity.detach().sum())
            (slope,) = torch.autograd.grad(value, leaf)
        return slope, (broken - self.penalty * lost, -lost)

    def _evidence(self, teams: list[_Team], family: UnitaryFamily, parameters: Tensor) -> dict[str, Any]:
        broken = {
            team.name: f"{int((team.margin(family.turned(team.states, parameters)) <= 0).sum())} of {len(team.y)}"
            for team in teams
        }
        evidence: dict[str, Any] = {"kind": self.kind, "broken": broken}
        first = teams[0]
        if len(first.y):
            fidelity = _fidelity(first.states, family.turned(first.states, parameters))
            evidence["fidelity"] = {"mean": float(fidelity.mean()), "lowest": float(fidelity.min())}
        return evidence


@dataclass(frozen=True, kw_only=True, eq=False)
class _Team:
    """One classifier with the samples that count: states `(rows, ...)`, labels and targets `(rows,)`."""

    name: str
    site: StateSite
    states: Tensor
    y: Tensor
    target: Tensor | None

    @classmethod
    def of(cls, name: str, model: Classifier, situation: Situation, rows: Tensor) -> _Team:
        site, y = state_site(model, situation.x), situation.y[rows]
        target = None if situation.target is None else torch.full_like(y, situation.target)
        return cls(name=name, site=site, states=site.states[rows], y=y, target=target)

    def margin(self, states: Tensor) -> Tensor:
        """Verdict margins `(rows,)` of states `(rows, ...)` in the place of the clean ones."""
        return verdict_margin(self.site.scores(states), self.y, self.target)


def _check_other(other: Other, model: Classifier, qubits: int) -> None:
    """Refuse another classifier that cannot meet the same samples and the same unitary.

    Raises:
        CapabilityError: other features or classes, or no circuit.
        ConditionsError: another number of qubits.
    """
    mine = other.model
    if mine.classes != model.classes or mine.bounds.features != model.bounds.features:
        raise CapabilityError(
            f"classifier {other.name!r} has {mine.bounds.features} features and {mine.classes} classes, the model "
            f"{model.bounds.features} and {model.classes}; give classifiers of the same task."
        )
    check_site(mine)
    if site_qubits(mine) != qubits:
        raise ConditionsError(
            f"classifier {other.name!r} has {site_qubits(mine)} qubits, the model {qubits}; one unitary acts on "
            "classifiers with the same number of qubits."
        )


def _fidelity(states: Tensor, turned: Tensor) -> Tensor:
    """Of pure states, and the overlap over the purity of mixed ones, `(rows,)`."""
    if states.ndim == 2:
        return (states.conj() * turned).sum(dim=1).abs().square()
    overlap = (states.conj() * turned).sum(dim=(1, 2)).real
    return overlap / states.abs().square().sum(dim=(1, 2))

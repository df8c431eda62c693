"""Choosing a mitigation by its validated error at a budget of shots."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from counterspin.circuits import Circuit, Measurement
from counterspin.errors import ConditionsError, InputError, UsageError
from counterspin.mitigation.base import Mitigation, Variant, constructed
from counterspin.mitigation.candidates import Candidate, Selection
from counterspin.mitigation.clifford import TrainingCircuits, near_clifford
from counterspin.mitigation.cost import shares
from counterspin.mitigation.fitting import fit_to, fitting_cost, looks_at_samples
from counterspin.mitigation.validation import mitigation_errors
from counterspin.noise import NoiseModel
from counterspin.types import Cost

__all__ = ["AutoMitigation", "select"]

# Of a choice for infinitely many shots, which would always go to the technique with the least bias at any price.
_BUDGET = 4096


def select(
    candidates: Mapping[str, Mitigation],
    circuit: Circuit,
    inputs: Tensor,
    weights: Tensor,
    noise: NoiseModel,
    measurement: Measurement,
    *,
    generator: torch.Generator,
    shots: int | None = None,
    validation: int = 48,
    kept: float = 0.5,
) -> Selection:
    """The technique with the least root-mean-square error on validation circuits, all with the same total of shots.

    Validation circuits are near-Clifford circuits of the circuit itself. They are made of other samples than those that
    techniques are fitted on. Of equal errors the first candidate wins.

    Args:
        candidates: techniques by name; those that learn are fitted.
        circuit: what will be mitigated.
        inputs: samples `(batch, inputs)`, at least two: every other one for fitting and for validation.
        weights: `(weights,)`.
        noise: what the circuit runs under.
        measurement: what is measured.
        generator: source of circuits and shots.
        shots: budget per circuit and setting, in total over the variants; None: 4096, since with infinitely many shots
            overhead would not count.
        validation: number of validation circuits.
        kept: share of non-Clifford rotations left in them.

    Raises:
        UsageError: no candidate or all refuse, fewer than two samples.
    """
    if not candidates:
        raise UsageError("candidates are empty; name at least one mitigation.")
    if len(inputs) < 2:
        raise UsageError(f"inputs hold {len(inputs)} samples; give at least 2, one to fit on and one to validate on.")
    budget = _BUDGET if shots is None else shots
    checks = near_clifford(circuit, inputs[1::2], weights, count=validation, kept=kept, generator=generator)
    found = []
    for name, technique in candidates.items():
        try:
            fitted = fit_to(
                technique, circuit, inputs[::2], weights, noise, measurement, generator=generator, shots=budget
            )
            found.append(_validated(name, fitted, circuit, checks, measurement, noise, budget, generator))
        except (ConditionsError, InputError, UsageError) as error:
            found.append(Candidate(name=name, mitigation=None, refused=str(error)))
    usable = [c for c in found if c.errors is not None]
    if not usable:
        reasons = "; ".join(f"{c.name}: {c.refused}" for c in found)
        raise UsageError(f"no candidate can mitigate this circuit under this noise ({reasons}).")
    best = min(usable, key=lambda c: c.errors.total if c.errors else float("inf"))
    return Selection(chosen=best.name, candidates=tuple(found), shots=budget, validated=validation)


def _validated(
    name: str,
    fitted: Mitigation,
    circuit: Circuit,
    checks: TrainingCircuits,
    measurement: Measurement,
    noise: NoiseModel,
    budget: int,
    generator: torch.Generator,
) -> Candidate:
    told = fitted.at(circuit, checks.angles, checks.inputs) if looks_at_samples(fitted) else fitted
    errors = mitigation_errors(
        told, checks.circuit, checks.inputs, checks.weights, measurement, noise, shots=budget, generator=generator
    )
    return Candidate(
        name=name,
        mitigation=fitted,
        errors=errors,
        circuits=len(fitted.construct(circuit, noise)),
        overhead=fitted.shot_factor(circuit, noise),
        fitting=fitting_cost(fitted),
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class AutoMitigation:
    """The best of several techniques, chosen when it is fitted; then it is that technique.

    Args:
        candidates: techniques by name.
        selection: what was found; None: not fitted yet.
    """

    candidates: Mapping[str, Mitigation]
    selection: Selection | None = None

    @property
    def name(self) -> str:
        """`auto`, and what was chosen once that is known."""
        return "auto" if self.selection is None else f"auto:{self.selection.chosen}"

    @property
    def linear(self) -> bool:
        """Whether the chosen technique is; not known to be before it is fitted."""
        return self.selection is not None and self.selection.best.linear

    @property
    def looks_at_samples(self) -> bool:
        """Whether the chosen technique does."""
        return self.selection is not None and looks_at_samples(self.selection.best)

    @property
    def fitting_cost(self) -> Cost:
        """What fitting and validating cost: every candidate spends the budget on every validation circuit."""
        if self.selection is None:
            return Cost()
        found, checks = self.selection.candidates, self.selection.validated
        runs = sum(c.circuits for c in found) * checks
        spent = Cost(circuits=runs, shots=sum(c.errors is not None for c in found) * checks * self.selection.shots)
        for candidate in found:
            spent = spent + candidate.fitting
        return spent

    def fit(
        self,
        circuit: Circuit,
        inputs: Tensor,
        weights: Tensor,
        noise: NoiseModel,
        measurement: Measurement,
        *,
        generator: torch.Generator,
        shots: int | None = None,
    ) -> AutoMitigation:
        """Select on a circuit, see `select`."""
        found = select(self.candidates, circuit, inputs, weights, noise, measurement, generator=generator, shots=shots)
        return replace(self, selection=found)

    def at(self, circuit: Circuit, angles: Tensor, inputs: Tensor) -> Mitigation:
        """The chosen technique, told the samples where it looks at them."""
        chosen = self._chosen()
        return chosen.at(circuit, angles, inputs) if looks_at_samples(chosen) else chosen

    def construct(self, circuit: Circuit, noise: NoiseModel) -> tuple[Variant, ...]:
        """The variants of the chosen technique."""
        return constructed(self._chosen(), circuit, noise)

    def combine(self, values: Tensor) -> Tensor:
        """Values as the chosen technique combines them."""
        return self._chosen().combine(values)

    def linear_map(self, variants: int, values: int) -> tuple[Tensor, Tensor]:
        """The chosen technique's linear map; ConditionsError where it has none."""
        return self._chosen().linear_map(variants, values)

    def shot_factor(self, circuit: Circuit, noise: NoiseModel) -> float:
        """That of the chosen technique."""
        return self._chosen().shot_factor(circuit, noise)

    def shares(self, circuit: Circuit, noise: NoiseModel) -> int:
        """How many circuits of the chosen technique share the shots."""
        return shares(self._chosen(), circuit, noise)

    def _chosen(self) -> Mitigation:
        if self.selection is None:
            raise UsageError(
                "mitigation auto has not chosen yet; call fit(circuit, inputs, weights, noise, measurement) first."
            )
        return self.selection.best

"""A table of mitigations: error before and after on given circuits, and what it costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from torch import Tensor

from counterspin.circuits import Circuit, Measurement
from counterspin.errors import ConditionsError, InputError, UsageError
from counterspin.mitigation.base import Mitigation
from counterspin.mitigation.fitting import at_samples, fit_to, fitting_cost
from counterspin.mitigation.unmitigated import Unmitigated
from counterspin.mitigation.validation import mitigation_errors
from counterspin.noise import NoiseModel

__all__ = ["ComparisonRow", "compare"]


@dataclass(frozen=True, kw_only=True)
class ComparisonRow:
    """One technique under one noise; errors are root mean squares over circuits and measured values.

    Args:
        noise: name of the noise.
        mitigation: name of the technique.
        linear: whether it enters folding and so the exact certificate; None: it refused.
        compared: number of circuits the errors are of.
        before: error without mitigation, with the same shots.
        after: error with it; None: it refused.
        bias: error that infinitely many shots would leave.
        worst: largest error of any value.
        circuits: variants per sample and setting.
        shots: per sample and setting, in total over the variants; None: infinitely many.
        overhead: how many times the shots reach the standard error of an unmitigated value.
        fitting_circuits: circuits of its training or calibration, spent once.
        fitting_shots: their shots.
        refused: why it cannot be used here.
        robust_accuracy: share of samples that withstand attacks on the mitigated classifier; filled by evaluations.
    """

    noise: str
    mitigation: str
    linear: bool | None
    compared: int
    before: float
    after: float | None = None
    bias: float | None = None
    worst: float | None = None
    circuits: int = 0
    shots: int | None = None
    overhead: float | None = None
    fitting_circuits: int = 0
    fitting_shots: int = 0
    refused: str | None = None
    robust_accuracy: float | None = None

    @property
    def reduction(self) -> float | None:
        """How many times smaller the error is."""
        return None if not self.after else self.before / self.after

    def to_json(self) -> dict[str, Any]:
        """The row as JSON values."""
        return asdict(self) | {"reduction": self.reduction}


def compare(
    mitigations: Mapping[str, Mitigation],
    circuit: Circuit,
    inputs: Tensor,
    weights: Tensor,
    measurement: Measurement,
    noises: Mapping[str, NoiseModel],
    *,
    train: Tensor,
    shots: int | None = None,
    generator: torch.Generator,
) -> tuple[ComparisonRow, ...]:
    """Errors of every technique under every noise, on the circuits of the same samples.

    Args:
        mitigations: techniques by name; those that learn are fitted under each noise.
        circuit: what is mitigated, as it runs on the device.
        inputs: `(batch, inputs)`: one circuit per row.
        weights: `(weights,)`.
        measurement: what is measured.
        noises: noise models by name.
        train: other samples `(batch, inputs)`, on which techniques are fitted.
        shots: per sample and setting, in total over the variants of a technique, and per training circuit; None:
            infinitely many.
        generator: of shots and training circuits.

    Raises:
        UsageError: nothing to compare.

    Example:
        >>> from counterspin.circuits import PauliExpectations, feature
        >>> from counterspin.mitigation.readout import ReadoutMitigation
        >>> one, x = Circuit(1).add("RX", 0, feature(0)), torch.tensor([[0.5], [1.0]])
        >>> noises, seeded = {"flips": NoiseModel(readout_flips=(0.1, 0.1))}, torch.Generator().manual_seed(0)
        >>> (row,) = compare({"readout": ReadoutMitigation()}, one, x, torch.zeros(0), PauliExpectations.of("Z0"),
        ...                  noises, train=x, generator=seeded)
        >>> round(row.before, 3), round(row.after, 9)
        (0.146, 0.0)
    """
    if not mitigations or not noises or not len(inputs):
        raise UsageError(
            f"{len(mitigations)} mitigations, {len(noises)} noise models and {len(inputs)} samples are given; name at "
            "least one of each."
        )
    rows = []
    for label, noise in noises.items():
        arguments = (circuit, inputs, weights, measurement, noise)
        before = mitigation_errors(Unmitigated(), *arguments, shots=shots, generator=generator).total
        for name, technique in mitigations.items():
            plain = ComparisonRow(
                noise=label, mitigation=name, linear=None, compared=len(inputs), before=before, shots=shots
            )
            try:
                fitted = fit_to(
                    technique, circuit, train, weights, noise, measurement, generator=generator, shots=shots
                )
                told = at_samples(fitted, circuit, inputs.double(), weights)
                errors = mitigation_errors(told, *arguments, shots=shots, generator=generator)
            except (ConditionsError, InputError, UsageError) as error:
                rows.append(replace(plain, refused=str(error)))
                continue
            cost = fitting_cost(fitted)
            rows.append(
                replace(
                    plain,
                    linear=fitted.linear,
                    after=errors.total,
                    bias=errors.bias,
                    worst=errors.worst,
                    circuits=len(fitted.construct(circuit, noise)),
                    overhead=fitted.shot_factor(circuit, noise),
                    fitting_circuits=cost.circuits,
                    fitting_shots=cost.shots,
                )
            )
    return tuple(rows)

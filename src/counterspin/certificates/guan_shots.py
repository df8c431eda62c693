"""The state-space certificate from class probabilities, at finitely many shots."""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch

from counterspin.certificates.base import Assumptions, Radii, Task, in_norm_of
from counterspin.certificates.confidence import check_sampling, pessimistic_probabilities
from counterspin.certificates.guan import GuanCertificate, guan_infidelity
from counterspin.certificates.states.probabilities import PreparedReadout
from counterspin.errors import ConditionsError
from counterspin.models import NoisyClassifier, SampledModel
from counterspin.simulation import noise_engine
from counterspin.threats import ThreatModel
from counterspin.types import HasCircuit

__all__ = ["FiniteShotGuanCertificate"]


@dataclass(frozen=True, kw_only=True)
class FiniteShotGuanCertificate(GuanCertificate):
    r"""`GuanCertificate` of a device: from counts alone, by bounds on the probabilities that hold together.

    .. math:: 1 - F < \tfrac12 \bigl(\sqrt{\underline{p}_y} - \max_{j \ne y}\sqrt{\overline{p}_j}\bigr)^2

    It measures each sample `shots` times and bounds :math:`p_y` from below and the others from above (Clopper–Pearson,
    Bonferroni over the classes of one sample). What it certifies is the decision at infinitely many shots: one reading
    with few shots may differ from it at the sample itself.

    Args:
        shots: measurements per sample that the certificate spends; the model's own number of shots plays no role.
        confidence: with which the bounds of one sample hold together.

    Raises:
        UsageError: shots below 1, or a confidence outside (0, 1).

    Example:
        >>> from counterspin.circuits import OutcomeGroups, amplitude_encoding
        >>> from counterspin.models import QuantumClassifier
        >>> from counterspin.threats import L2
        >>> from counterspin.types import Box
        >>> bit = OutcomeGroups((0,), ((0,), (1,)))
        >>> model = QuantumClassifier(amplitude_encoding(2), bit, Box.uniform(0, 1, features=2))
        >>> certificate = FiniteShotGuanCertificate(shots=100)
        >>> radius = certificate(SampledModel(model, shots=64), [[1.0, 0.0]], [0], L2(0.1)).radius_lower
        >>> round(radius.item(), 4)
        0.5004
    """

    name: ClassVar[str] = "guan-shots"
    requires: ClassVar[tuple[str, ...]] = ()
    stochastic: ClassVar[bool] = True

    shots: int = 10_000
    confidence: float = 0.999

    def __post_init__(self) -> None:
        """Refuse settings that bound nothing."""
        check_sampling("shots", self.shots, self.confidence)

    def _prepare(self, model: Any, threat: ThreatModel) -> PreparedReadout:
        if not isinstance(model, SampledModel):
            raise ConditionsError(
                f"certificate {self.name} reads counts from a SampledModel, and model is {type(model).__name__}; wrap "
                "it in SampledModel, or use certificate guan on its exact probabilities."
            )
        device = model.model
        noise = device.noise if isinstance(device, NoisyClassifier) else model.noise
        if isinstance(device, HasCircuit) and not noise_engine(device.circuit, noise).exact:
            # The shots of one call share their trajectories, so they are not independent draws of one distribution.
            raise ConditionsError(
                f"certificate {self.name} needs independent shots, and noise on {device.circuit.qubits} qubits is "
                "simulated by trajectories that all shots of a call share; certify with at most 8 qubits, or without "
                "channels between the gates."
            )
        return super()._prepare(model.model, threat)

    def _radii(self, model: Any, prepared: PreparedReadout, task: Task) -> Radii:
        frequencies = model.model.sample(task.x, shots=self.shots, generator=task.generator, noise=model.noise)
        counts = (frequencies / prepared.scale * self.shots).round()
        complete = model.model.readout.measurement.is_complete
        bounds = pessimistic_probabilities(counts, self.shots, task.y, self.confidence, complete=complete)
        lengths = torch.linalg.vector_norm(task.x, dim=1)
        radius = lengths * guan_infidelity(bounds, task.y).sqrt()
        lower, notes = in_norm_of(task.threat, radius, task.x.shape[1])
        return Radii.below(
            lower,
            Assumptions(
                model="scores",
                noise="any",
                shots="finite",
                preparation="ideal",
                box="none" if task.box.is_unbounded else "not used",
                notes=(
                    f"each radius holds with confidence {self.confidence:g}, from {self.shots} shots",
                    "what is certified is the decision at infinitely many shots",
                    *notes,
                ),
            ),
        )

"""What the section about noise would execute: every condition with its attacks, before it runs."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from counterspin.errors import CapabilityError
from counterspin.evaluation.noise_modes import hardware_attack, of_rows, through_noise
from counterspin.evaluation.noise_task import HARDWARE_SAMPLES, SAMPLES, measured_model
from counterspin.evaluation.planned_steps import PlannedStep, attack_step, clean_step, verdict_step
from counterspin.evaluation.subject import AuditSettings, Subject
from counterspin.threats import ThreatModel
from counterspin.types import Classifier, Cost

__all__ = ["conditions_steps"]


def conditions_steps(subject: Subject, threat: ThreatModel, settings: AuditSettings) -> tuple[PlannedStep, ...]:
    """One step for each condition, and one for the hardware-valid attack on the last; none where nobody asked.

    A condition pays for its clean predictions, the re-optimised attack and the verdicts on replayed inputs. Proofs are
    not in it, as nowhere in a plan.

    Args:
        subject: model and samples.
        threat: the attacker.
        settings: tier and seed.
    """
    if subject.conditioned is None:
        return ()
    size = SAMPLES[settings.tier]
    x, y = subject.x[:size], subject.y[:size]
    aimed = of_rows(threat, range(len(x)))
    steps = []
    for variant in subject.conditioned.variants:
        parts = [clean_step(variant.model, len(x))]
        try:
            attack = through_noise(variant.model, aimed, settings.tier)
        except CapabilityError:
            # The section ends here, after the clean predictions.
            return (*steps, _together(variant.name, parts))
        parts.append(attack_step(attack, variant.model, x, y, aimed, settings.seed))
        parts.append(verdict_step(variant.model, len(x), len(aimed.eps)))
        steps.append(_together(variant.name, parts))
    hardware = _hardware(subject.conditioned.model, x, y, aimed, settings)
    return (*steps, *hardware)


def _hardware(
    last: Classifier, x: Tensor, y: Tensor, threat: ThreatModel, settings: AuditSettings
) -> tuple[PlannedStep, ...]:
    model, rows = measured_model(last, settings.seed), HARDWARE_SAMPLES[settings.tier]
    try:
        attack = hardware_attack(model, threat)
    except CapabilityError:
        return ()
    few = of_rows(threat, range(len(x[:rows])))
    part = attack_step(attack, model, x[:rows], y[:rows], few, settings.seed)
    return (_together("hardware-valid", [part]),)


def _together(name: str, parts: Sequence[PlannedStep]) -> PlannedStep:
    known = [part.expected for part in parts if part.expected is not None]
    return PlannedStep(
        name=f"noise conditions ({name})",
        most=sum((part.most for part in parts), Cost()),
        expected=sum(known, Cost()) if len(known) == len(parts) else None,
    )

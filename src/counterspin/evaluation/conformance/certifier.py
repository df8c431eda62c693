"""Whether a certificate keeps the contract of `counterspin.certificates.Certificate` and withstands every attack."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from counterspin.certificates import Certificate
from counterspin.circuits import Circuit, OutcomeGroups, amplitude_encoding, feature, strongly_entangling
from counterspin.errors import UsageError
from counterspin.evaluation.conformance.certifier_case import CertifierCase
from counterspin.evaluation.conformance.certifier_checks import ONCE_ATTACKED, OVER_ALL_THREATS, PER_THREAT
from counterspin.evaluation.conformance.certifier_template import ONCE
from counterspin.evaluation.conformance.offers import offered_samples, offered_threats, threat_label
from counterspin.evaluation.conformance.report import Check, ConformanceReport, run_all
from counterspin.models import QuantumClassifier
from counterspin.threats import ThreatModel
from counterspin.types import Box, Classifier

__all__ = ["check_certifier", "small_amplitude_model", "small_angle_model"]

_SAMPLES = 8
# Budgets play no role for a radius; L0 alone may stop at the largest.
_EPS = {"linf": (0.1,), "l2": (0.1,), "l1": (0.1,), "l0": (1.0, 2.0)}
_VALUES = 5  # of a discrete feature


def check_certifier(
    certifier: Any,
    *,
    model: Classifier | None = None,
    x: Tensor | None = None,
    y: Tensor | None = None,
    threats: Sequence[ThreatModel] | None = None,
    seed: int = 0,
) -> ConformanceReport:
    """Try to break a certificate with every attack available, and check everything a user relies on.

    Radii are attacked by the attacks of the suite, by searches for the nearest flip, by random draws and by local
    searches that start at the boundary of the certified ball; a flip found under one threat is held against every
    other threat that admits it. A radius 5 % too large is found out where the certificate is tight on the model.

    Args:
        certifier: what to check.
        model: what to certify; None: a one-qubit circuit of two angles, a three-qubit amplitude-encoded circuit, or
            both, as the certificate accepts.
        x: samples `(batch, features)` in the model's box; None: 8 random ones.
        y: labels `(batch,)`; None: the model's own predictions, but for one sample.
        threats: what to certify against; None: each norm of the certificate, plain, without a box, with a mask and
            on discrete features.
        seed: seed of the generators.

    Returns:
        One outcome per check; `report.raise_if_failed()` makes a test of it.

    Raises:
        UsageError: something that is no certificate.

    Example:
        >>> from counterspin.certificates import GuanCertificate
        >>> from counterspin.threats import L2
        >>> check_certifier(GuanCertificate(), threats=[L2(0.1)]).passed
        True
    """
    if not isinstance(certifier, Certificate):
        raise UsageError(f"certifier is a {type(certifier).__name__}; give an instance of a subclass of Certificate.")
    checks: dict[str, Check] = {}
    refused: list[str] = []
    subjects = {"": model} if model is not None else _subjects()
    for label, subject in subjects.items():
        points, labels = offered_samples(subject, x, y, count=_SAMPLES, seed=seed)
        case = CertifierCase(certifier=certifier, model=subject, x=points, y=labels, seed=seed)
        offered = list(threats) if threats is not None else _offers(certifier, subject)
        if model is None:
            # A mask fits one of the two circuits.
            offered = [threat for threat in offered if threat.mask is None or len(threat.mask) == points.shape[1]]
        reasons = [certifier.refusal(subject, threat) for threat in offered]
        served = [threat for threat, reason in zip(offered, reasons, strict=True) if reason is None]
        refused += [reason for reason in reasons if reason is not None]
        checks |= _checks(case, served, label)
    if not checks:
        checks["serves a model and a threat"] = partial(_nothing, refused)
    return run_all(certifier.name, checks)


def small_angle_model() -> QuantumClassifier:
    r"""One qubit turned by four angles of two features: :math:`\langle Z\rangle = \cos(w \cdot x)`, w = (2.6, 2.0).

    Bounds on Bures angles, spectra and bandwidths are all tight on it. The longest signed sum of the four slopes is
    their plain sum, and a search that flips one sign at a time may end at another.
    """
    circuit = Circuit(1)
    for first, second in ((1.2, 0.2), (0.9, -0.1), (0.2, 1.0), (0.3, 0.9)):
        circuit = circuit.add("RX", 0, first * feature(0) + second * feature(1))
    bit = OutcomeGroups((0,), ((0,), (1,)))
    return QuantumClassifier(circuit, bit, Box.uniform(-1.0, 1.0, features=2)).requires_grad_(False)


def small_amplitude_model() -> QuantumClassifier:
    """Three qubits, eight amplitudes, one measured bit: the state space is noiseless and the readout projective."""
    circuit = amplitude_encoding(8) + strongly_entangling(3, 2)
    weights = 2.0 * torch.randn(circuit.weights, generator=torch.Generator().manual_seed(0))
    bit = OutcomeGroups.first(qubits=1, classes=2)
    box = Box.uniform(-1.0, 1.0, features=8)
    return QuantumClassifier(circuit, bit, box, weights=weights).requires_grad_(False)


def _subjects() -> dict[str, Classifier]:
    return {"angle circuit": small_angle_model(), "amplitude circuit": small_amplitude_model()}


def _checks(case: CertifierCase, served: list[ThreatModel], label: str) -> dict[str, Check]:
    def named(*parts: str) -> str:
        words = ", ".join(part for part in parts if part)
        return f" ({words})" if words else ""

    if not served:
        return {}
    checks: dict[str, Check] = {}
    for threat in served:
        checks |= {
            name + named(label, threat_label(threat)): partial(check, case, threat)
            for name, check in PER_THREAT.items()
        }
    checks |= {name + named(label): partial(check, case, served) for name, check in OVER_ALL_THREATS.items()}
    return checks | {
        name + named(label): partial(check, case, served[0]) for name, check in (ONCE_ATTACKED | ONCE).items()
    }


def _offers(certifier: Certificate, model: Classifier) -> list[ThreatModel]:
    return [threat for norm in certifier.norms for threat in offered_threats(model, norm, _EPS[norm], _VALUES)]


def _nothing(refused: list[str]) -> str | None:
    return f"it serves none of the models and threats it was offered: {refused[0] if refused else 'none offered'}"

"""`cs.certify`: what can be proved of each sample, beside the nearest counterexamples."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from counterspin.api.run_directory import kept_run
from counterspin.api.subjects import checked_subject, silent
from counterspin.certificates.registry import named
from counterspin.errors import StorageError, UsageError
from counterspin.evaluation.certification import AUTO, certify_config, run_certification
from counterspin.evaluation.certification_records import CertifyRecord
from counterspin.evaluation.run_store import RunStore
from counterspin.models.conditions import Conditions
from counterspin.threats import L2, ThreatModel
from counterspin.types import Box

__all__ = ["Certification", "certify"]

# Where nobody says what to prove: shares of each input's own length suit data of any scale.
_DEFAULT = L2(0.05, 0.1, 0.2, units="relative")


@dataclass(frozen=True, kw_only=True, eq=False)
class Certification:
    """A finished certification.

    Args:
        record: every number, as `--json` prints it.
        directory: the run directory, with the radii of each method.
        radius: best certified radius of each sample `(batch,)` in feature units; 0 where misclassified.
        upper: distance `(batch,)` of the nearest known counterexample, infinite where none is known.
        exact: samples `(batch,)` bool whose radius is known to 1e-6.
        methods: for each sample the method that proves most.
    """

    record: CertifyRecord
    directory: Path
    radius: Tensor
    upper: Tensor
    exact: Tensor
    methods: tuple[str, ...]

    def verdicts(self, radius: float) -> list[str]:
        """Per sample `"proved"`, `"counterexample"` or `"inconclusive"` within `radius`, in feature units."""
        return [
            "proved" if lower > radius else "counterexample" if upper <= radius else "inconclusive"
            for lower, upper in zip(self.radius.tolist(), self.upper.tolist(), strict=True)
        ]


def certify(
    model: Any,
    x: Any,
    y: Any,
    threat: ThreatModel | None = None,
    *,
    method: str = AUTO,
    seed: int = 0,
    bounds: Box | tuple[float, float] | None = None,
    out: str | Path | None = None,
    runs: str | Path | None = None,
    name: str | None = None,
    dataset: dict[str, Any] | None = None,
    device: str | None = None,
    noise: Any = None,
    shots: int | None = None,
    mitigation: Any = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> Certification:
    """Prove what can be proved of each sample, and look for counterexamples to the rest.

    Args:
        model: a classifier, as for `cs.audit`.
        x: samples `(batch, features)`, numpy or torch, inside the model's box.
        y: labels `(batch,)`.
        threat: the attacker; None: L2 in the box, budgets of 5, 10 and 20 % of each input's length.
        method: `"auto"`: every certificate whose conditions hold, the best one counting for each sample; or the name of
            one.
        seed: seed of every random stream.
        bounds: lowest and highest value of a feature, for a model of another library; None otherwise.
        out: run directory; the same call on it resumes or reads what is finished.
        runs: directory in which the run gets one of its own; None (and no `out`): a temporary one.
        name: name of the model in the record.
        dataset: what the record says of the data.
        device: judge the model as this device would run it: `"ibm:manila"`, `"google:willow_pink"`, a calibration file.
        noise: judge it under this noise: a text such as `"depolarizing:0.01/gate"`, or a `NoiseModel`.
        shots: measurements of each circuit; None: infinitely many.
        mitigation: error mitigation inside the model: `"zne"`, `"readout"`, `"auto"`, or a `Mitigation`.
        progress: called with a label, finished and total steps.

    Raises:
        InputError: data that cannot be used.
        ModelError: a model that cannot be used.
        CapabilityError: a model that cannot be run under the device, noise, shots or mitigation.
        ConditionsError: no certificate holds for this model and threat, or not the one asked for.
        UsageError: an unknown method, or `out` holds another run.
        StorageError: the disk refused, or the run directory is damaged.

    Example:
        >>> import counterspin as cs
        >>> recipe = cs.recipes.get("digits-amplitude")
        >>> test = recipe.dataset().test
        >>> proof = cs.certify(recipe.model(), test.x[:20], test.y[:20], cs.L2(0.1, units="relative", box="none"))
        >>> bool((proof.radius <= proof.upper).all()), proof.methods[0]
        (True, 'exact-l2')
    """
    threat = _DEFAULT if threat is None else threat
    if not isinstance(threat, ThreatModel):
        raise UsageError(f"threat is {threat!r}; give a threat model, for example cs.L2(0.1).")
    if not isinstance(seed, int) or seed < 0:
        raise UsageError(f"seed is {seed!r}; give a whole number from 0 upwards.")
    if method != AUTO:
        named(method)
    conditions = Conditions.asked(device=device, noise=noise, shots=shots, mitigation=mitigation)
    subject = checked_subject(
        model, x, y, threat, name=name, dataset=dataset, bounds=bounds, conditions=conditions, seed=seed
    )
    config = certify_config(subject, threat, method, seed)

    def produce(directory: Path) -> Certification:
        with RunStore(directory, config) as store:
            record = run_certification(subject, threat, method, seed, store, progress or silent)
            return _read(record, directory, store)

    return kept_run(produce, name=f"{subject.model_card['name']}-certify", config=config, out=out, runs=runs)


def _read(record: CertifyRecord, directory: Path, store: RunStore) -> Certification:
    known = store.tensors("counterexamples")
    stored = {name: store.tensors(f"certificate-{name}") for name in record.methods}
    if known is None or any(tensors is None for tensors in stored.values()):
        raise StorageError(f"{directory} lacks radii of the record in run.json; run the same command on a new one.")
    lower = torch.stack([tensors["radius_lower"] for tensors in stored.values() if tensors is not None])
    exact = torch.stack([tensors["exact"] for tensors in stored.values() if tensors is not None])
    names = list(stored)
    return Certification(
        record=record,
        directory=directory,
        radius=lower.amax(dim=0),
        upper=known["upper"],
        exact=exact.any(dim=0),
        methods=tuple(names[place] for place in lower.argmax(dim=0).tolist()),
    )

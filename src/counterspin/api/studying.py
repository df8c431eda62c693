"""`counterspin study`: what changes robustness, measured and drawn."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from counterspin.api.study_files import write_study
from counterspin.api.subjects import checked_subject, run_name, silent
from counterspin.errors import UsageError
from counterspin.evaluation.analysis import NoiseStudyRecord, NoiseStudySettings, run_noise_study
from counterspin.evaluation.analysis.noise_study import study_config
from counterspin.evaluation.run_store import RunStore
from counterspin.threats import ThreatModel
from counterspin.types import Box

__all__ = ["study_noise"]

_TABLES = ("ladder", "map", "drift", "mitigation", "findings")


def study_noise(
    model: Any,
    x: Any,
    y: Any,
    threat: ThreatModel,
    *,
    device: str | None = None,
    tier: str = "quick",
    seed: int = 0,
    shots: int = 256,
    bounds: Box | tuple[float, float] | None = None,
    out: str | Path | None = None,
    runs: str | Path = "runs",
    name: str | None = None,
    dataset: dict[str, Any] | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> NoiseStudyRecord:
    """How noise, drift and mitigation change the robustness of a model.

    The directory gets `study.json`, a CSV file per table and `study.html`, one offline page with the figures. The same
    call resumes an interrupted study.

    Args:
        model: a noiseless classifier whose circuit is known.
        x: samples `(batch, features)`.
        y: labels `(batch,)`.
        threat: the attacker, for example `cs.Linf(0.05, 0.1)`.
        device: whose noise is used for drift and mitigation, `"ibm:manila"` or a calibration file; None: no drift.
        tier: `"quick"` or `"standard"`: steps and restarts of the attacks.
        seed: seed of every random stream.
        shots: of the finite-shot readings.
        bounds: lowest and highest value of a feature, for a model of another library.
        out: the directory; None: one of its own in `runs`.
        runs: see `out`.
        name: name of the model on the page.
        dataset: what the record says of the data.
        progress: called with a label, and zeros: how many points there are is known at the end.

    Raises:
        CapabilityError: the model shows no circuit.
        InputError: data that cannot be used.
        UsageError: options that make no sense, or `out` holds another run.
        StorageError: the disk refused, or the directory is damaged.
    """
    if not isinstance(threat, ThreatModel):
        raise UsageError(f"threat is {threat!r}; give a threat model, for example cs.Linf(0.05, 0.1).")
    if tier not in ("quick", "standard"):
        raise UsageError(f"tier is {tier!r}; allowed: quick, standard.")
    if not isinstance(shots, int) or shots < 1:
        raise UsageError(f"shots is {shots!r}; give a whole number of at least 1.")
    subject = checked_subject(model, x, y, threat, name=name, dataset=dataset, bounds=bounds)
    settings = NoiseStudySettings(device=device, tier=tier, seed=seed, shots=shots)
    config = study_config(subject, threat, settings)
    directory = Path(out) if out is not None else Path(runs) / run_name(f"{subject.model_card['name']}-noise", config)
    show = progress or silent
    done = 0

    def announce(label: str) -> None:
        nonlocal done
        show(label, done, 0)
        done += 1

    with RunStore(directory, config) as store:
        record = run_noise_study(subject, threat, settings, store, announce)
    _write(record, directory)
    return record


def _write(record: NoiseStudyRecord, directory: Path) -> None:
    from counterspin.report.study import render_study  # here: the charts' library takes long to import

    value = record.to_json()
    write_study(directory, value, {table: value[table] for table in _TABLES}, render_study(record))

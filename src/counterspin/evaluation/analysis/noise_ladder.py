"""The noise ladder: accuracy, robustness and certificates against the strength of each kind of noise."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch

from counterspin.evaluation.analysis.noise_points import NoisyPoint, StudyTask, measured_point, under
from counterspin.evaluation.analysis.readouts import Counterpart, counterpart
from counterspin.evaluation.analysis.records import Finding, LadderPoint
from counterspin.evaluation.compare import paired_record
from counterspin.evaluation.measured import Measured
from counterspin.evaluation.statistics import holm, measured_median, measured_share
from counterspin.noise import NoiseModel
from counterspin.noise.text import parse

__all__ = ["CHANNELS", "IDEAL", "Channel", "LadderRuns", "climb", "ladder_findings", "ladder_points"]

IDEAL = "ideal"

# Below this share a radius counts as unmoved: certificates are rounded down by far less.
_FLAT = 1e-6


@dataclass(frozen=True, kw_only=True)
class Channel:
    """One kind of noise of the ladder.

    Args:
        name: in records.
        label: in words.
        strengths: ascending, without 0.
        noise: the model at one strength.
    """

    name: str
    label: str
    strengths: tuple[float, ...]
    noise: Callable[[float], NoiseModel]


CHANNELS: tuple[Channel, ...] = (
    Channel(
        name="global-depolarizing",
        label="global depolarising",
        strengths=(0.1, 0.3, 0.6),
        noise=lambda p: parse(f"depolarizing:{p!r}"),
    ),
    Channel(
        name="depolarizing",
        label="depolarising after each gate",
        strengths=(0.001, 0.003, 0.01, 0.03),
        noise=lambda p: parse(f"depolarizing:{p!r}/gate"),
    ),
    Channel(
        name="amplitude-damping",
        label="amplitude damping after each gate",
        strengths=(0.001, 0.003, 0.01, 0.03),
        noise=lambda p: parse(f"amplitude_damping:{p!r}/gate"),
    ),
    Channel(
        name="dephasing",
        label="dephasing after each gate",
        strengths=(0.003, 0.01, 0.03),
        noise=lambda p: parse(f"phase_damping:{p!r}/gate"),
    ),
    Channel(
        name="over-rotation",
        label="coherent over-rotation of each gate, radians",
        strengths=(0.01, 0.03, 0.1),
        noise=lambda a: parse(f"overrotation:{a!r}/gate"),
    ),
    Channel(
        name="readout",
        label="readout error s: P(read 1 | 0) = s, P(read 0 | 1) = 2 s",
        strengths=(0.01, 0.03, 0.1),
        noise=lambda s: parse(f"readout:{s!r},{2 * s!r}"),
    ),
)


@dataclass(frozen=True, kw_only=True, eq=False)
class LadderRuns:
    """Every measured point of a ladder.

    Args:
        own: by channel name and strength; the noiseless point under (`IDEAL`, 0).
        other: the same of the counterpart readout, without attacks; empty where there is none.
        counterpart: what that readout is.
    """

    own: dict[tuple[str, float], NoisyPoint]
    other: dict[tuple[str, float], NoisyPoint]
    counterpart: Counterpart


def climb(task: StudyTask, channels: tuple[Channel, ...] = CHANNELS) -> LadderRuns:
    """Measure the model under every strength of every channel, and its counterpart readout without attacks."""
    own = {(IDEAL, 0.0): measured_point(task, IDEAL, task.model)}
    made = own[IDEAL, 0.0].x_adv
    other_readout = counterpart(task.model, task.x)
    other: dict[tuple[str, float], NoisyPoint] = {}
    if other_readout.model is not None:
        other[IDEAL, 0.0] = measured_point(task, f"{IDEAL}-counterpart", other_readout.model, attack=False)
    for channel in channels:
        for strength in channel.strengths:
            name, noise = f"{channel.name}-{strength:g}", channel.noise(strength)
            whole = strength if channel.name == "global-depolarizing" else 0.0
            own[channel.name, strength] = measured_point(
                task, name, under(task.model, noise), made=made, depolarizing=whole
            )
            if other_readout.model is not None:
                other[channel.name, strength] = measured_point(
                    task, f"{name}-counterpart", under(other_readout.model, noise), attack=False
                )
    return LadderRuns(own=own, other=other, counterpart=other_readout)


def ladder_points(task: StudyTask, runs: LadderRuns) -> list[LadderPoint]:
    """The ladder in numbers; strength 0 stands first in every channel."""
    found = []
    for channel in dict.fromkeys(name for name, _ in runs.own if name != IDEAL):
        for readout, points in (("own", runs.own), ("counterpart", runs.other)):
            balanced = runs.counterpart.own_balanced if readout == "own" else runs.counterpart.balanced
            for (name, strength), point in points.items():
                if name in (channel, IDEAL):
                    found.append(_record(task, channel, strength, readout, balanced, point))
    return found


def _record(
    task: StudyTask, channel: str, strength: float, readout: str, balanced: bool | None, point: NoisyPoint
) -> LadderPoint:
    attacked = None
    if point.attacked:
        attacked = _share(point.correct & ~point.broken[task.middle])
    radius: Measured | None = None
    share: float | None = None
    if len(point.radius):
        share = _median(point.radius / torch.linalg.vector_norm(task.x, dim=1).clamp_min(1e-12))
        radius = measured_median(point.radius, generator=task.generator("radius interval", channel, strength))
    return LadderPoint(
        channel=channel,
        strength=strength,
        readout="own" if readout == "own" else "counterpart",
        balanced=balanced,
        clean_accuracy=_share(point.correct),
        shot_accuracy=_share(point.sampled),
        attacked_accuracy=attacked,
        radius=radius,
        radius_share=share,
        radius_kind=point.radius_kind,
        c1=_median(point.c1),
        c3=_median(point.c3),
    )


def ladder_findings(task: StudyTask, runs: LadderRuns) -> list[Finding]:
    """The theorem about global depolarising noise, both ways, and what noise does to accuracy under attack."""
    found = []
    for readout, points, balanced in (
        ("own", runs.own, runs.counterpart.own_balanced),
        ("counterpart", runs.other, runs.counterpart.balanced),
    ):
        if points and balanced is not None:
            found.append(_depolarising(points, readout, balanced))
    found.append(_attacked(task, runs))
    return found


def _depolarising(points: dict[tuple[str, float], NoisyPoint], readout: str, balanced: bool) -> Finding:
    """Does the exact radius of any sample move under global depolarising noise?"""
    clean = points[IDEAL, 0.0]
    levels = [point for (name, _), point in points.items() if name == "global-depolarizing"]
    word = "balanced" if balanced else "unbalanced"
    expected = (
        f"{readout} readout, {word}: "
        + ("no decision and no exact radius moves" if balanced else "the boundary moves, with decisions or radii")
        + " under global depolarising noise"
    )
    flips = max(int((clean.correct != level.correct).sum()) for level in levels)
    said = f"{flips} of {len(clean.correct)} decisions move"
    if clean.radius_kind.startswith("exact"):
        scale = clean.radius.clamp(min=1e-12)
        moved = max(float(((level.radius - clean.radius).abs() / scale)[clean.correct].max()) for level in levels)
        verdict = "no exact radius moves" if moved < _FLAT else "exact radii move"
        said += f"; {verdict} (largest relative change {moved:.2g})"
    return Finding(study="ladder", expected=expected, found=said, significant=None)


def _attacked(task: StudyTask, runs: LadderRuns) -> Finding:
    """Robust accuracy at the strongest level of each channel against none, paired and adjusted."""
    clean = runs.own[IDEAL, 0.0]
    standing = clean.correct & ~clean.broken[task.middle]
    strongest = {name: point for (name, _), point in runs.own.items() if name != IDEAL}
    tests = {
        name: paired_record(standing, point.correct & ~point.broken[task.middle]) for name, point in strongest.items()
    }
    adjusted = dict(zip(tests, holm([test.p_value for test in tests.values()]), strict=True))
    clear = [name for name, p in adjusted.items() if p < 0.05]
    words = ", ".join(f"{name} {round(-100 * test.difference):+d} points" for name, test in tests.items())
    eps = task.threat.eps[task.middle]
    return Finding(
        study="ladder",
        expected="noise does not raise robust accuracy: it removes signal, not the attacker",
        found=f"at the strongest level and ε = {eps:g}: {words}; clear after Holm: {', '.join(clear) or 'none'}",
        significant=bool(clear),
    )


def _median(values: torch.Tensor) -> float | None:
    if not len(values):
        return None
    middle = float(values.double().quantile(0.5))
    return middle if math.isfinite(middle) else None


def _share(mask: torch.Tensor) -> Measured:
    return measured_share(int(mask.sum()), len(mask))

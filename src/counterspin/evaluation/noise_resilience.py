r"""Noise resilience: accuracy of a circuit on grids of noise strength and shots.

One of the curves can be flat by theorem. Global depolarising noise maps a margin observable

.. math:: A_{yj} \mapsto (1-p)\,A_{yj} + p\,\frac{\mathrm{Tr} A_{yj}}{D}\,1

so at infinite shots no prediction moves if :math:`\mathrm{Tr} A_{yj} = 0` for every pair of classes (biases included);
otherwise the boundary moves. Noise per qubit and asymmetric readout errors move it in any case. All of it is simulated
exactly up to 8 qubits.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import torch
from torch import Tensor

from counterspin.attacks.losses import verdict_margin
from counterspin.evaluation.records import NoiseCurve, NoisePoint, NoiseRecord
from counterspin.evaluation.seeds import derived_generator
from counterspin.evaluation.statistics import measured_share
from counterspin.noise import NoiseModel
from counterspin.simulation import noise_engine, outcome_distributions, sample_scores
from counterspin.types import Classifier, Cost, HasChannels, HasCircuit, HasEngine, Sampled

__all__ = ["NoiseGrid", "measure_noise", "noise_price"]

Kind = Literal["global_depolarizing", "qubit_depolarizing", "readout_flips"]

# Largest difference of class scores on the maximally mixed state, as a share of the largest clean score, that is zero.
_BALANCED = 1e-9


@dataclass(frozen=True, kw_only=True)
class NoiseGrid:
    """Which noise is measured.

    Args:
        global_depolarizing: strengths of global depolarising noise.
        qubit_depolarizing: strengths of depolarising noise on every qubit after each layer.
        readout_flips: strengths s of readout errors with P(read 1 | 0) = s and P(read 0 | 1) = 2 s.
        shots: measurements per sample; None: infinitely many.
        samples: how many samples at most.
        trajectory_samples: how many samples at most where noise is simulated by trajectories, beyond 8 qubits.
        trajectories: random circuits per sample there.
    """

    global_depolarizing: tuple[float, ...] = (0.0, 0.05, 0.1, 0.2, 0.4)
    qubit_depolarizing: tuple[float, ...] = (0.0, 0.001, 0.003, 0.01, 0.03)
    readout_flips: tuple[float, ...] = (0.0, 0.01, 0.03, 0.1)
    shots: tuple[int | None, ...] = (64, 256, 1024, 4096, None)
    samples: int = 200
    trajectory_samples: int = 100
    trajectories: int = 32


@runtime_checkable
class _OneCircuit(HasCircuit, Protocol):
    """A model whose scores are read from one circuit fed with `circuit_inputs(x)`."""

    def circuit_inputs(self, x: Tensor, /) -> Tensor: ...


def measure_noise(model: Classifier, x: Tensor, y: Tensor, *, seed: int, grid: NoiseGrid | None = None) -> NoiseRecord:
    """Accuracy under global and per-qubit depolarising noise and under readout errors, for each number of shots.

    Every point draws from its own generator, derived from the seed and the point, so that a point does not depend on
    what else is measured. A tie counts as wrong.

    Args:
        model: any classifier; only those with the capability `Sampled` can be measured.
        x: clean inputs `(batch, features)`; the first ones are used.
        y: labels `(batch,)`.
        seed: seed of the evaluation.
        grid: strengths, shots and sizes; None: the standard ones.
    """
    grid = NoiseGrid() if grid is None else grid
    if not isinstance(model, Sampled):
        reason = f"{type(model).__name__} is measured neither with shots nor under noise (no capability `sample`)"
        return NoiseRecord(samples=0, curves=[], skipped=reason)
    if isinstance(model, HasChannels):
        reason = f"{type(model).__name__} runs under noise of its own, which no other noise is added to"
        return NoiseRecord(samples=0, curves=[], skipped=reason)
    theorem = _flatness(model, x)
    moves = "class traces differ: the boundary moves" if isinstance(model, HasCircuit) else "the boundary may move"
    curves = [
        NoiseCurve(
            kind="global_depolarizing",
            label="Global depolarising strength" + ("" if theorem else f" ({moves})"),
            theorem=theorem,
            trajectories=None,
            points=_points(model, x, y, "global_depolarizing", grid, seed),
        ),
        NoiseCurve(
            kind="qubit_depolarizing",
            label="Depolarising strength per qubit after each layer",
            theorem=None,
            trajectories=grid.trajectories if _drawn(model, "qubit_depolarizing") else None,
            points=_points(model, x, y, "qubit_depolarizing", grid, seed),
        ),
        NoiseCurve(
            kind="readout_flips",
            label="Readout error s: P(read 1 | 0) = s, P(read 0 | 1) = 2 s",
            theorem=None,
            trajectories=None,
            points=_points(model, x, y, "readout_flips", grid, seed),
        ),
    ]
    return NoiseRecord(samples=min(len(x), grid.samples), curves=curves)


def noise_price(model: Classifier, samples: int, grid: NoiseGrid | None = None) -> Cost:
    """What the noise draws of `measure_noise` are worth: a circuit per sample and point, read with its shots."""
    if not isinstance(model, Sampled) or isinstance(model, HasChannels):
        return Cost()
    grid = NoiseGrid() if grid is None else grid
    circuits = shots = 0
    for kind in ("global_depolarizing", "qubit_depolarizing", "readout_flips"):
        limit = grid.trajectory_samples if _drawn(model, kind) else grid.samples
        drawn = min(samples, limit) * len(getattr(grid, kind))
        circuits += drawn * len(grid.shots)
        shots += drawn * sum(number or 0 for number in grid.shots)
    return Cost(forwards=circuits, circuits=circuits, shots=shots)


def _points(model: Sampled, x: Tensor, y: Tensor, kind: Kind, grid: NoiseGrid, seed: int) -> list[NoisePoint]:
    limit = grid.trajectory_samples if _drawn(model, kind) else grid.samples
    x, y = x[:limit], y[:limit]
    strengths: tuple[float, ...] = getattr(grid, kind)
    points = []
    for strength in strengths:
        read = _reader(model, x, _noise(kind, strength, grid), derived_generator(seed, "noise", kind, strength))
        for shots in grid.shots:
            scores = read(shots, derived_generator(seed, "noise", kind, strength, shots))
            right = int((verdict_margin(scores, y) > 0).sum())
            points.append(NoisePoint(strength=strength, shots=shots, accuracy=measured_share(right, len(y))))
    return points


def _drawn(model: Sampled, kind: str) -> bool:
    """Whether noise of a kind is simulated by drawn errors; a model that shows no circuit may do so."""
    if kind != "qubit_depolarizing":
        return False
    return not isinstance(model, HasCircuit) or not noise_engine(model.circuit, _noise(kind, 0.5, NoiseGrid())).exact


def _noise(kind: Kind, strength: float, grid: NoiseGrid) -> NoiseModel:
    match kind:
        case "global_depolarizing":
            return NoiseModel(global_depolarizing=strength)
        case "qubit_depolarizing":
            return NoiseModel(qubit_depolarizing=strength, trajectories=grid.trajectories)
        case "readout_flips":
            return NoiseModel(readout_flips=(strength, 2 * strength))


def _reader(
    model: Sampled, x: Tensor, noise: NoiseModel, generator: torch.Generator
) -> Callable[[int | None, torch.Generator], Tensor]:
    """A function of shots and generator that gives scores `(batch, classes)` under `noise`.

    The noisy state does not depend on the shots: where the circuit is known it is computed once for all of them.
    """
    if not isinstance(model, _OneCircuit):
        return lambda shots, shot_generator: model.sample(x, shots=shots, noise=noise, generator=shot_generator)
    circuit, readout = model.circuit, model.readout
    engine = model.engine if isinstance(model, HasEngine) else "auto"
    with torch.no_grad():
        inputs = model.circuit_inputs(x)
        outcomes = outcome_distributions(
            circuit, inputs, model.weights, readout, noise=noise, generator=generator, engine=engine
        )

    def read(shots: int | None, shot_generator: torch.Generator) -> Tensor:
        with torch.no_grad():
            return sample_scores(circuit, outcomes, readout, shots=shots, generator=shot_generator)

    return read


def _flatness(model: Sampled, x: Tensor) -> str | None:
    """Why the infinite-shot curve under global depolarising noise is flat, or None if it need not be.

    Full depolarising noise makes the maximally mixed state of every input; there class k scores Tr(M_k) / D with its
    bias, so equal scores are equal traces. That needs scores linear in the measured values, as those of a readout are.
    """
    if not isinstance(model, HasCircuit):
        return None
    anything = torch.Generator().manual_seed(0)
    mixed = model.sample(x[:1].double(), shots=None, noise=NoiseModel(global_depolarizing=1.0), generator=anything)[0]
    clean = model.sample(x[:1].double(), shots=None, generator=anything)[0]
    if float(mixed.max() - mixed.min()) > _BALANCED * max(1.0, float(clean.abs().max())):
        return None
    return (
        "All class observables have the same trace (biases included), so global depolarising noise scales every margin "
        "by 1 - p and moves no prediction at infinite shots: the flat curve is a theorem, not a finding."
    )

"""A circuit, an amplitude-encoded one and noise for them, small enough for exact mitigation in milliseconds."""

import torch
from torch import Tensor

from counterspin.circuits import Circuit, PauliExpectations, Readout, amplitude_encoding, reuploading, weight
from counterspin.mitigation.base import Mitigation
from counterspin.mitigation.values import mitigated_values
from counterspin.noise import (
    GateRule,
    IdleRule,
    NoiseModel,
    amplitude_damping,
    depolarizing,
    overrotation,
    thermal_relaxation,
    zz_crosstalk,
)
from counterspin.simulation import run

__all__ = [
    "AMPLITUDES",
    "DISSIPATIVE",
    "GATES",
    "IDLE",
    "MEASUREMENT",
    "NOISE",
    "arguments",
    "ideal_values",
    "mitigated",
    "noisy_values",
]

GATES = reuploading(3, 2)
AMPLITUDES = (
    amplitude_encoding(6)
    .add("H", 0)
    .add("CNOT", (0, 1))
    .add("RY", 2, weight(0) + 0.4)
    .add("S", 1)
    .add("CZ", (1, 2))
    .add("T", 0)
    .add("CNOT", (2, 0))
)
MEASUREMENT = PauliExpectations.of("Z0", "X1 Y2", "Z2")
DISSIPATIVE = NoiseModel(
    rules=(
        GateRule(channel=thermal_relaxation(1e-4, 8e-5, 5e-7), targets="each"),
        GateRule(channel=depolarizing(0.01, 2)),
    )
)
NOISE = NoiseModel(
    rules=(
        *DISSIPATIVE.rules,
        GateRule(channel=overrotation("X", 0.05), kinds=("RY", "Rot", "H")),
        GateRule(channel=zz_crosstalk(0.06), kinds=("CNOT", "CZ")),
    )
)
IDLE = NoiseModel(
    rules=(GateRule(channel=amplitude_damping(0.01), targets="each"),),
    idle=IdleRule(
        durations={(kind, ()): 3e-8 for kind in ("H", "S", "T", "RY", "P", "X")}
        | {(kind, ()): 3e-7 for kind in ("CNOT", "CZ")},
        t1=(1e-4, 9e-5, 8e-5),
        t2=(8e-5, 9e-5, 1e-4),
        detuning=(2e5, -3e5, 1e5),
    ),
)


def arguments(circuit: Circuit, batch: int = 5, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    """Inputs and weights."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(batch, circuit.inputs, generator=generator, dtype=torch.float64).to(dtype)
    return x, torch.randn(circuit.weights, generator=generator, dtype=torch.float64).to(dtype)


def ideal_values(circuit: Circuit, x: Tensor, w: Tensor) -> Tensor:
    """Without noise."""
    return run(circuit, x, w, Readout(MEASUREMENT))


def noisy_values(circuit: Circuit, x: Tensor, w: Tensor, noise: NoiseModel) -> Tensor:
    """Without mitigation."""
    return run(circuit, x, w, Readout(MEASUREMENT), noise=noise)


def mitigated(mitigation: Mitigation, circuit: Circuit, x: Tensor, w: Tensor, noise: NoiseModel) -> Tensor:
    """Exact mitigated values."""
    return mitigated_values(mitigation, circuit, x, w, MEASUREMENT, noise)

"""A mitigation in words: its name, and the coefficients that tell two fits of one technique apart."""

from __future__ import annotations

from counterspin.circuits import Circuit
from counterspin.mitigation.base import Mitigation
from counterspin.noise import NoiseModel

__all__ = ["described"]

# Variants whose coefficients are printed.
_SHOWN = 8


def described(mitigation: Mitigation, circuit: Circuit, noise: NoiseModel, values: int) -> str:
    """Name, and of linear techniques the coefficient of every variant for every measured value.

    Args:
        mitigation: fitted where it learns.
        circuit: what is mitigated.
        noise: what it runs under.
        values: number of measured values.

    Example:
        >>> from counterspin.mitigation.zne import ZNE
        >>> described(ZNE(), Circuit(1), NoiseModel(), 2)
        'zne (richardson) 3, -3, 1'
        >>> from counterspin.mitigation.readout import ReadoutMitigation
        >>> described(ReadoutMitigation(method="least-squares"), Circuit(1), NoiseModel(), 2)
        'readout:least-squares'
    """
    if not mitigation.linear:
        return mitigation.name
    variants = len(mitigation.construct(circuit, noise))
    rows = mitigation.linear_map(variants, values)[0].diagonal(dim1=1, dim2=2).tolist()
    shown = [_row([f"{value:.4g}" for value in row]) for row in rows[:_SHOWN]]
    return f"{mitigation.name} {', '.join([*shown, *(['…'] if variants > _SHOWN else [])])}"


def _row(values: list[str]) -> str:
    return values[0] if len(set(values)) == 1 else f"({', '.join(values)})"

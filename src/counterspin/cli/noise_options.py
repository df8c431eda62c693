"""The options that say what a model is run under: a device or noise, shots, mitigation."""

from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from counterspin.errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["DeviceOption", "MitigationOption", "NoiseOption", "ShotsOption", "asked_options", "fitted_on"]

# Training samples of which the circuits are made that a mitigation learns from.
_FIT_SAMPLES = 16

DeviceOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--device",
        help="Judge the model as this device would run it: ibm:manila, ibm:fez@2025-02-26, or a calibration file "
        "(`counterspin list devices`).",
    ),
]
NoiseOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--noise", help="Judge it under this noise: depolarizing:0.01 (global), depolarizing:0.01/gate, readout:0.02."
    ),
]
ShotsOption: TypeAlias = Annotated[
    int | None, typer.Option("--shots", help="Measurements of each circuit; default: infinitely many.")
]
MitigationOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--mitigation",
        help="Error mitigation inside the model: zne, pec, cdr, readout, decoupling, twirling, learned, or auto; "
        "several joined by +, for example readout+zne.",
    ),
]


def asked_options(
    device: str | None, noise: str | None, shots: int | None, mitigation: str | None
) -> dict[str, str | int | None]:
    """The options as keyword arguments of `cs.audit`, refused before a model is loaded where they make no sense.

    Raises:
        UsageError: shots below 1, device and noise together, mitigation of nothing, or an unknown device.

    Example:
        >>> asked_options(None, "depolarizing:0.01/gate", None, "zne")["mitigation"]
        'zne'
    """
    if shots is not None and shots < 1:
        raise UsageError(f"--shots is {shots}; give at least 1.")
    if device is not None and noise is not None:
        raise UsageError("--device and --noise cannot go together: a device brings its own noise, give one of them.")
    if mitigation is not None and device is None and noise is None:
        raise UsageError("--mitigation needs something to mitigate; give --device or --noise as well.")
    if device is not None:
        from counterspin.noise.devices import load

        load(device)
    if noise is not None:
        from counterspin.noise.text import parse

        parse(noise)
    if mitigation is not None:
        from counterspin.mitigation.registry import by_name

        by_name(mitigation)
    return {"device": device, "noise": noise, "shots": shots, "mitigation": mitigation}


def fitted_on(asked: dict[str, Any], train_x: "Tensor | None") -> dict[str, Any]:
    """The options with a mitigation that learns from training samples, where there are any: not from those audited."""
    if asked["mitigation"] is None or train_x is None:
        return asked
    from counterspin.models.mitigated import TrainedOn

    return {**asked, "mitigation": TrainedOn(mitigation=asked["mitigation"], x=train_x[:_FIT_SAMPLES])}

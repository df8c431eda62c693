"""The noise model a circuit can be run under."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import cached_property, lru_cache

from counterspin.circuits import Circuit
from counterspin.errors import UsageError
from counterspin.noise.channels import depolarizing
from counterspin.noise.idle import IdleRule
from counterspin.noise.kraus import Channel, Placed
from counterspin.noise.linear_map import TransferMap
from counterspin.noise.readout import ReadoutErrors
from counterspin.noise.rules import GateRule
from counterspin.noise.transfer import power

__all__ = ["NoiseModel"]


@dataclass(frozen=True, kw_only=True)
class NoiseModel:
    r"""Everything that differs between a circuit and its run: channels between the gates, and readout errors.

    Args:
        global_depolarizing: strength p of :math:`\rho \mapsto (1-p)\rho + p\,1/2^n` before the measurement; exact.
        qubit_depolarizing: strength p of :math:`\rho \mapsto (1-p)\rho + p\,\mathrm{Tr}_q(\rho)\otimes 1/2` on every
            qubit after every layer (a Pauli X, Y, Z each with probability p/4).
        readout_flips: probabilities to read 1 where the qubit is 0, and 0 where it is 1, the same for every qubit.
        trajectories: random circuits averaged per sample where the noise is simulated by trajectories.
        rules: channels after gates, in this order.
        layer_channels: one-qubit channels on every qubit after every layer.
        idle: what waiting qubits suffer.
        placed: channels at explicit places of one circuit.
        readout: readout errors by qubit and pair, instead of `readout_flips`.

    Raises:
        UsageError: a probability outside [0, 1], no trajectory, readout errors given twice, a channel per layer on
            several qubits.

    Example:
        >>> from counterspin.noise.channels import amplitude_damping
        >>> noise = NoiseModel(rules=(GateRule(channel=amplitude_damping(0.01), targets="each"),))
        >>> [(p.after, p.qubits) for p in noise.place(Circuit(2).add("H", 0).add("CNOT", (0, 1)))]
        [(0, (0,)), (1, (0,)), (1, (1,))]
    """

    global_depolarizing: float = 0.0
    qubit_depolarizing: float = 0.0
    readout_flips: tuple[float, float] = (0.0, 0.0)
    trajectories: int = 64
    rules: tuple[GateRule, ...] = ()
    layer_channels: tuple[Channel, ...] = ()
    idle: IdleRule | None = None
    placed: tuple[Placed, ...] = ()
    readout: ReadoutErrors | None = None

    def __post_init__(self) -> None:
        """Refuse what is no probability."""
        if len(self.readout_flips) != 2:
            raise UsageError(
                f"readout_flips is {self.readout_flips}; give two probabilities, (0 read as 1, 1 read as 0)."
            )
        for name, value in (
            ("global_depolarizing", self.global_depolarizing),
            ("qubit_depolarizing", self.qubit_depolarizing),
            ("readout_flips[0]", self.readout_flips[0]),
            ("readout_flips[1]", self.readout_flips[1]),
        ):
            if not 0.0 <= value <= 1.0:
                raise UsageError(f"{name} is {value}; it is a probability, allowed: 0 to 1.")
        if self.trajectories < 1:
            raise UsageError(f"trajectories is {self.trajectories}; at least 1 is needed.")
        if self.readout is not None and self.readout_flips != (0.0, 0.0):
            raise UsageError("readout and readout_flips are both given; give one of them.")
        for channel in self.layer_channels:
            if channel.qubits != 1:
                raise UsageError(
                    f"channel {channel.name} per layer acts on {channel.qubits} qubits; give channels on one qubit."
                )

    @cached_property
    def _hash(self) -> int:
        return hash(tuple(getattr(self, field.name) for field in fields(self)))

    def __hash__(self) -> int:
        """Hash of all fields, computed once: models key the cache of `place`."""
        return self._hash

    @property
    def is_ideal(self) -> bool:
        """Whether the model changes nothing."""
        return (
            self.global_depolarizing == self.qubit_depolarizing == 0.0
            and self.readout_flips == (0.0, 0.0)
            and not (self.rules or self.layer_channels or self.placed)
            and self.idle is None
            and (self.readout is None or self.readout.is_ideal)
        )

    def place(self, circuit: Circuit) -> tuple[Placed, ...]:
        """All channels between the gates of a circuit, in the order in which they act; kept per circuit.

        After each gate: the rules in their order, then the waiting times that follow it, then what a layer's end brings
        (`qubit_depolarizing`, then `layer_channels`), then what is `placed`. `global_depolarizing` is not among them.

        Raises:
            UsageError: what is placed or waits outside the circuit, or a gate without duration.
        """
        return _placements(self, circuit)

    def has_channels(self, circuit: Circuit) -> bool:
        """Whether any channel acts between the gates of a circuit."""
        return bool(self.place(circuit))

    def readout_errors(self, qubits: int) -> ReadoutErrors | None:
        """The readout errors of so many qubits; None: none.

        Raises:
            UsageError: errors for another number of qubits.
        """
        if self.readout is None:
            ideal = self.readout_flips == (0.0, 0.0)
            return None if ideal else ReadoutErrors.uniform(self.readout_flips, qubits)
        if self.readout.qubits != qubits:
            raise UsageError(
                f"readout has errors for {self.readout.qubits} qubits and the circuit has {qubits}; restrict them with "
                "readout.restricted(qubits)."
            )
        return None if self.readout.is_ideal else self.readout

    def scaled(self, factor: float, *, readout: bool = False) -> NoiseModel:
        """The model with every channel to the power `factor`, as if its noise lasted so much longer.

        Args:
            factor: 0 or more; 1 is the model itself.
            readout: raise the readout errors to that power too.

        Raises:
            UsageError: a factor below 0 or not finite.
            ConditionsError: a channel without that power.

        Example:
            >>> round(NoiseModel(global_depolarizing=0.1).scaled(2).global_depolarizing, 12)
            0.19
        """
        if not (math.isfinite(factor) and factor >= 0):
            raise UsageError(f"factor is {factor}; give a finite number of at least 0.")
        if factor == 1:
            return self
        raised = _remembered_power(factor)
        flips = ReadoutErrors.uniform(self.readout_flips, 1).scaled(factor).flips[0] if readout else self.readout_flips
        return replace(
            self,
            global_depolarizing=1 - (1 - self.global_depolarizing) ** factor,
            qubit_depolarizing=1 - (1 - self.qubit_depolarizing) ** factor,
            readout_flips=flips,
            rules=tuple(replace(rule, channel=raised(rule.channel)) for rule in self.rules),
            layer_channels=tuple(power(channel, factor) for channel in self.layer_channels),
            idle=None if self.idle is None else self.idle.scaled(factor),
            placed=tuple(replace(placed, channel=raised(placed.channel)) for placed in self.placed),
            readout=self.readout.scaled(factor) if readout and self.readout is not None else self.readout,
        )


@lru_cache(maxsize=128)
def _placements(noise: NoiseModel, circuit: Circuit) -> tuple[Placed, ...]:
    _check_places(noise.placed, circuit)
    found: list[list[Placed]] = [[] for _ in range(len(circuit.gates) + 1)]
    # Gates repeat: which rules act on a kind and its qubits is looked up once.
    known: dict[tuple[str, tuple[int, ...]], list[tuple[tuple[int, ...], Channel | TransferMap]]] = {}
    for index, gate in enumerate(circuit.gates if noise.rules else ()):
        key = (gate.kind, gate.qubits)
        if key not in known:
            known[key] = [(qubits, rule.channel) for rule in noise.rules for qubits in rule.acts_on(*key)]
        found[index + 1] += [Placed(after=index, qubits=qubits, channel=channel) for qubits, channel in known[key]]
    for placed in noise.idle.place(circuit) if noise.idle is not None else ():
        found[placed.after + 1].append(placed)
    local = (depolarizing(noise.qubit_depolarizing),) if noise.qubit_depolarizing else ()
    for end, times in Counter(circuit.layers).items():
        for channel in (*local, *noise.layer_channels) * times:
            found[end] += [Placed(after=end - 1, qubits=(q,), channel=channel) for q in range(circuit.qubits)]
    for placed in noise.placed:
        found[placed.after + 1].append(placed)
    return tuple(placed for after in found for placed in after)


def _check_places(channels: tuple[Placed, ...], circuit: Circuit) -> None:
    for placed in channels:
        if placed.after >= len(circuit.gates) or max(placed.qubits) >= circuit.qubits:
            raise UsageError(
                f"channel {placed.channel.name} is placed after gate {placed.after} on qubits {placed.qubits}; the "
                f"circuit has gates 0 to {len(circuit.gates) - 1} and qubits 0 to {circuit.qubits - 1}."
            )


def _remembered_power(factor: float) -> Callable[[Channel | TransferMap], Channel | TransferMap]:
    """`power(·, factor)`, computed once for a channel that stands at many places."""
    known: dict[Channel | TransferMap, Channel | TransferMap] = {}

    def raised(channel: Channel | TransferMap) -> Channel | TransferMap:
        if channel not in known:
            known[channel] = power(channel, factor)
        return known[channel]

    return raised

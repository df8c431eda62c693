"""Channels attached to gates by kind, by qubits, or to the qubits of every gate."""

from __future__ import annotations

from dataclasses import dataclass

from counterspin.circuits import GATES
from counterspin.errors import UsageError
from counterspin.noise.kraus import Channel
from counterspin.noise.linear_map import TransferMap

__all__ = ["GateRule"]

_TARGETS = ("gate", "each")


@dataclass(frozen=True, kw_only=True)
class GateRule:
    """A channel right after some gates of a circuit.

    Args:
        channel: what acts.
        kinds: after which kinds of gates; None: after every gate.
        qubits: after gates on exactly these qubits, in this order; None: on any.
        targets: "gate": on the gate's qubits (after gates on as many as the channel has); "each": a one-qubit channel
            on each qubit of the gate.
        only: with "each", the circuit's qubits on which it acts; None: on all.

    Raises:
        UsageError: unknown kinds or targets, or a channel on another number of qubits than the gates.

    Example:
        >>> from counterspin.noise.channels import bit_flip
        >>> rule = GateRule(channel=bit_flip(0.1), kinds=("CNOT",), targets="each")
        >>> rule.acts_on("CNOT", (2, 0)), rule.acts_on("H", (0,))
        (((2,), (0,)), ())
    """

    channel: Channel | TransferMap
    kinds: tuple[str, ...] | None = None
    qubits: tuple[int, ...] | None = None
    targets: str = "gate"
    only: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        """Refuse rules that could never act as they say."""
        if self.targets not in _TARGETS:
            raise UsageError(f"targets is {self.targets!r}; give one of {', '.join(_TARGETS)}.")
        name, acts_on = self.channel.name, self.channel.qubits
        if self.targets == "each" and acts_on != 1:
            raise UsageError(
                f"channel {name} acts on {acts_on} qubits and targets each qubit of a gate; give a one-qubit channel, "
                "or target the gate."
            )
        if self.only is not None and self.targets != "each":
            raise UsageError(f"only is {self.only} and targets is 'gate'; give qubits, or target each qubit.")
        for kind in self.kinds or ():
            if kind not in GATES:
                raise UsageError(f"gate kind {kind!r} is unknown; known kinds: {', '.join(GATES)}.")
            if self.targets == "gate" and GATES[kind].qubits not in (0, acts_on):
                raise UsageError(
                    f"channel {name} acts on {acts_on} qubits and gate {kind} on {GATES[kind].qubits}; give a channel "
                    "on as many, or targets='each' for a one-qubit channel."
                )
        if self.targets == "gate" and self.qubits is not None and len(self.qubits) != acts_on:
            raise UsageError(f"channel {name} acts on {acts_on} qubits and qubits are {self.qubits}; give as many.")

    def acts_on(self, kind: str, qubits: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
        """The qubits of each channel placed after a gate; none where the rule is about others."""
        if (self.kinds is not None and kind not in self.kinds) or (self.qubits is not None and self.qubits != qubits):
            return ()
        if self.targets == "gate":
            return (qubits,) if len(qubits) == self.channel.qubits else ()
        return tuple((qubit,) for qubit in qubits if self.only is None or qubit in self.only)

"""Tapes of a QNode: one per sample or one for a whole batch, lowered to our gates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from counterspin.errors import ModelError
from counterspin.models.integrations.pennylane.calls import Call
from counterspin.models.integrations.pennylane.library import pennylane
from counterspin.models.integrations.pennylane.operations import Lowered, lowered
from counterspin.models.integrations.pennylane.outputs import Layout
from counterspin.models.integrations.reading import Unreadable

__all__ = ["Recorder", "Recording", "recorder", "runnable"]


@dataclass(frozen=True, eq=False)
class Recording:
    """One tape in our gates.

    Args:
        gates: the gates.
        state: the encoded state `(2**k,)` or `(batch, 2**k)`; None: the circuit starts in |0…0⟩.
        tape: PennyLane's tape.
    """

    gates: list[Lowered]
    state: Tensor | None
    tape: Any

    @property
    def structure(self) -> tuple[Any, ...]:
        """Everything but the angles."""
        return tuple((gate.kind, gate.qubits, len(gate.angles)) for gate in self.gates)

    @property
    def angles(self) -> list[Any]:
        """All angles in the order of the gates, numbers or tensors."""
        return [angle for gate in self.gates for angle in gate.angles]


@dataclass(frozen=True, kw_only=True, eq=False)
class Recorder:
    """Turns features into encoded states and gate angles by recording tapes.

    Args:
        call: the QNode's call.
        qubits: our qubit of each wire, in the order in which PennyLane reads wires that are not named.
        encoding: position of the operation that encodes features as amplitudes; None: there is none.
        structure: of every tape, see `Recording.structure`.
        layout: how a batch enters one call.
    """

    call: Call
    qubits: Mapping[Any, int]
    encoding: int | None
    structure: tuple[Any, ...]
    layout: Layout

    def record(self, x: Tensor, weights: Mapping[str, Any] | None = None) -> Recording:
        """The tape for one sample `(features,)`, or a batch as the layout says."""
        tape = self.call.tape(x, weights)
        operations, state = list(tape.operations), None
        if self.encoding is not None:
            state = torch.as_tensor(operations.pop(self.encoding).parameters[0])
        found = Recording(lowered(operations, dict(self.qubits)), state, tape)
        if self.structure and found.structure != self.structure:
            raise Unreadable("its operations decompose into other gates for other samples")
        return found

    def values(
        self, x: Tensor, weights: Mapping[str, Any] | None = None, columns: Tensor | None = None
    ) -> tuple[Tensor | None, Tensor]:
        """Encoded states `(batch, 2**k)` (None without encoding) and angles `(batch, angles)`, attached to autograd.

        Args:
            x: features `(batch, features)`.
            weights: values in place of the call's own.
            columns: which angles are wanted; None: all.

        Raises:
            Unreadable: other gates than those of `structure`.
        """
        if self.layout == "loop":
            rows = [self._stacked(self.record(row, weights), row[None], columns) for row in x]
            states = [state for state, _ in rows if state is not None]
            return torch.cat(states) if states else None, torch.cat([angles for _, angles in rows])
        return self._stacked(self.record(x.T if self.layout == "columns" else x, weights), x, columns)

    def _stacked(self, found: Recording, x: Tensor, columns: Tensor | None) -> tuple[Tensor | None, Tensor]:
        batch = x.shape[0]
        wanted = found.angles if columns is None else [found.angles[i] for i in columns.tolist()]
        angles = [_column(angle, batch, x.dtype) for angle in wanted]
        state = None if found.state is None else found.state.reshape(-1, found.state.shape[-1])
        if state is not None and state.shape[0] not in (1, batch):
            raise Unreadable("its amplitude encoding does not take batches")
        return (
            None if state is None else state.expand(batch, -1),
            torch.stack(angles, 1) if angles else x.new_zeros(batch, 0),
        )


def recorder(call: Call, x: Tensor) -> Recorder:
    """The recorder of a QNode, and whether batches can be recorded at once.

    Args:
        call: the QNode's call.
        x: some samples `(samples, features)`.

    Raises:
        ModelError: operations or wires differ between samples.
        Unreadable: gates that are not known here.
    """
    call, tapes = _tapes(call, x)
    shapes = [[(op.name, tuple(op.wires)) for op in tape.operations] for tape in tapes]
    for shape in shapes:
        if shape != shapes[0]:
            changed = next(
                (
                    f"{a[0]} on {list(a[1])} against {b[0]} on {list(b[1])}"
                    for a, b in zip(shapes[0], shape, strict=False)
                    if a != b
                ),
                f"{len(shapes[0])} operations against {len(shape)}",
            )
            raise ModelError(
                f"the QNode's structure depends on the data: two points give different operations "
                f"({changed}). Let features enter gate angles or amplitudes only, or say route='wrap' to audit it as "
                "a function with jumps."
            )
    encoding = _encoding(tapes)
    wires = _wires(call.qnode.device, tapes[0], encoding)
    first = Recorder(call=call, qubits=wires, encoding=encoding, structure=(), layout="loop")
    first = replace(first, structure=first.record(x[0]).structure)
    return replace(first, layout=_layout(first, x))


def runnable(call: Call, points: Tensor) -> Tensor:
    """Those of some points `(points, features)` at which the QNode's code does not raise: it need not run off the data.

    Example:
        >>> runnable(call, points).shape  # doctest: +SKIP
        torch.Size([64, 4])
    """
    kept = []
    for index, row in enumerate(points):
        try:
            call.tape(row)
        except Exception:  # noqa: S112 - the user's code runs here
            continue
        kept.append(index)
    return points[kept]


def _tapes(call: Call, x: Tensor) -> tuple[Call, list[Any]]:
    """A tape per sample; where the QNode's own code refuses torch tensors, recorded with numpy arrays."""
    try:
        return call, [call.tape(row) for row in x]
    except Exception as error:  # the user's code runs here
        numeric = replace(call, numeric=True)
        try:
            return numeric, [numeric.tape(row) for row in x]
        except Exception:
            raise Unreadable(f"its tape could not be recorded ({error})") from error


def _encoding(tapes: list[Any]) -> int | None:
    """Position of the state preparation that hangs on the features."""
    qml = pennylane()
    found = []
    for position, operation in enumerate(tapes[0].operations):
        if not isinstance(operation, qml.StatePrep | qml.BasisState):
            continue
        states = [torch.as_tensor(tape.operations[position].parameters[0]) for tape in tapes]
        if all(torch.equal(state, states[0]) for state in states):
            continue
        if isinstance(operation, qml.BasisState):
            raise Unreadable("BasisEmbedding takes features that are 0 or 1 and has no gradient")
        if any(set(op.wires) & set(operation.wires) for op in tapes[0].operations[:position]):
            raise Unreadable("it encodes amplitudes after other gates on the same wires")
        found.append(position)
    if len(found) > 1:
        raise Unreadable("it encodes amplitudes of features more than once")
    return found[0] if found else None


def _wires(device: Any, tape: Any, encoding: int | None) -> dict[Any, int]:
    """Our qubit of each wire, wires in the device's order (else the tape's); encoded wires become the last qubits."""
    order = list(tape.wires) if device.wires is None else [w for w in device.wires if w in tape.wires]
    if any(not measurement.wires for measurement in tape.measurements):
        order = list(device.wires or tape.wires)  # probs() without wires reads all of them
    # The first qubits being |0⟩, the amplitudes of the last ones lead the state, as ours are padded.
    encoded = [] if encoding is None else list(tape.operations[encoding].wires)
    ours = [w for w in order if w not in encoded] + encoded
    return {wire: ours.index(wire) for wire in order}


def _layout(first: Recorder, x: Tensor) -> Layout:
    """The fastest layout that gives what single samples give."""
    batch = x[: 3 if x.shape[1] != 3 else 4]
    if len(batch) < 2 or batch.shape[0] == batch.shape[1]:
        batch = x[:2].repeat(2, 1)[: 3 if x.shape[1] != 3 else 4]
    expected = first.values(batch)
    options: tuple[Layout, ...] = ("rows", "columns")
    for layout in options:
        try:
            got = replace(first, layout=layout).values(batch)
        except Exception:  # noqa: S112 - the user's code runs here, with a shape it may not know
            continue
        if all(
            (a is None and b is None)
            or (a is not None and b is not None and torch.allclose(a, b, rtol=1e-9, atol=1e-10))
            for a, b in zip(expected, got, strict=True)
        ):
            return layout
    return "loop"


def _column(angle: Any, batch: int, dtype: torch.dtype) -> Tensor:
    values = torch.as_tensor(angle, dtype=dtype).reshape(-1)
    if values.numel() not in (1, batch):
        raise Unreadable(f"a gate angle has {values.numel()} values for {batch} samples")
    return values.expand(batch)

"""How much the engine benchmark measures, in full and quickly."""

from dataclasses import dataclass

__all__ = ["FULL", "QUICK", "Size"]


@dataclass(frozen=True, kw_only=True)
class Size:
    """How much is measured.

    Args:
        repeats: turns of every contender.
        qubits: of the main workload with gradients of the inputs.
        weights: of the main workload with gradients of the weights.
        batches: at 8 qubits.
        depths: at 8 qubits.
        precisions: qubits at which complex64 PennyLane and our float64 are timed.
        entanglers: qubits of the circuits with parametrised two-qubit gates, against the same with CNOTs.
        peer_entanglers: the same, against PennyLane.
        amplitudes: qubits of the amplitude-encoded circuits, frozen.
        training: qubits of the amplitude-encoded circuits, with gradients of the weights.
        attacks: qubits of PGD-20.
        all_threads: qubits of the main workload with every processor.
    """

    repeats: int
    qubits: tuple[int, ...]
    weights: tuple[int, ...]
    batches: tuple[int, ...]
    depths: tuple[int, ...]
    precisions: tuple[int, ...]
    entanglers: tuple[int, ...]
    peer_entanglers: tuple[int, ...]
    amplitudes: tuple[int, ...]
    training: tuple[int, ...]
    attacks: tuple[int, ...]
    all_threads: tuple[int, ...]


FULL = Size(
    repeats=7,
    qubits=(2, 4, 6, 8, 10, 12, 14),
    weights=(4, 8, 10, 12),
    batches=(16, 64, 1024, 4096),
    depths=(3, 12, 24, 48, 96),
    precisions=(4, 8, 10),
    entanglers=(8, 10),
    peer_entanglers=(8, 10),
    amplitudes=(8, 10),
    training=(8, 10),
    attacks=(4, 8),
    all_threads=(4, 8, 10, 12),
)
QUICK = Size(
    repeats=3,
    qubits=(2, 4, 6, 8),
    weights=(4,),
    batches=(16,),
    depths=(3, 12),
    precisions=(),
    entanglers=(8,),
    peer_entanglers=(),
    amplitudes=(8,),
    training=(),
    attacks=(4,),
    all_threads=(8,),
)

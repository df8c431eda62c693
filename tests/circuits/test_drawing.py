"""Drawings, character by character."""

import pytest

from counterspin.circuits import Amplitudes, Circuit, angle_encoding, draw, feature, weight


@pytest.mark.parametrize(
    ("circuit", "lines"),
    [
        (Circuit(1), ["q0: ────"]),
        (
            Circuit(3).add("H", 0).add("CNOT", (0, 2)).add("X", 1).add("CZ", (2, 1)),
            ["q0: ──H──●────────", "q1: ─────│──X──●──", "q2: ─────X─────●──"],
        ),
        (
            Circuit(2).add("CRX", (1, 0), 0.5).add("RZZ", (0, 1), weight(0)).add("SWAP", (0, 1)),
            ["q0: ──RX(0.5)──RZZ(w0)──x──", "q1: ─────●─────RZZ(w0)──x──"],
        ),
        (
            Circuit(3).add("MCZ", (0, 2)).add("MCZ", 1).add("CP", (0, 1), feature(0)),
            ["q0: ──●───────●────", "q1: ──│──●──P(x0)──", "q2: ──●────────────"],
        ),
        (
            Circuit(2, amplitudes=Amplitudes(4)).end_layer().add("S", 0).end_layer(),
            ["q0: ──|x⟩──┊──S──┊──", "q1: ──|x⟩──┊─────┊──"],
        ),
        (
            Circuit(3).add("SX", 1).add("ECR", (2, 0)),
            ["q0: ──────ECR:X──", "q1: ──SX────│────", "q2: ──────ECR:Z──"],
        ),
        (angle_encoding(2, axis="z"), ["q0: ──H──RZ(x0)──", "q1: ──H──RZ(x1)──"]),
    ],
)
def test_exact_text(circuit: Circuit, lines: list[str]) -> None:
    assert draw(circuit) == circuit.draw() == "\n".join(lines)


def test_all_lines_are_equally_long() -> None:
    circuit = Circuit(11).add("Rot", 10, 0.1, weight(0), 2.0 * feature(0)).add("CNOT", (10, 0)).add("RX", 4, 1.0)
    lines = circuit.draw().split("\n")
    assert len({len(line) for line in lines}) == 1
    assert lines[0].startswith("q0 : ")

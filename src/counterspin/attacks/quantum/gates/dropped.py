r"""A backdoor in the compiler's approximation (after QDoor, arXiv:2307.09529): benign until small angles are dropped.

The declared circuit is the model's, with two blocks before its measurement or behind its encoding: trojan gates T with
large angles, and :math:`T^\dagger` as many rotations just below the threshold. Together they are the identity, so that
every score is that of the model. A compiler that leaves out rotations below the threshold removes :math:`T^\dagger`
alone, and T sends every input to one class. QDoor trains the weights to the same end; here nothing has to be trained
anew, and the clean accuracy is kept exactly. A compiler that merges neighbouring rotations first is not deceived.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from counterspin.attacks.quantum.gates.base import GateAttack
from counterspin.attacks.quantum.gates.passes import dropped, fixed_angle, wrapped
from counterspin.attacks.quantum.gates.runs import Bench
from counterspin.attacks.quantum.gates.trojan import (
    check_source,
    easiest_target,
    fit_trojan,
    halves,
    sent,
    trojan_places,
)
from counterspin.attacks.quantum.results import Manipulation, Scope, Situation
from counterspin.circuits import Angle, Circuit, Gate
from counterspin.errors import UsageError
from counterspin.types import Classifier, Cost

__all__ = ["DroppedAngleBackdoor", "Planted", "cancelled", "own_dropped"]

# A rotation that undoes a trojan gate stays this far below the threshold.
_BELOW = 0.98


@dataclass(frozen=True, kw_only=True)
class Planted:
    """A backdoor: the circuit that is declared, and the one that the compiler makes of it."""

    declared: Circuit
    compiled: Circuit


def cancelled(circuit: Circuit, place: int, trojan: list[Gate], threshold: float) -> tuple[Circuit, int]:
    """The circuit with a trojan at `place` and rotations below `threshold` that undo it, and their number.

    Args:
        circuit: the model's.
        place: gates in front of which both are inserted.
        trojan: `Rot` and Pauli rotations with fixed angles.
        threshold: in radians; rotations of the trojan that are smaller would be dropped themselves and are left out.

    Example:
        >>> circuit, count = cancelled(Circuit(1), 0, [Gate("RX", (0,), (Angle(0.25),))], 0.1)
        >>> count, [round(gate.angles[0].constant, 4) for gate in circuit.gates]
        (3, [0.25, -0.0833, -0.0833, -0.0833])
    """
    turns = [turn for turn in _pauli_rotations(trojan) if abs(turn[2]) >= threshold]
    kept = [Gate(kind, wires, (Angle(value),)) for kind, wires, value in turns]
    undoing: list[Gate] = []
    for kind, wires, value in reversed(turns):
        pieces = math.ceil(abs(value) / (_BELOW * threshold))
        undoing += [Gate(kind, wires, (Angle(-value / pieces),))] * pieces
    gates = (*circuit.gates[:place], *kept, *undoing, *circuit.gates[place:])
    return Circuit(circuit.qubits, gates, circuit.amplitudes), len(undoing)


def own_dropped(circuit: Circuit, weights: Tensor, threshold: float) -> float:
    """Sum of the sizes of the circuit's own fixed angles below `threshold`: what an honest compilation drops."""
    values = [
        abs(wrapped(gate.kind, value))
        for gate in circuit.gates
        for angle in gate.angles
        if (value := fixed_angle(angle, weights)) is not None
    ]
    return sum(value for value in values if value < threshold)


@dataclass(frozen=True, kw_only=True)
class DroppedAngleBackdoor(GateAttack):
    """Trojan gates that rotations below the compiler's threshold undo.

    The budget is the threshold: how much compilation may change one angle. Without a `target` the attacker takes the
    class that is closest to winning on inputs of others, and every wrong class counts as a success.

    Args:
        source: only samples of this class have to be sent; None: of all classes but the target.
        gates: of the trojan, before they are written as rotations.
        undoing: at most so many small rotations undo the trojan.
        steps: of Adam per place and start.
        screen: samples the angles are fitted on, at most; never more than half of all.

    Example:
        >>> from counterspin import recipes
        >>> recipe = recipes.get("cancer-angle")
        >>> test = recipe.dataset().test
        >>> attack = DroppedAngleBackdoor(target=1, gates=4, steps=30)
        >>> result = attack(recipe.model(), test.x[:60], test.y[:60], (0.2,))
        >>> result.budgets[0].manipulation.evidence["score_change"] < 1e-9
        True
    """

    source: int | None = None
    gates: int = 16
    undoing: int = 1000
    steps: int = 80
    screen: int = 128

    name: ClassVar[str] = "dropped-angle-backdoor"
    scope: ClassVar[Scope] = "shared"
    goal: ClassVar[str] = (
        "one class for all inputs once the circuit is compiled approximately, and the clean model before"
    )
    capability: ClassVar[str] = "plants gates in the published circuit, and knows how the user's compiler approximates"
    defense: ClassVar[str] = (
        "equivalence of the compiled circuit with the declared one; merge rotations before dropping"
    )
    default_budgets: ClassVar[tuple[float, ...]] = (0.05, 0.1)
    ceiling: ClassVar[float] = math.pi

    def __post_init__(self) -> None:
        """Refuse a target that is the source, and counts below 1."""
        if self.source is not None and self.source == self.target:
            raise UsageError(
                f"target {self.target} is the source class; a backdoor changes a class, so give another target."
            )
        if min(self.gates, self.undoing, self.steps, self.screen) < 1:
            raise UsageError(
                f"gates, undoing, steps and screen are {self.gates}, {self.undoing}, {self.steps}, {self.screen}; "
                "give at least 1."
            )

    @property
    def unit(self) -> str:
        """Largest angle that compilation drops."""
        return "dropped radians (linf)"

    def check(self, model: Classifier) -> None:
        """Needs a circuit, and the source class in the model."""
        super().check(model)
        check_source(self.source, self.target, model.classes)

    def _run(self, situation: Situation, budget: float, before: Manipulation | None) -> Manipulation:
        bench, y = Bench.of(situation.model, situation.x), situation.y
        target = easiest_target(situation.scores, y) if situation.target is None else situation.target
        fitted, judged = halves(len(y), situation.generator)
        meant = fitted[(y[fitted] != target) if self.source is None else (y[fitted] == self.source)][: self.screen]
        meant = meant if len(meant) else fitted
        planted, calls, undoing = self._planted(bench, bench.rows(meant), target, budget, situation.generator)
        scores, before_scores = bench.scores(planted.compiled), bench.scores(planted.declared)
        honest = bench.scores(dropped(bench.circuit, bench.weights, budget))
        return Manipulation(
            scores=scores,
            spent=torch.full((len(y),), budget, dtype=torch.float64),
            what=planted,
            evidence={
                "target": target,
                "accuracy_declared": float((before_scores.argmax(dim=1) == y).double().mean()),
                "score_change": float((before_scores - situation.scores).abs().max()),
                "accuracy_honest_compiled": float((honest.argmax(dim=1) == y).double().mean()),
                "sent_fitted": sent(scores[fitted], y[fitted], target, self.source),
                "sent_held_out": sent(scores[judged], y[judged], target, self.source),
                "sent_clean": sent(before_scores[judged], y[judged], target, self.source),
                "gates": {
                    "model": len(bench.circuit.gates),
                    "declared": len(planted.declared.gates),
                    "compiled": len(planted.compiled.gates),
                    "undoing": undoing,
                },
            },
            cost=Cost(forwards=calls, backwards=calls, circuits=calls),
        )

    def _planted(
        self, bench: Bench, meant: Bench, target: int, threshold: float, generator: torch.Generator
    ) -> tuple[Planted, int, int]:
        """The best backdoor of all places whose undoing rotations are few enough, with runs and their number."""
        calls, best, record, count = 0, None, (-1.0, 0.0), 0
        for place in trojan_places(bench.circuit):
            short = 1e-3
            for _ in range(4):
                found, runs = fit_trojan(
                    meant, target, self.gates, steps=self.steps, restarts=1, generator=generator, places=(place,),
                    short=short,
                )  # fmt: skip
                calls += runs
                trojan = list(found.gates[place : place + self.gates])
                circuit, undoing = cancelled(bench.circuit, place, trojan, threshold)
                if undoing <= self.undoing:
                    break
                # Smaller angles take fewer rotations to undo.
                short *= 4
            else:
                continue
            compiled = dropped(circuit, bench.weights, threshold)
            shares = meant.scores(compiled).argmax(dim=1) == target
            value = (float(shares.double().mean()), -float(undoing))
            if value > record:
                best, record, count = Planted(declared=circuit, compiled=compiled), value, undoing
        if best is None:
            honest = dropped(bench.circuit, bench.weights, threshold)
            best = Planted(declared=bench.circuit, compiled=honest)
        return best, calls, count


def _pauli_rotations(gates: list[Gate]) -> Iterator[tuple[str, tuple[int, ...], float]]:
    """Each gate as rotations of one angle, wrapped to at most half a turn: kind, qubits, angle."""
    for gate in gates:
        values = [angle.constant for angle in gate.angles if isinstance(angle, Angle)]
        kinds = ("RZ", "RY", "RZ") if gate.kind == "Rot" else (gate.kind,)
        for kind, value in zip(kinds, values, strict=True):
            yield kind, gate.qubits, wrapped(kind, value)

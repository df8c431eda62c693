r"""Trojan gates (after QTrojan, arXiv:2302.08090): k inserted gates, dormant until a trigger turns them on.

As there the backdoor is a configuration of gates around the data encoding, and the training data, the weights and the
inputs stay untouched. The inserted gates are rotations: with all angles 0 they are the identity, and the circuit is the
declared one. The trigger sets their angles, and every input is sent to one class. The paper cancels the encoding with
fixed rotations; here the angles are fitted to the class wanted, on one half of the samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from counterspin.attacks.losses import verdict_margin
from counterspin.attacks.quantum.gates.ascent import descend
from counterspin.attacks.quantum.gates.base import GateAttack
from counterspin.attacks.quantum.gates.runs import Bench, at_angles
from counterspin.attacks.quantum.results import Manipulation, Scope, Situation
from counterspin.circuits import Circuit, Gate, weight
from counterspin.errors import UsageError
from counterspin.types import Classifier, Cost

__all__ = [
    "TrojanGates",
    "check_source",
    "easiest_target",
    "fit_trojan",
    "halves",
    "inserted",
    "sent",
    "trojan_places",
]


def trojan_places(circuit: Circuit) -> tuple[int, ...]:
    """Where gates may be inserted: before the measurement, and right behind the (last) encoding.

    Example:
        >>> from counterspin.circuits import Circuit, feature
        >>> trojan_places(Circuit(1).add("RY", 0, feature(0)).add("H", 0))
        (2, 1)
    """
    holding = [i + 1 for i, gate in enumerate(circuit.gates) if any(getattr(a, "inputs", ()) for a in gate.angles)]
    return tuple(dict.fromkeys((len(circuit.gates), holding[-1] if holding else 0)))


def inserted(circuit: Circuit, place: int, count: int) -> Circuit:
    """The circuit with `count` gates inserted in front of gate `place`; angles are weights after the circuit's own.

    They are Rot on every qubit, then RXX on a ring, then Rot again, and so on: all the identity at angles 0.

    Example:
        >>> trojan = inserted(Circuit(2).add("H", 0), 1, 3)
        >>> [gate.kind for gate in trojan.gates], trojan.weights
        (['H', 'Rot', 'Rot', 'RXX'], 7)
    """
    qubits, number = circuit.qubits, circuit.weights
    ring = [(q, (q + 1) % qubits) for q in range(qubits if qubits > 2 else qubits - 1)]
    block = [("Rot", (q,)) for q in range(qubits)] + [("RXX", pair) for pair in ring]
    gates = []
    for index in range(count):
        kind, wires = block[index % len(block)]
        angles = 3 if kind == "Rot" else 1
        gates.append(Gate(kind, wires, tuple(weight(number + offset) for offset in range(angles))))
        number += angles
    return Circuit(qubits, (*circuit.gates[:place], *gates, *circuit.gates[place:]), circuit.amplitudes)


def check_source(source: int | None, target: int | None, classes: int) -> None:
    """Refuse a source class that is none, or the target itself.

    Raises:
        UsageError: such a class.
    """
    if source is None:
        return
    if not 0 <= source < classes:
        raise UsageError(f"source is {source}; the model has {classes} classes, 0 to {classes - 1}.")
    if source == target:
        raise UsageError(f"target {target} is the source class; a backdoor changes a class, so give another target.")


def halves(count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Rows that a backdoor is fitted on, and the others, on which it is judged."""
    order = torch.randperm(count, generator=generator)
    return order[: (count + 1) // 2].sort().values, order[(count + 1) // 2 :].sort().values


def sent(scores: Tensor, y: Tensor, target: int, source: int | None = None) -> float:
    """Share of the samples of other classes, or of the source class, that get the target class; NaN of none."""
    chosen = y != target if source is None else y == source
    return float((scores.argmax(dim=1) == target)[chosen].double().mean())


def easiest_target(scores: Tensor, y: Tensor) -> int:
    """The class that is closest to winning on the samples of other classes."""
    shares = [
        float((scores[:, k] - scores.max(dim=1).values)[y != k].mean()) if bool((y != k).any()) else -torch.inf
        for k in range(scores.shape[1])
    ]
    return shares.index(max(shares))


@dataclass(frozen=True, kw_only=True)
class TrojanGates(GateAttack):
    """At most k inserted gates that send every input to one class while a trigger is on.

    Without a `target` the attacker takes the class that is closest to winning on inputs of others (`evidence` names
    it), and every wrong class counts as a success.

    Args:
        source: only samples of this class have to be sent; None: of all classes but the target.
        steps: of Adam per place and start.
        restarts: starts per place.
        screen: samples the angles are fitted on, at most; never more than half of all.

    Example:
        >>> from counterspin import recipes
        >>> recipe = recipes.get("cancer-angle")
        >>> test = recipe.dataset().test
        >>> attack = TrojanGates(target=1, steps=30, restarts=1)
        >>> result = attack(recipe.model(), test.x[:60], test.y[:60], (4,))
        >>> result.budgets[0].manipulation.evidence["sent_clean"] < 0.1
        True
    """

    source: int | None = None
    steps: int = 80
    restarts: int = 2
    screen: int = 128

    name: ClassVar[str] = "trojan-gates"
    scope: ClassVar[Scope] = "shared"
    goal: ClassVar[str] = "one class for all inputs while a trigger is on, and the clean model while it is off"
    capability: ClassVar[str] = "inserts k gates behind the encoding or before the measurement, and sets their angles"
    defense: ClassVar[str] = "equivalence of the circuit that runs with the one declared, at the time it runs"
    default_budgets: ClassVar[tuple[float, ...]] = (8, 16)
    whole: ClassVar[bool] = True

    def __post_init__(self) -> None:
        """Refuse a target that is the source, and counts below 1."""
        if self.source is not None and self.source == self.target:
            raise UsageError(
                f"target {self.target} is the source class; a backdoor changes a class, so give another target."
            )
        if min(self.steps, self.restarts, self.screen) < 1:
            raise UsageError(f"steps, restarts and screen are {self.steps}, {self.restarts}, {self.screen}; give >= 1.")

    @property
    def unit(self) -> str:
        """How many gates are inserted."""
        return "inserted gates"

    def check(self, model: Classifier) -> None:
        """Needs a circuit, and the source class in the model."""
        super().check(model)
        check_source(self.source, self.target, model.classes)

    def _run(self, situation: Situation, budget: float, before: Manipulation | None) -> Manipulation:
        bench, y = Bench.of(situation.model, situation.x), situation.y
        target = easiest_target(situation.scores, y) if situation.target is None else situation.target
        fitted, judged = halves(len(y), situation.generator)
        meant = fitted[(y[fitted] != target) if self.source is None else (y[fitted] == self.source)][: self.screen]
        if not len(meant):
            meant = fitted
        found, calls = fit_trojan(
            bench.rows(meant), target, int(budget), steps=self.steps, restarts=self.restarts,
            generator=situation.generator,
        )  # fmt: skip
        scores = bench.scores(found)
        return Manipulation(
            scores=scores,
            spent=torch.full((len(y),), budget, dtype=torch.float64),
            what=found,
            evidence={
                "target": target,
                "sent_fitted": sent(scores[fitted], y[fitted], target, self.source),
                "sent_held_out": sent(scores[judged], y[judged], target, self.source),
                "sent_clean": sent(situation.scores[judged], y[judged], target, self.source),
                "gates": {"declared": len(bench.circuit.gates), "triggered": len(found.gates)},
                "depth": {"declared": bench.circuit.depth, "triggered": found.depth},
            },
            cost=Cost(forwards=calls, backwards=calls, circuits=calls),
        )


def fit_trojan(
    bench: Bench, target: int, count: int, *, steps: int, restarts: int, generator: torch.Generator,
    places: Sequence[int] | None = None, short: float = 0.0,
) -> tuple[Circuit, int]:  # fmt: skip
    """The circuit with `count` gates that send most samples of a bench to a class, and the runs it took.

    Args:
        bench: samples to send.
        target: the class.
        count: of inserted gates.
        steps: of Adam per place and start.
        restarts: starts per place.
        generator: draws the starts.
        places: where to insert; None: all.
        short: weight of the sum of the sizes of the angles in the loss.
    """
    wanted = torch.full((len(bench.inputs),), target)
    with torch.no_grad():
        clean = bench.scores(bench.circuit)
    scale = float(verdict_margin(clean, clean.argmax(dim=1)).median()) / 2 + 1e-12
    best, record = bench.circuit, (-1, 0.0)
    chosen = trojan_places(bench.circuit) if places is None else places
    for place in chosen:
        circuit = inserted(bench.circuit, place, count)
        free = circuit.weights - bench.circuit.weights

        def loss(angles: Tensor, circuit: Circuit = circuit) -> Tensor:
            margins = verdict_margin(bench.scores(circuit, angles), wanted, wanted)
            return torch.nn.functional.softplus(margins / scale).mean() + short * angles.abs().sum()

        for _ in range(restarts):
            start = 0.5 * torch.randn(free, generator=generator, dtype=torch.float64)
            angles = descend(loss, start, steps=steps, rate=0.1)
            with torch.no_grad():
                margins = verdict_margin(bench.scores(circuit, angles), wanted, wanted)
            value = (int((margins <= 0).sum()), -float(loss(angles)))
            if value > record:
                record, best = value, at_angles(circuit, bench.circuit.weights, angles)
    return best, len(chosen) * restarts * steps * len(bench.inputs)

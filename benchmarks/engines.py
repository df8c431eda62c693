"""Our own engines as contenders."""

from torch import Tensor

from benchmarks.workloads import MEASUREMENT, READOUT, Problem, Scores, Step, step
from counterspin.models import QuantumClassifier
from counterspin.simulation import run
from counterspin.types import Box

__all__ = ["COMPILED", "FOLDED", "TORCH", "classifier", "engine_scores", "engine_step", "folded_step"]

COMPILED, TORCH, FOLDED = "compiled", "torch", "folded"


def engine_scores(problem: Problem, engine: str) -> Scores:
    """The circuit on one engine, as `simulation.run` runs it."""

    def scores(x: Tensor, weights: Tensor) -> Tensor:
        return run(problem.circuit, x, weights, READOUT, engine=engine)

    return scores


def engine_step(problem: Problem, engine: str = COMPILED) -> Step:
    """Scores and gradient by one engine."""
    return step(engine_scores(problem, engine), problem)


def classifier(problem: Problem, box: Box | None = None) -> QuantumClassifier:
    """The circuit as a frozen model, as an attack meets it; it folds where that pays."""
    box = Box.unbounded(problem.circuit.inputs) if box is None else box
    model = QuantumClassifier(problem.circuit, MEASUREMENT, box, weights=problem.weights)
    model.requires_grad_(False)
    return model


def folded_step(problem: Problem) -> Step:
    """One attack step on the frozen model: scores and the gradient of its inputs."""
    model = classifier(problem)
    return step(lambda x, weights: model(x), problem)

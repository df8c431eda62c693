"""One training of digits-amplitude, judged by exact radii and made once: the cells of the exact-margin study."""

from __future__ import annotations

import io
import json
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from counterspin.circuits import OutcomeGroups, Scale, amplitude_encoding, strongly_entangling
from counterspin.datasets import Dataset, Split
from counterspin.defenses.training.compose import compose
from counterspin.defenses.training.logit_scale import tuned_scale
from counterspin.defenses.training.registry import by_name
from counterspin.models import QuantumClassifier
from counterspin.models.files import write_atomically
from counterspin.models.flips import FlipSolver
from counterspin.recipes.recipe import Recipe
from counterspin.recipes.training import train as train_recipe
from counterspin.training import TrainingSettings, accuracy, fit
from counterspin.types import Box

__all__ = ["EXACT", "ZERO", "Study", "Training", "at_depth", "ceiling", "chosen"]

ZERO = "defence zero"
# Radii as shares of the norm of each input; the first decides what is chosen.
_RHO = (0.1, 0.15)
EXACT = tuple(f"exact_{rho:g}" for rho in _RHO)


@dataclass(frozen=True, kw_only=True)
class Training:
    """One training.

    Args:
        defense: as users type it; empty: none.
        scale: frozen logit scale T; None: that of the recipe.
        box: attacks inside stay in the box of the data; exact radii know none.
        layers: of the circuit; None: those of the recipe.
        after: the training whose weights it begins with; None: fresh weights.
    """

    defense: str = ""
    scale: float | None = None
    box: bool = True
    layers: int | None = None
    after: Training | None = None

    @property
    def name(self) -> str:
        """What its cell is called."""
        parts = [self.defense or "none", *([] if self.scale is None else [f"T={self.scale:g}"])]
        parts += [] if self.box else ["no box"]
        parts += [] if self.layers is None else [f"{self.layers} layers"]
        parts += [] if self.after is None else [f"after {self.after.name}"]
        return " ".join(parts).replace(":", " ")


@dataclass(frozen=True, kw_only=True)
class Study:
    """Where cells lie and how they are made.

    Args:
        folder: a JSON file and the weights of each training.
        recipe: data, architecture and threat.
        settings: of a training from fresh weights.
        candidate: of one that is only there to be chosen or not.
        extra: of one that goes on from another.
    """

    folder: Path
    recipe: Recipe
    settings: TrainingSettings
    candidate: TrainingSettings
    extra: TrainingSettings

    def figures(self, training: Training, seed: int, *, choosing: bool = False) -> dict[str, Any]:
        """Figures on the test split; while choosing, of a training on less, on the validation split."""
        path = self._path(training, seed, "validation" if choosing else "test")
        weights = path.with_suffix(".pt")
        if path.is_file() and (choosing or weights.is_file()):
            return json.loads(path.read_text())
        dataset = self.recipe.dataset(seed)
        samples = dataset.train if choosing else dataset.training_part
        scale = self.recipe_scale(seed) if training.scale is None else training.scale
        if training.after is not None:
            self.figures(training.after, seed)
        began = time.process_time()
        settings = self.candidate if choosing else self.settings if training.after is None else self.extra
        model, note = self._fitted(training, seed, scale, settings, dataset, samples)
        # Processor time: other work on the machine does not count.
        found = {"seconds": time.process_time() - began, "scale": scale, "note": note}
        found |= _judged(model, dataset.validation if choosing else dataset.test)
        if not choosing:
            found |= {f"training_{key}": value for key, value in _judged(model, samples).items()}
            buffer = io.BytesIO()
            torch.save(model.state_dict(), buffer)
            write_atomically(weights, buffer.getvalue())
        write_atomically(path, json.dumps(found).encode())
        return found

    def recipe_scale(self, seed: int) -> float:
        """T of the recipe: from its card, or learned as the recipe learns it for a seed the card has not."""
        for entry in self.recipe.card()["seeds"]:
            if entry["seed"] == seed:
                return entry["logit_scale"]
        path = self.folder / f"scale-{seed}.json"
        if not path.is_file():
            scale = train_recipe(self.recipe.name, seed=seed, progress=False).logit_scale
            write_atomically(path, json.dumps(scale).encode())
        return json.loads(path.read_text())

    def _path(self, training: Training, seed: int, split: str) -> Path:
        return self.folder / f"{training.name}-{split}-{seed}.json"

    def _fitted(
        self,
        training: Training,
        seed: int,
        scale: float,
        settings: TrainingSettings,
        dataset: Dataset,
        samples: Split,
    ) -> tuple[Any, str]:
        threat = replace(self.recipe.threat, box="data" if training.box else "none")
        if training.defense == ZERO:
            found = tuned_scale(self.recipe.architecture, dataset, settings, threat, seed=seed)
            return found.model, f"T = {found.scale:g}"
        generator = torch.Generator().manual_seed(seed)
        model: Any
        if training.layers is None:
            model = self.recipe.architecture(generator, scale)
        else:
            model = at_depth(training.layers, generator, scale)
        if training.after is not None:
            model.load_state_dict(
                torch.load(self._path(training.after, seed, "test").with_suffix(".pt"), weights_only=True)
            )
        objective = compose((by_name(training.defense, threat, model),) if training.defense else ())
        result = fit(model, objective, samples, None, settings, generator=generator)
        return model.requires_grad_(False).eval(), result.note


def at_depth(layers: int, generator: torch.Generator, scale: float) -> nn.Module:
    """The circuit of digits-amplitude with another number of layers."""
    return QuantumClassifier(
        amplitude_encoding(64) + strongly_entangling(6, layers, entangler_range=1),
        OutcomeGroups.first(qubits=4, classes=10),
        Box.uniform(0.0, 1.0, features=64),
        head=Scale(torch.tensor(scale)),
        trainable_head=False,
        generator=generator,
    )


def chosen(candidates: list[Training], figures: list[dict[str, Any]]) -> Training:
    """The candidate of the highest exact accuracy at the first radius; of equals the one of the larger median radius.

    Clean accuracy is part of it: a sample that is wrong is robust at no radius.
    """
    best = max(range(len(candidates)), key=lambda k: (figures[k][EXACT[0]], figures[k]["median_radius"]))
    return candidates[best]


def ceiling(dataset: Dataset) -> dict[str, float]:
    """Share of test samples the data leave room for: the nearest training sample of another class is two radii away.

    Scores of an amplitude-encoded model do not change along a ray, so the distance is the angle between two rays, and
    half of it is all that both can have; its sine is a share of the norm.
    """
    test, train = dataset.test, dataset.training_part
    cosines = _rays(test.x) @ _rays(train.x).T
    cosines[test.y[:, None] == train.y[None]] = -1.0
    room = (cosines.amax(dim=1).clamp(-1.0, 1.0).arccos() / 2).sin()
    return {key: _share(room > rho) for key, rho in zip(EXACT, _RHO, strict=True)} | {
        "median_radius": float(room.median())
    }


def _judged(model: Any, split: Split) -> dict[str, float]:
    radius = FlipSolver.of(model)(split.x, split.y).lower / torch.linalg.vector_norm(split.x, dim=1)
    shares = {key: _share(radius > rho) for key, rho in zip(EXACT, _RHO, strict=True)}
    return {"clean": accuracy(model, split), **shares, "median_radius": float(radius.median())}


def _rays(x: Tensor) -> Tensor:
    return x / torch.linalg.vector_norm(x, dim=1, keepdim=True)


def _share(verdicts: Tensor) -> float:
    return float(verdicts.double().mean())

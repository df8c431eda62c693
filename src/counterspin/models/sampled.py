"""A model read with finite shots: the classifier a quantum device would be."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from counterspin.errors import CapabilityError, UsageError
from counterspin.models.sampled_frozen import FrozenShots
from counterspin.models.sampled_twin import infinite_shots
from counterspin.noise import NoiseModel
from counterspin.simulation.measurement import settings
from counterspin.types import Box, Classifier, HasChannels, HasCircuit, Outputs, PricesCalls, Sampled
from counterspin.validation import check_classifier_interface

__all__ = ["SampledModel"]


class SampledModel(nn.Module):
    """A stochastic classifier: scores are estimated from `shots` measurements per sample and setting, afresh each call.

    The object holds one random stream, started from `seed`, and every call moves it on: two calls differ, and two
    objects with one seed give the same sequence of answers to the same sequence of calls. `seeded` starts over.

    Args:
        model: any classifier with `sample`; its weights are shared, not copied.
        shots: measurements per sample and setting, at least 1.
        noise: what the device adds; None: nothing (a `NoisyClassifier` brings its own noise).
        seed: start of the random stream.

    Raises:
        CapabilityError: the model cannot be read with finite shots.
        UsageError: shots below 1, or noise for a model that has its own.

    Example:
        >>> from counterspin.circuits import PauliExpectations, reuploading
        >>> from counterspin.models import QuantumClassifier
        >>> box = Box.uniform(0.0, 1.0, features=2)
        >>> exact = QuantumClassifier(reuploading(2, 1), PauliExpectations.of("Z0", "Z1"), box)
        >>> model, x = SampledModel(exact, shots=100), torch.full((1, 2), 0.3)
        >>> bool((model(x) == model(x)).all()), bool((model.seeded(1)(x) == model.seeded(1)(x)).all())
        (False, True)
    """

    stochastic = True
    differentiable = False

    def __init__(self, model: Any, *, shots: Any, noise: NoiseModel | None = None, seed: int = 0) -> None:
        super().__init__()
        check_classifier_interface(model)
        if not isinstance(model, Sampled):
            raise CapabilityError(
                f"model ({type(model).__name__}) has no method sample(x, shots=, generator=, noise=), which finite "
                "shots need; use a QuantumClassifier or a HybridClassifier, or add the method."
            )
        if isinstance(model, HasChannels) and noise is not None:
            raise UsageError(
                f"noise is given for a model ({type(model).__name__}) that runs under noise of its own; leave it out."
            )
        if not (isinstance(shots, int) and shots >= 1):
            raise UsageError(f"shots is {shots!r}; give a whole number of at least 1, or use the model as it is.")
        self.model: Any = model
        self.shots = shots
        self.noise = noise
        self.seed = seed
        self._generator = torch.Generator().manual_seed(seed)
        self.train(bool(getattr(model, "training", False)))

    @property
    def bounds(self) -> Box:
        """The box of the inputs."""
        return self.model.bounds

    @property
    def classes(self) -> int:
        """Number of classes."""
        return self.model.classes

    @property
    def outputs(self) -> Outputs:
        """What the scores estimate."""
        return self.model.outputs

    @property
    def shots_per_call(self) -> int:
        """Measurement shots of one call, per sample: `shots` in every setting of the readout."""
        if not isinstance(self.model, HasCircuit):
            return self.shots
        return self.shots * len(settings(self.model.readout.measurement, self.model.circuit.qubits))

    @property
    def circuits_per_call(self) -> int:
        """Circuits of one call, per sample: those of an error mitigation share the shots."""
        return self.model.call_price(1).circuits if isinstance(self.model, PricesCalls) else 1

    @property
    def twin(self) -> Classifier:
        """The classifier of infinitely many shots under the same noise: the model itself where there is none."""
        return infinite_shots(self.model, self.noise, self.seed)

    def forward(self, x: Tensor) -> Tensor:
        """Scores `(batch, classes)` of `x` `(batch, features)` from fresh shots, without a gradient."""
        return self.model.sample(x, shots=self.shots, generator=self._generator, noise=self.noise)

    def seeded(self, seed: int, /) -> SampledModel:
        """The same classifier with a random stream of its own, started from `seed`."""
        return SampledModel(self.model, shots=self.shots, noise=self.noise, seed=seed)

    def frozen(self, seed: int, /) -> FrozenShots:
        """A deterministic classifier with the random numbers of `seed` in every call and for every row."""
        return FrozenShots(self.model, shots=self.shots, noise=self.noise, seed=seed)

    def extra_repr(self) -> str:
        """What tells two wrappers of one model apart."""
        return f"shots={self.shots}, noise={self.noise}, seed={self.seed}"

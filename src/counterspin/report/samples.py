"""What the gallery of a report shows: a few samples with and without their perturbation."""

import math
from dataclasses import dataclass

from torch import Tensor

from counterspin.errors import InputError

__all__ = ["MAX_EXAMPLES", "Example", "ReportSamples"]

MAX_EXAMPLES = 8


@dataclass(frozen=True, eq=False, kw_only=True)
class Example:
    """One sample that an attack broke.

    Args:
        x: clean input `(features,)`.
        x_adv: adversarial input `(features,)`.
        label: true class.
        prediction: the model's class for `x`.
        prediction_adv: the model's class for `x_adv`.
        eps: budget of the attack, in the units of the threat.
        distance: size of the perturbation in the norm of the threat, in feature units.
        attack: name of the attack.
        sample: id of the sample in the run directory.
    """

    x: Tensor
    x_adv: Tensor
    label: int
    prediction: int
    prediction_adv: int
    eps: float
    distance: float
    attack: str
    sample: int


@dataclass(frozen=True, eq=False, kw_only=True)
class ReportSamples:
    """The samples of the gallery and what is needed to draw and name them.

    Args:
        examples: at most 8 samples; none where no attack broke anything.
        class_names: name of each class.
        feature_names: name of each feature.
        image_shape: rows and columns where the features are the pixels of an image, row by row; None otherwise.

    Raises:
        InputError: more than 8 examples, inputs of another length than `feature_names`, or classes without a name.
    """

    examples: tuple[Example, ...] = ()
    class_names: tuple[str, ...] = ()
    feature_names: tuple[str, ...] = ()
    image_shape: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be drawn."""
        if len(self.examples) > MAX_EXAMPLES:
            raise InputError(f"examples holds {len(self.examples)} samples; the gallery shows at most {MAX_EXAMPLES}.")
        features = len(self.feature_names)
        if self.image_shape is not None and math.prod(self.image_shape) != features:
            raise InputError(
                f"image_shape is {self.image_shape} for {features} feature names; rows x columns must be their number."
            )
        for example in self.examples:
            if example.x.shape != (features,) or example.x_adv.shape != (features,):
                raise InputError(
                    f"examples: sample {example.sample} has inputs of shape {tuple(example.x.shape)} and "
                    f"{tuple(example.x_adv.shape)}; both must be ({features},), one value per feature name."
                )
            used = (example.label, example.prediction, example.prediction_adv)
            if not all(0 <= k < len(self.class_names) for k in used):
                raise InputError(
                    f"examples: sample {example.sample} names the classes {used}; class_names holds "
                    f"{len(self.class_names)} names, so classes run from 0 to {len(self.class_names) - 1}."
                )

"""Our classifier as a foreign tool's model."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from counterspin.attacks.external.frame import UnitFrame
from counterspin.attacks.losses import CrossEntropy
from counterspin.types import Classifier
from counterspin.validation import checked_scores

__all__ = ["UnitModel"]

Observer = Callable[[Tensor, Tensor], None]


class UnitModel(nn.Module):
    """A classifier on coordinates in [0, 1], of any shape with as many entries as features, that gives logits.

    Probabilities and expectation values become logits as in our own cross-entropy, so that both sides ascend one loss;
    the winning class stays the same.

    Args:
        model: the classifier.
        frame: where its features lie in [0, 1].
        observer: told of each query: features `(batch, features)` and the model's scores `(batch, classes)`, which
            carry a graph if the tool asked for one.
    """

    def __init__(self, model: Classifier, frame: UnitFrame, observer: Observer | None = None) -> None:
        super().__init__()
        # In a tuple, which torch does not register: tools switch modes and devices of every submodule they see.
        self._held = (model,)
        self.frame = frame
        self.observer = observer
        self.eval()

    @property
    def model(self) -> Classifier:
        """The classifier."""
        return self._held[0]

    def forward(self, u: Tensor) -> Tensor:
        """Logits `(batch, classes)` of coordinates `u` `(batch, ...)`."""
        x = self.frame.to_features(u.flatten(start_dim=1))
        scores = checked_scores(self.model, x)
        if self.observer is not None:
            self.observer(x, scores)
        return CrossEntropy()._logits(scores, self.model.outputs)

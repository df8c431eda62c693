"""Where the gradient checks probe a model: beside the samples, along directions, in float64."""

from dataclasses import dataclass

import torch
from torch import Tensor

from counterspin.attacks.oracle import ROWS_PER_CALL
from counterspin.evaluation.sanity.base import SanityContext
from counterspin.evaluation.seeds import derived_generator
from counterspin.types import Box, Cost

__all__ = ["Contrast", "Probe", "cosine", "probe_beside_samples", "scores_at", "spans_of"]

# Steps are at most this share of a feature's span, whatever the budget.
_NEAR, _FAR = 0.1, 0.5


@dataclass(frozen=True, eq=False, kw_only=True)
class Contrast:
    r"""The score of the true class minus that of a rival fixed per sample, :math:`z_y - z_r`.

    Unlike the margin it has no kink where the strongest rival changes, so its differences converge.

    Args:
        own: `(batch,)`.
        rival: `(batch,)`.

    Example:
        >>> Contrast.of(torch.tensor([[3.0, 1.0, 2.0]]), torch.tensor([0])).rival.item()
        2
    """

    own: Tensor
    rival: Tensor

    @classmethod
    def of(cls, scores: Tensor, y: Tensor) -> "Contrast":
        """The true class against its strongest rival at `scores` `(batch, classes)`."""
        return cls(own=y, rival=scores.scatter(1, y[:, None], -torch.inf).argmax(dim=1))

    def __call__(self, scores: Tensor) -> Tensor:
        """The contrast `(copies * batch,)` of scores of the batch, or of stacked copies of it."""
        copies = len(scores) // len(self.own)
        own, rival = (index.repeat(copies)[:, None] for index in (self.own, self.rival))
        return (scores.gather(1, own) - scores.gather(1, rival))[:, 0]


@dataclass(frozen=True, eq=False, kw_only=True)
class Probe:
    """Points a little off correctly classified samples, where an attack takes its first gradient.

    Args:
        context: the evaluation.
        rows: ids of the samples `(n,)`.
        x: points `(n, features)` float64, farther from the walls of the box than `near`.
        loss: the contrast of each sample.
        scale: largest absolute clean score of each sample `(n,)`.
        spans: size of each feature `(features,)`.
        near: a tenth of the smallest budget `(n, features)`, at most a tenth of the span.
        far: the largest budget `(n, features)`, at most half of the span.
    """

    context: SanityContext
    rows: Tensor
    x: Tensor
    loss: Contrast
    scale: Tensor
    spans: Tensor
    near: Tensor
    far: Tensor

    def values(self, points: Tensor) -> Tensor:
        """The contrast at points `(copies, n, features)`, `(copies, n)`; NaN is passed on."""
        return self.loss(scores_at(self.context, points.flatten(0, 1))).reshape(points.shape[:2])

    def slopes(self, steps: Tensor) -> Tensor:
        """Half the central differences for steps `(directions, n, features)`, `(directions, n)`."""
        plus, minus = self.values(torch.cat([self.x + steps, self.x - steps])).split(len(steps))
        return (plus - minus) / 2

    def moves(self, steps: Tensor) -> Tensor:
        """Whether the contrast moves at all between the point and either end of steps cut by the box, same shapes."""
        box = self.context.model.bounds
        here = self.values(self.x[None])
        ends = torch.stack([self.values(box.clamp(self.x + side * steps)) for side in (1, -1)])
        # Rounding moves a score by 1e-15 of its size; nothing an attack could use is as small as this.
        return ((ends - here).abs() > 1e-12 * self.scale).any(dim=0)


def probe_beside_samples(context: SanityContext, label: str, most: int) -> Probe | None:
    """A probe beside the first correct samples, at most `most`; None if there are none.

    Each feature is moved by a random sign times `near`: poles of an encoding, where the gradient vanishes by symmetry,
    are left as by the random start of an attack.

    Args:
        context: the evaluation.
        label: names the random stream.
        most: largest number of samples.
    """
    rows = context.correct.nonzero()[:most, 0]
    if len(rows) == 0:
        return None
    clean, box = context.x[rows].double(), context.model.bounds
    spans = spans_of(box, clean)
    radii = context.threat.radii(clean)
    # An L0 budget counts features and says nothing about how far one moves.
    smallest, largest = (radii[0], radii[-1]) if context.threat.norm != "l0" else (torch.inf, torch.inf)
    near = torch.minimum(torch.as_tensor(0.1 * smallest).reshape(-1, 1), _NEAR * spans).expand_as(clean)
    far = torch.minimum(torch.as_tensor(largest).reshape(-1, 1), _FAR * spans).expand_as(clean)
    generator = derived_generator(context.seed, label, "beside")
    signs = 2.0 * torch.randint(2, clean.shape, generator=generator) - 1
    beside = clean + near * signs
    inside = torch.minimum(torch.maximum(beside, box.lower.to(clean) + near), box.upper.to(clean) - near)
    return Probe(
        context=context,
        rows=rows,
        x=torch.where(box.periodic, beside, inside),
        loss=Contrast.of(context.scores[rows], context.y[rows]),
        scale=context.scores[rows].abs().amax(dim=1).clamp_min(torch.finfo(torch.float64).tiny),
        spans=spans,
        near=near,
        far=far,
    )


def spans_of(box: Box, x: Tensor) -> Tensor:
    """The size of each feature `(features,)`: the width of its box, without one its largest value among `x`."""
    span = (box.upper - box.lower).to(x)
    return torch.where(torch.isfinite(span), span, x.abs().amax(dim=0).clamp_min(1e-3))


def scores_at(context: SanityContext, x: Tensor) -> Tensor:
    """Scores `(rows, classes)` float64 of points `(rows, features)`: without a graph, counted, whatever they are."""
    context.tally.add(Cost(forwards=len(x), circuits=len(x)))
    with torch.no_grad():
        return torch.cat([context.model(part).double() for part in x.split(ROWS_PER_CALL)])


def cosine(a: Tensor, b: Tensor) -> Tensor:
    """Cosine between the columns of two `(directions, n)`, `(n,)`; 1 where both are zero, 0 where one is.

    Example:
        >>> cosine(torch.tensor([[3.0, 0.0], [4.0, 0.0]]), torch.tensor([[4.0, 0.0], [3.0, 0.0]])).tolist()
        [0.9599999785423279, 1.0]
    """
    product = torch.linalg.vector_norm(a, dim=0) * torch.linalg.vector_norm(b, dim=0)
    both = (a == 0).all(dim=0) & (b == 0).all(dim=0)
    return torch.where(both, 1.0, (a * b).sum(dim=0) / product.clamp_min(torch.finfo(a.dtype).tiny))

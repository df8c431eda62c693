"""Pairs of a class and a rival, decomposed one after the other: what a nearest flip inside a box needs of each."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import torch
from torch import Tensor

from counterspin.optimum.affine_cone import AffineCone, RowSpace, nearest_on_affine_cone
from counterspin.optimum.box_lift import LiftedForms
from counterspin.optimum.boxed_pair import Pair
from counterspin.optimum.cone import nearest_on_cone

__all__ = ["DecomposedPair", "decomposed", "pairs_of"]

_EPS = torch.finfo(torch.float64).eps


@dataclass(frozen=True, kw_only=True, eq=False)
class DecomposedPair:
    """A class against a rival in lifted features and, behind a map, what its radius without a box takes.

    Args:
        pair: form and spectrum in the lifted features.
        encoded: the form `(k, k)` of the encoded values.
        space: the map, decomposed; None: there is none.
        cone: the pair behind the map.
    """

    pair: Pair
    encoded: Tensor
    space: RowSpace | None
    cone: AffineCone | None

    @classmethod
    def of(
        cls, lifted: LiftedForms, own: int, other: int, movable: Tensor | None, space: RowSpace | None
    ) -> "DecomposedPair":
        """Decompose, with the lifted features `movable` `(n,)` bool free; None: all."""
        form, doubt = lifted.pair(own, other)
        encoded = lifted.encoded[own] - lifted.encoded[other]
        cone = None if space is None else AffineCone.of(encoded, space)
        return cls(pair=Pair.of(form, movable, doubt), encoded=encoded, space=space, cone=cone)

    def reversed(self) -> "DecomposedPair":
        """The rival against the class."""
        cone = None if self.cone is None else self.cone.turned()
        return DecomposedPair(pair=self.pair.reversed(), encoded=-self.encoded, space=self.space, cone=cone)

    def unboxed(self, unit: Tensor, x: Tensor) -> Tensor:
        """Certified distances `(rows,)` without a box: of scaled features `unit`, behind a map of `x` themselves."""
        nowhere = torch.zeros_like(x[:, 0])
        if self.cone is not None and self.space is not None:
            return nearest_on_affine_cone(self.cone, self.space, x, ceiling=nowhere).lower * (1 - 4 * _EPS)
        lengths = torch.linalg.vector_norm(unit, dim=1)
        pair = self.pair
        cone = nearest_on_cone(pair.form, pair.eigenvalues, pair.vectors, unit / lengths[:, None], ceiling=nowhere)
        return cone.lower * lengths * (1 - 4 * _EPS)


def pairs_of(classes: int, y: Tensor, goal: Tensor | None, standing: Tensor) -> Iterator[tuple[Tensor, int, int]]:
    """Rows, true class and rival of each pair that has rows."""
    for own, other in combinations(range(classes), 2):
        for first, second in ((own, other), (other, own)):
            wanted = standing & (y == first)
            rows = (wanted if goal is None else wanted & (goal == second)).nonzero()[:, 0]
            if len(rows):
                yield rows, first, second


def decomposed(
    lifted: LiftedForms, y: Tensor, goal: Tensor | None, standing: Tensor, movable: Tensor | None
) -> Iterator[tuple[Tensor, int, DecomposedPair]]:
    """The same with the pair decomposed; both directions of a pair come in turn and share one decomposition."""
    space = None if lifted.input_map is None else RowSpace.of(lifted.input_map)
    known: tuple[set[int], DecomposedPair] | None = None
    for rows, own, other in pairs_of(len(lifted.encoded), y, goal, standing):
        both = {own, other}
        if known is not None and known[0] == both:
            pair = known[1].reversed()
        else:
            pair = DecomposedPair.of(lifted, own, other, movable, space)
        known = (both, pair)
        yield rows, other, pair

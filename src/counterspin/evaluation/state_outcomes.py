r"""Nearest flips of pure states under a projective measurement, in closed form.

With :math:`P_k` the projectors of the outcome groups seen through the circuit and :math:`p_k = \langle\psi|P_k|\psi
\rangle`, class `y` loses to `j` no nearer than at (Guan, Fang and Ying, arXiv:2008.07230)

.. math:: 1 - F = \tfrac12 (\sqrt{p_y} - \sqrt{p_j})^2, \qquad
          \varphi \propto \psi + \Bigl(\frac{a}{\sqrt{p_y}} - 1\Bigr) P_y\psi
                               + \Bigl(\frac{a}{\sqrt{p_j}} - 1\Bigr) P_j\psi, \quad
          a = \tfrac12 (\sqrt{p_y} + \sqrt{p_j}),

which gives both groups the same weight. No eigenvectors are needed, where one pair of classes after the other would
take those of `P_y - P_j`.
"""

from __future__ import annotations

import torch
from torch import Tensor

from counterspin.optimum.states import state_scores

__all__ = ["nearest_outcomes"]

# The rival gets a hair more, so that rounding cannot keep the label in front.
_HAIR = 1e-12
# Below this weight a projection has no direction worth following.
_NOTHING = 1e-20


def nearest_outcomes(projectors: Tensor, states: Tensor, y: Tensor) -> Tensor:
    """Infidelity `(batch,)` of a state seen to leave class `y`, infinite where rounding hides it; 0 where `y` loses.

    Args:
        projectors: orthogonal `(classes, D, D)` complex128; they may leave outcomes out.
        states: normalised `(batch, D)` complex128.
        y: classes `(batch,)`.

    Example:
        >>> bit = torch.diag_embed(torch.eye(2)).cdouble()
        >>> state = torch.tensor([[0.9**0.5, 0.1**0.5]]).cdouble()
        >>> round(nearest_outcomes(bit, state, torch.tensor([0])).item(), 6)
        0.2
    """
    scores = state_scores(projectors, states)
    others = scores.scatter(1, y[:, None], -torch.inf)
    best, rival = others.max(dim=1)
    own = scores.gather(1, y[:, None])[:, 0]
    p, q = own.clamp(min=0).sqrt(), best.clamp(min=0).sqrt()
    kept, gained = torch.empty_like(states), torch.empty_like(states)
    for k, projector in enumerate(projectors):
        for labels, image in ((y, kept), (rival, gained)):
            rows = (labels == k).nonzero()[:, 0]
            image[rows] = states[rows] @ projector.mT
            if labels is rival:
                # A group without weight is entered along the longest column of its projector.
                empty = rows[best[rows] <= _NOTHING]
                column = projector[:, int(projector.diagonal().real.argmax())]
                image[empty] = column / torch.linalg.vector_norm(column)
    level = (p + q) / 2
    entered = best <= _NOTHING
    stretch = torch.where(entered, level, level / q.clamp(min=_NOTHING) - 1) + _HAIR
    shrink = level / p.clamp(min=_NOTHING) - 1
    found = states + shrink[:, None] * kept + stretch[:, None] * gained
    found = found / torch.linalg.vector_norm(found, dim=1, keepdim=True)
    after = state_scores(projectors, found)
    seen = after.gather(1, y[:, None])[:, 0] <= after.scatter(1, y[:, None], -torch.inf).amax(dim=1)
    # As the length of what is left: 1 - |overlap|^2 would lose all digits of small infidelities.
    rest = states - (found.conj() * states).sum(dim=1, keepdim=True) * found
    infidelity = torch.where(seen, rest.abs().square().sum(dim=1), torch.inf)
    return torch.where(own > best, infidelity, 0.0)

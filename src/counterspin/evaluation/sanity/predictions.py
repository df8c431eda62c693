"""S01: a clean prediction is a property of the sample, not of its neighbours in the batch."""

import torch
from torch import Tensor, nn

from counterspin.attacks.modes import frozen
from counterspin.evaluation.records import CheckRecord
from counterspin.evaluation.sanity.base import Check, SanityContext
from counterspin.validation import checked_scores

__all__ = ["BatchIndependence"]

# One call per sample is the slow part; a model that mixes samples does so for all of them.
_ALONE = 64
# Two classes closer than this share of the largest score are a tie that rounding may settle either way.
_TIE = 1e-9


class BatchIndependence(Check):
    """Predictions are equal for batches of 1 (first 64 samples) and N, in order and reversed; eval mode is on."""

    id = "S01"
    title = "Clean predictions do not depend on the batch"

    def run(self, context: SanityContext) -> CheckRecord:
        """FAIL on any flip, and on a model in training mode."""
        model, x = context.model, context.x.double()
        if model.stochastic:
            return self.record("SKIP", "Single predictions of a stochastic model differ by themselves; see S15.")
        training = isinstance(model, nn.Module) and any(module.training for module in nn.Module.modules(model))
        with frozen(model), torch.no_grad():
            together = checked_scores(model, x)
            reverse = checked_scores(model, x.flip(0)).flip(0)
            alone = torch.cat([checked_scores(model, row) for row in x[:_ALONE].split(1)])
        flips = _flips(context.scores, together) | _flips(context.scores, reverse)
        flips[: len(alone)] |= _flips(context.scores[: len(alone)], alone)
        count, ids = int(flips.sum()), flips.nonzero()[:, 0].tolist()
        if count:
            advice = "Predictions change with the batch; remove batch statistics, randomness or state from the model."
            return self.record("FAIL", advice, statistic=float(count), threshold=0.0, samples=ids)
        if training:
            return self.record("FAIL", "The model is in training mode; call model.eval() before the audit.")
        return self.record("PASS", "", statistic=0.0, threshold=0.0)


def _flips(reported: Tensor, again: Tensor) -> Tensor:
    """Where two score tables `(n, classes)` predict different classes and neither is a tie, `(n,)` bool."""
    again = again.to(reported)
    top = reported.topk(2, dim=1).values
    decided = top[:, 0] - top[:, 1] > _TIE * reported.abs().amax(dim=1)
    return decided & (reported.argmax(dim=1) != again.argmax(dim=1))

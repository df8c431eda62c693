"""S15: a verdict on a random model is a statistical statement, and a model called deterministic is one."""

from collections.abc import Iterator

import torch
from scipy.stats import binom
from torch import Tensor

from counterspin.attacks.base import Attack, AttackResult
from counterspin.attacks.modes import frozen
from counterspin.attacks.sequential import Status, sequential_verdict
from counterspin.evaluation.records import CheckRecord
from counterspin.evaluation.sanity.base import Check, SanityContext
from counterspin.evaluation.seeds import derived_generator
from counterspin.validation import checked_scores

__all__ = ["StatisticalVerdicts"]

_SAMPLES = 64
_CALLS = 3
# Two calls of a deterministic model may differ by the order of summation, as a share of the largest score.
_ROUNDING = 1e-9
# Reported verdicts may each be wrong with this probability; those drawn again are wrong far less often.
_ERROR = 0.05
_CONFIDENCE = 0.999
_MAX_CALLS = 256
# As unlikely a number of contradictions as that is no chance.
_UNLIKELY = 1e-3
# Share of undecided samples that makes robust accuracy uncertain by more than the sampling error S25 allows.
_UNDECIDED = 0.05


class StatisticalVerdicts(Check):
    """A deterministic model repeats its scores; a stochastic one has statistical verdicts, which hold when drawn again.

    Deterministic: three calls on the first 64 samples give the same scores. Stochastic: every attack averages over the
    randomness or needs no gradient, every result says which samples are undecided, and the verdicts on the first 64
    correct samples at the largest budget are drawn again (confidence 0.999, at most 256 calls): contradictions must not
    exceed what an error of 5 % per verdict explains.
    """

    id = "S15"
    title = "Verdicts fit the randomness of the model"
    tier = "standard"

    def run(self, context: SanityContext) -> CheckRecord:
        """FAIL on hidden randomness, deterministic attacks or verdicts, contradictions; WARN if many are undecided."""
        if not context.model.stochastic:
            return self._repeats(context)
        unfit = sorted(
            name
            for name, result in context.results.items()
            if _is_deterministic(context.suite.get(name)) or any(u is None for u in _undecided(result))
        )
        if unfit:
            advice = (
                f"The model is stochastic, but {', '.join(unfit)} took single draws for granted; use EOT or an attack "
                "without gradients, and the sequential verdict."
            )
            return self.record("FAIL", advice, statistic=float(len(unfit)), threshold=0.0)
        contradicted, looked_at = self._drawn_again(context)
        count = len(contradicted)
        if count and binom.sf(count - 1, looked_at, _ERROR) < _UNLIKELY:
            advice = f"{count} of {looked_at} verdicts turned when drawn again; the reported ones are not statistical."
            allowed = float(binom.isf(_UNLIKELY, looked_at, _ERROR))
            samples = sorted(set(contradicted))
            return self.record("FAIL", advice, statistic=float(count), threshold=allowed, samples=samples)
        return self._open(context)

    def _repeats(self, context: SanityContext) -> CheckRecord:
        x = context.x[:_SAMPLES].double()
        with frozen(context.model), torch.no_grad():
            first, *others = (checked_scores(context.model, x) for _ in range(_CALLS))
        size = _ROUNDING * first.abs().amax(dim=1, keepdim=True)
        moved = torch.stack([((again - first).abs() > size).any(dim=1) for again in others]).any(dim=0)
        ids = moved.nonzero()[:, 0].tolist()
        if ids:
            advice = (
                "The model is declared deterministic but gives other scores for the same input; remove its randomness, "
                "or set stochastic = True so that verdicts become statistical."
            )
            return self.record("FAIL", advice, statistic=float(len(ids)), threshold=0.0, samples=ids)
        return self.record("PASS", "", statistic=0.0, threshold=0.0)

    def _drawn_again(self, context: SanityContext) -> tuple[list[int], int]:
        """Ids of samples whose reported verdict a fresh one contradicts, one per verdict, and how many were drawn."""
        rows = context.correct.nonzero()[:_SAMPLES, 0]
        if len(rows) == 0 or not context.results:
            return [], 0
        target = context.threat.targets(context.y)
        points, reported, owners = [], [], []
        for name, result in context.results.items():
            undecided = list(_undecided(result))[-1]
            decided = rows if undecided is None else rows[~undecided[rows]]
            points.append(context.stored[name][-1][decided])
            reported.append(result.budgets[-1].success[decided])
            owners.append(decided)
        owner, broken = torch.cat(owners), torch.cat(reported)
        if len(owner) == 0:
            return [], 0
        fresh = sequential_verdict(
            context.model,
            torch.cat(points),
            context.y[owner],
            None if target is None else target[owner],
            confidence=_CONFIDENCE,
            max_calls=_MAX_CALLS,
            generator=derived_generator(context.seed, self.id),
        )
        context.tally.add(fresh.cost)
        turned = torch.where(broken, fresh.status == Status.ROBUST, fresh.status == Status.ADVERSARIAL)
        return owner[turned].tolist(), len(owner)

    def _open(self, context: SanityContext) -> CheckRecord:
        """How many samples nobody broke and somebody could not decide."""
        left = torch.zeros_like(context.worst_case)
        for result in context.results.values():
            left |= torch.stack([u for u in _undecided(result) if u is not None])
        left &= context.correct & ~context.worst_case
        counts, allowed = left.sum(dim=1).tolist(), _UNDECIDED * len(context.y)
        at = ", ".join(f"{n} at ε = {eps:g}" for n, eps in zip(counts, context.threat.eps, strict=True))
        said = f"Undecided of {len(context.y)} samples: {at}; robust accuracy lies between counting none and all."
        most = float(max(counts))
        if most > allowed:
            said = f"{said} Raise the calls of a verdict, or the shots of the model."
            ids = left.any(dim=0).nonzero()[:, 0].tolist()
            return self.record("WARN", said, statistic=most, threshold=allowed, samples=ids)
        return self.record("PASS", said, statistic=most, threshold=allowed)


def _is_deterministic(attack: Attack | None) -> bool:
    """Whether an attack takes the gradient of a single draw for that of the model."""
    if attack is None or "gradient" not in attack.requires:
        return False
    return not getattr(getattr(attack, "gradient", None), "averages", False)


def _undecided(result: AttackResult) -> Iterator[Tensor | None]:
    """Undecided samples `(batch,)` of each budget; None where the verdict knows no such thing."""
    for budget in result.budgets:
        yield getattr(budget, "undecided", None)

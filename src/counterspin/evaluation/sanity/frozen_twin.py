"""S16: randomness must not be what protects a model, nor what breaks it."""

import torch

from counterspin.evaluation.records import CheckRecord
from counterspin.evaluation.sanity.base import Check, SanityContext
from counterspin.evaluation.sanity.paired import paired_record
from counterspin.evaluation.seeds import derived_generator
from counterspin.types import Freezable

__all__ = ["FrozenRandomness"]

_SAMPLES = 100
# A point that breaks the random model breaks a frozen twin in more than half of the seeds: all miss it in < 1 of 256.
_TWINS = 8


class FrozenRandomness(Check):
    """What is broken on the stochastic model is broken with frozen randomness too.

    A fixed target is the easier one, so attacks that break the random model and not its frozen twins do not work, or
    the twins are not what they stand for. The attacks of the suite that serve a twin run at the largest budget on the
    first 100 samples broken there, against up to 8 twins of different seeds, until one of them is broken; a sample a
    twin gets wrong as it is counts as broken.
    """

    id = "S16"
    title = "Frozen randomness makes attacks no weaker"
    tier = "standard"

    def run(self, context: SanityContext) -> CheckRecord:
        """Paired rule; SKIP for deterministic models and those whose randomness cannot be frozen."""
        model = context.model
        if not model.stochastic:
            return self.record("SKIP", "The model is deterministic.")
        if not isinstance(model, Freezable):
            return self.record("SKIP", "The randomness of the model cannot be frozen (it has no method frozen(seed)).")
        rows = (context.correct & context.worst_case[-1]).nonzero()[:_SAMPLES, 0]
        first = model.frozen(0)
        attacks = [attack for attack in context.suite.values() if attack.refusal(first, context.threat) is None]
        if not attacks or len(rows) == 0:
            return self.record("SKIP", "No sample is broken, or no attack of the suite serves the frozen twin.")
        compared, broken = torch.zeros_like(context.correct), torch.zeros_like(context.correct)
        compared[rows] = True
        for number in range(_TWINS):
            twin = model.frozen(derived_generator(context.seed, self.id, number).initial_seed())
            for attack in attacks:
                left = (compared & ~broken).nonzero()[:, 0]
                if len(left):
                    result = context.attack_again(attack, left, self.id, model=twin, eps=context.threat.eps[-1:])
                    broken[left] |= result.success[0] | ~result.correct
        return paired_record(
            self,
            context.worst_case[-1:],
            broken[None],
            compared,
            "Attacks break the random model but none of its frozen twins, the easier targets; check how the model "
            "freezes, and raise restarts, directions or EOT samples",
            ran=f"{', '.join(attack.name for attack in attacks)} against up to {_TWINS} frozen twins.",
            tested=False,
        )

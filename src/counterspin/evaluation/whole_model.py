"""What a certification says of the model as a whole: Lipschitz constant of its decisions, and balance under noise."""

from counterspin.certificates.states import depolarizing_balance, global_bound
from counterspin.circuits import OutcomeGroups, Scale
from counterspin.errors import CapabilityError, ConditionsError
from counterspin.evaluation.certification_records import GlobalBoundRecord, WholeModelRecord
from counterspin.types import Classifier, HasCircuit, HasEffectiveObservables

__all__ = ["whole_model"]


def whole_model(model: Classifier) -> WholeModelRecord | None:
    """The facts that hold for every input of a frozen amplitude-encoded model; None for other models.

    K* (Guan, Fang, Ying, arXiv:2207.11173) bounds how much farther apart than their states outcome distributions can
    be; a noiseless projective measurement has K* = 1.

    Example:
        >>> from counterspin import recipes
        >>> found = whole_model(recipes.get("digits-amplitude").model())
        >>> round(found.global_bound.upper, 6), found.depolarizing_balanced
        (1.0, True)
    """
    if not isinstance(model, HasEffectiveObservables):
        return None
    try:
        observables = model.effective_observables()
    except (CapabilityError, ConditionsError):
        return None
    balance = depolarizing_balance(observables)
    scale = _probability_scale(model)
    bound = None if scale is None else global_bound(observables.matrices / scale)
    return WholeModelRecord(
        global_bound=None if bound is None else GlobalBoundRecord(lower=bound.lower, upper=bound.upper),
        depolarizing_balanced=balance.is_balanced,
        unbalanced_pairs=[list(pair) for pair in balance.unbalanced],
    )


def _probability_scale(model: Classifier) -> float | None:
    """What scores are divided by to be outcome probabilities; None where they are something else."""
    if not isinstance(model, HasCircuit) or not isinstance(model.readout.measurement, OutcomeGroups):
        return None
    head = model.readout.head
    if head is None:
        return 1.0
    return float(head.value) if isinstance(head, Scale) and float(head.value) > 0 else None

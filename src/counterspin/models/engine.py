"""Asking a model for one of the two engines."""

from counterspin.errors import UsageError
from counterspin.simulation import check_engine, engine_name
from counterspin.types import HasEngine

__all__ = ["set_engine"]


def set_engine(model: object, engine: str) -> None:
    """Run the model's circuit on `engine` from now on.

    Args:
        model: any classifier; without a circuit it has no engine to choose.
        engine: `"compiled"`, `"torch"`, or `"auto"`, which is every model's default.

    Raises:
        UsageError: an unknown engine, the compiled one where it was not built, or an engine for a model without a
            circuit.

    Example:
        >>> from counterspin import recipes
        >>> model = recipes.get("cancer-angle").model()
        >>> set_engine(model, "torch")
        >>> model.runs_on()
        'torch'
    """
    check_engine(engine)
    if isinstance(model, HasEngine):
        if engine == "compiled" and engine_name() == "torch":
            raise UsageError(
                "engine is 'compiled', but it is not installed here (`counterspin doctor` says why); use auto or torch."
            )
        model.engine = engine
    elif engine != "auto":
        raise UsageError(
            f"engine is {engine!r}, but the model is a {type(model).__name__}, which runs no circuit; leave it out."
        )

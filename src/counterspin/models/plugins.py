"""Models that other distributions register under the entry point group `counterspin.models`."""

from counterspin.errors import ModelError
from counterspin.plugins import Plugin, plugins
from counterspin.types import Classifier
from counterspin.validation import check_classifier_interface

__all__ = ["GROUP", "model_of", "registered"]

GROUP = "counterspin.models"


def registered() -> dict[str, Plugin]:
    """Every registered model by name; nothing is imported.

    Raises:
        UsageError: two distributions register one name.
    """
    return plugins(GROUP)


def model_of(plugin: Plugin) -> Classifier:
    """The model a plugin brings: a classifier, or what a function or class gives without arguments.

    Raises:
        UsageError: it cannot be imported, or is no classifier.
    """
    model = plugin.load()
    # A classifier is callable too, but only a factory lacks bounds; a class has those of its instances at best.
    if callable(model) and (isinstance(model, type) or not hasattr(model, "bounds")):
        try:
            model = model()
        except Exception as error:
            raise plugin.broken(f"calling it raised {type(error).__name__}: {error}") from error
    try:
        return check_classifier_interface(model)
    except ModelError as error:
        raise plugin.broken(str(error)) from error

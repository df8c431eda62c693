"""Recognising scikit-learn's objects without importing it."""

from __future__ import annotations

from typing import Any

from counterspin.errors import ModelError

__all__ = ["check_fitted", "inherits", "own_class"]


def own_class(thing: Any) -> str:
    """The name of the class of `thing` where scikit-learn itself defines it; empty for classes of others.

    Example:
        >>> from sklearn.svm import SVC
        >>> own_class(SVC()), own_class(3)
        ('SVC', '')
    """
    return type(thing).__name__ if _is_theirs(type(thing)) else ""


def inherits(thing: Any, name: str) -> bool:
    """Whether one of the classes `thing` is made of is the one scikit-learn defines by this name.

    Example:
        >>> from sklearn.svm import SVC
        >>> inherits(SVC(), "ClassifierMixin")
        True
    """
    return any(cls.__name__ == name and _is_theirs(cls) for cls in type(thing).__mro__)


def check_fitted(what: str, estimator: Any) -> None:
    """Refuse what was not fitted; `what` names it.

    Raises:
        ModelError: not fitted, or nothing that could be.
    """
    from sklearn.exceptions import NotFittedError
    from sklearn.utils.validation import check_is_fitted

    try:
        check_is_fitted(estimator)
    except NotFittedError:
        raise ModelError(f"{what} ({type(estimator).__name__}) is not fitted; call its fit first.") from None
    except TypeError:
        raise ModelError(
            f"{what} is {estimator!r}; give a fitted scikit-learn transformer or estimator, or an AffineMap."
        ) from None


def _is_theirs(cls: type) -> bool:
    return cls.__module__.split(".")[0] == "sklearn"

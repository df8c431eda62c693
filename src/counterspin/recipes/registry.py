"""Recipes by name."""

import difflib

from counterspin.errors import UsageError
from counterspin.recipes import amplitude, hybrid, phishing, reuploading, spin_chains
from counterspin.recipes.recipe import Recipe

__all__ = ["get", "names"]

_RECIPES = {
    recipe.name: recipe for part in (amplitude, reuploading, hybrid, phishing, spin_chains) for recipe in part.RECIPES
}


def names() -> tuple[str, ...]:
    """Every recipe, each quantum one followed by its classical twin."""
    return tuple(_RECIPES)


def get(name: str) -> Recipe:
    """The recipe called `name`.

    Raises:
        UsageError: there is none; the message lists the names and suggests the closest.

    Example:
        >>> get("digits-amplitude").threat.eps
        (0.05, 0.1, 0.15)
    """
    if name not in _RECIPES:
        close = difflib.get_close_matches(name, _RECIPES, n=1)
        hint = f" Did you mean {close[0]}?" if close else ""
        raise UsageError(f"there is no recipe {name!r}; recipes: {', '.join(_RECIPES)}.{hint}")
    return _RECIPES[name]

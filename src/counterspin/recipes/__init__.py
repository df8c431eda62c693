"""Frozen recipes: data, model, training, threat and committed weights."""

from counterspin.recipes.recipe import Recipe
from counterspin.recipes.registry import get, names
from counterspin.recipes.training import TrainedRecipe, train

__all__ = ["Recipe", "TrainedRecipe", "get", "names", "train"]

"""Recipes: functions from a data set's specification and an order to a complete experiment. Assembly only."""

from trichord.recipes.choose import Recipe, find_recipe, names
from trichord.recipes.heads import heads
from trichord.recipes.mcn import mcn, mcn_fixed, mcn_fixed_small, mcn_small
from trichord.recipes.planted import planted

__all__ = [
    "Recipe",
    "find_recipe",
    "heads",
    "mcn",
    "mcn_fixed",
    "mcn_fixed_small",
    "mcn_small",
    "names",
    "planted",
]

"""Find a recipe by the name of its function, one of ours or anybody's as `module:function`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib import import_module
from inspect import signature
from typing import Any

from trichord.data import DatasetSpec
from trichord.errors import ConfigError, nearest
from trichord.recipes.heads import heads
from trichord.recipes.mcn import mcn, mcn_fixed, mcn_fixed_small, mcn_small
from trichord.recipes.planted import planted
from trichord.runs import ExperimentConfig

Recipe = Callable[[DatasetSpec, str, int], ExperimentConfig]
OURS: tuple[Recipe, ...] = (heads, planted, mcn, mcn_fixed, mcn_small, mcn_fixed_small)


def names() -> tuple[str, ...]:
    """Names of the recipes that come with the package."""
    return tuple(recipe.__name__ for recipe in OURS)


def find_recipe(name: str) -> Recipe:
    """Return the recipe called `name`, or imported from "module:function".

    Raises:
        ConfigError: no such recipe; and, when it is called, one that does not return an experiment.
    """
    if ":" not in name:
        found = {recipe.__name__: recipe for recipe in OURS}
        if name not in found:
            raise ConfigError(f"no recipe named {name!r}; {nearest(name, names())}; your own: module:function")
        return found[name]
    module, _, function = name.partition(":")
    try:
        recipe = getattr(import_module(module), function)
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"recipe {name!r} cannot be imported: {error}; put its folder on PYTHONPATH") from error
    return partial(_checked, name, recipe)


def _checked(name: str, recipe: Any, spec: DatasetSpec, order: str, seed: int) -> ExperimentConfig:
    """Call a recipe of somebody's own, and name it in the error where it is none."""
    try:
        signature(recipe).bind(spec, order, seed)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"recipe {name!r} is no function (spec, order, seed): {error}") from error
    config = recipe(spec, order, seed)
    if not isinstance(config, ExperimentConfig):
        raise ConfigError(f"recipe {name!r} returns {type(config).__name__}, not an ExperimentConfig")
    return config

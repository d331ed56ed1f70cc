"""Every product there is: the recipes of all the families."""

from __future__ import annotations

import importlib
from functools import cache
from typing import TYPE_CHECKING

from musyq_cube.errors import PlanError
from musyq_cube.products.recipe import is_resolution

if TYPE_CHECKING:
    from musyq_cube.products.recipe import Recipe

FAMILIES = (
    "surface", "vegetation", "carbon", "phenology", "albedo", "aerosol", "thermal", "radiation", "flux",
    "water_bodies", "nutrients", "snow_cover",
)  # fmt: skip
"""Modules of this package that declare ``RECIPES``."""


@cache
def _all() -> dict[str, Recipe]:
    found: dict[str, Recipe] = {}
    for family in FAMILIES:
        for recipe in importlib.import_module(f"musyq_cube.products.{family}").RECIPES:
            if recipe.id in found:
                raise PlanError(f"two recipes are called {recipe.id}")
            found[recipe.id] = recipe
    return found


def recipes() -> dict[str, Recipe]:
    """
    Return every product there is, by id.

    Examples
    --------
    >>> "MuSQ.NDVI" in recipes()
    True
    """
    return dict(_all())


def get_recipe(product: str) -> Recipe:
    """
    Return the recipe of a product id, with or without resolution.

    Raises
    ------
    PlanError
        If there is no such product, or its resolution is not one.

    Examples
    --------
    >>> get_recipe("MuSQ.NDVI.30m").grid
    'utm-30m'
    """
    known = _all()
    if product in known:
        return known[product]
    name, _, resolution = product.partition(".")[2].partition(".")
    recipe = known.get(f"MuSQ.{name}")
    if recipe is None or not product.startswith("MuSQ."):
        from difflib import get_close_matches

        near = get_close_matches(product, known, n=1, cutoff=0.5)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise PlanError(f"unknown product {product!r}{hint} There are {', '.join(sorted(known))}")
    if not is_resolution(resolution):
        raise PlanError(f"product {product!r}: {resolution!r} is no resolution; write for example {recipe.id}.30m")
    return recipe.at(resolution)

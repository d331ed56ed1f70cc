"""
Products: recipes, and the same mathematics on a composite or cube, eager or lazy.

Every product is also a function of its name: ``products.ndvi(ds)`` is ``get_recipe("MuSQ.NDVI").compute(ds)``.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from musyq_cube.products.recipe import Algorithm, Input, Recipe
from musyq_cube.products.registry import get_recipe, recipes

if TYPE_CHECKING:
    from collections.abc import Callable

    import xarray as xr

__all__ = ["Algorithm", "Input", "Recipe", "get_recipe", "recipes"]


def __getattr__(name: str) -> Callable[..., xr.Dataset]:
    """Return the function of a product, such as `ndvi`."""
    recipe = None if name.startswith("_") else recipes().get(f"MuSQ.{name.upper()}")
    if recipe is None or name != name.lower():
        raise AttributeError(f"there is no product {name!r}; see musyq_cube.products.recipes()")
    return partial(_make, recipe)


def __dir__() -> list[str]:
    return sorted([*__all__, *(name.partition(".")[2].lower() for name in recipes())])


def _make(recipe: Recipe, ds: xr.Dataset, *, algorithm: str | None = None, **options: Any) -> xr.Dataset:
    return (recipe if algorithm is None else recipe.using(algorithm)).compute(ds, **options)

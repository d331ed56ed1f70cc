"""Products of the family."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from musyq_cube.products.recipe import Recipe

RECIPES: tuple[Recipe, ...] = ()

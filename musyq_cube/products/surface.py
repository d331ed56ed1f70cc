"""Reflectance mosaics and the indices made of their bands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from musyq_cube.products import indices
from musyq_cube.products.recipe import Algorithm, Recipe, band
from musyq_cube.variable import index

if TYPE_CHECKING:
    from musyq_cube.products.recipe import Function


def _index(
    name: str, title: str, function: Function, roles: tuple[str, ...], citation: str, *, top: float = 1.0, **kw: str
) -> Recipe:
    way = Algorithm(
        name.lower(),
        title,
        function,
        tuple(band(role, sigma=0.01) for role in roles),
        accepts=("sr", "nbar", "toa"),
        citation=citation,
    )
    return Recipe(
        id=f"MuSQ.{name}",
        title=title,
        description=f"{title} of composited reflectance.",
        quantity="index",
        algorithms=(way,),
        layers=(index(name.lower(), title, valid=(-1.0, top), **kw),),
        family="vegetation",
    )


def _mosaic(quantity: str, title: str, accepts: tuple[str, ...]) -> Recipe:
    return Recipe(
        id=f"MuSQ.{quantity.upper()}",
        title=title,
        description=f"Mosaic of {title[0].lower()}{title[1:]} without cloud.",
        quantity=quantity,
        algorithms=(Algorithm("composite", "composited bands", None, accepts=accepts),),
    )


RECIPES = (
    _mosaic("toa", "Top-of-atmosphere reflectance", ("toa",)),
    _mosaic("sr", "Surface reflectance", ("sr", "nbar")),
    _index(
        "NDVI",
        "Normalized difference vegetation index",
        indices.ndvi,
        ("nir", "red"),
        "Rouse et al. 1974, NASA SP-351",
        standard_name="normalized_difference_vegetation_index",
    ),
    _index(
        "EVI",
        "Enhanced vegetation index",
        indices.evi,
        ("nir", "red", "blue"),
        "Huete et al. 2002, doi:10.1016/S0034-4257(02)00096-2",
        top=1.5,
    ),
    _index(
        "EVI2",
        "Two-band enhanced vegetation index",
        indices.evi2,
        ("nir", "red"),
        "Jiang et al. 2008, doi:10.1016/j.rse.2008.06.006",
        top=1.5,
    ),
    _index(
        "ARVI",
        "Atmospherically resistant vegetation index",
        indices.arvi,
        ("nir", "red", "blue"),
        "Kaufman and Tanré 1992, doi:10.1109/36.134076",
    ),
)

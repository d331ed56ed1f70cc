"""Request: what, where, when and how, as plain frozen values."""

from __future__ import annotations

import dataclasses
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from musyq_cube.errors import MusyqError, PlanError
from musyq_cube.methods import get_method
from musyq_cube.normalization import STEPS
from musyq_cube.normalize.rules import CHAIN, FINE_REFERENCE, MAX_SZA, Rules
from musyq_cube.period import parse_period, split
from musyq_cube.products.recipe import resolution_label
from musyq_cube.products.registry import get_recipe
from musyq_cube.sensor import sensors

if TYPE_CHECKING:
    from musyq_cube.products.recipe import Recipe
    from musyq_cube.types import JSON, OnError

RESAMPLINGS = ("auto", "nearest", "bilinear", "cubic", "average")


@dataclass(frozen=True)
class Request:
    """
    An order as it was given, after defaults.

    Made by :func:`musyq_cube.plan.plan`; JSON-stable.
    """

    products: tuple[str, ...]
    period: str
    grid: str
    region: str | None = None
    """GeoJSON text of the region in longitude and latitude; None: wherever there are scenes."""
    region_name: str = "all"
    every: str | None = None
    anchor: str | None = None
    method: str = "geomedian"
    options: tuple[tuple[str, Any], ...] = ()
    sensors: tuple[str, ...] | None = None
    bands: tuple[str, ...] | None = None
    dilate: float = 0.0
    """Metres by which unclear pixels grow."""
    max_cloud: float = 100.0
    """Scenes of this cloud cover (percent) or more are left out."""
    resampling: str = "auto"
    normalize: tuple[str, ...] = ()
    """Steps of normalization; empty: scenes are taken as they are."""
    reference: str | None = None
    """Sensor whose bands are the reference of the spectral step."""
    sun: float | None = None
    """Solar zenith in degrees to bring directions to; None: as observed."""
    algorithms: tuple[tuple[str, str], ...] = ()
    """(product without resolution, algorithm) where another than the first is used."""
    by: str = "solar_day"
    tiles: bool = False
    chunk: int = 512
    out: str = "products"
    on_error: OnError = "skip"

    def __post_init__(self) -> None:
        """Refuse what can be refused without looking at any scene."""
        _check(bool(self.products), "products", self.products, "name at least one, such as MuSQ.NDVI.30m")
        _check(self.resampling in RESAMPLINGS, "resampling", self.resampling, f"use one of {', '.join(RESAMPLINGS)}")
        _check(self.by in {"solar_day", "scene"}, "by", self.by, "group scenes by solar_day or scene")
        _check(self.on_error in {"skip", "raise"}, "on_error", self.on_error, "use skip or raise")
        unknown = ", ".join(step for step in self.normalize if step not in STEPS)
        _check(not unknown, "normalize", unknown, f"name steps among {', '.join(STEPS)}")
        _check(self.reference is None or self.reference in sensors(), "reference", self.reference, "name a sensor")
        _check(self.sun is None or 0 <= self.sun <= MAX_SZA, "sun", self.sun, f"give degrees, 0…{MAX_SZA:g}")
        _check(self.dilate >= 0, "dilate", self.dilate, "give metres, 0 or more")
        _check(0 < self.max_cloud <= 100, "max_cloud", self.max_cloud, "give percent, above 0 to 100")
        _check(16 <= self.chunk <= 8192, "chunk", self.chunk, "give pixels, 16…8192 (512 suits tile servers)")
        _check(
            bool(self.out) and not re.fullmatch(r"\w+:/*", self.out), "out", self.out, "name a folder or s3://bucket"
        )
        try:
            known = get_method(self.method).options
            split(parse_period(self.period), self.every, self.anchor)
        except MusyqError as error:
            raise PlanError(str(error)) from error
        takes = f"{self.method} takes {', '.join(known) or 'no option'}"
        for name, value in self.options:
            _check(name in known, f"options: {name}", value, takes)

    @property
    def rules(self) -> Rules | None:
        """The rules of normalization; None where nothing is to be done to pixels."""
        steps = tuple(step for step in CHAIN if step in self.normalize)
        return Rules(steps, self.reference or FINE_REFERENCE, self.sun) if steps else None

    @property
    def recipes(self) -> tuple[Recipe, ...]:
        """The recipes of the products, in the order asked for."""
        return tuple(self.recipe(product) for product in self.products)

    def recipe(self, product: str) -> Recipe:
        """Return the recipe of a product, with the algorithm that was asked for or chosen."""
        found = get_recipe(product)
        chosen = dict(self.algorithms).get(found.name)
        return found.using(chosen) if chosen else found

    def to_dict(self) -> JSON:
        """Return plain JSON values; fields at their default are left out."""
        out = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if getattr(self, f.name) != f.default}
        for name in ("options", "algorithms"):
            if name in out:
                out[name] = dict(out[name])
        plain: JSON = json.loads(json.dumps(out))
        return plain

    @classmethod
    def from_dict(cls, data: JSON) -> Request:
        """Rebuild what `to_dict` wrote."""
        data = dict(data)
        for name in ("products", "sensors", "bands", "normalize"):
            if data.get(name) is not None:
                data[name] = tuple(data[name])
        data["options"] = freeze_options(data.get("options", {}))
        data["algorithms"] = tuple(sorted(data.get("algorithms", {}).items()))
        return cls(**data)


def freeze_options(options: JSON) -> tuple[tuple[str, Any], ...]:
    """Return composite options as sorted pairs, so that equal orders are equal values."""
    try:
        json.dumps(options)
    except TypeError as error:
        raise PlanError(f"options {options!r}: only numbers, texts and lists can be written into a plan") from error
    return tuple(sorted((name, _freeze(value)) for name, value in options.items()))


def product_ids(products: str | list[str] | tuple[str, ...], resolution: float | None) -> tuple[str, ...]:
    """
    Return product ids with the resolution of the grid they will be on.

    Parameters
    ----------
    products
        One id or several.
    resolution
        Metres of the grid that was asked for; None keeps the ids as they are.

    Raises
    ------
    PlanError
        For an unknown product, twice the same, or an id whose resolution is not the grid's.
    """
    names = (products,) if isinstance(products, str) else tuple(products)
    recipes = [get_recipe(name) for name in names]
    if resolution is not None:
        label = resolution_label(resolution)
        for recipe in recipes:
            if recipe.resolution not in {None, label}:
                raise PlanError(
                    f"product {recipe.id!r} is {recipe.resolution}, but the grid is {label}; "
                    f"order {recipe.name}.{label} or leave the resolution out"
                )
        recipes = [recipe.at(label) for recipe in recipes]
    ids = tuple(recipe.id for recipe in recipes)
    if len(set(ids)) < len(ids):
        raise PlanError(f"products {', '.join(ids)}: each may be ordered once")
    return ids


def _freeze(value: Any) -> Any:
    return tuple(_freeze(v) for v in value) if isinstance(value, list | tuple) else value


def _check(condition: bool, name: str, value: object, hint: str) -> None:
    if not condition:
        raise PlanError(f"{name}={value!r}: {hint}")

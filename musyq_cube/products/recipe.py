"""Recipe: what a product is, what it needs, and how it is computed from a composite."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from musyq_cube.errors import PlanError
from musyq_cube.products import indices
from musyq_cube.products.propagate import propagate
from musyq_cube.types import NEAR_INFRARED, QA
from musyq_cube.variable import COUNT, DAY, QUALITY, Variable, index, reflectance, source, uncertainty

if TYPE_CHECKING:
    import xarray as xr

Formula: TypeAlias = Callable[..., "xr.DataArray"]
"""A plain function whose arguments are the roles of a recipe, as DataArrays."""

ROLES: dict[str, tuple[str, ...]] = {"nir": NEAR_INFRARED}
"""What may play a part that sensors fill with different bands, in order of preference; others stand for themselves."""

NOT_SURFACE = frozenset(
    {"pan", "cirrus", "nir09", "lwir", "lwir11", "lwir12", "lst", "lst_night", "emis_31", "emis_32"}
)
"""Bands that a reflectance mosaic leaves out: they see the atmosphere, heat, or the other bands once more."""

EVIDENCE = ("count", "source", "day", "qa")
"""Layers of the composite that every product carries along."""

_DEFAULT_GRIDS = {
    "1km": "sinu-1km",
    "500m": "sinu-500m",
    "250m": "sinu-250m",
    "5km": "latlon-0.05",
}
_RESOLUTION = re.compile(r"([1-9]\d*(?:\.\d+)?)(km|m)")


@dataclass(frozen=True)
class Recipe:
    """
    One product: identity, inputs, layers and mathematics.

    `roles` are the bands that the formula takes; a recipe without formula is a mosaic of whatever bands there are.
    """

    id: str
    title: str
    description: str
    quantity: str
    """What the product is: ``toa``, ``sr`` or ``index``."""
    accepts: tuple[str, ...]
    """Quantities of scenes it can be made of, best first; one product never mixes them."""
    roles: tuple[str, ...] = ()
    layers: tuple[Variable, ...] = ()
    """Layers with a fixed name; a mosaic has those of its bands instead."""
    formula: Formula | None = field(default=None, compare=False)
    version: str = "1"
    """Raised when the same input would give other numbers: a part of every product's key."""
    citation: str = ""
    resolution: str | None = None
    """The resolution in the id, such as ``30m``."""

    @property
    def name(self) -> str:
        """The id without its resolution, such as ``MuSQ.NDVI``."""
        return self.id.removesuffix(f".{self.resolution}") if self.resolution else self.id

    @property
    def is_mosaic(self) -> bool:
        """Whether the product is the composited bands themselves."""
        return self.formula is None

    @property
    def grid(self) -> str | None:
        """The grid that the resolution in the id stands for."""
        return None if self.resolution is None else default_grid(self.resolution)

    def at(self, resolution: str) -> Recipe:
        """Return the recipe with a resolution in its id."""
        return dataclasses.replace(self, id=f"{self.name}.{resolution}", resolution=resolution)

    def variables(
        self, bands: tuple[str, ...] = (), sensors: tuple[str, ...] = (), wavelengths: Mapping[str, float] | None = None
    ) -> tuple[Variable, ...]:
        """
        Return the layers that are stored: values, their uncertainties, count, source, day and qa.

        Parameters
        ----------
        bands
            Bands of the composite (a mosaic stores each of them).
        sensors
            Sensors that may contribute, in the order of their bits in ``source``.
        wavelengths
            Centre in micrometres by band, where it is the same for all sensors.
        """
        values = self.layers
        if self.is_mosaic:
            word = "toa" if self.quantity == "toa" else "surface"
            centers = wavelengths or {}
            values = tuple(reflectance(b, quantity=word, center_wavelength=centers.get(b)) for b in bands)
        return (*values, *(uncertainty(v) for v in values), COUNT, source(sensors), DAY, QUALITY)

    def compute(self, ds: xr.Dataset, parts: Mapping[str, str] | None = None) -> xr.Dataset:
        """
        Make the product from a composite.

        Parameters
        ----------
        ds
            Composite: bands (reflectance, NaN where missing), ``<band>_unc`` and the evidence, any dims, lazy or not.
        parts
            Which band plays which role, such as ``{"nir": "nir08"}``; default: the first of `ROLES` that is there.

        Returns
        -------
        xarray.Dataset
            The layers, ``<layer>_unc`` (first order, band errors taken as independent) and whatever evidence `ds` has.
            Where bands are there but the formula has no value, qa gets ``OUT_OF_RANGE``.
        """
        import xarray as xr

        evidence = {name: ds[name] for name in EVIDENCE if name in ds}
        if self.formula is None:
            return ds
        given = {role: ds[(parts or {}).get(role) or self.part(role, ds)].astype("float32") for role in self.roles}
        name = self.layers[0].name
        value = self.formula(**given).astype("float32")
        out = {name: value.assign_attrs(_attributes(self.layers[0]))}
        bands = {role: array.name for role, array in given.items()}
        if all(f"{band}_unc" in ds for band in bands.values()):
            sigma = {role: ds[f"{band}_unc"] for role, band in bands.items()}
            out[f"{name}_unc"] = propagate(self.formula, given, sigma).assign_attrs(units="1")
        if "qa" in evidence:
            lost = sum(array.notnull() for array in given.values()) == len(given)
            flag = (lost & value.isnull()).astype("uint16") * QA.OUT_OF_RANGE.value
            evidence["qa"] = (evidence["qa"] | flag).astype("uint16").assign_attrs(evidence["qa"].attrs)
        return xr.Dataset(out | evidence, attrs=ds.attrs)

    def part(self, role: str, available: object) -> str:
        """
        Return the band that plays a role among those available.

        Raises
        ------
        PlanError
            If none does.
        """
        for band in ROLES.get(role, (role,)):
            if band in available:  # type: ignore[operator]
                return band
        wanted = " or ".join(ROLES.get(role, (role,)))
        have = ", ".join(str(name) for name in available)  # type: ignore[attr-defined]
        raise PlanError(f"{self.id} needs the band {wanted}; there is only {have or 'nothing'}")


def _attributes(layer: Variable) -> dict[str, str]:
    attrs = {"units": layer.units, "long_name": layer.long_name}
    return attrs | ({"standard_name": layer.standard_name} if layer.standard_name else {})


def _index(
    name: str, title: str, formula: Formula, roles: tuple[str, ...], citation: str, *, top: float = 1.0, **kw: str
) -> Recipe:
    return Recipe(
        id=f"MuSQ.{name}",
        title=title,
        description=f"{title} of composited reflectance.",
        quantity="index",
        accepts=("sr", "nbar", "toa"),
        roles=roles,
        layers=(index(name.lower(), title, valid=(-1.0, top), **kw),),
        formula=formula,
        citation=citation,
    )


_RECIPES = (
    Recipe(
        "MuSQ.TOA",
        "Top-of-atmosphere reflectance",
        "Mosaic of top-of-atmosphere reflectance without cloud.",
        quantity="toa",
        accepts=("toa",),
    ),
    Recipe(
        "MuSQ.SR",
        "Surface reflectance",
        "Mosaic of surface reflectance without cloud.",
        quantity="sr",
        accepts=("sr", "nbar"),
    ),
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


def recipes() -> dict[str, Recipe]:
    """
    Return every product there is, by id.

    Examples
    --------
    >>> sorted(recipes())
    ['MuSQ.ARVI', 'MuSQ.EVI', 'MuSQ.EVI2', 'MuSQ.NDVI', 'MuSQ.SR', 'MuSQ.TOA']
    """
    return {recipe.id: recipe for recipe in _RECIPES}


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
    known = recipes()
    if product in known:
        return known[product]
    name, _, resolution = product.partition(".")[2].partition(".")
    recipe = known.get(f"MuSQ.{name}")
    if recipe is None or not product.startswith("MuSQ."):
        from difflib import get_close_matches

        near = get_close_matches(product, known, n=1, cutoff=0.5)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise PlanError(f"unknown product {product!r}{hint} There are {', '.join(sorted(known))}")
    if not _RESOLUTION.fullmatch(resolution):
        raise PlanError(f"product {product!r}: {resolution!r} is no resolution; write for example {recipe.id}.30m")
    return recipe.at(resolution)


def default_grid(resolution: str) -> str:
    """
    Return the grid a resolution stands for: UTM below 250 m, MODIS sinusoidal to 1 km, degrees from 5 km.

    Examples
    --------
    >>> default_grid("1km"), default_grid("10m")
    ('sinu-1km', 'utm-10m')
    """
    if resolution in _DEFAULT_GRIDS:
        return _DEFAULT_GRIDS[resolution]
    match = _RESOLUTION.fullmatch(resolution)
    if match is None:
        raise PlanError(f"{resolution!r} is no resolution; write for example 30m or 1km")
    metres = float(match[1]) * (1000 if match[2] == "km" else 1)
    return f"utm-{metres:g}m"


def resolution_label(metres: float) -> str:
    """
    Return the resolution of a grid as product ids write it.

    Examples
    --------
    >>> resolution_label(926.625433), resolution_label(30), resolution_label(3000), resolution_label(5566)
    ('1km', '30m', '3km', '5km')
    """
    if metres < 750:
        nominal = {463: 500.0, 232: 250.0}.get(round(metres), metres)
        return f"{nominal:g}m"
    kilometres = metres / 1000
    return f"{math.floor(kilometres + 0.25) if kilometres < 10 else round(kilometres):g}km"

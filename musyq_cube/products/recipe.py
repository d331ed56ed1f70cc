"""Recipe: what a product is, what it needs, and the algorithms that can make it, best first."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from musyq_cube.errors import PlanError
from musyq_cube.types import NEAR_INFRARED
from musyq_cube.variable import COUNT, DAY, QUALITY, Variable, reflectance, source, uncertainty

if TYPE_CHECKING:
    import xarray as xr

Kind: TypeAlias = Literal["band", "angle", "product", "ancillary", "sensor"]
Over: TypeAlias = Literal["composite", "observations", "series"]
Moment: TypeAlias = Literal["observation", "mean", "min", "max"]

Function: TypeAlias = Callable[..., Any]
"""
Plain function of its inputs by name, as DataArrays (``sensor``: a string), eager or lazy, elementwise in y and x.

It returns a DataArray where the recipe has one layer, else a mapping or Dataset by layer; it may add ``<layer>_unc``
(else the uncertainty is propagated) and ``qa`` (bits to be set).
"""

ROLES: dict[str, tuple[str, ...]] = {"nir": NEAR_INFRARED}
"""What may play a part that sensors fill with different bands, in order of preference; others stand for themselves."""

NOT_SURFACE = frozenset(
    {"pan", "cirrus", "nir09", "lwir", "lwir11", "lwir12", "lst", "lst_night", "emis_31", "emis_32"}
)
"""Bands that a reflectance mosaic leaves out: they see the atmosphere, heat, or the other bands once more."""

SURFACE = ("sr", "nbar")
"""Quantities of scenes that are surface reflectance."""

_DEFAULT_GRIDS = {
    "1km": "sinu-1km",
    "500m": "sinu-500m",
    "250m": "sinu-250m",
    "5km": "latlon-0.05",
}
_RESOLUTION = re.compile(r"([1-9]\d*(?:\.\d+)?)(km|m)")


@dataclass(frozen=True)
class Input:
    """One thing that an algorithm takes: an argument of its function, and where that comes from."""

    name: str
    """Argument of the function."""
    kind: Kind
    of: tuple[str, ...]
    """Bands or angles that can play the part, best first; or one product (without resolution), or one quantity."""
    sigma: float = 0.0
    """Standard deviation, in the input's units, where the data carry none."""
    layer: str | None = None
    """Of a product: which layer; default its first."""
    every: str | None = None
    """Of a product: the length of the periods of a time series (``P5D``); None: the period of the order itself."""
    at: Moment = "mean"
    """Of an ancillary quantity: at the times of the observations, its mean, or the mean of its daily extremes."""
    required: bool = True
    """False: the function has a default for it."""


def band(role: str, *others: str, sigma: float = 0.0, name: str = "", required: bool = True) -> Input:
    """
    Return the input of a band: its common name, and others that would do.

    Examples
    --------
    >>> band("nir").of
    ('nir08', 'nir')
    """
    return Input(name or role, "band", (*ROLES.get(role, (role,)), *others), sigma, required=required)


def angle(name: str) -> Input:
    """Return the input of an angle in degrees (``sza``, ``vza``, ``raa``); only over observations and series."""
    return Input(name, "angle", (name,))


def product(
    name: str, of: str, *, layer: str | None = None, every: str | None = None, sigma: float = 0.0, required: bool = True
) -> Input:
    """Return the input of another product, such as ``product("ndvi", "MuSQ.NDVI")``."""
    return Input(name, "product", (of,), sigma, layer, every, required=required)


def ancillary(name: str, of: str = "", *, sigma: float = 0.0, at: Moment = "mean", required: bool = True) -> Input:
    """Return the input of an ancillary quantity (:data:`musyq_cube.quantities.QUANTITIES`)."""
    return Input(name, "ancillary", (of or name,), sigma, at=at, required=required)


SENSOR = Input("sensor", "sensor", ())
"""The sensor id as text: the function is called for each sensor apart (empty: bands of several in one composite)."""


@dataclass(frozen=True)
class Algorithm:
    """One way to make a product: its mathematics, and what it requires."""

    name: str
    """Lower case, unique in its recipe, such as ``split_window``."""
    title: str
    function: Function | None
    """None: the composited bands themselves."""
    inputs: tuple[Input, ...] = ()
    accepts: tuple[str, ...] = SURFACE
    """Quantities of scenes its bands may be, best first; one product never mixes them."""
    over: Over = "composite"
    """
    What it takes: the composite (y, x); every clear observation (time, y, x), its results being reduced over the
    period; or the whole series (time, y, x), which it reduces itself.
    """
    reduce: str = "median"
    """Over observations: ``median``, ``mean``, ``max`` or ``min`` of the period."""
    cloudy: bool = False
    """Takes the observations under cloud too."""
    sensors: tuple[str, ...] = ()
    """Sensors it has coefficients for, with wildcards (``landsat?-*``); empty: any."""
    least: int = 1
    """Observations (over series: times) that it needs at least."""
    reach: int = 0
    """Pixels around a pixel that it looks at."""
    error: float = 0.0
    """Standard deviation of the algorithm itself, in the units of the first layer, added to what is propagated."""
    backup: bool = False
    """Its pixels get the bit BACKUP."""
    formula: str = ""
    """In one line, for people."""
    citation: str = ""

    def inputs_of(self, kind: Kind) -> tuple[Input, ...]:
        """Return the inputs of one kind."""
        return tuple(i for i in self.inputs if i.kind == kind)


@dataclass(frozen=True)
class Recipe:
    """One product: identity, layers, and algorithms in order of preference."""

    id: str
    title: str
    description: str
    quantity: str
    """What the product is: ``toa``, ``sr``, ``index``, ``lst``, ``flux``, ``fraction``…"""
    algorithms: tuple[Algorithm, ...]
    layers: tuple[Variable, ...] = ()
    """Layers with a fixed name; a mosaic has those of its bands instead."""
    certain: tuple[str, ...] = ()
    """Layers without an uncertainty: classes, dates, counts."""
    family: str = "surface"
    """``surface``, ``vegetation``, ``thermal``, ``radiation``, ``flux``, ``water`` or ``snow``."""
    version: str = "1"
    """Raised when the same input would give other numbers: a part of every product's key."""
    resolution: str | None = None
    """The resolution in the id, such as ``30m``."""

    @property
    def name(self) -> str:
        """The id without its resolution, such as ``MuSQ.NDVI``."""
        return self.id.removesuffix(f".{self.resolution}") if self.resolution else self.id

    @property
    def algorithm(self) -> Algorithm:
        """The algorithm of first choice (the only one, after `using`)."""
        return self.algorithms[0]

    @property
    def citation(self) -> str:
        """What the first algorithm is from."""
        return self.algorithm.citation

    @property
    def is_mosaic(self) -> bool:
        """Whether the product is the composited bands themselves."""
        return self.algorithm.function is None

    @property
    def grid(self) -> str | None:
        """The grid that the resolution in the id stands for."""
        return None if self.resolution is None else default_grid(self.resolution)

    def at(self, resolution: str) -> Recipe:
        """Return the recipe with a resolution in its id."""
        return dataclasses.replace(self, id=f"{self.name}.{resolution}", resolution=resolution)

    def using(self, algorithm: str) -> Recipe:
        """
        Return the recipe with one algorithm only.

        Raises
        ------
        PlanError
            If it has none of that name.
        """
        found = [a for a in self.algorithms if a.name == algorithm]
        if not found:
            raise PlanError(
                f"{self.id} has no algorithm {algorithm!r}; there are {', '.join(a.name for a in self.algorithms)}"
            )
        return dataclasses.replace(self, algorithms=tuple(found))

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
        unsure = (uncertainty(v) for v in values if v.name not in self.certain)
        return (*values, *unsure, COUNT, source(sensors), DAY, QUALITY)

    def compute(self, ds: xr.Dataset, parts: Mapping[str, str] | None = None, *, sensor: str = "") -> xr.Dataset:
        """
        Make the product by its first algorithm.

        Parameters
        ----------
        ds
            The inputs by their names (or by the band, or the layer of the product, that plays the part), NaN where
            missing, with ``<name>_unc`` where known and the evidence, any dims, lazy or not. For a composited product
            the composite.
        parts
            Which variable plays which part, such as ``{"nir": "nir08"}``; default: the first that is there.
        sensor
            For algorithms with coefficients by sensor.

        Returns
        -------
        xarray.Dataset
            The layers, ``<layer>_unc`` (first order, input errors taken as independent) and whatever evidence `ds` has.
            Where the inputs are there but the function has no value, qa gets ``OUT_OF_RANGE``.

        Raises
        ------
        PlanError
            If an input is missing.
        """
        from musyq_cube.products.compute import compute

        return compute(self, ds, parts or {}, sensor)

    def part(self, wanted: Input, available: object) -> str:
        """
        Return the variable that plays a part among those available.

        Raises
        ------
        PlanError
            If none does.
        """
        for name in (*wanted.of, wanted.name):
            if name in available:  # type: ignore[operator]
                return name
        have = ", ".join(str(name) for name in available)  # type: ignore[attr-defined]
        raise PlanError(
            f"{self.id} needs the {wanted.kind} {' or '.join(wanted.of)}; there is only {have or 'nothing'}"
        )


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


def is_resolution(text: str) -> bool:
    """Whether a text is a resolution, such as ``30m``."""
    return _RESOLUTION.fullmatch(text) is not None

"""Able: which sensors can make a product, by which algorithm, and why not by a better one."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from musyq_cube.errors import PlanError
from musyq_cube.plan.request import Request
from musyq_cube.plan.resolve import Node, Resolver
from musyq_cube.products.registry import get_recipe, recipes
from musyq_cube.quantities import QUANTITIES
from musyq_cube.scene import Scene, Source
from musyq_cube.sensor import sensors

if TYPE_CHECKING:
    from musyq_cube.sensor import Sensor

DATES = 16
"""Observations that are taken for granted."""
_FIRST = dt.datetime(2020, 7, 1, 10, tzinfo=dt.UTC)


def able(product: str) -> dict[str, Node | str]:
    """
    Return, for every sensor, how it would make a product: the node of the tree, or why it cannot.

    All ancillary quantities, many observations, and surface reflectance from scenes of top-of-atmosphere reflectance
    (by normalization) are taken for granted.

    Examples
    --------
    >>> able("MuSQ.NDVI")["landsat8-oli"].algorithm
    'ndvi'
    """
    name = get_recipe(product).name
    request = Request((product,), "2020-07", "sinu-1km")
    out: dict[str, Node | str] = {}
    for sensor in sensors().values():
        try:
            out[sensor.id] = Resolver(scenes_of(sensor), QUANTITIES, request).resolve(name)
        except PlanError as error:
            out[sensor.id] = str(error)
    return out


def feeds(sensor: Sensor) -> dict[str, str]:
    """Return the products that can be made of one sensor, and by which algorithm, under the same assumptions."""
    scenes, request = scenes_of(sensor), Request(("MuSQ.NDVI.1km",), "2020-07", "sinu-1km")
    out: dict[str, str] = {}
    for name in recipes():
        try:
            out[name] = Resolver(scenes, QUANTITIES, request).resolve(name).algorithm
        except PlanError:
            continue
    return out


def scenes_of(sensor: Sensor) -> list[Scene]:
    """Return imaginary scenes of a sensor: of every kind of product it has, and of reflectance that is normalized."""
    kinds = {(p.quantity, tuple(a.band for a in p.of_role("data") if a.band)) for p in sensor.products}
    keys = {band.name: band.key for band in sensor.bands}
    kinds |= {("sr", bands) for quantity, bands in kinds if quantity == "toa"}
    return [
        Scene(
            id=f"{sensor.id}-{quantity}-{day}",
            sensor=sensor.id,
            datetime=(_FIRST + dt.timedelta(days=day)).isoformat(),
            footprint="POLYGON((0 0, 0 1, 1 1, 1 0, 0 0))",
            quantity=quantity,
            bands=tuple((keys.get(band, band), Source("")) for band in bands),
        )
        for quantity, bands in sorted(kinds)
        for day in range(DATES)
    ]

"""
Vegetation products against simulated canopies that their tables were not made of, and against MODIS's own indices.

Simulated canopies have 3 % of noise on every band; the reference is the backup of the product on the same canopies.
Needs the package ``prosail`` (extra ``build``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from benchmarks.truth import Row, folder, reference, score
from musyq_cube.products import get_recipe, indices
from musyq_cube.products._canopy_model import Canopies, simulate
from musyq_cube.products.canopy_build import wanted

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

COUNT, SEED, NOISE = 4000, 3, 0.03
OLI, MSI = "landsat8-oli", "sentinel2a-msi"
AGAINST = "simulated canopies, 3 % noise"


def rows() -> list[Row]:
    """Return the rows of the family."""
    canopies = simulate(COUNT, SEED, wanted())
    return [*_canopy_rows(canopies), *_chlorophyll_rows(canopies), *_modis_rows()]


def _seen(canopies: Canopies, sensor: str, *bands: str) -> xr.Dataset:
    exact = canopies.of(sensor, bands)
    made = exact * (1 + NOISE * np.random.default_rng(SEED).standard_normal(exact.shape))
    names = ["nir" if band == "nir08" else band for band in bands]
    return xr.Dataset({n: ("x", v.astype("float32")) for n, v in zip(names, made, strict=True)})


def _canopy_rows(canopies: Canopies) -> Iterator[Row]:
    ndvi = get_recipe("MuSQ.NDVI").compute(_seen(canopies, OLI, "red", "nir08"))
    carlson = get_recipe("MuSQ.LAI").using("carlson").compute(ndvi)["lai"]
    linear = get_recipe("MuSQ.FPAR").using("linear").compute(ndvi)["fpar"]
    sparse = canopies.lai < 4
    for bands, words in (("red", "nir08", "swir16"), "three bands"), (("red", "nir08"), "two bands"):
        seen = _seen(canopies, OLI, *bands)
        lai = get_recipe("MuSQ.LAI").compute(seen, sensor=OLI)["lai"]
        for where, note in ((sparse, f"LAI below 4, {words}"), (~sparse, f"LAI 4 to 8, {words}")):
            yield _row("MuSQ.LAI", "prosail", lai, canopies.lai, "1", note, ("Carlson", carlson), where)
        fpar = get_recipe("MuSQ.FPAR").compute(seen, sensor=OLI)["fpar"]
        yield _row("MuSQ.FPAR", "prosail", fpar, canopies.fpar, "1", words, ("WaPOR line", linear))
    fvc = get_recipe("MuSQ.FVC").compute(ndvi)["fvc"]
    yield _row("MuSQ.FVC", "dimidiate", fvc, canopies.cover, "1", "cover as seen from above")


def _chlorophyll_rows(canopies: Canopies) -> Iterator[Row]:
    seen = _seen(canopies, MSI, "red", "rededge071", "rededge078")
    made, edge = (get_recipe("MuSQ.CHL").using(way).compute(seen, sensor=MSI) for way in ("prosail", "cire"))
    truth = canopies.chlorophyll
    yield _row("MuSQ.CHL", "prosail", made["chl"], truth, "g m-2", "canopy", ("CIre line", edge["chl"]))
    leaves = canopies.lai > 1
    yield _row("MuSQ.CHL", "prosail", made["cab"], canopies.cab, "ug cm-2", "leaves, LAI above 1", where=leaves)


def _row(
    product: str,
    algorithm: str,
    ours: Any,
    truth: Any,
    unit: str,
    note: str,
    other: tuple[str, Any] | None = None,
    where: Any = slice(None),
) -> Row:
    ours, truth = np.asarray(ours)[where], truth[where]
    extra = {} if other is None else reference(other[0], np.asarray(other[1])[where], truth, ours)
    return Row(product, algorithm, AGAINST, unit, **score(ours, truth), **extra, note=note)


def _modis_rows() -> Iterator[Row]:
    """Yield the indices of MYD13A1 reflectance against the producer's, where these layers are there."""
    scene = next((folder("modis_cogs") / "MYD13A1.006").glob("*/*/*"))
    layers = {name: _layer(scene, name) for name in ("NIRR_B05", "RR_B04", "BR_B06", "*NDVI_B01", "*EVI_B02")}
    nir, red, blue, ndvi, evi = layers.values()
    for product, ours, theirs in (("NDVI", indices.ndvi(nir, red), ndvi), ("EVI", indices.evi(nir, red, blue), evi)):
        if theirs is not None:
            yield Row(f"MuSQ.{product}", product.lower(), "MYD13A1 h30v10 2020-153", "1", **score(ours, theirs))


def _layer(scene: Path, name: str) -> Any:
    import rasterio

    found = sorted(scene.glob(f"*_{name}.TIF"))
    if not found:
        return None
    with rasterio.open(found[0]) as file:
        values = file.read(1).astype(float)
        return np.where(values == file.nodata, np.nan, values) / 1e4

"""
Albedo of a day of geostationary views at radiometer sites, against the MODIS albedo there and an albedometer.

GOES-16 sees a place from one direction under a moving sun: corrected for the air (bands of MODIS, which are near those
of ABI) and inverted. The reference is the white-sky albedo of MCD43GF with IMS snow that the site files have; where IMS
reports snow it is a constant (0.87) and no truth. MOD09GA of three days checks that views of one place agree.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import xarray as xr

from benchmarks.truth import Row, folder, score
from musyq_cube.normalize.lut import load
from musyq_cube.products import _brdf as brdf
from musyq_cube.products import get_recipe
from musyq_cube.products._broadband import SETS

BANDS = {"blue": "refl_0_47um_nom", "red": "refl_0_65um_nom", "nir08": "refl_0_86um_nom", "swir16": "refl_1_60um_nom"}
DAYS = ("20190102", "20190103")
LONGITUDE, RADIUS = -75.2, 6.6107
"""Of GOES-16, and its distance in radii of the earth."""
LEAST = 20
"""Clear views of a site and day pair that make a point."""
SNOW = 0.5
"""Reference albedo above which it is the constant of snow."""


def _site(name: str) -> Any:
    import h5py

    parts = []
    for day in DAYS:
        with h5py.File(folder("goes16_surfrad") / f"{day}_{name}_0.h5") as file:
            parts.append(file[name][:] / file[name].attrs["scale_factor"])
    return np.concatenate(parts)


@cache
def _meta() -> Any:
    import h5py

    with h5py.File(folder("goes16_surfrad") / f"{DAYS[0]}_aod_0.h5") as file:
        return file["meta"][:]


def _times() -> Any:
    import h5py
    import pandas as pd

    stamps: list[bytes] = []
    for day in DAYS:
        with h5py.File(folder("goes16_surfrad") / f"{day}_aod_0.h5") as file:
            stamps += list(file["time_index"][:])
    return pd.to_datetime([s.decode() for s in stamps], utc=True)


def view_of(latitude: float, longitude: float) -> tuple[float, float]:
    """Return zenith and azimuth (clockwise from north) of GOES-16, degrees, on a sphere."""
    lat, away = np.radians(latitude), np.radians(LONGITUDE - longitude)
    cosine = np.cos(lat) * np.cos(away)
    arc = np.arccos(cosine)
    zenith = np.degrees(np.arctan2(RADIUS * np.sin(arc), RADIUS * cosine - 1))
    azimuth = np.degrees(np.arctan2(np.sin(away), -np.sin(lat) * np.cos(away)))
    return float(zenith), float(azimuth % 360)


def _surface(i: int) -> xr.Dataset:
    """Return the clear surface reflectance of a site with its angles, (time, 1, 1)."""
    import pvlib

    site = _meta()[i]
    sun = pvlib.solarposition.get_solarposition(_times(), float(site["latitude"]), float(site["longitude"]))
    zenith, azimuth = view_of(float(site["latitude"]), float(site["longitude"]))
    sza = sun["apparent_zenith"].to_numpy()
    raa = np.abs((sun["azimuth"].to_numpy() - azimuth + 180) % 360 - 180)
    toa = {band: _site(name)[:, i] / 100 for band, name in BANDS.items()}
    clear = (_site("cloud_type")[:, i] == 0) & (_site("refl_0_65um_nom_stddev_3x3")[:, i] < 3) & (sza < 72)
    clear &= np.isfinite(np.stack(list(toa.values()))).all(0)
    steady = [np.ascontiguousarray(v[clear], np.float32)[:, None, None] for v in (sza, np.full(sza.shape, zenith), raa)]
    air = {
        "aod": _site("aod")[:, i], "tcwv": _site("total_precipitable_water")[:, i], "ozone": _site("ozone")[:, i],
        "elevation": np.full(sza.shape, float(site["elevation"]) / 1000),
    }  # fmt: skip
    state = {k: np.ascontiguousarray(v[clear], np.float32)[:, None, None] for k, v in air.items()}
    bands = {k: np.ascontiguousarray(v[clear], np.float32)[:, None, None] for k, v in toa.items()}
    made = load("modis-terra").correct(bands, *steady, **state)
    dims = ("time", "y", "x")
    angles = dict(zip(("sza", "vza", "raa"), steady, strict=True))
    return xr.Dataset({k: (dims, v) for k, v in (made | angles | {"aod": state["aod"]}).items()})


def _goes() -> list[Row]:
    ours, theirs, names = [], [], []
    for i, site in enumerate(_meta()):
        reference = float(np.median(_site("surface_albedo")[:, i]))
        seen = _surface(i)
        if seen.sizes["time"] < LEAST or reference > SNOW:
            continue
        given = {"nir" if k == "nir08" else str(k): v for k, v in seen.data_vars.items() if k != "aod"}
        made = brdf.series_albedo("swir16", aod=seen["aod"].mean("time"), **given)
        ours.append(made["wsa"].item())
        theirs.append(reference)
        names.append(f"{site['surfrad_id'].decode()} {ours[-1]:.3f} ± {made['wsa_unc'].item():.3f}, {reference:.2f}")
    note = "; ".join(names)
    return [Row("MuSQ.LSA", "rtlsr_swir16", "MCD43GF at SURFRAD sites, GOES-16", "1", **score(ours, theirs), note=note)]


def _modis() -> list[Row]:
    """Agreement of the albedo of single views from day to day, beside that of plain reflectance."""
    import rasterio

    names = {"red": 1, "nir": 2, "blue": 3, "green": 4, "swir12": 5, "swir22": 7}
    root = folder("modis_mod09ga_pamplona_3days")

    def read(day: str, layer: str, scale: float) -> Any:
        with rasterio.open(root / f"{day}_un" / f"MODIS_Grid_{layer}_1.tif") as file:
            values = file.read(1).astype("float32")
            return np.where(values == file.nodata, np.nan, values) * scale

    days = ("2021222", "2021223", "2021224")
    bands = {b: np.stack([read(d, f"500m_2D_sur_refl_b0{i}", 1e-4) for d in days]) for b, i in names.items()}
    shape = bands["red"].shape
    layers = {"sza": "SolarZenith", "vza": "SensorZenith", "saa": "SolarAzimuth", "vaa": "SensorAzimuth"}
    angle = {a: np.stack([_twice(read(d, f"1km_2D_{n}", 0.01), shape[1:]) for d in days]) for a, n in layers.items()}
    raa = np.abs((angle["saa"] - angle["vaa"] + 180) % 360 - 180)
    dims = ("time", "y", "x")
    ds = xr.Dataset({k: (dims, v.astype("float32")) for k, v in
                     (bands | {"sza": angle["sza"], "vza": angle["vza"], "raa": raa}).items()})  # fmt: skip
    wsa = get_recipe("MuSQ.LSA").using("view_modis").compute(ds).wsa.to_numpy()
    plain = SETS["modis"].of(bands)
    rows = []
    for one, other in ((0, 1), (1, 2), (0, 2)):
        good = np.isfinite(wsa[[one, other]]).all(0)
        first, second = (np.where(good, wsa[t], np.nan) for t in (one, other))
        raw = score(np.where(good, plain[one], np.nan), plain[other])
        view = [f"{np.nanmedian(angle['vza'][t]):.0f}°" for t in (one, other)]
        against = f"MOD09GA, day {other + 1} against day {one + 1} (views {view[1]}, {view[0]})"
        kept = {f"reference_{k}": raw[k] for k in ("bias", "rmse", "r2")}
        rows.append(Row("MuSQ.LSA", "view_modis", against, "1", **score(second, first), reference="plain reflectance",
                        **(kept | {"reference_bias": -raw["bias"]})))  # fmt: skip
    return rows


def _twice(values: Any, shape: tuple[int, ...]) -> Any:
    return np.repeat(np.repeat(values, 2, 0), 2, 1)[: shape[0], : shape[1]]


def rows() -> list[Row]:
    """Return the comparisons."""
    return [*_goes(), *_modis()]

"""Emissivity and surface temperature against towers, other processors, and each other."""

from __future__ import annotations

import csv
import re
from typing import Any

import numpy as np
import rasterio
import xarray as xr

from benchmarks.truth import Row, folder, score
from musyq_cube.kernels.thermal import brightness_temperature
from musyq_cube.products import diurnal, emissivity
from musyq_cube.products import surface_temperature as lst

Array = np.ndarray[Any, Any]

C2L2 = "LC08_L2SP_008059_20191201_20200825_02_T1"
SITES = ("bon", "tbl", "dra", "fpk", "gwn", "psu", "sxf", "sgp", "srrl")
GOES_EAST = -75.2


def rows() -> list[Row]:
    """Return the comparisons."""
    return [*_radiances(), *_towers(), *_twice(), *_mendoza(), *_talca(), _course()]


def _image(path: Any, band: int = 1) -> Array:
    with rasterio.open(path) as file:
        return np.asarray(file.read(band), np.float32)


def _map(values: Array) -> xr.DataArray:
    return xr.DataArray(values.astype("float32"), dims=("y", "x"))


def _radiances() -> list[Row]:
    """Landsat 8 Collection 2: our temperature from its own radiances, our emissivity beside that of ASTER-GED."""
    base = folder("landsat8_c2l2_008059")
    raw = {name: _image(base / f"{C2L2}_{name}.TIF") for name in ("QA_PIXEL", "ST_B10", "SR_B4", "SR_B5")}
    clear = (raw["QA_PIXEL"].astype(int) & 64 > 0) & (raw["ST_B10"] > 0)
    steps = {"TRAD": 1e-3, "ATRAN": 1e-4, "URAD": 1e-3, "DRAD": 1e-3, "EMIS": 1e-4}
    air = {n.lower(): _map(np.where(clear, _image(base / f"{C2L2}_ST_{n}.TIF") * s, np.nan)) for n, s in steps.items()}
    ours = lst.radiative_transfer(**air, sensor="landsat8-oli")["lst"]
    theirs = np.where(clear, raw["ST_B10"] * 0.00341802 + 149.0, np.nan)
    median = float(np.nanmedian(np.abs(ours.values - theirs)))
    red, nir = (np.where(clear, raw[b] * 2.75e-5 - 0.2, np.nan) for b in ("SR_B4", "SR_B5"))
    made = emissivity.by_ndvi(_map((nir - red) / (nir + red)), _map(red))["emissivity"]
    return [
        Row("MuSQ.LST", "radiative_transfer", "Landsat 8 C2 ST_B10, 008059", "K", **score(ours, theirs),
            note=f"median absolute difference {median:.3f} K"),
        Row("MuSQ.LSE", "ndvi_thresholds", "Landsat 8 C2 ST_EMIS (ASTER-GED), 008059", "", **score(made, air["emis"])),
    ]  # fmt: skip


def _towers() -> list[Row]:
    """Broadband emissivity of ECOSTRESS at towers; red from its albedo and NDVI."""
    path = folder("ecostress_towers") / "ECOv002-cal-val-PT-JPL-inputs.csv"
    with path.open() as file:
        table = list(csv.DictReader(file))
    ndvi, albedo, truth = (np.array([float(r[k] or "nan") for r in table]) for k in ("NDVI", "albedo", "EmisWB"))
    made = emissivity.by_ndvi(xr.DataArray(ndvi), xr.DataArray(albedo * (1 - ndvi)))["emissivity_bb"]
    return [Row("MuSQ.LSE", "ndvi_thresholds", "ECOSTRESS wideband emissivity at towers", "", **score(made, truth))]


def _twice() -> list[Row]:
    """Landsat aggregated to 1.1 km (T⁴) beside MOD11A1, over the same farmland on the same days."""
    base = folder("lst_fusion_landsat_modis_yanco") / "1_test_data"
    found = []
    for day in ("20160205", "20160308"):
        fine, coarse = (_map(_image(base / f"{n}_LST_cloudrm_{day}.tif")) for n in ("Landsat", "MOD11A1"))
        ours = lst.mean_temperature(fine.where(fine > 0), 10)
        other = lst.mean_temperature(coarse.where(coarse > 0), 10)
        against = f"MOD11A1 Yanco {day}"
        note = "other time of day, other processor"
        found.append(Row("MuSQ.LST", "provided (Landsat, mean of T⁴)", against, "K", **score(ours, other), note=note))
    return found


def _bands(text: str, raw: dict[int, Array]) -> dict[int, Array]:
    """Return the radiances of counts, by the scene's metadata."""

    def number(key: str) -> float:
        return float(re.search(key + r" = ([\d.E+-]+)", text)[1])  # type: ignore[index]

    return {n: raw[n] * number(f"RADIANCE_MULT_BAND_{n}") + number(f"RADIANCE_ADD_BAND_{n}") for n in raw}


def _column(kelvin: float, humidity: float) -> float:
    """Return the water vapour of the column, g cm⁻², by that near the ground (46.5 e / T of Prata 1996)."""
    vapour = humidity * 6.1094 * np.exp(17.625 * (kelvin - 273.15) / (kelvin - 30.11))
    return float(46.5 * vapour / kelvin)


def _mendoza() -> list[Row]:
    """Landsat 8 over Mendoza: two bands beside one band."""
    base = folder("metric_et_talca_mendoza")
    scene = "LC82320832016040LGN00"
    text = (base / f"{scene}_MTL.txt").read_text()
    raw = {n: _image(base / f"{scene}_band{n}.tif") for n in (4, 5, 10, 11)}
    heat = _bands(text, {n: raw[n] for n in (10, 11)})
    t10 = _map(brightness_temperature(heat[10], 774.8853, 1321.0789))
    t11 = _map(brightness_temperature(heat[11], 480.8883, 1201.1442))
    sun = np.sin(np.radians(float(re.search(r"SUN_ELEVATION = ([\d.]+)", text)[1])))  # type: ignore[index]
    red, nir = ((raw[n] * 2e-5 - 0.1) / sun for n in (4, 5))
    surface = emissivity.by_ndvi(_map((nir - red) / (nir + red)), _map(red))
    with (base / "INTA.csv").open() as file:
        hour = next(r for r in csv.DictReader(file) if r["datetime"] == "2016/02/09 11:00")
    vapour = xr.full_like(t10, _column(float(hour["temp"]) + 273.15, float(hour["RH"]) / 100))
    e, step = surface["emissivity"], surface["emissivity_difference"]
    other = lst.mono_window(t10, e, vapour, sensor="landsat8-oli")["lst"]
    made = {
        "split_window_tirs": lst.split_window(t10, t11, e, step, vapour, sensor="landsat8-oli")["lst"],
        "generalized_split_window": lst.generalized_split_window(t10, t11, e, step, vapour, sensor="landsat8-oli")[
            "lst"
        ],
        "single_channel": lst.single_channel(t10, e, vapour, sensor="landsat8-oli")["lst"],
    }
    note = f"agreement; water vapour {float(vapour[0, 0]):.2f} g cm⁻² by the station"
    return [
        Row("MuSQ.LST", name, "smw, Landsat 8 Mendoza", "K", **score(v, other), note=note) for name, v in made.items()
    ]


def _talca() -> list[Row]:
    """Landsat 7 over Talca: one band, two algorithms."""
    base = folder("metric_et_talca_mendoza")
    with rasterio.open(base / "converted" / "L7_Talca.tif") as file:
        counts = file.read().astype("float32")
    text = (base / "L7.MTL.txt").read_text("latin-1")
    low, high = (float(re.search(rf"RADIANCE_M{k}IMUM_BAND_6_VCID_1 = ([\d.]+)", text)[1]) for k in ("IN", "AX"))  # type: ignore[index]
    heat = np.where(counts[5] > 0, (counts[5] - 1) * (high - low) / 254 + low, np.nan)
    t = _map(brightness_temperature(heat, 666.09, 1282.71))
    e = xr.full_like(t, 0.975)
    vapour = xr.full_like(t, 2.0)
    ours = lst.single_channel(t, e, vapour, sensor="landsat7-etm")["lst"]
    other = lst.mono_window(t, e, vapour, sensor="landsat7-etm")["lst"]
    return [Row("MuSQ.LST", "single_channel", "smw, Landsat 7 Talca", "K", **score(ours, other),
                note="agreement; emissivity 0.975, water vapour 2 g cm⁻²")]  # fmt: skip


def _course() -> Row:
    """GOES-16 at radiometers: the daily course of half of the clear observations against the other half."""
    made, truth = [], []
    for site in range(len(SITES)):
        for day in ("20190102", "20190103"):
            series = _goes(site, day)
            odd = xr.DataArray(np.arange(series.sizes["time"]) // 6 % 2 == 1, dims="time")
            kept, held = series.where(~odd), series.where(odd)
            if int(kept.notnull().sum()) < 60:
                continue
            filled = diurnal.fill(kept)
            made.append(filled["lst"].where(filled["filled"] & held.notnull()).values)
            truth.append(held.values)
    return Row("MuSQ.DTC", "cosine_exponential", "GOES-16 split window held out, half hours", "K",
               **score(np.concatenate(made), np.concatenate(truth)), note="clear by its own mask; winter")  # fmt: skip


def _goes(site: int, day: str) -> xr.DataArray:
    import h5py

    base = folder("goes16_surfrad")

    def series(name: str) -> tuple[Array, Any]:
        with h5py.File(base / f"{day}_{name}_0.h5") as file:
            data = file[name]
            return data[:, site] / float(data.attrs.get("scale_factor", 1.0)), file["time_index"][:]

    t11, stamps = series("temp_11_0um_nom")
    t12, _ = series("temp_12_0um_nom")
    cloud, _ = series("cloud_type")
    vapour, _ = series("total_precipitable_water")
    clear = (cloud == 0) & (t11 > 200)
    time = np.array([s.decode().replace(" ", "T") for s in stamps], "datetime64[ns]")
    kw = {"dims": "time", "coords": {"time": time}}
    bands = (xr.DataArray(np.where(clear, t, np.nan).astype("float32"), **kw) for t in (t11, t12))
    rest = (xr.DataArray(np.full(len(time), v, "float32"), **kw) for v in (0.975, -0.003))
    return lst.split_window(*bands, *rest, xr.DataArray(vapour.astype("float32"), **kw), sensor="goes16-abi")["lst"]

"""Gross productivity against towers, and phenology of a dense Landsat series against a plain threshold."""

from __future__ import annotations

import csv
from typing import Any

import numpy as np
import xarray as xr

from benchmarks.truth import Row, folder, score
from musyq_cube.products import _casa, _mod17, _phenology

MICROMOL_PER_JOULE = 4.57
CARBON_PER_DAY = 12.011e-6 * 86400
"""g C m⁻² d⁻¹ in 1 µmol CO₂ m⁻² s⁻¹."""

SITES = (
    ("DE-Tha, June 2014", "DE_Tha_Jun_2014.csv", 1, 0.93, "FPAR 0.93 assumed: 0.95 (1 - exp(-LAI / 2)), LAI 7.6"),
    ("AT-Neu, July 2010", "AT_Neu_Jul_2010.csv", 10, 0.85, "FPAR 0.85 assumed, although the meadow is mown"),
)


def rows() -> list[Row]:
    """Return a row for each tower and algorithm, and those of the phenology."""
    out = []
    for site, file, cover, fpar, note in SITES:
        day = _days(folder("flux_towers") / file)
        n = len(day["gpp"])
        given = {name: xr.DataArray(day[name].astype("float32"), dims="x") for name in day}
        absorbed, cls = (xr.DataArray(np.full(n, v, "float32"), dims="x") for v in (fpar, cover))
        mod17 = _mod17.gpp(absorbed, given["par"], given["tmin"], given["vpd"], cls)
        casa = _casa.gpp(absorbed, given["par"], given["tmean"], given["vpd"])
        for name, made in (("mod17", mod17), ("casa", casa)):
            out.append(
                Row("MuSQ.GPP", name, f"daily GPP of {site}", "g C m⁻² d⁻¹", **score(made, day["gpp"]), note=note)
            )
    return out + _phenology_rows()


def _days(path: Any) -> dict[str, np.ndarray]:
    """Return daily means of a half-hourly file: light of all day, least temperature, dryness by day, productivity."""
    with path.open() as file:
        table = list(csv.DictReader(file))
    column = lambda name: np.array([float(r[name] or "nan") for r in table])  # noqa: E731
    day, light, air, dry, gpp = (column(c) for c in ("doy", "PPFD", "Tair", "VPD", "GPP"))
    out: dict[str, list[float]] = {"par": [], "tmin": [], "tmean": [], "vpd": [], "gpp": []}
    for d in np.unique(day):
        here = day == d
        out["par"].append(np.nanmean(light[here]) / MICROMOL_PER_JOULE)
        out["tmin"].append(air[here].min() + 273.15)
        out["tmean"].append(air[here].mean() + 273.15)
        out["vpd"].append(1000 * np.nanmean(dry[here & (light > 0)]))
        out["gpp"].append(np.nanmean(gpp[here]) * CARBON_PER_DAY)
    return {name: np.array(values) for name, values in out.items()}


def _phenology_rows() -> list[Row]:
    """Seasons of an average year of many Landsat dates: the curves against the first crossing of a ten-day mean."""
    ndvi, days = _landsat()
    time = np.datetime64("2005-01-01", "ns") + ((days - 1) * 86400e9).astype("timedelta64[ns]")
    made = _phenology.half_amplitude(xr.DataArray(ndvi, {"time": time}, ("time", "x")))
    plain = np.array([_plain(days, ndvi[:, i]) for i in range(ndvi.shape[1])])
    rows = []
    for i, name in enumerate(("sos", "eos")):
        rows.append(
            Row(
                "MuSQ.PHENO",
                "double_logistic_half",
                f"{name} by plain threshold, Landsat p035r032",
                "d",
                **score(made[name], plain[:, i]),
                note="no truth: two ways to date the same average year of 25 pixels",
            )
        )
    return rows


def _landsat() -> tuple[np.ndarray, np.ndarray]:
    """Return the clear NDVI of all years as one year, (dates, pixels), days made distinct by their order."""
    import rasterio

    base = folder("landsat57_p035r032_447dates")
    found: dict[float, list[np.ndarray]] = {}
    with (base / "images.csv").open() as file:
        for row in csv.DictReader(file):
            image = base / row["filename"].split("landsat_stack/")[1]
            if not image.exists():
                continue  # not every date of the list is kept
            with rasterio.open(image) as src:
                red, nir, mask = (src.read(b).astype(float) for b in (3, 4, 8))
            good = (mask == 0) & (red > 0) & (nir > 0) & (red < 10000) & (nir < 10000)
            ndvi = np.where(good, (nir - red) / (nir + red), np.nan).ravel()
            found.setdefault(5.0 * (int(row["date"][4:]) // 5) + 2.5, []).append(ndvi)
    days = np.array(sorted(found))
    stack = np.stack([_median(np.stack(found[d])) for d in days])
    return stack.astype("float32"), days


def _median(values: np.ndarray) -> np.ndarray:
    out = np.full(values.shape[1], np.nan)
    some = np.isfinite(values).any(axis=0)
    out[some] = np.nanmedian(values[:, some], axis=0)
    return out


def _plain(days: np.ndarray, ndvi: np.ndarray) -> tuple[float, float]:
    """Return where a running median of five crosses the middle between its peak and the least value of each side."""
    good = np.isfinite(ndvi)
    t, v = days[good], ndvi[good]
    if len(v) < _phenology.LEAST_TIMES:
        return np.nan, np.nan
    smooth = np.array([np.median(v[max(i - 2, 0) : i + 3]) for i in range(len(v))])
    top = int(smooth.argmax())
    rise = np.flatnonzero(smooth[: top + 1] > (smooth[: top + 1].min() + smooth[top]) / 2)
    fall = np.flatnonzero(smooth[top:] > (smooth[top:].min() + smooth[top]) / 2)
    return float(t[rise[0]]) if len(rise) else np.nan, float(t[top + fall[-1]]) if len(fall) else np.nan

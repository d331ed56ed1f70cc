"""Turbulent fluxes against towers."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from benchmarks.truth import Row, folder, reference, score
from musyq_cube.products import evapotranspiration as water
from musyq_cube.products import latent_heat, turbulence

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Tower:
    """A month of half hours of a tower."""

    name: str
    plants: str
    file: str
    land_cover: float
    lai: float
    height: float
    """Of the canopy, m."""
    top: float
    """Of the instruments, m above the ground."""
    place: tuple[float, float]
    """Latitude and longitude, degrees."""


TOWERS = (
    Tower("AT-Neu", "alpine meadow", "AT_Neu_Jul_2010", 10.0, 4.0, 0.25, 3.0, (47.117, 11.318)),
    Tower("DE-Tha", "spruce", "DE_Tha_Jun_2014", 1.0, 7.6, 26.5, 42.0, (50.962, 13.566)),
)
"""Clocks of both are an hour ahead of UTC."""


def table(path: Path) -> dict[str, Any]:
    """Return the columns of a CSV as numbers, NaN where there is none, and as text where there is no number at all."""
    with path.open(newline="", encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    out = {}
    for name in rows[0]:
        text = [row[name] for row in rows]
        numbers = np.array([_number(v) for v in text])
        out[name] = numbers if np.isfinite(numbers).any() else np.array(text)
    return out


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")


def array(values: Any) -> xr.DataArray:
    """Return a float32 array of rows."""
    return xr.DataArray(np.asarray(values, np.float32), dims="row")


def ecostress(d: dict[str, Any]) -> dict[str, xr.DataArray]:
    """Return the inputs of PT-JPL of the ECOSTRESS rows, those that the reference had."""
    return {
        "rn": array(d["Rn"]),
        "ndvi": array(d["NDVI"]),
        "lst": array(d["ST_C"] + 273.15),
        "albedo": array(d["albedo"]),
        "air_temperature": array(d["Ta_C"] + 273.15),
        "relative_humidity": array(d["RH"]),
        "surface_pressure": array(101325.0 * (1.0 - 0.0065 * d["Elev"] / 288.15) ** 5.2559),
    }


def closures(d: dict[str, Any]) -> dict[str, Any]:
    """Return the latent heat of the towers: as measured, and with the energy balance closed in several ways."""
    turbulent = d["LE_filt"] + d["H_filt"]
    bowen = (d["NETRAD_filt"] - d["G_filt"]) * d["LE_filt"] / np.where(turbulent > 50, turbulent, np.nan)
    return {
        "LEcorr50 (what the reference is scored against)": d["LEcorr50"],
        "LEcorr_ann": d["LEcorr_ann"],
        "LE closed at the time, Bowen ratio kept": bowen,
        "LE as measured": d["LE_filt"],
    }


def rows() -> list[Row]:
    """Return the comparisons."""
    return [*_latent(), *_sensible(), *_daily()]


def _latent() -> list[Row]:
    d = table(folder("ecostress_towers") / "ECOv002-cal-val-PT-JPL-outputs.csv")
    given, theirs = ecostress(d), d["LE_Wm2"]
    emulated = latent_heat.pt_jpl_parts(
        d["Rn"], d["NDVI"], d["ST_C"] + 273.15, d["albedo"], d["Ta_C"] + 273.15, d["RH"],
        optimum_temperature=d["Topt_C"] + 273.15, fapar_max=d["fAPARmax"], published=True,
    )["le"]  # fmt: skip
    same = float(np.max(np.abs(emulated - theirs) / np.maximum(np.abs(theirs), 1e-6)))
    ways = {
        "as planned": latent_heat.pt_jpl(**given),
        "with fAPARmax of the reference": latent_heat.pt_jpl(**given, fapar_max=array(d["fAPARmax"])),
        "and net radiation of the tower": latent_heat.pt_jpl(
            **(given | {"rn": array(d["NETRAD_filt"])}), fapar_max=array(d["fAPARmax"])
        ),
    }
    out = [Row("MuSQ.LE", "pt_jpl as published", "its own columns", "W m-2", **score(emulated, theirs),
               note=f"largest relative difference {same:.1e}")]  # fmt: skip
    for against, truth in closures(d).items():
        for note, le in ways.items():
            out.append(
                Row("MuSQ.LE", "pt_jpl", f"38 ECOSTRESS towers, {against}", "W m-2", **score(le, truth),
                    **reference("PT-JPL", theirs, truth, le), note=note)
            )  # fmt: skip
    return out


def half_hours(tower: Tower) -> dict[str, Any]:
    """Return the columns of a tower, ``good`` where fluxes were measured by day in moving air."""
    d = table(folder("flux_towers") / f"{tower.file}.csv")
    d["good"] = (d["H_qc"] == 0) & (d["LE_qc"] == 0) & (d["ustar"] > 0.1) & (d["wind"] > 0.5) & (d["Rn"] > 50)
    return d


def _sensible() -> list[Row]:
    """Score H: what LE leaves at the ECOSTRESS towers, and the bulk transfer where wind and longwave were measured."""
    d = table(folder("ecostress_towers") / "ECOv002-cal-val-PT-JPL-outputs.csv")
    given = ecostress(d)
    le = latent_heat.pt_jpl(**given)
    h = turbulence.residual(given["rn"], given["lst"], given["albedo"], given["ndvi"], le)
    turbulent = d["LE_filt"] + d["H_filt"]
    closed = (d["NETRAD_filt"] - d["G_filt"]) * d["H_filt"] / np.where(turbulent > 50, turbulent, np.nan)
    truths = (("as measured", d["H_filt"]), ("Bowen ratio kept", closed))
    out = [Row("MuSQ.H", "residual", f"38 ECOSTRESS towers, H {t}", "W m-2", **score(h, v)) for t, v in truths]
    for tower in TOWERS:
        d = half_hours(tower)
        h = np.where(d["good"], bulk(tower, d), np.nan)
        closed = (d["Rn"] - d["G"]) * d["H"] / np.where(d["H"] + d["LE"] > 50, d["H"] + d["LE"], np.nan)
        note = "temperature from upward longwave of the tower, emissivity 0.98: 1 K is 20 W m-2 (grass), 80 (spruce)"
        for against, truth in (("as measured", d["H"]), ("Bowen ratio kept", closed)):
            where = f"{tower.plants} {tower.name}, H {against}"
            out.append(Row("MuSQ.H", "monin_obukhov", where, "W m-2", **score(h, truth), note=note))
    return out


def bulk(tower: Tower, d: dict[str, Any]) -> Any:
    """Return the sensible heat of half hours of a tower, its surface temperature from upward longwave radiation."""
    down = d.get("LW_down", np.full_like(d["LW_up"], 320.0))
    lst = ((d["LW_up"] - 0.02 * down) / (0.98 * water.SIGMA)) ** 0.25
    one = (array([v]) for v in (tower.lai, tower.land_cover, tower.height, 3.0))
    lengths = {name: float(value[0]) for name, value in turbulence.roughness(*one).items()}
    level = tower.top - lengths["d0"]
    ea = latent_heat.saturation_vapour_pressure(d["Tair"] + 273.15) - 1000.0 * d["VPD"]
    known = [array(np.full_like(lst, v)) for v in (lengths["z0m"], lengths["kb"], 0.15, 0.8)]
    return turbulence.sensible_heat(
        array(lst), known[0], known[1], array(d["Rn"]), known[2], known[3], array(d["Tair"] + 273.15), array(d["wind"]),
        array(ea), array(d["pressure"] * 1000.0), wind_height=level, air_height=level,
    ).values  # fmt: skip


def _daily() -> list[Row]:
    """Score the step from overpass to day: latent heat of one half hour of a tower against its whole day."""
    out = []
    for tower in TOWERS:
        d = half_hours(tower)
        for hour in (10.5, 13.5):
            made = [found for day in np.unique(np.floor(d["doy"])) if (found := _day(tower, d, day, hour))]
            truth, sunshine, sinusoid = np.array(made).T
            for way, values in (("evaporative_fraction", sunshine), ("sinusoid", sinusoid)):
                where = f"{tower.plants} {tower.name}, days from {int(hour)}:30"
                out.append(Row("MuSQ.ET", way, where, "mm d-1", **score(values, truth), note="LE of the tower"))
    return out


def _day(tower: Tower, d: dict[str, Any], day: float, hour: float) -> tuple[float, float, float] | None:
    """Return evapotranspiration of a day: truth, by sunshine, by sinusoid; None where the sun did not shine."""
    from odc.geo.geobox import GeoBox
    from odc.geo.xr import xr_coords

    of = np.flatnonzero(np.floor(d["doy"]) == day)
    now = of[np.isclose(d["hour"][of], hour)]
    if len(of) < 48 or len(now) != 1 or d["PPFD"][now[0]] < 630 or not np.isfinite(d["LE"][of]).all():
        return None
    lat, lon = tower.place
    box = GeoBox.from_bbox((lon - 0.05, lat - 0.05, lon + 0.05, lat + 0.05), "EPSG:4326", shape=(1, 1))
    coords = dict(xr_coords(box, always_yx=True)) | {"time": _date(d, of[0])}
    sun = d["PPFD"]
    values = (d["LE"][now[0]], hour - 1.0, d["Tair"][of].mean() + 273.15, sun[now[0]], sun[of].mean())
    pixel = [xr.DataArray(np.full((1, 1), v, "f4"), coords, ("y", "x")) for v in values]
    truth = water.water_of(pixel[0] * 0 + d["LE"][of].mean(), pixel[2])
    return truth.item(), water.by_sunshine(*pixel).item(), water.by_sinusoid(*pixel[:3]).item()


def _date(d: dict[str, Any], at: int) -> np.datetime64:
    return np.datetime64(f"{int(d['year'][at])}-01-01T12:00", "ns") + np.timedelta64(int(d["doy"][at]) - 1, "D")

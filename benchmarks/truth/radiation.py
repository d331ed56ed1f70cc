"""Radiation against towers, radiometers, and what GOES-16 saw over the SURFRAD sites."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from benchmarks.truth import Row, folder, reference, score
from musyq_cube.products import longwave, shortwave

UNIT = "W/m²"
KELVIN = 273.15
FOREST_ALBEDO = 0.07
"""Of spruce (Tharandt), for shortwave from net radiation."""
PER_PHOTON = 1 / 4.57
"""W m⁻² for one µmol m⁻² s⁻¹ of sunlight."""


def rows() -> list[Row]:
    """Return all comparisons."""
    return [*_ecostress(), *_tharandt(), *_arm(), *_goes()]


def _column(values: Any, time: Any = None) -> xr.DataArray:
    coords = {} if time is None else {"time": np.asarray(time, "datetime64[ns]")}
    return xr.DataArray(np.asarray(values, "float32"), dims="time", coords=coords)


def _row(product: str, algorithm: str, against: str, ours: Any, truth: Any, note: str = "", **kw: Any) -> Row:
    return Row(product, algorithm, against, UNIT, **score(ours, truth), note=note, **kw)


def _standard_pressure(elevation: Any) -> Any:
    return 101_325.0 * (1 - 2.25577e-5 * np.asarray(elevation, float)) ** 5.25588


def _saturation(celsius: Any) -> Any:
    """Pa."""
    return 610.8 * np.exp(17.27 * celsius / (celsius + 237.3))


def _zenith(time: Any, lat: Any, lon: Any) -> np.ndarray[Any, Any]:
    from pvlib.solarposition import spa_python

    if np.ndim(lat) == 0:
        return np.asarray(spa_python(pd.DatetimeIndex(time), lat, lon).zenith)
    places = zip(time, lat, lon, strict=True)
    return np.array([spa_python(pd.DatetimeIndex([t]), y, x).zenith.iloc[0] for t, y, x in places])


def _ecostress() -> list[Row]:
    """Towers at ECOSTRESS overpasses: clear sky, for else there would be no surface temperature."""
    at = folder("ecostress_towers")
    d = pd.read_csv(at / "ECOv002-cal-val-FLiESANN-outputs.csv")
    verma = pd.read_csv(at / "ECOv002-cal-val-verma-net-radiation-outputs.csv")
    time = pd.to_datetime(verma.time_UTC)
    sza = _column(_zenith(pd.DatetimeIndex(time, tz="UTC"), d.Lat, d.Long), time)
    air = [_column(v, time) for v in (d.AOT, d.vapor_gccm, d.ozone_cm, _standard_pressure(d.elevation_m))]
    albedo = _column(d.albedo, time)
    dsr = shortwave.clear_sky(sza, *air, cloud_fraction=0.0 * sza, albedo=albedo)["dsr"]
    cloudy, clear = shortwave.under(sza, air[0], _column(d.COT, time), *air[1:], albedo)
    par = shortwave.par(cloudy, cloudy / clear, sza, air[0], air[1])["par"]
    t = _column(d.Ta_C + KELVIN)
    dlr = longwave.dilley_obrien(t, _column(_saturation(d.Ta_C) * d.RH), _column(d.vapor_gccm))
    rn = longwave.net(albedo.drop_vars("time"), dsr.drop_vars("time"), dlr, _column(d.emissivity), _column(d.ST_K))
    swin, net = d.insitu_SWin_Wm2, d.insitu_Rn_Wm2
    towers = "ECOSTRESS towers"
    fair = (d.COT == 0).to_numpy()
    return [
        _row("MuSQ.DSR", "clear_sky", towers, dsr, swin, "clear, for ECOSTRESS saw the ground",
             **reference("FLiES", d.SWin_Wm2, swin, dsr)),
        _row("MuSQ.DSR", "clear_sky", f"{towers}, COT 0", dsr[fair], swin[fair],
             **reference("FLiES", d.SWin_Wm2[fair], swin[fair], dsr[fair])),
        _row("MuSQ.DSR", "lut (flux of a known sky)", towers, cloudy, swin, "cloud depth of GEOS-5, as FLiES has it",
             **reference("FLiES", d.SWin_Wm2, swin, cloudy)),
        _row("MuSQ.PAR", "lut", "FLiES (no tower has PAR)", par, d.PAR_Wm2, "a model, not truth"),
        _row("MuSQ.NSR", "balance", towers, rn, net, "our DSR and DLR",
             **reference("Verma", verma.Rn_Wm2, net, rn)),
    ]  # fmt: skip


def _tharandt() -> list[Row]:
    """Half-hourly longwave radiation and photons above a spruce forest (DE-Tha, June 2014)."""
    d = pd.read_csv(folder("flux_towers") / "DE_Tha_Jun_2014.csv")
    local = pd.to_datetime("2014-01-01") + pd.to_timedelta((d.doy - 1) * 24 + d.hour + 0.25, unit="h")
    time = local - pd.Timedelta(hours=1)  # central European time, middle of the half hour
    sza = _column(_zenith(pd.DatetimeIndex(time, tz="UTC"), 50.964, 13.567), time)
    vapour = _column(_saturation(d.Tair) - 100.0 * d.VPD * _hectopascal(d), time)
    t = _column(d.Tair + KELVIN, time)
    water = 0.465 * vapour / t  # g cm-2, Prata
    pressure = _column(1000.0 * d.pressure, time)
    clear = shortwave.clear_sky(sza, 0.0 * t + 0.12, water, surface_pressure=pressure)["dsr"]
    sunlight = _column((d.Rn - d.LW_down + d.LW_up) / (1 - FOREST_ALBEDO), time)
    index = (sunlight / clear).where(sza < 75.0)
    cover = (((1.0 - index.clip(0.25, 1.0)) / 0.75) ** (1 / 3.4)).astype("float32")
    day = np.isfinite(np.asarray(index))
    fair = day & (np.asarray(index) > 0.95) & (np.asarray(index) < 1.1)
    made = {
        "dilley_obrien": longwave.dilley_obrien, "brutsaert": longwave.brutsaert, "prata": longwave.prata,
    }  # fmt: skip
    out = []
    for name, function in made.items():
        alone, under = function(t, vapour), function(t, vapour, cloud_fraction=cover)
        out += [
            _row("MuSQ.DLR", name, "DE-Tha, clear", np.asarray(alone)[fair], d.LW_down[fair]),
            _row("MuSQ.DLR", name, "DE-Tha, all skies by day", np.asarray(under)[day], d.LW_down[day],
                 "cloud cover from the tower's sunlight"),
        ]  # fmt: skip
    par = shortwave.par(sunlight, index, sza, 0.0 * t + 0.12, water)["par"]
    photons = PER_PHOTON * d.PPFD
    share = {"reference": "0.45 of DSR"} | {
        f"reference_{k}": v for k, v in score(0.45 * np.asarray(sunlight)[day], photons[day]).items() if k != "n"
    }
    out.append(_row("MuSQ.PAR", "lut", "DE-Tha, all skies", np.asarray(par)[day], photons[day],
                    "from the tower's net shortwave, albedo 0.07", **share))  # fmt: skip
    return out


def _hectopascal(d: pd.DataFrame) -> float:
    """Return 10 where vapour pressure deficit is in kPa, else 1."""
    return 10.0 if d.VPD.max() < 12 else 1.0


def _arm() -> list[Row]:
    """Minutes of broadband radiometers at ARM Southern Great Plains; humidity from the night's least temperature."""
    out = []
    for file, name, aod in (
        ("sgpsirsE13.b1.20190101.000000.cdf", "ARM SIRS E13 2019-01-01", 0.05),
        ("sgpbrsC1.b1.20190705.000000.cdf", "ARM BRS C1 2019-07-05", 0.15),
    ):
        d = _minutes(file)
        t, sza, sun = d["t"], d["sza"], d["sun"]
        vapour = 0.0 * t + float(_saturation(float(t.min()) - KELVIN))
        water = 0.465 * vapour / t
        clear = shortwave.clear_sky(sza, 0.0 * t + aod, water, surface_pressure=0.0 * t + 98_000.0)["dsr"]
        steady = np.asarray(_steady(sun / clear.where(clear > 20.0)))
        measured = np.asarray(d["sky"])
        cover = _cover(sun, clear, sza)
        alone, under = longwave.dilley_obrien(t, vapour), longwave.dilley_obrien(t, vapour, cloud_fraction=cover)
        sky = "air temperature of the instrument's case, dew point the night's least temperature"
        if steady.any():
            out += [
                _row("MuSQ.DLR", "dilley_obrien", f"{name}, clear", np.asarray(alone)[steady], measured[steady], sky),
                _row("MuSQ.DSR", "clear_sky", f"{name}, clear", np.asarray(clear)[steady], np.asarray(sun)[steady],
                     f"aerosol {aod}, water from dew point"),
            ]  # fmt: skip
        out.append(_row("MuSQ.DLR", "dilley_obrien", f"{name}, all skies", under, d["sky"],
                        "cloud cover from sunlight, at night from the nearest daylight"))  # fmt: skip
    return out


def _minutes(file: str) -> dict[str, xr.DataArray]:
    with xr.open_dataset(folder("ground_radiation") / file) as ds:
        time = np.asarray(ds["time"])
        names = {"t": "inst_down_long_shaded_case_temp", "sun": "down_short_hemisp", "sky": "down_long_hemisp_shaded"}
        good = {n: ds[n].where(ds[f"qc_{n}"] == 0) if f"qc_{n}" in ds else ds[n] for n in names.values()}
        lat, lon = float(ds["lat"]), float(ds["lon"])
        sza = _zenith(pd.DatetimeIndex(time, tz="UTC"), lat, lon)
        return {key: _column(good[name], time) for key, name in names.items()} | {"sza": _column(sza, time)}


def _steady(index: xr.DataArray) -> xr.DataArray:
    """Return where the clear-sky index is near 1 and calm for half an hour."""
    window = index.rolling(time=31, center=True)
    return (abs(index - 1.0) < 0.1) & (window.std() < 0.02)


def _cover(sun: xr.DataArray, clear: xr.DataArray, sza: xr.DataArray) -> xr.DataArray:
    """Return cloud cover from the sunlight of an hour."""
    day = sza < 75.0
    total = lambda v: v.where(day).rolling(time=61, center=True, min_periods=20).mean()  # noqa: E731
    index = (total(sun) / total(clear)).clip(0.25, 1.0)
    cover = ((1.0 - index) / 0.75) ** (1 / 3.4)
    return cover.interpolate_na("time", method="nearest", fill_value="extrapolate").astype("float32")


def _goes() -> list[Row]:
    """GOES-16 at 9 sites on 2 days: Heliosat-2 of 0.65 µm against the sky that CLAVR-x retrieved, by classes."""
    d = {name: _every_5_minutes(name) for name in (
        "refl_0_65um_nom", "solar_zenith_angle", "aod", "total_precipitable_water", "ozone", "surface_pressure",
        "surface_albedo", "cloud_type", "cld_opd_dcomp",
    )}  # fmt: skip
    sza, ozone = d["solar_zenith_angle"], d["ozone"]
    air = (d["aod"], d["total_precipitable_water"], ozone, 100.0 * d["surface_pressure"])
    red = d["refl_0_65um_nom"] / 100.0
    index = shortwave.heliosat_index(red, sza)
    bare = shortwave.clear_sky(sza, *air, albedo=d["surface_albedo"])["dsr"]
    depth = d["cld_opd_dcomp"].where(d["cloud_type"] > 1, 0.0)
    sky, _ = shortwave.under(sza, air[0], depth, *air[1:], d["surface_albedo"])
    ours = (index * bare).where(sza < 75.0)
    snow = d["surface_albedo"] > 0.3
    # two days are few: a half hour that was never clear says nothing of the ground
    half_hour = red["time"].dt.floor("30min").dt.strftime("%H%M")
    fair = ((d["cloud_type"] <= 1) & np.isfinite(red)).groupby(half_hour).map(lambda x: x | x.any("time"))
    bright = ~snow & fair
    classes = {
        "clear": bright & (d["cloud_type"] <= 1), "water cloud": bright & d["cloud_type"].isin([2, 3, 4, 5]),
        "ice cloud": bright & d["cloud_type"].isin([6, 7, 8, 9]), "all classes": bright,
        "half hours never clear in the two days": ~snow & ~fair, "all classes over snow": snow & fair,
    }  # fmt: skip
    note = "not truth: the sky that CLAVR-x saw, by Bird and two streams"
    return [
        _row("MuSQ.DSR", "heliosat2", f"GOES-16 over SURFRAD, {name}", ours.where(where), sky.where(where), note)
        for name, where in classes.items()
    ]


def _every_5_minutes(name: str) -> xr.DataArray:
    """Return a quantity (time, site) in physical units."""
    import h5py

    found, times = [], []
    for day in ("20190102", "20190103"):
        with h5py.File(folder("goes16_surfrad") / f"{day}_{name}_0.h5") as file:
            found.append(file[name][:].astype("float32") / np.float32(file[name].attrs["scale_factor"]))
            times.append(pd.to_datetime([t.decode() for t in file["time_index"][:]]))
    return xr.DataArray(np.vstack(found), dims=("time", "site"), coords={"time": np.concatenate(times)})

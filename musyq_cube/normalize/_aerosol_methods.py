"""
The ways to see aerosol, each as residuals that vanish at the right AOD: dark target, clearest blue, reference.

A residual is (surface reflectance found under a trial AOD) − (surface reflectance expected). All are means of a window.

References
----------
Levy et al. (2007), doi:10.1029/2006JD007811 (dark target relations); Kaufman et al. (1997), doi:10.1029/96JD03988;
Liang et al. (2006), doi:10.1029/2005JD006459 (clearest observation of a series); Sun et al. (2010),
doi:10.1007/s11430-010-3060-0 (MODIS reflectance as reference at 30 m); Motohka et al. (2010), doi:10.3390/rs2102369
(green vegetation from green and red).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from musyq_cube.kernels.aerosol import solve, trimmed
from musyq_cube.normalize.spectral import coefficients

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from musyq_cube.normalize._aerosol_lattice import Lattice
    from musyq_cube.normalize._aerosol_view import Tables, View

Array: TypeAlias = np.ndarray[Any, Any]
F32: TypeAlias = "npt.NDArray[np.float32]"

NODES: F32 = np.array([0.01, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.75, 0.9, 1.1, 1.3, 1.6, 2.0], np.float32)
"""Trial AODs; residuals are taken as linear between them."""
CLIMATOLOGY_NODE = 2
SCATTER_BLUE, SCATTER_RED = 0.006, 0.012
"""One sigma of a window's mean about the relations for blue and red, reflectance: they weigh the two."""
SCATTER_ALONE = 0.008
"""The same of the blue–red relation where there is no 2.1 µm: how far PROSAIL canopies lie from it."""
SCATTER_KNOWN = 0.005
"""One sigma of a surface known from another date or sensor."""
FLOOR = 1.0
"""Misfit at the lowest AOD, in sigmas of the relation, from which a window is refused: it asks for less than no air."""
MIN_SLOPE = 0.01
"""Change of blue reflectance at the top of the atmosphere per unit of AOD below which it says nothing."""
DENSE = 0.6
"""NDVI, under an AOD of 0.1, of vegetation dense enough for the blue–red relation alone."""
DENSE_NDVI = 0.8
"""NDVI of the ground where near infrared does not tell it."""
PASSES = 3
"""Passes until AOD and the NDVI of the ground under it agree."""
MIN_SHARE = 0.02
"""Share of a window's pixels that must be fit."""
AIR = ("sza", "vza", "raa", "tcwv", "ozone", "elevation")


@dataclass(frozen=True)
class Found:
    """AOD by window, NaN where refused or unknown; all arrays (window row, window column)."""

    aod: F32
    rms: F32
    """Residual reflectance at the AOD found."""
    before: F32
    """The same at an AOD of 0.1."""
    slope: F32
    """How much the residual changes per unit of AOD."""
    count: npt.NDArray[np.int32]
    """Pixels used."""
    uncertainty: F32
    """One sigma of the AOD."""
    critical: npt.NDArray[np.bool_]
    """Refused: blue is near or above the critical reflectance."""
    method: str


def scattering_angle(sza: Array, vza: Array, raa: Array) -> Array:
    """
    Return the scattering angle in degrees; 180 is backscatter, which is `raa` 0 at equal zenith angles.

    Examples
    --------
    >>> float(scattering_angle(np.array(30.0), np.array(30.0), np.array(0.0)))
    180.0
    """
    s, v, a = np.radians(sza), np.radians(vza), np.radians(raa)
    cosine = -np.cos(s) * np.cos(v) - np.sin(s) * np.sin(v) * np.cos(a)
    return np.asarray(np.degrees(np.arccos(np.clip(cosine, -1, 1))))


def dark_red(swir22: Array, greenness: Array, angle: Array) -> Array:
    """
    Return the red reflectance (0.66 µm) of a dark surface from its 2.1 µm reflectance.

    ``ρ.66 = (s + 0.002Θ − 0.27) ρ2.1 − 0.00025Θ + 0.033``; s rises from 0.48 to 0.58 with the greenness
    from 0.25 to 0.75 (Levy et al. 2007).

    Parameters
    ----------
    swir22, greenness
        Reflectance; NDVI of 1.24 and 2.1 µm, or the ordinary NDVI where there is no 1.24 µm band.
    angle
        Scattering angle, degrees.

    Examples
    --------
    >>> round(float(dark_red(np.array(0.10), np.array(0.428571), np.array(120.0))), 6)
    0.051571
    """
    slope = np.where(greenness < 0.25, 0.48, np.where(greenness > 0.75, 0.58, 0.48 + 0.2 * (greenness - 0.25)))
    return np.asarray((slope + 0.002 * angle - 0.27) * swir22 - 0.00025 * angle + 0.033)


def dark_blue(red: Array) -> Array:
    """
    Return the blue reflectance (0.47 µm) of a dark surface from its red one: ``0.49 ρ.66 + 0.005`` (Levy et al. 2007).

    Examples
    --------
    >>> round(float(dark_blue(np.array(0.051571))), 5)
    0.03027
    """
    return np.asarray(0.49 * red + 0.005)


def dark_target(seen: View, windows: Lattice, tables: Tables) -> Found:
    """
    AOD from dark, vegetated ground: its blue from its red, and its red from 2.1 µm where that is measured.

    Without a 2.1 µm band only the blue–red relation is left, used over green vegetation alone.
    """
    first = _correct(
        seen, tables, [b for b in ("blue", "green", "red", "nir08", "nir", "swir22") if b in seen.toa], 0.1
    )
    swir = "swir22" in seen.toa
    fit = seen.clear & _green(seen, first)
    if swir:
        fit &= (first["swir22"] >= 0.01) & (first["swir22"] <= 0.25)
    names = [b for b in ("blue", "red", "nir08", "nir", "swir12", "swir22") if b in seen.toa]
    mean, air, count = _window_means([seen.toa[b] for b in names], seen.toa["red"], fit, (0.2, 0.5), seen, windows)
    toa = dict(zip(names, mean, strict=True))
    own = _over_nodes(toa, air, tables)
    near = next((b for b in ("nir08", "nir") if b in own), None)
    angle = scattering_angle(air["sza"], air["vza"], air["raa"])
    ndvi = np.full(angle.shape, DENSE_NDVI)
    for _ in range(PASSES if near else 1):
        residuals = _dark_residuals(own, angle, seen.sensor, ndvi)
        sigmas = [SCATTER_BLUE, SCATTER_RED] if swir else [SCATTER_ALONE]
        method = "dark-target" if swir else "dark-target (blue–red)"
        found = _found(residuals, sigmas, own["blue"], air, tables, count, method)
        if near:
            red, infrared = (_at(own[b], np.nan_to_num(found.aod, nan=NODES[CLIMATOLOGY_NODE])) for b in ("red", near))
            ndvi = (infrared - red) / np.maximum(infrared + red, 1e-3)
    return found


def _dark_residuals(ground: dict[str, F32], angle: Array, sensor_id: str, ndvi: Array) -> list[Array]:
    if "swir22" not in ground:
        return [ground["blue"] - _blue_from_modis(dark_blue(ground["red"]), sensor_id, ndvi)]
    # as published: that blue is brighter and 2.2 µm other than in the bands of MODIS nearly cancel
    red = dark_red(ground["swir22"], _greenness(ground), angle[None])
    return [ground["blue"] - dark_blue(red), ground["red"] - red]


def _blue_from_modis(value: Array, sensor_id: str, ndvi: Array) -> Array:
    """
    Return what a sensor's blue band sees of ground of a blue reflectance in that of MODIS, for which relations hold.

    Vegetation is brighter at the 0.48–0.49 µm of most blue bands than at the 0.47 µm of MODIS, which would pass for
    aerosol. The lines come from spectral responses and a library of spectra, by class of NDVI.
    """
    if not sensor_id or sensor_id.startswith("modis"):
        return value
    line = next(c for c in coefficients("modis-terra", sensor_id, method="generated") if c.band == "blue")
    steps = sorted((c.centre, c.line.slope, c.line.offset) for c in line.classes)
    centres, slopes, offsets = np.array(steps or [(0.0, line.slope, line.offset)]).T
    slope, offset = (np.interp(ndvi, centres, v) for v in (slopes, offsets))
    return np.asarray(slope * value + offset, np.float32)


def _greenness(ground: dict[str, F32]) -> Array:
    """Return the NDVI of 1.24 and 2.1 µm, or the ordinary one, or 0.5 where there is no near infrared at all."""
    if "swir12" in ground:
        high, low = ground["swir12"], ground["swir22"]
    elif "nir08" in ground or "nir" in ground:
        high, low = ground.get("nir08", ground.get("nir")), ground["red"]  # type: ignore[assignment]
    else:
        return np.full_like(ground["red"], 0.5)
    return np.asarray((high - low) / np.maximum(high + low, 1e-3))


def known_ground(seen: View, windows: Lattice, tables: Tables, blue: F32, method: str) -> Found:
    """
    AOD from the blue reflectance of the ground, known from a clearer date or another sensor.

    Parameters
    ----------
    seen, windows, tables
        The scene, its windows and what its air does.
    blue : float32 (y, x)
        Surface reflectance in its blue band, NaN where unknown. Bright ground, where blue does not change with AOD,
        is left out; of the rest the middle ranks of (top of atmosphere − ground) count, so that clouds and shadows that
        the mask has missed do not.
    method
        ``clearest-blue`` or ``reference``.
    """
    fit = seen.clear & (blue > -0.01) & (blue < 0.12)
    haze = seen.toa["blue"] - blue
    (toa, ground), air, count = _window_means([seen.toa["blue"], blue], haze, fit, (0.25, 0.65), seen, windows)
    found = _over_nodes({"blue": toa}, air, tables)["blue"]
    return _found([found - ground], [SCATTER_KNOWN], found, air, tables, count, method)


def clearest(series: Sequence[View], tables: Tables, background: float, shape: F32 | None = None) -> list[F32]:
    """
    Return the blue reflectance of the ground on every date from the clearest of all, each under its own sun and view.

    Every date is corrected for `background` AOD; the lowest blue (second lowest of eight dates or more, so that one bad
    shadow does not decide) is the ground, brought to the other dates by their directions.

    Parameters
    ----------
    series
        Views of one sensor on one grid.
    tables
        Of that sensor.
    background
        AOD of the clearest date.
    shape
        What to multiply every date with to bring it to a common direction, (time, y, x). Default: nothing.
    """
    factor: Any = np.ones(len(series), np.float32)[:, None, None] if shape is None else shape
    stack = np.stack([np.where(v.clear, _correct(v, tables, ["blue"], background)["blue"], np.nan) for v in series])
    ordered = np.sort(stack * factor, axis=0)
    count = np.isfinite(ordered).sum(0)
    rank = np.where(count >= 8, 1, 0)
    ground = np.take_along_axis(ordered, rank[None], 0)[0]
    return [np.where(count >= 3, ground / f, np.nan).astype(np.float32) for f in factor]


def _green(seen: View, ground: dict[str, F32]) -> npt.NDArray[np.bool_]:
    """
    Say where the ground is vegetated: NDVI where there is near infrared, else green above both blue and red.

    The blue–red relation alone asks for dense vegetation: simulated canopies (PROSAIL) lie 0.005 above it in blue at an
    NDVI over 0.8, 0.008 over 0.6 and 0.018 over 0.4.
    """
    near = ground.get("nir08", ground.get("nir"))
    if near is not None:
        limit = 0.1 if "swir22" in ground else DENSE
        return np.asarray((near - ground["red"]) > limit * (near + ground["red"]))
    if "green" not in ground:
        return np.zeros(seen.shape, bool)
    blue, green, red = (ground[b] for b in ("blue", "green", "red"))
    return np.asarray((green - red > 0.1 * (green + red)) & (green - blue > 0.1 * (green + blue)))


def _correct(seen: View, tables: Tables, bands: Sequence[str], aod: float) -> dict[str, F32]:
    air = {name: seen.layer(name) for name in AIR}
    sza, vza, raa = (air.pop(name) for name in ("sza", "vza", "raa"))
    toa = {band: seen.toa[band] for band in bands}
    return dict(tables.correct(toa, sza, vza, raa, np.full(seen.shape, aod, np.float32), **air))


def _window_means(
    bands: Sequence[F32], key: F32, fit: Array, ranks: tuple[float, float], seen: View, windows: Lattice
) -> tuple[list[F32], dict[str, F32], Array]:
    """Return the means of bands and of the air over the pixels that are fit, and their count (0 where too few)."""
    air = [seen.layer(name) for name in AIR]
    stack = np.moveaxis(windows.fold(np.stack([*bands, *air]).astype(np.float32)), 0, -2)
    keys = windows.fold(np.where(fit, key, np.nan).astype(np.float32))
    mean, count = trimmed(np.ascontiguousarray(stack), keys, *ranks)
    share = np.isfinite(keys).sum(-1) / windows.pixels**2
    count = np.where(share >= MIN_SHARE, count, 0).astype(np.int32)
    mean = np.where(count[..., None] > 0, mean, np.nan)
    parts = [np.ascontiguousarray(mean[..., i]) for i in range(mean.shape[-1])]
    return parts[: len(bands)], dict(zip(AIR, parts[len(bands) :], strict=True)), count


def _over_nodes(toa: dict[str, F32], air: dict[str, F32], tables: Tables) -> dict[str, F32]:
    """Return the ground under the windows for every trial AOD: (node, y, x)."""
    return dict(_under(tables.correct, toa, air))


def _under(function: Any, bands: dict[str, F32], air: dict[str, F32]) -> dict[str, F32]:
    shape = (NODES.size, *air["sza"].shape)
    full = {name: _spread(value, shape) for name, value in air.items()}
    angles = [full.pop(name) for name in ("sza", "vza", "raa")]
    made: dict[str, F32] = function(
        {b: _spread(v, shape) for b, v in bands.items()}, *angles, _spread(NODES[:, None, None], shape), **full
    )
    return made


def _spread(value: Array, shape: tuple[int, ...]) -> F32:
    return np.ascontiguousarray(np.broadcast_to(np.asarray(value, np.float32), shape))


def _found(
    residuals: Sequence[Array], sigmas: Sequence[float], blue: F32, air: dict[str, F32], tables: Tables,
    count: Array, method: str,
) -> Found:  # fmt: skip
    stack = np.ascontiguousarray(np.moveaxis(np.stack(residuals), (0, 1), (-2, -1)), np.float32)
    weight = (1 / np.square(sigmas)).astype(np.float32)
    aod, rms, slope = solve(stack, weight, NODES)
    critical = _critical(aod, blue, air, tables)
    mean_sigma = 1 / np.sqrt(weight.mean())
    unc = np.hypot(np.maximum(mean_sigma / np.sqrt(len(sigmas)), rms) / np.maximum(slope, 1e-4), 0.1 * aod)
    # where even the clearest air leaves a misfit, the ground does not follow the relation
    edge = (aod >= NODES[-1]) | ((aod <= NODES[0]) & (rms > FLOOR * mean_sigma))
    bad = critical | edge
    at_climatology = np.sqrt((weight * stack[..., CLIMATOLOGY_NODE] ** 2).sum(-1) / weight.sum())
    aod, unc = (np.where(bad, np.nan, v).astype(np.float32) for v in (aod, unc))
    return Found(aod, rms, at_climatology, slope, np.where(bad, 0, count).astype(np.int32), unc, critical, method)


def _critical(aod: F32, blue: F32, air: dict[str, F32], tables: Tables) -> npt.NDArray[np.bool_]:
    """Say where blue over the ground that was found does not rise with AOD, from 0 to a little above it (trap 10)."""
    ground = _at(blue, aod)
    toa = _under(tables.simulate, {"blue": ground}, air)["blue"]
    rise = np.diff(toa, axis=0) / np.diff(NODES)[:, None, None]
    asked = np.arange(NODES.size - 1)[:, None, None] <= np.searchsorted(NODES, np.nan_to_num(aod))
    return np.asarray(np.isfinite(aod) & (np.where(asked, rise, np.inf).min(0) < MIN_SLOPE))


def _at(values: F32, aod: F32) -> F32:
    """Return what holds at an AOD between the nodes, linear: (node, y, x) to (y, x)."""
    index = np.searchsorted(NODES, np.nan_to_num(aod)).clip(1, NODES.size - 1)
    low, high = (np.take_along_axis(values, i[None], 0)[0] for i in (index - 1, index))
    part = (aod - NODES[index - 1]) / (NODES[index] - NODES[index - 1])
    return np.asarray(low + part * (high - low), np.float32)

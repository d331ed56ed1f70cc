"""The twin-sensor simulator: one known surface, several satellites, each writing its own files."""

from __future__ import annotations

import datetime as dt
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from musyq_cube.period import parse_period
from musyq_cube.testing import hj, landsat, sentinel2
from musyq_cube.testing.atmosphere import Atmosphere
from musyq_cube.testing.observe import View
from musyq_cube.testing.overpass import SENSORS, Overpass, Track, timetable
from musyq_cube.testing.surface import Surface
from musyq_cube.testing.truth import Truth

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence


class _Writer(Protocol):
    BANDS: Sequence[str] | Mapping[str, int]

    def write(self, view: View, folder: Path) -> Path: ...


_WRITERS: dict[str, _Writer] = {"landsat8-oli": landsat, "sentinel2a-msi": sentinel2, "hj1a-ccd1": hj}  # type: ignore[dict-item]
_FOLDERS = {"landsat8-oli": "landsat", "sentinel2a-msi": "sentinel2", "hj1a-ccd1": "hj1"}
# What goes wrong, by sensor: geolocation (m, 1 σ and axis), calibration gain (1 σ), noise of reflectance (1 σ).
_ERRORS = {
    "landsat8-oli": (5.0, 0.010, 0.0005),
    "sentinel2a-msi": (4.0, 0.010, 0.0010),
    "hj1a-ccd1": (12.0, 0.03, 0.0030),
}
# Clouds of consecutive overpasses: mostly broken, now and then clear or lost.
_SKY = {
    "landsat8-oli": (0.15, 0.35, 0.05, 0.55),
    "sentinel2a-msi": (0.10, 0.40, 0.0, 0.60, 0.25, 0.05),
    "hj1a-ccd1": (0.0, 0.05, 0.45, 0.0, 0.10, 0.0, 0.30, 0.05),
}


def simulate(
    folder: str | Path,
    *,
    sensors: Iterable[str] = SENSORS,
    period: str = "2017-07",
    size: float = 9600.0,
    seed: int = 0,
    perfect: bool = False,
    thermal: bool = False,
    progress: Callable[[Overpass, Path], None] | None = None,
) -> Truth:
    """
    Write an archive of simulated scenes and return the truth behind them.

    The surface (crops with their seasons, forest, water, dunes, a town) is seen by each sensor through its own spectral
    response, geometry and air, under clouds, and written in the sensor's own file layout:
    Landsat-8 Collection-2 Level-1, Sentinel-2 Level-1C SAFE, HJ-1A CCD1 Level-2 of CRESDA.

    Parameters
    ----------
    folder
        Where the scenes go, one sub-folder a sensor; also ``truth.json`` and ``truth.npz``.
    sensors
        Any of ``landsat8-oli``, ``sentinel2a-msi`` and ``hj1a-ccd1``.
    period
        Dates to simulate, for example ``"2017-07"``; every overpass of the timetable in it is written.
    size
        Edge of the scene in metres.
    seed
        The same arguments and seed give the same bytes.
    perfect
        Leave out clouds, geolocation and gain errors and noise; air, geometry and quantisation stay.
    thermal
        Write the thermal bands of Landsat-8 too (see :mod:`musyq_cube.testing.thermal`).
    progress
        Called with every overpass and its folder as soon as it is written.

    Returns
    -------
    Truth
        What was there, for any sensor, date and pixel grid.
    """
    options: dict[str, bool] = {"perfect": perfect, "thermal": thermal}
    truth = scheme(folder, sensors=sensors, period=period, size=size, seed=seed, **options)
    surface, folder = truth.surface, truth.folder
    _ = surface.land  # made once, before the threads want it

    def write(over: Overpass) -> None:
        home = _WRITERS[over.sensor].write(View(surface, over), folder / _FOLDERS[over.sensor])
        if progress:
            progress(over, home)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(write, truth.overpasses))
    truth.save()
    return truth


def scheme(
    folder: str | Path,
    *,
    sensors: Iterable[str] = SENSORS,
    period: str = "2017-07",
    size: float = 9600.0,
    seed: int = 0,
    perfect: bool = False,
    thermal: bool = False,
) -> Truth:
    """Return what `simulate` with the same arguments would write, without writing it."""
    when, wanted = parse_period(period), list(sensors)
    if unknown := set(wanted) - set(SENSORS):
        raise ValueError(f"cannot simulate {', '.join(sorted(unknown))}: choose from {', '.join(SENSORS)}")
    overpasses = [
        replace(_overpass(sensor, index, track, time, seed, perfect=perfect), thermal=thermal)
        for sensor in wanted
        for index, (track, time) in enumerate(timetable(sensor, when.start, when.end))
    ]
    if not overpasses:
        raise ValueError(f"no overpass in {period}: take a longer period")
    ordered = tuple(sorted(overpasses, key=lambda over: over.time))
    return Truth(Path(folder), Surface(float(size), seed), ordered)


def _overpass(sensor: str, index: int, track: Track, time: dt.datetime, seed: int, *, perfect: bool) -> Overpass:
    """Draw the state of the air and the errors of one acquisition."""
    rng = np.random.default_rng([seed, SENSORS.index(sensor), int(time.timestamp()) // 60])
    located, gained, noisy = (0.0, 0.0, 0.0) if perfect else _ERRORS[sensor]
    # A camera's calibration error lasts: it is drawn once for the sensor, not for the overpass.
    lasting = np.random.default_rng([seed, SENSORS.index(sensor), 7])
    bands = _WRITERS[sensor].BANDS
    gains = tuple((band, round(1 + gained * float(lasting.standard_normal()), 5)) for band in bands)
    air = Atmosphere(aod=round(float(rng.uniform(0.05, 0.30)), 3), angstrom=round(float(rng.uniform(1.0, 1.4)), 2))
    shift = tuple(round(located * float(v), 2) for v in np.clip(rng.standard_normal(2), -2, 2))
    sky = 0.0 if perfect else _SKY[sensor][index % len(_SKY[sensor])]
    cloud_seed = int(rng.integers(1, 2**31))
    return Overpass(
        _scene_id(sensor, track, time), sensor, time, track, air, sky, cloud_seed, (shift[0], shift[1]), gains, noisy
    )


def _scene_id(sensor: str, track: Track, time: dt.datetime) -> str:
    if sensor == "landsat8-oli":
        return f"LC08_L1TP_{track.label}_{time:%Y%m%d}_20200903_02_T1"
    if sensor == "sentinel2a-msi":
        return sentinel2.scene_id(track.label, time)
    serial = 20003000000 + (time.date() - dt.date(2017, 1, 1)).days * 100 + int(track.label[0])
    return f"HJ1A-CCD1-{track.label}-{time:%Y%m%d}-L{serial}"

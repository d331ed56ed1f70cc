"""Look-up tables of the atmosphere: one spectral table from 6S for all sensors, made a sensor's by its response."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from musyq_cube.config import config
from musyq_cube.errors import NormalizeError
from musyq_cube.kernels import atmosphere as kernel
from musyq_cube.normalize._lut_bands import (
    Spectral,
    band_extinction,
    band_tables,
    multilinear,
    pressure,
    water_transmittance,
)
from musyq_cube.sensor import sensor as get_sensor

if TYPE_CHECKING:
    from collections.abc import Mapping

MODELS = ("continental", "maritime", "urban", "desert")
"""Aerosol models of 6S (Vermote et al. 1997) that tables are shipped for."""

LONGEST = 2.4
"""µm: the tables hold for bands centred below."""
CLEAREST = 0.5
"""Share of light that 2 g cm⁻² of water must let through twice: bands that see less see the air, not the surface."""

F32: TypeAlias = npt.NDArray[np.float32]
Value: TypeAlias = "F32 | float"
Bands = TypeVar("Bands", bound="Mapping[str, Any] | np.ndarray[Any, Any]")

_STRIP = 1 << 16
"""Numbers that are corrected at once."""
_SHIPPED = Path(__file__).parent / "data" / "atmosphere.zarr.zip"


@dataclass(frozen=True, eq=False)
class Lut:
    """
    What one aerosol model and the gases do in the bands of one sensor.

    Examples
    --------
    >>> oli = load("landsat8-oli")
    >>> toa = oli.simulate({"red": np.float32([[0.1]])}, sza=40, vza=5, raa=90, aod=0.2)
    >>> round(float(oli.correct(toa, sza=40, vza=5, raa=90, aod=0.2)["red"][0, 0]), 5)
    0.1
    """

    sensor: str
    model: str
    bands: tuple[str, ...]
    """Common names, in the order of the last dimension of the tables."""
    tables: tuple[np.ndarray[Any, Any], ...]
    """Arrays of `musyq_cube.kernels.atmosphere.correct`, bands last."""
    extinction: tuple[float, ...]
    """Aerosol optical depth of each band relative to 0.55 µm."""
    max_sza: float
    max_vza: float
    max_aod: float

    def correct(
        self,
        toa: Bands,
        sza: Value,
        vza: Value,
        raa: Value,
        aod: Value,
        *,
        tcwv: Value = 2.0,
        ozone: Value = 0.3,
        elevation: Value = 0.0,
    ) -> Bands:
        """
        Surface reflectance (Lambertian) under reflectance at the top of the atmosphere.

        Parameters
        ----------
        toa
            By common name, some bands of the sensor, float32 (…) of one shape; or one array (band, …) of all of them.
        sza, vza, raa
            Degrees; `raa` is 0 (or 360) in the hot spot. Numbers or arrays that broadcast to the pixels.
        aod
            Aerosol optical depth at 0.55 µm.
        tcwv, ozone, elevation
            Column water vapour above the ground (g cm⁻²) and ozone (cm-atm); height of the ground (km).

        Returns
        -------
        Same form as `toa`, float32
            May be negative or above 1: nothing is clipped. NaN where `toa` or the state is missing, and where the state
            is outside the table: nothing is extrapolated.

        Raises
        ------
        NormalizeError
            For a band that the sensor does not have, or that sees no sunlight.
        """
        done: Bands = self._run(kernel.correct, toa, (sza, vza, raa, aod, tcwv, ozone, elevation))
        return done

    def simulate(
        self,
        surface: Bands,
        sza: Value,
        vza: Value,
        raa: Value,
        aod: Value,
        *,
        tcwv: Value = 2.0,
        ozone: Value = 0.3,
        elevation: Value = 0.0,
    ) -> Bands:
        """Reflectance at the top of the atmosphere over a Lambertian surface: the inverse of `correct`."""
        done: Bands = self._run(kernel.simulate, surface, (sza, vza, raa, aod, tcwv, ozone, elevation))
        return done

    def diffuse_ratio(
        self, names: tuple[str, ...], vza: Value, aod: Value, elevation: Value = 0.0
    ) -> dict[str, np.ndarray[Any, Any]]:
        """
        Diffuse relative to direct transmittance from the surface to the sensor, by band.

        Parameters and units as in `correct`; float64 of their common shape.
        """
        transmit, rayleigh, aods, pressures = self.tables[1], self.tables[6], self.tables[8], self.tables[9]
        mu = np.cos(np.radians(np.asarray(vza, np.float64)))
        air = pressure(np.asarray(elevation, np.float64))
        axes = (pressures, aods, np.linspace(0.0, self.max_sza, transmit.shape[2]))
        out = {}
        for name in names:
            band = self.bands.index(name)
            total = multilinear(axes, transmit[..., band], (air, np.asarray(aod), np.asarray(vza)))
            direct = np.exp(-(rayleigh[band] * air + self.extinction[band] * np.asarray(aod)) / mu)
            out[name] = total / direct - 1.0
        return out

    def _run(self, function: Any, bands: Any, air: tuple[Value, ...]) -> Any:
        if isinstance(bands, np.ndarray):
            if len(bands) != len(self.bands):
                raise NormalizeError(
                    f"an array of {len(bands)} bands is not that of {self.sensor}, which has {len(self.bands)} "
                    f"({', '.join(self.bands)}); give a dict of some of them"
                )
            return self._apply(function, list(bands), air, self.tables)
        names = tuple(bands)
        done = self._apply(function, [np.asarray(bands[name]) for name in names], air, self._chosen(names))
        return dict(zip(names, done, strict=True))

    @staticmethod
    def _apply(
        function: Any, layers: list[np.ndarray[Any, Any]], air: tuple[Value, ...], tables: tuple[Any, ...]
    ) -> F32:
        shape = np.broadcast_shapes(*(np.shape(x) for x in (*layers, *air)))
        if not layers:
            return np.empty((0, *shape), np.float32)
        # lines of pixels: the last dimension; a few lines at a time, all bands of which stay in the cache
        width = shape[-1] if shape else 1
        bands, states = (
            [np.broadcast_to(np.asarray(x, np.float32), shape).reshape(-1, width) for x in part]
            for part in (layers, air)
        )
        out = np.empty((len(layers), *bands[0].shape), np.float32)
        lines = max(1, _STRIP // max(1, width * len(layers)))
        for top in range(0, out.shape[1], lines):
            part = slice(top, top + lines)
            stack = np.stack([band[part] for band in bands], 1)
            out[:, part] = np.moveaxis(function(stack, tuple(state[part] for state in states), tables), 1, 0)
        return out.reshape(len(layers), *shape)

    def _chosen(self, names: tuple[str, ...]) -> tuple[np.ndarray[Any, Any], ...]:
        """Tables of some bands only."""
        if names == self.bands:
            return self.tables
        if unknown := [n for n in names if n not in self.bands]:
            raise NormalizeError(
                f"no atmospheric table for {', '.join(unknown)} of {self.sensor}: it has {', '.join(self.bands)}"
            )
        return _subset(self, tuple(self.bands.index(n) for n in names))


@lru_cache(maxsize=64)
def _subset(lut: Lut, index: tuple[int, ...]) -> tuple[np.ndarray[Any, Any], ...]:
    filled = [*index, *[0] * (kernel.padded(len(index)) - len(index))]
    return tuple(np.ascontiguousarray(t[..., filled]) if i < 7 else t for i, t in enumerate(lut.tables))


def load(sensor_id: str, model: str = "continental") -> Lut:
    """
    Make the table of a sensor, from the shipped spectra and the sensor's response. Kept for the next call.

    Parameters
    ----------
    sensor_id
        A folder of ``catalogs/sensors``.
    model
        One of `MODELS`.

    Raises
    ------
    NormalizeError
        For an unknown aerosol model. SensorError for an unknown sensor or one without response.
    """
    return _load(sensor_id, model, _path())


@lru_cache(maxsize=32)
def _load(sensor_id: str, model: str, path: Path) -> Lut:
    if model not in MODELS:
        raise NormalizeError(f"no aerosol model {model!r}; there are {', '.join(MODELS)}")
    sensor = get_sensor(sensor_id)
    bands = _reflective(sensor_id, path)
    if not bands:
        raise NormalizeError(f"{sensor_id} has no band that sees the surface in sunlight: there is nothing to correct")
    spectral = _read(path, model)
    tables = band_tables(spectral, [sensor.srf(name) for name in bands])
    extinction = band_extinction(spectral, [sensor.srf(name) for name in bands])
    return Lut(
        sensor_id, model, bands, tables, extinction, spectral.max_sza, spectral.max_vza, float(spectral.aods[-1])
    )


def _path() -> Path:
    return Path(config.get("luts.path", None) or _SHIPPED)


def spectral_table(model: str) -> Spectral:
    """Read the table of an aerosol model: of the file that the setting ``luts.path`` names, else the shipped one."""
    return _read(_path(), model)


@lru_cache(maxsize=2 * len(MODELS))
def _read(path: Path, model: str) -> Spectral:
    return Spectral.read(path, model)


def reflective(sensor_id: str) -> tuple[str, ...]:
    """
    Return the common names of the bands that see the surface in sunlight, in the order of the sensor file.

    Examples
    --------
    >>> set(reflective("sentinel2a-msi")) & {"nir08", "nir09", "cirrus"}
    {'nir08'}
    """
    return _reflective(sensor_id, _path())


@lru_cache(maxsize=64)
def _reflective(sensor_id: str, path: Path) -> tuple[str, ...]:
    sensor = get_sensor(sensor_id)
    short = [b.key for b in sensor.bands if b.center_wavelength is not None and b.center_wavelength < LONGEST]
    spectral = _read(path, MODELS[0])
    return tuple(name for name in short if water_transmittance(spectral, sensor.srf(name)) > CLEAREST)

"""From the spectral table of the atmosphere to a sensor's bands: integration over the response, finer nodes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from musyq_cube.errors import NormalizeError
from musyq_cube.kernels.atmosphere import padded

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    Response: TypeAlias = "tuple[F64, F64]"

F64: TypeAlias = npt.NDArray[np.float64]
F32: TypeAlias = npt.NDArray[np.float32]
Array: TypeAlias = np.ndarray[Any, Any]

MAX_VZA = 70.0
MIN_ELEVATION = -0.5
"""km: land below the sea has 6 % more air at most, for which the tables' last two pressures are continued."""
RAA_STEP = 10.0
"""Degrees; of the table that pixels are looked up in."""
AOD_COUNT = 19
"""Nodes of that table, at aods[-1] · (i / (AOD_COUNT − 1))²: dense where the sky is clear."""
T_STEP = 1.0
"""Degrees between the zenith angles of the transmittances."""
MAX_WATER = 60.0
"""Water on the whole path, g cm⁻², up to which gas tables reach."""
MAX_OZONE = 6.0
"""Ozone on the whole path, cm-atm."""
PIECES = 5
"""Wavelengths that stand for a band where light is scattered."""
_COUNTS = {"water": 121, "ozone": 61, "dry": 25}
_TINY = 1e-6


@dataclass(frozen=True, eq=False)
class Spectral:
    """
    The shipped table of an aerosol model: what 6S says at a few wavelengths and states, and the gases' spectra.

    Scattering arrays are (wavelength, pressure, aod, …).
    """

    wavelengths: F64
    angles: F64
    """Zenith angles, degrees, even steps from 0."""
    aods: F64
    pressures: F64
    """Relative to sea level, increasing."""
    path: F32
    """(…, pair, azimuth): reflectance over a black surface × cosines of the zenith angles; `pairs` of angles, even
    azimuths from 0 to 180°."""
    transmit: F32
    """(…, angle): direct and diffuse, one way."""
    albedo: F32
    """(…): spherical albedo."""
    extinction: F64
    """(wavelength,): aerosol optical depth relative to 0.55 µm."""
    rayleigh: F64
    """(wavelength,) optical depth of air at sea level."""
    gas_wavelengths: F64
    irradiance: F64
    """Solar, W m⁻² µm⁻¹, at `gas_wavelengths` like all that follows."""
    masses: F64
    dry: F64
    """(pressure, air mass, gas wavelength): transmittance of the gases but water and ozone."""
    waters: F64
    water: F64
    """(water path, gas wavelength)."""
    ozone: F64
    """Absorption per cm-atm."""

    @property
    def max_sza(self) -> float:
        """Degrees."""
        return float(self.angles[-1])

    @property
    def max_vza(self) -> float:
        """Degrees."""
        return MAX_VZA

    @classmethod
    def read(cls, path: Path, model: str) -> Spectral:
        """Read one aerosol model of the shipped store."""
        import zarr
        from zarr.storage import ZipStore

        if not path.is_file():
            raise NormalizeError(f"{path} is missing: the installation is incomplete (`musyq luts build` makes it)")
        store = ZipStore(path, mode="r")
        try:
            root = zarr.open_group(store, mode="r")
            values = {name: _unpacked(root[name]) for name in _COMMON}
            values |= {name: _unpacked(root[f"{model}/{name}"]) for name in _OWN}
        finally:
            store.close()
        return cls(**values)


_COMMON = ("wavelengths", "angles", "aods", "pressures", "rayleigh", "gas_wavelengths", "irradiance", "masses", "dry",
           "waters", "water", "ozone")  # fmt: skip
_OWN = ("path", "transmit", "albedo", "extinction")


def _unpacked(array: Any) -> Any:
    values = array[...]
    scale = array.attrs.get("scale_factor")
    return values if scale is None else (values * np.float32(scale)).astype(np.float32)


def band_tables(spectral: Spectral, responses: Sequence[Response]) -> tuple[Array, ...]:
    """
    Integrate over the responses of bands.

    Returns
    -------
    tuple
        The arguments of `musyq_cube.kernels.atmosphere.correct` after the state of the air.
    """
    weights = [_weight(spectral, *response) for response in responses]
    matrices = [_pieces(spectral, weight) for weight in weights]
    aods = spectral.aods[-1] * (np.arange(AOD_COUNT) / (AOD_COUNT - 1)) ** 2
    path = np.stack([_finer_path(spectral, _mean(spectral.path, m), aods) for m in matrices], -1)
    transmit = np.stack([_finer_transmit(spectral, _mean(spectral.transmit, m), aods) for m in matrices], -1)
    albedo = np.stack([_over_aod(spectral, _mean(spectral.albedo, m), aods) for m in matrices], -1)
    top = 1.0 - 2.0 / (1 / np.cos(np.radians(spectral.max_sza)) + 1 / np.cos(np.radians(MAX_VZA)))
    gases = [_gases(spectral, weight, top) for weight in weights]
    dry, ozone, water = (np.stack(tables, -1) for tables in zip(*gases, strict=True))
    rayleigh = np.array([m.share @ np.exp(m.matrix @ np.log(spectral.rayleigh)) for m in matrices])
    limits = np.array([
        spectral.max_sza, MAX_VZA, np.sqrt(MAX_WATER), MAX_OZONE,
        MIN_ELEVATION, _height(spectral.pressures[0]), top,
    ])  # fmt: skip
    floats = (path, transmit, albedo, dry, ozone, water, rayleigh)
    return (*(_padded(a) for a in floats), limits, aods, spectral.pressures.astype(np.float64))


def _padded(table: F64) -> F32:
    """Fill up the last dimension as the kernel wants it, with 1 that does no harm."""
    missing = padded(table.shape[-1]) - table.shape[-1]
    return np.ascontiguousarray(
        np.pad(table, [(0, 0)] * (table.ndim - 1) + [(0, missing)], constant_values=1.0), np.float32
    )


@dataclass(frozen=True, eq=False)
class _Pieces:
    """A band as a few wavelengths."""

    matrix: F64
    """(piece, wavelength): interpolation of logarithms from the table's wavelengths."""
    share: F64
    """(piece,) of the band's light."""


def _weight(spectral: Spectral, wavelength: F64, response: F64) -> F64:
    """Response × solar irradiance at `gas_wavelengths`, sum 1."""
    there = np.interp(spectral.gas_wavelengths, wavelength, response, left=0.0, right=0.0)
    if there.sum() <= 0.0:  # narrower than a step
        centre = float((wavelength * response).sum() / response.sum())
        there[np.argmin(np.abs(spectral.gas_wavelengths - centre))] = 1.0
    weight = there * spectral.irradiance
    return np.asarray(weight / weight.sum())


def _pieces(spectral: Spectral, weight: F64) -> _Pieces:
    """Divide a band into parts of equal light, each at its mean wavelength."""
    weight = weight * spectral.dry[-1, 2]
    weight = weight / weight.sum()
    lit = np.flatnonzero(weight > 0)
    parts = np.minimum((np.cumsum(weight[lit]) - weight[lit] / 2) * PIECES, PIECES - 1e-9).astype(int)
    centres, share = [], []
    for part in np.unique(parts):
        own = lit[parts == part]
        share.append(weight[own].sum())
        centres.append((weight[own] * spectral.gas_wavelengths[own]).sum() / share[-1])
    return _Pieces(_lagrange(np.log(spectral.wavelengths), np.log(np.array(centres))), np.array(share))


def _lagrange(nodes: F64, at: F64, points: int = 4) -> F64:
    """Matrix (at, nodes) of interpolation by the cubic through the `points` nearest nodes."""
    out = np.zeros((len(at), len(nodes)))
    for row, x in zip(out, at, strict=True):
        first = int(np.clip(np.searchsorted(nodes, x) - points // 2, 0, len(nodes) - points))
        near = range(first, first + points)
        for i in near:
            row[i] = np.prod([(x - nodes[j]) / (nodes[i] - nodes[j]) for j in near if j != i])
    return out


def _mean(table: F32, band: _Pieces) -> F64:
    """Mean of a positive quantity over a band; it runs smoothly in log–log."""
    logs = np.log(np.maximum(table, _TINY)).reshape(len(table), -1).astype(np.float32)
    values = band.share @ np.exp(band.matrix @ logs)
    return np.asarray(values.reshape(table.shape[1:]), np.float64)


def _over_aod(spectral: Spectral, table: F64, aods: F64) -> F64:
    """Interpolate axis 1 to finer aerosol optical depths: cubic in their square root shifted away from 0."""
    matrix = _lagrange(np.sqrt(spectral.aods + 0.05), np.sqrt(aods + 0.05))
    return np.asarray(np.einsum("na,pa...->pn...", matrix, table))


def _finer_path(spectral: Spectral, table: F64, aods: F64) -> F64:
    """Path reflectance × cosines (pressure, aod, sza, vza, raa) on the nodes that pixels are looked up in."""
    count = len(spectral.angles)
    views = int(np.searchsorted(spectral.angles, MAX_VZA)) + 1
    first, second = pairs(count, views - 1)
    table = _over_aod(spectral, table, aods)
    table = np.einsum("fr,...r->...f", _cosine_series(table.shape[-1], round(180.0 / RAA_STEP) + 1), table)
    full = np.empty((*table.shape[:2], count, count, table.shape[-1]))
    full[:, :, first, second] = table
    full[:, :, second, first] = table
    return full[:, :, :, :views]


def pairs(count: int, last: float) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Return indices (larger, smaller) of zenith angles, each pair once (reciprocity); the smaller up to `last`."""
    first, second = np.tril_indices(count)
    return first[second <= last], second[second <= last]


def _cosine_series(given: int, wanted: int) -> F64:
    """Matrix from values at even azimuths 0…180° to finer ones, through their cosine series."""
    order = np.arange(given)
    nodes = np.cos(np.outer(np.linspace(0, np.pi, given), order))
    return np.asarray(np.cos(np.outer(np.linspace(0, np.pi, wanted), order)) @ np.linalg.inv(nodes))


def _finer_transmit(spectral: Spectral, table: F64, aods: F64) -> F64:
    """Transmittance (pressure, aod, angle) on nodes every `T_STEP`; −μ ln T runs smoothly in the angle."""
    mu = np.cos(np.radians(spectral.angles))
    fine = np.arange(0.0, spectral.max_sza + T_STEP / 2, T_STEP)
    logs = _over_aod(spectral, -np.log(table) * mu, aods)
    matrix = _lagrange(spectral.angles, fine)
    return np.asarray(np.exp(-(logs @ matrix.T) / np.cos(np.radians(fine))))


def _gases(spectral: Spectral, weight: F64, top: float) -> tuple[F64, F64, F64]:
    """Band means: dry gases (pressure, air mass), ozone (path), water (path), in the light that the others leave."""
    fine = -np.log(1.0 - np.linspace(0.0, top, _COUNTS["dry"]))
    known = np.log(0.5 * spectral.masses)
    lit = np.flatnonzero(weight > 0)
    # optical depth grows like a power of the air mass
    depth = np.log(np.maximum(-np.log(np.clip(spectral.dry[..., lit], 1e-5, 1.0)), 1e-6))
    dry = np.exp(-np.exp(np.einsum("fm,pmw->pfw", _linear(known, fine), depth)))
    light = weight[lit] * spectral.dry[-1, 2, lit]
    light /= light.sum()
    ozone = np.exp(-np.outer(np.linspace(0.0, MAX_OZONE, _COUNTS["ozone"]), spectral.ozone[lit])) @ light
    steps = np.linspace(0.0, np.sqrt(MAX_WATER), _COUNTS["water"])
    depth = -np.log(np.clip(spectral.water[:, lit], 1e-5, 1.0))
    depth = np.concatenate([np.zeros((1, len(lit))), depth])
    water = np.exp(-_linear(np.sqrt(np.concatenate([[0.0], spectral.waters])), steps) @ depth) @ light
    return dry @ weight[lit], ozone, water


def _linear(nodes: F64, at: F64) -> F64:
    """Matrix (at, nodes) of linear interpolation, continued beyond the last node."""
    i = np.clip(np.searchsorted(nodes, at) - 1, 0, len(nodes) - 2)
    share = (at - nodes[i]) / (nodes[i + 1] - nodes[i])
    out = np.zeros((len(at), len(nodes)))
    out[np.arange(len(at)), i] = 1.0 - share
    out[np.arange(len(at)), i + 1] = share
    return out


def band_extinction(spectral: Spectral, responses: Sequence[Response]) -> tuple[float, ...]:
    """Aerosol optical depth of bands relative to 0.55 µm."""
    matrices = [_pieces(spectral, _weight(spectral, *response)) for response in responses]
    return tuple(float(m.share @ np.exp(m.matrix @ np.log(spectral.extinction))) for m in matrices)


def water_transmittance(spectral: Spectral, response: Response, path: float = 4.6) -> float:
    """Band transmittance of water along a path in g cm⁻²."""
    steps = np.array([np.interp(np.sqrt(path), np.sqrt(spectral.waters), t) for t in spectral.water.T])
    return float(_weight(spectral, *response) @ steps)


def multilinear(axes: Sequence[Array], table: Array, at: Sequence[Array]) -> F64:
    """Interpolate a table (one dimension for each axis) at points; NaN outside. Slow and simple."""
    at = np.broadcast_arrays(*(np.asarray(x, np.float64) for x in at))
    total = np.zeros(at[0].shape)
    places = []
    inside = np.ones(at[0].shape, bool)
    for axis, x in zip(axes, at, strict=True):
        inside &= (x >= axis[0]) & (x <= axis[-1])
        i = np.clip(np.searchsorted(axis, x, side="right") - 1, 0, len(axis) - 2)
        places.append((i, (x - axis[i]) / (axis[i + 1] - axis[i])))
    for corner in np.ndindex(*[2] * len(axes)):
        weight = np.prod([f if c else 1 - f for c, (_, f) in zip(corner, places, strict=True)], axis=0)
        total += weight * table[tuple(i + c for c, (i, _) in zip(corner, places, strict=True))]
    return np.where(inside, total, np.nan)


def pressure(elevation: F64 | float) -> F64:
    """Pressure relative to sea level at a height in km (ISO 2533 troposphere); 6S's US62 agrees to 0.1 %."""
    return np.asarray((1.0 - 0.0225577 * np.asarray(elevation, np.float64)) ** 5.25588)


def _height(pressure: float) -> float:
    """Height in km of a relative pressure (ISO 2533)."""
    return round(float((1.0 - pressure ** (1 / 5.25588)) / 0.0225577), 6)

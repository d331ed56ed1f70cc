"""Laws of atmospheric correction for any state within the tables."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from musyq_cube.normalize import lut

states = st.fixed_dictionaries({
    "sza": st.floats(0, 80, width=32), "vza": st.floats(0, 70, width=32), "raa": st.floats(-180, 180, width=32),
    "aod": st.floats(0, 3, width=32), "tcwv": st.floats(0, 6, width=32), "ozone": st.floats(0, 0.5, width=32),
    "elevation": st.floats(-0.5, 5, width=32),
})  # fmt: skip
sensor_ids = st.sampled_from(["landsat8-oli", "modis-terra"])
models = st.sampled_from(lut.MODELS)


@settings(max_examples=60, deadline=None)
@given(states, sensor_ids, models, st.floats(0, 1, width=32))
def test_round_trip(state, sensor_id, model, reflectance):
    table = lut.load(sensor_id, model)
    surface = np.full((len(table.bands), 1, 1), reflectance, np.float32)
    toa = table.simulate(surface, **state)
    assert np.isfinite(toa).all()
    # the darker the way down and up, the less of the surface is left in a float32
    slope = table.simulate(surface + np.float32(0.1), **state) - toa
    assert (np.abs(table.correct(toa, **state) - surface) <= 1e-5 + 2e-7 / np.maximum(slope, 1e-9) * (toa + 1)).all()


@settings(max_examples=60, deadline=None)
@given(states, sensor_ids, models)
def test_brighter_ground_is_brighter_from_above(state, sensor_id, model):
    table = lut.load(sensor_id, model)
    ground = np.array([0.0, 0.1, 0.3, 0.6, 1.0], np.float32)
    toa = table.simulate(np.broadcast_to(ground, (len(table.bands), 5)).copy(), **state)
    assert (np.diff(toa, axis=1) > 0).all()


@settings(max_examples=60, deadline=None)
@given(states, sensor_ids, models)
def test_sun_and_view_may_be_exchanged(state, sensor_id, model):
    table = lut.load(sensor_id, model)
    state = state | {"sza": min(state["sza"], 70.0)}
    swapped = state | {"sza": state["vza"], "vza": state["sza"]}
    ground = np.full((len(table.bands), 1), 0.2, np.float32)
    np.testing.assert_allclose(table.simulate(ground, **state), table.simulate(ground, **swapped), rtol=2e-5, atol=1e-6)

"""Bands one at a time and all together are normalized alike."""

import numpy as np
import pytest

from musyq_cube.normalize.chain import Observation, normalize_bands, surface_bands
from musyq_cube.normalize.rules import Rules

NAMES = ("blue", "red", "nir08", "nir")


@pytest.mark.parametrize("sensor", ["sentinel2a-msi", "hj1a-ccd1", "landsat8-oli"])
@pytest.mark.parametrize("reference", ["landsat8-oli", "modis-terra"])
def test_one_band_at_a_time_is_the_same_as_all_together(sensor: str, reference: str) -> None:
    """Of two near infrareds only one has a counterpart, whether the other is at hand or not."""
    rng = np.random.default_rng(0)
    shape = (5, 7)
    names = [name for name in NAMES if name in surface_bands(sensor, NAMES).values()]
    bands = {name: rng.uniform(0.02, 0.5, shape).astype(np.float32) for name in names}
    angle = [np.full(shape, value, np.float32) for value in (35.0, 8.0, 120.0)]
    air = {name: np.full(shape, value, np.float32) for name, value in
           (("aod", 0.2), ("tcwv", 2.0), ("ozone", 0.3), ("elevation", 0.1))}  # fmt: skip
    seen = Observation(sensor, "toa", "continental", *angle, **air)
    rules = Rules(("atmosphere", "direction", "spectral"), reference)
    together, bits = normalize_bands(bands, seen, rules)
    alone = {name: normalize_bands({name: values}, seen, rules, among=names) for name, values in bands.items()}
    for name in names:
        np.testing.assert_array_equal(alone[name][0][name], together[name])
    np.testing.assert_array_equal(np.bitwise_or.reduce([found for _, found in alone.values()]), bits)

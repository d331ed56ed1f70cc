"""Vegetation products are in their range or missing, whatever they are given."""

from __future__ import annotations

import numpy as np
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from musyq_cube.products import get_recipe
from musyq_cube.types import QA

ANY = hnp.arrays(np.float32, (5, 16), elements=st.one_of(st.floats(-0.125, 1.5, width=32), st.just(float("nan"))))
TOPS = {"lai": 8.0 / 0.6, "fpar": 1.0, "chl": 100.0, "fvc": 1.0}


@settings(max_examples=60, deadline=None)
@given(ANY)
def test_in_range_or_missing(values):
    names = ("red", "nir", "swir16", "rededge071", "rededge078")
    ds = xr.Dataset({n: ("x", v) for n, v in zip(names, values, strict=True)})
    ds["ndvi"] = ds["red"]
    ds["qa"] = ("x", np.zeros(16, np.uint16))
    for layer, top in TOPS.items():
        made = get_recipe(f"MuSQ.{layer.upper()}").compute(ds, sensor="sentinel2a-msi")
        value = made[layer].values
        known = np.isfinite(value)
        assert ((value[known] >= 0) & (value[known] <= top)).all()
        assert (made[f"{layer}_unc"].values[known] >= 0).all()
        assert not known[np.isnan(ds["red" if layer != "fvc" else "ndvi"].values)].any()
        assert not (known & ((made["qa"].values & QA.OUT_OF_RANGE) > 0)).any()

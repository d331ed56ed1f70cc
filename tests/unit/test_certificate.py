"""The consistency certificate of sensors."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import xarray as xr

from musyq_cube.errors import NormalizeError
from musyq_cube.normalize.certificate import Certificate, Key, Sums, accumulate, certificate, near_pairs

TIMES = np.array(["2020-06-01T10:00", "2020-06-01T10:20", "2020-06-02T10:00", "2020-06-09"], "datetime64[ns]")
SENSORS = ["sentinel2a-msi", "landsat8-oli", "landsat8-oli", "sentinel2a-msi"]


def cube(gain: float, offset: float, noise: float = 0.0, seed: int = 0) -> xr.Dataset:
    """Sentinel-2 = gain · Landsat + offset, on 90 × 70 pixels; ten rows are cloudy."""
    rng = np.random.default_rng(seed)
    landsat = rng.uniform(0.05, 0.5, (90, 70))
    sentinel = gain * landsat + offset
    stack = np.stack([sentinel, landsat, landsat, sentinel]) + rng.normal(0, noise, (4, 90, 70))
    stack[0, :10] = np.nan
    layers = {"red": stack, "nir08": stack * 1.5, "qa": stack * 0, "lwir11": stack + 290}
    return xr.Dataset(
        {name: (("time", "y", "x"), layer.astype(np.float32)) for name, layer in layers.items()},
        {"time": TIMES, "sensor": ("time", SENSORS), "y": np.arange(90.0), "x": np.arange(70.0)},
    )


def test_known_gain_and_bias_are_recovered():
    """y = 1.08 x + 0.012 without noise; the rms difference follows from the moments of a uniform x."""
    made = certificate({"native": cube(1.08, 0.012)})
    assert made.pairs == [("landsat8-oli", "sentinel2a-msi")]
    assert made.bands == ["red", "nir08"]
    found = made.statistics("landsat8-oli", "sentinel2a-msi", "red", "native")
    x = cube(1.08, 0.012)["red"].values[1, 10:].astype(float)
    difference = 0.08 * x + 0.012
    assert found.n == 2 * 80 * 70
    assert abs(found.slope - 1.08) < 1e-4
    assert abs(found.offset - 0.012) < 1e-4
    assert abs(found.bias - difference.mean()) < 1e-6
    assert abs(found.rmsd - np.sqrt((difference**2).mean())) < 1e-6
    assert found.r2 > 0.999999


def test_orthogonal_regression_is_not_attenuated_by_noise_in_both():
    """Ordinary least squares would give 1.0 · var / (var + noise²) = 0.92."""
    found = certificate({"native": cube(1.0, 0.0, noise=0.04)}).statistics(*SENSORS[1::-1], "red", "native")
    assert abs(found.slope - 1) < 0.03
    both = np.sqrt(2) * 0.04
    assert abs(found.rmsd / both - 1) < 0.03


def test_before_and_after_are_told_apart_on_the_same_pixels():
    before, after = cube(1.1, 0.02), cube(1.0, 0.0)
    after["red"][0, 20:40] = np.nan  # refused by a step
    made = certificate({"native": before, "spectral": after})
    first, last = (made.statistics(*SENSORS[1::-1], "red", step) for step in made.steps)
    assert first.n == last.n == 2 * 60 * 70
    assert first.rmsd > 0.04
    assert last.rmsd < 1e-6
    assert abs(last.slope - 1) < 1e-5


def test_parts_add_up_to_exactly_the_whole_in_any_order():
    states = {"native": cube(1.1, 0.02, 0.01), "direction": cube(1.03, 0.0, 0.01), "spectral": cube(1.0, 0.001, 0.01)}
    whole = certificate(states).sums
    parts = []
    for y in (slice(0, 33), slice(33, 34), slice(34, 90)):
        for x in (slice(0, 50), slice(50, 70)):
            stacks = {k: {b: v[b].values[:, y, x] for b in ("nir08", "red")} for k, v in states.items()}
            parts.append(accumulate(stacks, TIMES, SENSORS))
    order = np.random.default_rng(0).permutation(len(parts))
    total = sum((parts[i] for i in order), Sums(tuple(states)))
    assert total == whole
    assert certificate(states, block=17).sums == whole
    lazy = {name: state.chunk(y=40, x=30) for name, state in states.items()}
    assert certificate(lazy, block=40).sums == whole
    assert Sums.from_dict(json.loads(json.dumps(total.to_dict()))) == whole


def test_sums_do_not_overflow():
    """Ten thousand million pixels of a national product."""
    sums = certificate({"native": cube(1.05, 0.01)}).sums
    for _ in range(20):
        sums = sums + sums
    found = Certificate(sums).statistics(*SENSORS[1::-1], "red", "native")
    assert found.n == 2 * 80 * 70 * 2**20
    assert abs(found.slope - 1.05) < 1e-4


def test_no_pairs_give_an_empty_certificate_that_says_so():
    alone = cube(1, 0).isel(time=[0, 3])
    far = cube(1, 0).isel(time=[1, 3])
    cloudy = cube(1, 0).where(cube(1, 0)["x"] < 0)
    for ds in (alone, far, cloudy):
        made = certificate({"native": ds})
        assert made.pairs == made.bands == []
        assert "empty; no two sensors saw the same clear pixel within 1 day" in repr(made)
        assert made.summary()["pairs"] == []
        assert made.to_table().sizes["pair"] == 0
        with pytest.raises(NormalizeError, match="nothing to plot"):
            made.plot()


def test_pairs_are_of_two_sensors_near_in_time():
    assert near_pairs(TIMES, SENSORS) == [(1, 0), (2, 0)]
    assert near_pairs(TIMES, SENSORS, np.timedelta64(1, "h")) == [(1, 0)]
    assert near_pairs(TIMES, SENSORS, np.timedelta64(8, "D")) == [(1, 0), (2, 0), (1, 3), (2, 3)]


def test_what_is_no_reflectance_does_not_count():
    """Infinite, or beyond ±2: one such value would hide all others in the sums."""
    x = np.array([[[0.1, np.inf, 40.0, -3.0, 0.2]], [[0.1, 0.1, 0.1, 0.1, np.nan]]], np.float32)
    sums = accumulate({"native": {"red": x}}, TIMES[:2], SENSORS[:2])
    assert sums.moments[Key(*SENSORS[1::-1], "red", "native")].sums[0] == 1


def test_a_single_pair_of_pixels_has_no_regression():
    x = np.full((2, 1, 1), 0.1, np.float32)
    found = Certificate(accumulate({"native": {"red": x}}, TIMES[:2], SENSORS[:2]))
    row = found.statistics(*SENSORS[1::-1], "red", "native")
    assert (row.n, row.bias, row.rmsd) == (1, 0.0, 0.0)
    assert math.isnan(row.slope)
    assert found.summary()["pairs"][0]["bands"]["red"]["slope"] == [None, None]


def test_table_goes_through_the_store_unchanged(tmp_path):
    made = certificate({"native": cube(1.1, 0.02), "spectral": cube(1.0, 0.0)})
    made.to_table().to_zarr(tmp_path / "table.zarr", zarr_format=3, consolidated=False)
    table = xr.open_zarr(tmp_path / "table.zarr", consolidated=False).load()
    assert table["n"].dims == ("pair", "band", "step")
    assert table["step"].attrs["flag_meanings"] == "native spectral"
    assert table["band"].attrs["flag_meanings"] == "red nir08"
    row = made.statistics(*made.pairs[0], "nir08", "native")
    assert table["rmsd"].values[0, 1, 0] == row.rmsd
    assert table["histogram"].values[0, 1, 0].sum() == row.n
    xr.testing.assert_identical(table, made.to_table())


def test_repr_summary_and_plots_show_every_step():
    made = certificate({"native": cube(1.1, 0.02), "spectral": cube(1.0, 0.0)})
    assert "landsat8-oli (x) and sentinel2a-msi (y)" in repr(made)
    assert repr(made).count("spectral") == 2
    red = json.loads(json.dumps(made.summary()))["pairs"][0]["bands"]["red"]
    assert red["rmsd"][0] > 0.04
    assert red["rmsd"][1] < 1e-4
    ax = made.plot(band="red")
    assert "RMSD" in ax.get_title()
    assert len(made.plot(kind="bars").patches) == 4
    assert made.plot(band="red", ax=ax) is ax
    with pytest.raises(NormalizeError, match="green"):
        made.plot(band="green")


def test_states_of_different_cubes_are_refused():
    with pytest.raises(NormalizeError, match="not one cube"):
        certificate({"native": cube(1, 0), "spectral": cube(1, 0).isel(x=slice(0, 9))})
    with pytest.raises(NormalizeError, match="at least one"):
        certificate({})
    with pytest.raises(NormalizeError, match="same steps"):
        Sums(("a",)) + Sums(("b",))

"""Composites: evidence by hand, contracts, errors, and the memory law."""

import datetime as dt
import tracemalloc

import numpy as np
import pytest
import xarray as xr

from musyq_cube.composite import METHODS, Observations, composite, reduce, reduce_band, reduce_qa
from musyq_cube.composite.bands import quantile_factor
from musyq_cube.composite.scores import bap_score, nearness, view_weight
from musyq_cube.errors import CompositeError
from musyq_cube.mask import mask
from musyq_cube.types import QA

BANDS = ("blue", "red", "nir")
EVIDENCE = {"count": np.uint16, "source": np.uint16, "day": np.int16, "qa": np.uint16}


def make(values, qa=None, days=None, sensors=None):
    """A cube of one pixel: values (time,) of red; blue and nir follow from it."""
    red = np.asarray(values, np.float32)
    n = len(red)
    data = {"blue": red * np.float32(0.5), "red": red, "nir": red + np.float32(0.3)}
    days = range(n) if days is None else days
    coords = {
        "time": np.datetime64("2018-07-01", "ns") + np.array(list(days), "timedelta64[D]"),
        "y": [4e6], "x": [5e5],
        "sensor": ("time", list(sensors or ["a"] * n)),
        "scene": ("time", [f"s{i}" for i in range(n)]),
    }  # fmt: skip
    dims = ("time", "y", "x")
    variables = {k: (dims, v[:, None, None], {"units": "1"}) for k, v in data.items()}
    variables["qa"] = (dims, np.array(qa if qa is not None else [0] * n, np.uint16)[:, None, None])
    return xr.Dataset(variables, coords)


def cube(times=12, size=(20, 25), seed=0):
    rng = np.random.default_rng(seed)
    shape = (times, *size)
    days = np.sort(rng.integers(0, 90, times)).astype("timedelta64[D]")
    qa = np.where(rng.random(shape) < 0.2, QA.CLOUD, 0).astype(np.uint16)
    qa[rng.random(shape) < 0.2] |= np.uint16(QA.WATER)
    dims = ("time", "y", "x")
    data = {b: (dims, (0.1 + 0.2 * k + 0.02 * rng.standard_normal(shape)).astype(np.float32), {"units": "1"})
            for k, b in enumerate(BANDS)}  # fmt: skip
    data |= {"qa": (dims, qa), "vza": (dims, (rng.random(shape) * 60).astype(np.float32))}
    coords = {
        "time": np.datetime64("2018-01-01T10:00", "ns") + days,
        "y": 4e6 - 30.0 * np.arange(size[0]), "x": 5e5 + 30.0 * np.arange(size[1]),
        "sensor": ("time", rng.choice(["a", "b", "c"], times)), "scene": ("time", [f"s{i:02d}" for i in range(times)]),
    }  # fmt: skip
    return mask(xr.Dataset(data, coords), distance=2000)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_gives_the_whole_evidence(method):
    out = composite(cube(), "P1M", method, period="2018-01/2018-03")
    assert list(out.period.values) == ["2018-01", "2018-02", "2018-03"]
    assert out.sizes == {"time": 3, "y": 20, "x": 25}
    for name in BANDS:
        assert out[name].dtype == out[f"{name}_unc"].dtype == np.float32
        assert out[name].attrs["units"] == out[f"{name}_unc"].attrs["units"] == "1"
        np.testing.assert_array_equal(np.isnan(out[name]), out["count"] == 0)
        np.testing.assert_array_equal(np.isnan(out[f"{name}_unc"].where(out["count"] > 1, np.nan)), out["count"] < 2)
    assert {n: out[n].dtype for n in EVIDENCE} == EVIDENCE
    np.testing.assert_array_equal((out.qa & np.uint16(QA.FILL)) != 0, out["count"] == 0)
    np.testing.assert_array_equal(out.day == -1, out["count"] == 0)
    assert out.source.attrs["flag_meanings"] == "a b c"


def test_evidence_of_a_median_by_hand():
    water, snow = int(QA.WATER), int(QA.SNOW)
    ds = make([0.1, 0.2, 0.9, 0.3, 0.5], [water, water, int(QA.CLOUD), snow, 0], [0, 3, 4, 8, 20], "abcab")
    out = reduce(mask(ds), "median", period="2018-06-30/2018-07-30")
    assert out.red.item() == pytest.approx(0.25)
    assert out["count"].item() == 4
    assert out.source.item() == 0b011  # the only observation of c was cloudy
    assert out.day.item() == 4  # second of days 1, 4, 9, 21 counted from 30 June
    assert out.qa.item() == 0  # two of four are water: not more than half
    # deviations .15 .05 .05 .25: MAD .10
    assert out.red_unc.item() == pytest.approx(1.4826 * 0.10 * np.sqrt(np.pi / 2) / 2, rel=1e-4)


@pytest.mark.parametrize("method", ["medoid", "best_pixel", "max_ndvi"])
def test_a_selection_is_one_whole_observation(method):
    ds = cube()
    out = reduce(ds, method, period="2018-01/2018-03")
    days = ((ds.time.values - np.datetime64("2018-01-01")) / np.timedelta64(1, "D")).astype(int)
    for y, x in np.ndindex(20, 25):
        pixel = ds.isel(y=y, x=x)
        found = [t for t in range(12) if all(pixel[b].values[t] == out[b].values[y, x] for b in BANDS)]
        assert len(found) == 1
        assert days[found[0]] == out.day[y, x]
        assert pixel.qa.values[found[0]] == out.qa[y, x]
        assert out.source[y, x] == 1 << "abc".index(str(pixel.sensor.values[found[0]]))


def test_medoid_is_nearest_to_the_median():
    out = reduce(make([0.1, 0.24, 0.2, 0.9, 0.8]), "medoid")
    assert out.red.item() == pytest.approx(0.24)
    assert out.day.item() == 1


def test_max_ndvi_prefers_near_nadir():
    ds = make([0.1, 0.05, 0.2])
    assert reduce(ds, "max_ndvi").day.item() == 1
    ds["vza"] = ("time", "y", "x"), np.array([10, 50, np.nan], np.float32)[:, None, None]
    assert reduce(ds, "max_ndvi").day.item() == 0
    assert reduce(ds, "max_ndvi", max_vza=60).day.item() == 1


def test_best_pixel_score_as_published():
    """Griffiths et al. 2013: Gaussian of the day, logistic of the distance in 30 m pixels up to 50; White: sensor."""
    ds = make([0.1, 0.2, 0.3], days=[0, 15, 30], sensors=["landsat7-etm", "landsat8-oli", "landsat8-oli"])
    observations = Observations.of(ds, "2018-07-01/2018-07-30")
    near = np.array([[1500], [600], [0]], np.uint16)
    expected = [np.exp(-0.5 * ((d - 15) / 30) ** 2) + s + 1 / (1 + np.exp(-0.2 * (px - 25)))
                for d, s, px in ((0, 0.5, 50), (15, 1, 20), (30, 1, 0))]  # fmt: skip
    np.testing.assert_allclose(bap_score(observations, near)[:, 0], expected, rtol=1e-6)
    ds["cloud_distance"] = ("time", "y", "x"), near[:, :, None]
    assert reduce(ds, "best_pixel", period="2018-07-01/2018-07-30").red.item() == pytest.approx(0.1)
    assert reduce(ds, "best_pixel", period="2018-07-01/2018-07-30", target=30, doy_sigma=5).red.item() == pytest.approx(
        0.3
    )


def test_weights():
    assert nearness(np.array([1000, 2000, 9999], np.uint16), 2000).tolist() == pytest.approx(
        [0.5, 0.9933, 0.9933], abs=1e-4
    )
    got = view_weight(np.array([0, 30, 60, 90, np.nan, -30], np.float32))
    np.testing.assert_allclose(got, [1, 0.75, 0.25, 0, 1, 0.75], atol=1e-6)
    # the haziest of three is out of the window, the two others count by their sensors
    ds = make([0.2, 0.3, 0.9], sensors=["good", "bad", "bad"])
    out = reduce(ds, "weighted", sensor_sigma={"good": 0.01, "bad": 0.02}, width=3)
    assert out.red.item() == pytest.approx((0.2 * 4 + 0.3) / 5)


def test_percentiles_and_their_uncertainty():
    rng = np.random.default_rng(1)
    draws = rng.normal(0.3, 0.01, (99, 4000)).astype(np.float32)
    observations = Observations.of(make(np.zeros(99)))
    for q in (20.0, 50.0, 90.0):
        value, error = reduce_band(draws[:, None], "percentile", observations, q=q)
        np.testing.assert_allclose(value[0], np.percentile(draws.astype(float), q, axis=0), rtol=1e-5)
        # the stated error is the scatter of the estimate over many pixels of the same distribution
        assert np.median(error) == pytest.approx(value.std(), rel=0.1)
    assert quantile_factor(0.5) == pytest.approx(np.sqrt(np.pi / 2))


@pytest.mark.parametrize("method", ["median", "mean", "percentile", "weighted"])
def test_band_by_band_is_the_same(method):
    ds = cube()
    whole = reduce(ds, method, period="2018")
    observations = Observations.of(ds, "2018")
    extras = {n: ds[n].values for n in ("qa", "vza", "cloud_distance")}
    for name in BANDS:
        value, error = reduce_band(ds[name].values, method, observations, extras=extras)
        np.testing.assert_array_equal(value, whole[name])
        np.testing.assert_array_equal(error, whole[f"{name}_unc"])
    for name, array in reduce_qa(ds.qa.values, observations).items():
        np.testing.assert_array_equal(array, whole[name])


def test_thermal_bands_do_not_decide():
    ds = cube()
    hot = ds.assign(lwir11=(ds.red * 1000).assign_attrs(units="K"))
    for method in ("geomedian", "medoid"):
        out = reduce(hot, method)
        xr.testing.assert_identical(out[list(BANDS)], reduce(ds, method)[list(BANDS)])
        assert out.lwir11.attrs["units"] == "K"
        assert float(out.lwir11.mean()) > 200


def test_mads_are_an_option_of_the_geomedian():
    out = reduce(cube(), "geomedian", mads=True)
    assert (out.emad > out.smad).all()
    assert "emad" not in reduce(cube(), "geomedian")


def test_empty_periods_are_fill():
    for method in METHODS:
        out = composite(cube().chunk(y=7), "P1M", method, period="2018-05/2018-06").compute()
        assert (out.qa == QA.FILL).all()
        assert np.isnan(out.red).all()
        assert (out["count"] == 0).all()


def test_periods_are_those_of_reduce_and_the_anchor_moves_them():
    ds = cube()
    out = composite(ds, "P8D", "median", dt.date(2018, 1, 3))
    assert str(out.time.values[0])[:10] in {"2017-12-26", "2018-01-03"}
    window = ds.sel(time=slice("2018-01-11", "2018-01-18"))
    k = list(out.period.values).index("2018-01-11_P8D")
    expected = reduce(window, "median", period="2018-01-11/2018-01-18", sensors=["a", "b", "c"])
    xr.testing.assert_equal(out.isel(time=k).drop_vars(["time", "period"]), expected)


def test_sensors_have_the_bits_of_the_product_not_of_the_block():
    ds = cube().isel(time=[0])
    only = str(ds.sensor.values[0])
    out = reduce(ds, "median", sensors=["x", only])
    assert set(np.unique(out.source)) <= {0, 2}


def test_clear_errors():
    ds = cube()
    with pytest.raises(CompositeError, match="geomedian, medoid"):
        composite(ds, method="magic")
    with pytest.raises(CompositeError, match="3 chunks"):
        composite(ds.chunk(time=4), method="median")
    with pytest.raises(CompositeError, match="needs red"):
        reduce(ds.drop_vars("red"), "max_ndvi")
    with pytest.raises(CompositeError, match="needs qa"):
        reduce(ds.drop_vars("qa"), "median")
    with pytest.raises(CompositeError, match="q=100"):
        reduce(ds, "percentile", q=100)
    with pytest.raises(CompositeError, match="unexpected keyword"):
        reduce(ds, "median", speed=1)
    with pytest.raises(CompositeError, match="unexpected keyword"):
        reduce(ds, "geomedian", speed=1)
    with pytest.raises(CompositeError, match="not in the table"):
        reduce(ds, "median", sensors=["x"])
    with pytest.raises(CompositeError, match="17 sensors"):
        reduce(ds, "median", sensors=[*"abcdefghijklmnopq"])
    with pytest.raises(CompositeError, match="does not work band by band"):
        reduce_band(ds.red.values, "medoid", Observations.of(ds))


@pytest.mark.parametrize("method", METHODS)
def test_a_reduction_takes_no_more_memory_than_its_method_says(method):
    """The memory law: what a reduction allocates beyond its input is at most what the plan was told."""
    ds = cube(30, (512, 512))
    reduce(ds.isel(y=slice(0, 2)), method)  # compilation is not part of it
    tracemalloc.start()
    reduce(ds, method)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak <= METHODS[method].memory(512 * 512, len(BANDS))


@pytest.mark.parametrize("method", ["median", "geomedian"])
def test_bands_and_qa_of_other_chunks(method):
    whole = cube()
    lazy = whole.chunk(y=10, x=25).assign(qa=whole.qa.chunk(y=4, x=7))
    made = composite(lazy, "P1M", method, period="2018-01/2018-03")
    xr.testing.assert_identical(made.compute(), composite(whole, "P1M", method, period="2018-01/2018-03"))

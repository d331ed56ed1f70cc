"""Calibration: from a sensor's file by date, from targets, from one scene of the same day."""

from __future__ import annotations

import datetime as dt
import json
import shutil

import matplotlib.pyplot as plt
import numpy as np
import pytest

from musyq_cube.catalog.metadata import reflectance_factor
from musyq_cube.errors import NormalizeError, SensorError
from musyq_cube.normalization import Normalization
from musyq_cube.normalize._crosscal_fit import robust_line
from musyq_cube.normalize.calibration import (
    Day,
    Link,
    View,
    calibration_for,
    cross_calibrate,
    homogeneous,
    relative,
)
from musyq_cube.sensor import load_sensor, sensors_path

STEPS = [
    {"band": "B1", "from": "2009-01-01", "to": "2010-01-01", "gain": 1.05, "offset": 0.002, "uncertainty": 0.05,
     "source": "campaign of 2009"},
    {"band": "B1", "from": "2010-01-01", "to": "2011-01-01", "gain": 1.10, "source": "campaign of 2010"},
]  # fmt: skip
NODES = [
    {"band": "nir", "from": "2011-01-01", "gain": 1.20, "offset": 0.01, "uncertainty": 0.04, "source": "second"},
    {"band": "nir", "from": "2009-01-01T00:00:00Z", "gain": 1.00, "offset": 0.00, "uncertainty": 0.02,
     "source": "first"},
]  # fmt: skip


@pytest.fixture
def with_series(tmp_path):
    def make(entries):
        folder = tmp_path / "hj1a-ccd1"
        shutil.copytree(sensors_path() / "hj1a-ccd1", folder, dirs_exist_ok=True)
        path = folder / "collection.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "musyq:calibration": entries}))
        load_sensor.cache_clear()
        return load_sensor(folder)

    return make


def test_steps_hold_up_to_their_end(with_series):
    sensor = with_series(STEPS)
    found = calibration_for(sensor, "2009-12-31T23:59:59Z")
    assert found.applied
    assert found.bands == (("blue", 1.05, 0.002),)
    assert found.uncertainty == 0.05
    assert "campaign of 2009" in found.reason
    later = calibration_for(sensor, "2010-01-01T00:00:00Z")
    assert later.bands == (("blue", 1.10, 0.0),)
    assert later.uncertainty is None
    for outside in ("2008-12-31T23:00:00Z", "2011-01-01T00:00:00Z"):
        identity = calibration_for(sensor, outside)
        assert not identity.applied
        assert identity.bands == ()
        assert outside[:10] in identity.reason


def test_nodes_are_linear_in_time_and_constant_after_the_last(with_series):
    sensor = with_series(NODES)
    halfway = calibration_for(sensor, dt.datetime(2010, 1, 1, tzinfo=dt.UTC))
    assert halfway.bands == (("nir", pytest.approx(1.10), pytest.approx(0.005)),)
    assert halfway.uncertainty == pytest.approx(0.03)
    assert "first – second" in halfway.reason
    assert calibration_for(sensor, "2030-01-01T00:00:00Z").bands == (("nir", 1.20, 0.01),)
    assert not calibration_for(sensor, "2008-10-01T00:00:00Z").applied


def test_bands_have_their_own_series(with_series):
    found = calibration_for(with_series([*STEPS, *NODES]), "2009-01-01T00:00:00Z")
    assert found.bands == (("blue", 1.05, 0.002), ("nir", 1.0, 0.0))
    assert found.uncertainty == 0.05
    assert Normalization("x", calibration=found) == Normalization.from_dict(
        json.loads(json.dumps(Normalization("x", calibration=found).to_dict()))
    )


def test_a_time_zone_is_heeded(with_series):
    sensor = with_series(STEPS)
    assert calibration_for(sensor, "2010-01-01T03:00:00+08:00").bands[0][1] == 1.05


def test_no_series_is_the_identity_with_its_reason():
    found = calibration_for("hj1a-ccd1", "2009-09-25T04:00:00Z")
    assert not found.applied
    assert found.bands == ()
    assert "no musyq:calibration" in found.reason


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"band": "B9"}, "musyq:calibration[0].band"),
        ({"from": "spring 2009"}, "musyq:calibration[0].from"),
        ({"to": "2008-01-01"}, "musyq:calibration[0].to"),
        ({"to": None}, "musyq:calibration[0].to"),
        ({"gain": 0}, "musyq:calibration[0].gain"),
        ({"gain": "1.1"}, "musyq:calibration[0].gain"),
        ({"gain": float("nan")}, "musyq:calibration[0].gain"),
        ({"offset": float("inf")}, "musyq:calibration[0].offset"),
        ({"uncertainty": 5}, "musyq:calibration[0].uncertainty"),
        ({"source": " "}, "musyq:calibration[0].source"),
        ({"until": "2010-01-01"}, "musyq:calibration[0].until"),
    ],
)
def test_a_wrong_entry_fails_at_load_with_its_field(with_series, change, field):
    with pytest.raises(SensorError, match=r"collection\.json") as caught:
        with_series([{**STEPS[0], **change}])
    assert field in str(caught.value)


@pytest.mark.parametrize("missing", ["band", "from", "gain", "source"])
def test_a_missing_field_is_named(with_series, missing):
    with pytest.raises(SensorError, match=rf"musyq:calibration\[0\]\.{missing} is missing"):
        with_series([{k: v for k, v in STEPS[0].items() if k != missing}])


def test_overlaps_and_mixtures_are_refused(with_series):
    with pytest.raises(SensorError, match=r"\[1\]\.from overlaps the entry of blue that begins on 2009-01-01"):
        with_series([STEPS[0], {**STEPS[1], "from": "2009-06-01"}])
    with pytest.raises(SensorError, match=r"from overlaps"):
        with_series([NODES[0], NODES[0]])
    with pytest.raises(SensorError, match=r"steps and nodes do not mix"):
        with_series([STEPS[0], {k: v for k, v in STEPS[1].items() if k != "to"}])
    with pytest.raises(SensorError, match="musyq:calibration is"):
        with_series({"blue": 1.0})


class Clear:
    """No air at all."""

    def to_surface(self, toa, *_):
        return toa

    to_toa = to_surface


LINK = Link(("landsat7-etm", "red"), ("hj1a-ccd1", "red"), 1537.0)


def clear_day(rng, gain=0.8, offset=4.0, count=300, noise=0.01):
    view = View(40.0, 150.0, 5.0, 100.0)
    toa = rng.uniform(0.15, 0.45, count)
    level = toa * LINK.esun * np.cos(np.radians(40.0)) / np.pi
    return Day(gain * (level - offset) * (1 + noise * rng.standard_normal(count)), toa, view, view, 0.1, 1.0)


def test_cross_calibration_without_air_or_direction():
    """Truth: the numbers were made with A = 0.8, L0 = 4."""
    rng = np.random.default_rng(1)
    found = cross_calibrate([clear_day(rng) for _ in range(4)], LINK, Clear())
    assert found.gain == pytest.approx(0.8, abs=4 * found.gain_uncertainty)
    assert found.offset == pytest.approx(4.0, abs=4 * found.offset_uncertainty)
    assert 0 < found.gain_uncertainty < 0.005
    names = [c.source for c in found.budget]
    assert names == ["AOD", "water vapour", "SBAF", "reference", "regression"]  # rows of pixels have no neighbours
    assert found.calibrate(np.array([0.0, 80.0])) == pytest.approx([found.offset, 80 / found.gain + found.offset])


def test_a_known_offset_is_kept():
    rng = np.random.default_rng(2)
    found = cross_calibrate([clear_day(rng)], LINK, Clear(), offset=4.0)
    assert found.offset == 4.0
    assert found.offset_uncertainty == 0.0
    assert found.gain == pytest.approx(0.8, rel=2e-3)


def test_correction_of_values_as_the_sensor_file_wants_them():
    """Truth: a value made with the official coefficients, corrected, is the value made with the found ones."""
    found = cross_calibrate([clear_day(np.random.default_rng(3), noise=0)], LINK, Clear())
    time = dt.datetime(2009, 10, 4, tzinfo=dt.UTC)  # the earth stands at 1 AU from the sun
    factor = reflectance_factor(LINK.esun, time)
    gain, offset = found.correction(0.7, 6.0, LINK.esun)
    dn = np.array([10.0, 90.0, 200.0])
    assert gain * (dn / 0.7 + 6.0) * factor + offset == pytest.approx(found.calibrate(dn) * factor, rel=1e-4)


def test_refusals_say_what_to_do():
    rng = np.random.default_rng(4)
    with pytest.raises(NormalizeError, match="100 usable pixels on 1 dates, need 200; add dates"):
        cross_calibrate([clear_day(rng, count=100)], LINK, Clear())
    with pytest.raises(NormalizeError, match="need 200"):
        cross_calibrate([], LINK, Clear())
    day = clear_day(rng)
    with pytest.raises(NormalizeError, match="too alike"):
        cross_calibrate([Day(np.full(300, 80.0), day.toa, day.reference, day.target, 0.1, 1.0)], LINK, Clear())
    with pytest.raises(NormalizeError, match="falls with the numbers"):
        cross_calibrate([Day(200 - day.dn, day.toa, day.reference, day.target, 0.1, 1.0)], LINK, Clear())


def test_ground_in_shadow_is_left_out():
    rng = np.random.default_rng(5)
    day = clear_day(rng)
    slope = np.where(np.arange(day.dn.size) < 50, 60.0, 0.0)  # facing away from a sun 50° high
    steep = Day(day.dn, day.toa, day.reference, day.target, 0.1, 1.0, slope=slope, aspect=330.0)
    assert cross_calibrate([steep], LINK, Clear()).count <= 250


def test_dates_that_disagree_widen_the_uncertainty():
    rng = np.random.default_rng(6)
    alike = cross_calibrate([clear_day(rng) for _ in range(5)], LINK, Clear())
    apart = cross_calibrate([clear_day(rng, gain=g) for g in (0.77, 0.79, 0.8, 0.81, 0.83)], LINK, Clear())
    assert apart.gain_uncertainty > 3 * alike.gain_uncertainty


def test_a_quarter_of_outliers_does_not_bend_the_line():
    rng = np.random.default_rng(7)
    x = rng.uniform(0, 100, 1000)
    y = 1.25 * x + 4 + 0.1 * rng.standard_normal(1000)
    y[:240] = rng.uniform(0, 500, 240)
    line = robust_line(x, y)
    assert line.slope == pytest.approx(1.25, rel=1e-3)
    assert line.intercept == pytest.approx(4, abs=0.1)
    assert (line.weight[:240] == 0).mean() > 0.95


def test_homogeneous_needs_the_whole_window():
    field = np.full((9, 9), 0.3)
    field[4, 4] = np.nan
    found = homogeneous(field, size=3)
    assert not found[3:6, 3:6].any()
    assert not found[0].any()
    assert found[1, 1:8].all()
    rng = np.random.default_rng(0)
    noisy = 0.3 * (1 + 0.05 * rng.standard_normal((40, 40)))
    assert not homogeneous(noisy, size=5, cv_max=0.02).any()
    assert homogeneous(noisy, size=5, cv_max=0.10).any()
    assert not homogeneous(np.full((9, 9), np.nan)).any()
    assert not homogeneous(np.ones((2, 2))).any()


def pair(rng, gain=1.08, offset=0.004, changed=0.3, noise=0.003, count=6000):
    truth = {n: rng.uniform(0.03, top, count) for n, top in (("blue", 0.2), ("red", 0.3), ("nir", 0.45))}
    moved = rng.random(count) < changed
    values = {n: (t + noise * rng.standard_normal(count) - offset) / gain for n, t in truth.items()}
    reference = {
        n: np.where(moved, rng.uniform(0.03, 0.45, count), t + noise * rng.standard_normal(count))
        for n, t in truth.items()
    }
    return values, reference


def test_relative_finds_the_line_among_changed_pixels():
    """Truth: the scene was made with gain 1.08 and offset 0.004; three pixels in ten show something else."""
    values, reference = pair(np.random.default_rng(1))
    found = relative(values, reference, against="twin")
    assert found.applied
    for name, gain, offset in found.bands:
        assert gain == pytest.approx(1.08, rel=0.01), name
        assert offset == pytest.approx(0.004, abs=0.0015), name
    assert found.residual.after < 0.5 * found.residual.before
    assert found.residual.against == "twin"
    assert found.residual.count == 3000


def test_relative_offset_is_that_of_the_numbers_before_the_sun():
    values, reference = pair(np.random.default_rng(2))
    once, half = relative(values, reference), relative(values, reference, cosine=0.5)
    assert half.bands[0][2] == pytest.approx(0.5 * once.bands[0][2])
    assert half.bands[0][1] == once.bands[0][1]


@pytest.mark.parametrize("seed", range(5))
def test_relative_never_makes_the_residual_worse(seed):
    values, reference = pair(np.random.default_rng(seed), gain=1.0, offset=0.0)
    found = relative(values, reference)
    assert found.residual.after <= found.residual.before
    for _, gain, offset in found.bands:
        assert abs(gain - 1) < 0.01
        assert abs(offset) < 0.002


def test_relative_keeps_the_identity_where_nothing_is_alike():
    rng = np.random.default_rng(3)
    found = relative({"red": rng.random(5000)}, {"red": rng.random(5000)})
    assert not found.applied or found.residual.improved
    few = relative({"red": np.ones(5)}, {"red": np.ones(5)})
    assert not few.applied
    assert "5 clear pixels" in few.reason
    assert few.residual is None
    cloud = relative({"red": np.ones(500)}, {"red": np.ones(500)}, clear=np.zeros(500, bool))
    assert "0 clear pixels" in cloud.reason
    flat = relative({"red": np.full(500, 0.2)}, {"red": np.full(500, 0.2)})
    assert not flat.applied
    with pytest.raises(NormalizeError, match="no band in common: red and nir"):
        relative({"red": np.ones(5)}, {"nir": np.ones(5)})


def test_plot_and_table():
    rng = np.random.default_rng(8)
    found = cross_calibrate([clear_day(rng) for _ in range(3)], LINK, Clear())
    before = plt.get_fignums()
    figure = plt.figure()
    axes = figure.add_subplot()
    assert found.plot(axes) is axes
    assert "1:1" in [t.get_text() for t in axes.get_legend().get_texts()]
    plt.close(figure)
    assert plt.get_fignums() == before
    assert found.table().splitlines()[0].split() == ["source", "step", "A", "%", "L0", "L", "%"]

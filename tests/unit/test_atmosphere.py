"""Atmospheric correction on arrays: shapes, what is refused, QA, blocks, neighbours."""

import numpy as np
import pytest

from musyq_cube.errors import NormalizeError
from musyq_cube.normalize import lut
from musyq_cube.normalize._lut_bands import multilinear, pressure
from musyq_cube.normalize.atmosphere import adjacency, adjacency_halo, apply_atmosphere
from musyq_cube.types import QA

OLI = "landsat8-oli"


@pytest.fixture(scope="module")
def table() -> lut.Lut:
    return lut.load(OLI)


@pytest.fixture(scope="module")
def scene():
    rng = np.random.default_rng(1)
    shape = (23, 301)
    air = {
        "sza": rng.uniform(0, 75, shape), "vza": rng.uniform(0, 65, shape), "raa": rng.uniform(0, 180, shape),
        "aod": rng.uniform(0, 2, shape), "tcwv": rng.uniform(0, 5, shape), "ozone": rng.uniform(0.2, 0.5, shape),
        "elevation": rng.uniform(0, 4, shape),
    }  # fmt: skip
    toa = {name: rng.uniform(0, 0.8, shape).astype(np.float32) for name in ("blue", "red", "nir08", "swir22")}
    return toa, {k: v.astype(np.float32) for k, v in air.items()}


def _reference(table: lut.Lut, band: int, toa, air):
    """The equation of 6S in float64, every table looked up by a general multilinear interpolation."""
    path, transmit, albedo, dry, ozones, waters, rayleigh, limits, aods, pressures = table.tables
    sza, vza, raa, aod = (air[k].astype(float) for k in ("sza", "vza", "raa", "aod"))
    cs, cv = np.cos(np.radians(sza)), np.cos(np.radians(vza))
    mass, p = 1 / cs + 1 / cv, pressure(air["elevation"])

    def even(top, count):
        return np.linspace(0.0, top, count)

    axes = (pressures, aods, even(80, path.shape[2]), even(70, path.shape[3]), even(180, path.shape[4]))
    black = multilinear(axes, path[..., band], (p, aod, sza, vza, raa)) / (cs * cv)
    down, up = (
        multilinear((pressures, aods, even(80, transmit.shape[2])), transmit[..., band], (p, aod, angle))
        for angle in (sza, vza)
    )
    bright = multilinear((pressures, aods), albedo[..., band], (p, aod))
    clear = multilinear((pressures, even(limits[6], dry.shape[1])), dry[..., band], (p, 1 - 2 / mass))
    clear = clear * multilinear((even(limits[3], len(ozones)),), ozones[:, band], (mass * air["ozone"],))
    wet = np.sqrt(mass * air["tcwv"] * p**0.3)
    half, full = (
        multilinear((even(limits[2], len(waters)),), waters[:, band], (w,)) for w in (wet * np.sqrt(0.5), wet)
    )
    cosine = cs * cv + np.sqrt((1 - cs**2) * (1 - cv**2)) * np.cos(np.radians(raa))
    first = 0.25 * (1 + 0.719 * (cosine**2 - 1 / 3)) * p * rayleigh[band] / (cs * cv)
    air_only = first / (1 + 0.5 * mass * p * rayleigh[band])
    y = (toa / clear - air_only - (black - air_only) * half) / (down * up * full)
    return y / (1 + bright * y)


def test_kernel_is_the_equation_of_6s_on_its_tables(table, scene):
    toa, air = scene
    got = table.correct(toa, **air)
    for name, values in toa.items():
        wanted = _reference(table, table.bands.index(name), values, air)
        assert np.isfinite(wanted).all()
        np.testing.assert_allclose(got[name], wanted, rtol=3e-4, atol=3e-5)


def test_simulate_is_the_inverse(table, scene):
    surface, air = scene
    back = table.correct(table.simulate(surface, **air), **air)
    for name, values in surface.items():
        np.testing.assert_allclose(back[name], values, atol=2e-5)


def test_numbers_rows_and_arrays_broadcast(table):
    toa = {"red": np.full((4, 5), 0.2, np.float32)}
    one = table.correct({"red": np.float32([[0.2]])}, 30, 5, 60, 0.1, elevation=0.5)["red"]
    angles = np.full((4, 1), 30, np.float32), np.full((1, 5), 5, np.float32)
    many = table.correct(toa, angles[0], angles[1], 60, np.full((4, 5), 0.1, np.float32), elevation=0.5)["red"]
    assert many.shape == (4, 5)
    assert many.dtype == np.float32
    assert np.all(many == one)
    assert table.correct({"red": np.float32(0.2)}, 30, 5, 60, 0.1, elevation=0.5)["red"].shape == ()
    cube = table.correct({"red": np.full((2, 4, 5), 0.2, np.float32)}, 30, 5, 60, 0.1, elevation=0.5)["red"]
    assert cube.shape == (2, 4, 5)


def test_array_of_all_bands(table):
    stack = np.full((len(table.bands), 3, 4), 0.25, np.float32)
    done = table.correct(stack, 30, 5, 60, 0.1)
    assert done.shape == stack.shape
    assert np.all(done[table.bands.index("red")] == table.correct({"red": stack[0]}, 30, 5, 60, 0.1)["red"])
    with pytest.raises(NormalizeError, match="has 8"):
        table.correct(stack[:3], 30, 5, 60, 0.1)


def test_azimuth_is_folded(table):
    toa = {"blue": np.float32([[0.2]])}
    values = [float(table.correct(toa, 40, 30, raa, 0.3)["blue"][0, 0]) for raa in (50, -50, 310)]
    assert values[0] == values[1] == values[2]


@pytest.mark.parametrize(
    "change",
    [
        {"sza": 80.1}, {"sza": -1.0}, {"vza": 70.1}, {"raa": 361.0}, {"aod": 3.01}, {"aod": -0.01}, {"tcwv": -0.1},
        {"ozone": -0.1}, {"elevation": 5.1}, {"elevation": -0.6}, {"sza": np.nan}, {"raa": np.nan}, {"aod": np.nan},
        {"tcwv": np.nan}, {"elevation": np.nan}, {"tcwv": 40.0}, {"ozone": 5.0},
    ],
)  # fmt: skip
def test_nothing_is_extrapolated(table, change):
    state = {"sza": 30.0, "vza": 5.0, "raa": 60.0, "aod": 0.1, "tcwv": 2.0, "ozone": 0.3, "elevation": 0.0}
    toa = {"red": np.full((1, 3), 0.2, np.float32)}
    assert np.isfinite(table.correct(toa, **state)["red"]).all()
    wrong = {k: np.float32([[v, change.get(k, v), v]]) for k, v in state.items()}
    for function in (table.correct, table.simulate):
        assert np.isnan(function(toa, **wrong)["red"]).tolist() == [[False, True, False]]


def test_ends_of_the_tables_belong_to_them(table):
    toa = {"red": np.float32([[0.5]])}
    for state in ((80, 70, 180, 3.0), (0, 0, 0, 0.0)):
        assert np.isfinite(table.correct(toa, *state, elevation=5.0)["red"]).all()
        assert np.isfinite(table.correct(toa, *state, elevation=-0.5)["red"]).all()


def test_missing_stays_missing_in_its_band_only(table):
    toa = {"red": np.float32([[np.nan, 0.2]]), "blue": np.float32([[0.2, 0.2]])}
    done = table.correct(toa, 30, 5, 60, 0.1)
    assert np.isnan(done["red"]).tolist() == [[True, False]]
    assert np.isfinite(done["blue"]).all()


def test_blocks_give_the_same_bits(table, scene):
    toa, air = scene
    whole = table.correct(toa, **air)
    for rows, cols in ((slice(0, 7), slice(0, 64)), (slice(3, 23), slice(131, 301)), (slice(22, 23), slice(5, 6))):
        part = table.correct({k: v[rows, cols] for k, v in toa.items()}, **{k: v[rows, cols] for k, v in air.items()})
        for name in toa:
            assert np.array_equal(part[name], whole[name][rows, cols])


def test_bands_do_not_depend_on_their_company(table, scene):
    toa, air = scene
    whole = table.correct(toa, **air)
    assert np.array_equal(table.correct({"nir08": toa["nir08"]}, **air)["nir08"], whole["nir08"])


def test_qa_bits():
    toa = {"blue": np.float32([[0.01, 0.2, 0.2, 0.2, 0.95]]), "red": np.full((1, 5), 0.2, np.float32)}
    sza = np.float32([[30, 76, 30, 30, 30]])
    vza = np.float32([[5, 5, 61, 5, 5]])
    aod = np.float32([[0.1, 0.1, 0.1, 0.51, 0.1]])
    surface, qa = apply_atmosphere(toa, OLI, "continental", sza, vza, 60.0, aod, 2.0, 0.3, 0.0)
    assert qa.dtype == np.uint16
    assert qa.tolist() == [[QA.OUT_OF_RANGE, QA.LOW_SUN, QA.HIGH_VIEW, QA.HIGH_AOD, 0]]
    assert surface["blue"][0, 0] < 0  # kept, not clipped


def test_too_bright_is_kept_and_marked():
    surface, qa = apply_atmosphere(
        {"blue": np.float32([[1.6]])}, OLI, "continental", 70.0, 5.0, 60.0, 0.5, 2.0, 0.3, 0.0
    )
    assert surface["blue"][0, 0] > 1.6
    assert qa.tolist() == [[QA.OUT_OF_RANGE]]


def test_unknown_band_model_and_sensor(table):
    with pytest.raises(NormalizeError, match="cirrus of landsat8-oli: it has coastal"):
        table.correct({"cirrus": np.float32([[0.1]])}, 30, 5, 60, 0.1)
    with pytest.raises(NormalizeError, match="no aerosol model 'smog'; there are continental"):
        lut.load(OLI, "smog")


def test_adjacency_leaves_an_even_surface():
    even = {"red": np.full((30, 40), 0.2, np.float32)}
    done = adjacency(even, OLI, "continental", 5.0, 0.3, 0.0, resolution=100.0)
    np.testing.assert_allclose(done["red"], 0.2, atol=1e-6)


def test_adjacency_sharpens_by_diffuse_over_direct(table):
    """By hand: one bright pixel among 21 × 21; ratio from transmittance and optical depth."""
    values = np.full((21, 21), 0.1, np.float32)
    values[10, 10] = 0.5
    done = adjacency({"red": values}, OLI, "continental", 0.0, 0.3, 0.0, resolution=100.0)["red"]
    band = table.bands.index("red")
    total = multilinear((table.tables[8],), table.tables[1][-1, :, 0, band], (0.3,))
    ratio = total / np.exp(-(table.tables[6][band] + 0.3 * table.extinction[band])) - 1
    mean = (0.1 * 440 + 0.5) / 441
    assert done[10, 10] == pytest.approx(0.5 + (0.5 - mean) * ratio, abs=1e-6)
    assert 0.05 < ratio < 0.3


def test_adjacency_of_a_block_with_its_halo_is_that_of_the_whole():
    rng = np.random.default_rng(3)
    values = rng.uniform(0, 0.5, (40, 50)).astype(np.float32)
    values[rng.random(values.shape) < 0.1] = np.nan
    halo = adjacency_halo(100.0, 500.0)
    whole = adjacency({"red": values}, OLI, "continental", 5.0, 0.3, 0.0, resolution=100.0, radius=500.0)["red"]
    cut = (slice(10 - halo, 25 + halo), slice(12 - halo, 30 + halo))
    part = adjacency({"red": values[cut]}, OLI, "continental", 5.0, 0.3, 0.0, resolution=100.0, radius=500.0)["red"]
    assert np.array_equal(part[halo:-halo, halo:-halo], whole[10:25, 12:30], equal_nan=True)

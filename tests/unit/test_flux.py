from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cloudpickle
import numpy as np
import pytest
import xarray as xr
from odc.geo.geobox import GeoBox
from odc.geo.xr import xr_coords

from musyq_cube.errors import PlanError
from musyq_cube.kernels import turbulence as kernels
from musyq_cube.products import evapotranspiration, get_recipe, latent_heat, moisture, turbulence
from musyq_cube.products._daylight import daylight
from musyq_cube.store.packing import pack, unpack
from musyq_cube.types import QA

if TYPE_CHECKING:
    from musyq_cube.products.recipe import Recipe

LAND: dict[str, float] = {
    "rn": 420.0, "ndvi": 0.5, "lst": 303.0, "albedo": 0.18, "air_temperature": 297.0, "relative_humidity": 0.45,
    "surface_pressure": 96_000.0, "tvdi": 0.4, "z0m": 0.06, "kb": 1.8, "wind_speed": 3.5, "vapour_pressure": 1200.0,
    "le": 210.0, "hour": 10.4, "sun_then": 780.0, "sun_mean": 250.0, "lai": 2.0, "fpar": 0.6, "shortwave_down": 250.0,
    "longwave_down": 330.0, "coldest": 288.0, "warmest": 301.0, "land_cover": 12.0, "canopy_height": 1.2, "red": 0.08,
    "nir": 0.35,
}  # fmt: skip
WAYS = [
    ("MuSQ.LE", "pt_jpl"),
    ("MuSQ.LE", "evaporative_fraction"),
    ("MuSQ.H", "monin_obukhov"),
    ("MuSQ.H", "residual"),
    ("MuSQ.ET", "evaporative_fraction"),
    ("MuSQ.ET", "sinusoid"),
    ("MuSQ.ET", "mod16"),
    ("MuSQ.Z0", "raupach"),
    ("MuSQ.Z0", "savi"),
]


def _given(product: str, algorithm: str, shape: tuple[int, int] = (6, 8)) -> xr.Dataset:
    recipe = get_recipe(product).using(algorithm)
    box = GeoBox.from_bbox((10.0, 45.0, 10.0 + shape[1] * 0.01, 45.0 + shape[0] * 0.01), "EPSG:4326", resolution=0.01)
    rng = np.random.default_rng(2)
    data = {}
    for wanted in recipe.algorithm.inputs:
        value = LAND[wanted.name]
        spread = 0.0 if wanted.name == "land_cover" else 0.02 * value
        data[wanted.name] = (("y", "x"), (value + rng.uniform(-spread, spread, shape)).astype("float32"))
    data["qa"] = (("y", "x"), np.zeros(shape, np.uint16))
    coords = dict(xr_coords(box, always_yx=True)) | {"time": np.datetime64("2019-07-01T12:00", "ns")}
    return xr.Dataset(data, coords)


def _parts(recipe: Recipe) -> dict[str, str]:
    """Return that every input is the variable of its name, not of its quantity: several may be of one."""
    return {wanted.name: wanted.name for wanted in recipe.algorithm.inputs}


@pytest.mark.parametrize(("product", "algorithm"), WAYS)
def test_values_are_physical_and_lazy_ones_the_same(product: str, algorithm: str) -> None:
    recipe = get_recipe(product).using(algorithm)
    ds = _given(product, algorithm)
    eager, lazy = recipe.compute(ds, _parts(recipe)), recipe.compute(ds.chunk({"y": 3, "x": 5}), _parts(recipe))
    for layer in recipe.layers:
        values = eager[layer.name]
        assert values.dims == ("y", "x")
        assert values.dtype == np.float32
        assert layer.valid is not None
        assert ((values >= layer.valid[0]) & (values <= layer.valid[1])).all()
        assert (eager[f"{layer.name}_unc"] > 0).all()
        assert lazy[layer.name].chunks is not None
        np.testing.assert_array_equal(values, lazy[layer.name].compute())
    assert cloudpickle.loads(cloudpickle.dumps(lazy)).equals(eager)  # what a cluster would be sent


@pytest.mark.parametrize(("product", "algorithm"), WAYS)
def test_what_is_missing_stays_missing(product: str, algorithm: str) -> None:
    recipe = get_recipe(product).using(algorithm)
    first = recipe.layers[0].name
    for wanted in recipe.algorithm.inputs:
        if not wanted.required:
            continue
        ds = _given(product, algorithm)
        ds[wanted.name][1, 2] = np.nan
        found = recipe.compute(ds, _parts(recipe))[first].isnull()
        assert found[1, 2], wanted.name
        assert int(found.sum()) == 1, wanted.name


def test_night_and_water_have_no_pt_jpl() -> None:
    ds = _given("MuSQ.LE", "pt_jpl")
    ds["rn"][0, 0] = -40.0
    ds["ndvi"][0, 1] = -0.2
    found = get_recipe("MuSQ.LE").compute(ds)
    assert found["le"].isnull().values[0].tolist()[:3] == [True, True, False]
    assert (found["qa"].values[0, :2] == QA.OUT_OF_RANGE).all()


def test_hotter_soil_evaporates_less() -> None:
    ds = _given("MuSQ.LE", "pt_jpl")
    hot = ds.assign(lst=ds["lst"] + 10)
    assert (get_recipe("MuSQ.LE").compute(hot)["le"] < get_recipe("MuSQ.LE").compute(ds)["le"]).all()


def test_bare_soil_evaporates_without_plants() -> None:
    given = {name: np.float64(LAND[name]) for name in ("rn", "lst", "albedo", "air_temperature", "relative_humidity")}
    found = latent_heat.pt_jpl_parts(given["rn"], np.float64(0.03), *list(given.values())[1:])
    assert found["le_canopy"] == 0
    assert found["le"] > 0


def test_soil_heat_keeps_within_its_share() -> None:
    rn = xr.DataArray([300.0, 300.0, -10.0])
    lst, albedo, ndvi = xr.DataArray([263.0, 340.0, 280.0]), xr.full_like(rn, 0.3), xr.full_like(rn, 0.1)
    np.testing.assert_allclose(latent_heat.soil_heat_flux(rn, lst, albedo, ndvi), [0.0, 105.0, np.nan])


def test_the_sinusoid_needs_place_and_date() -> None:
    ds = _given("MuSQ.ET", "sinusoid")
    with pytest.raises(PlanError, match="needs a date"):
        evapotranspiration.by_sinusoid(ds["le"].drop_vars("time"), ds["hour"], ds["air_temperature"])
    with pytest.raises(PlanError, match="needs a place"):
        evapotranspiration.by_sinusoid(ds["le"].drop_vars("spatial_ref"), ds["hour"], ds["air_temperature"])


def test_no_day_from_a_low_sun() -> None:
    ds = _given("MuSQ.ET", "sinusoid")
    ds["hour"][0, 0] = 20.5
    ds["hour"][0, 1] = 4.5
    assert get_recipe("MuSQ.ET").using("sinusoid").compute(ds)["et"].isnull().values[0, :3].tolist() == [1, 1, 0]
    sun = _given("MuSQ.ET", "evaporative_fraction")
    sun["sun_then"][0, 0] = 60.0
    assert get_recipe("MuSQ.ET").compute(sun)["et"].isnull().values[0, :2].tolist() == [1, 0]


def test_no_day_with_more_sun_than_there_is() -> None:
    ds = _given("MuSQ.ET", "evaporative_fraction")
    ds["sun_mean"][0, 0] = 440.0  # at 45° north in July 0.85 of the light above the air is 402
    recipe = get_recipe("MuSQ.ET")
    parts = _parts(recipe)
    assert recipe.compute(ds, parts)["et"].isnull().values[0, :2].tolist() == [1, 0]
    assert recipe.compute(ds.drop_vars("spatial_ref"), parts)["et"].notnull().all()


def test_the_sun_stays_up_or_down_near_the_pole() -> None:
    box = GeoBox.from_bbox((0, 80, 1, 81), "EPSG:4326", resolution=1)
    like = xr.DataArray(np.ones((1, 1)), dict(xr_coords(box, always_yx=True)), ("y", "x"))
    for day, hours in (("2019-06-21", 24.0), ("2019-12-21", 0.0)):
        assert daylight(like.assign_coords(time=np.datetime64(day, "ns"))).length.item() == hours


def test_classes_without_plants_have_no_mod16() -> None:
    ds = _given("MuSQ.ET", "mod16")
    ds["land_cover"][0, :5] = [13, 15, 16, 17, 14]
    recipe = get_recipe("MuSQ.ET").using("mod16")
    found = recipe.compute(ds, _parts(recipe))["et"].isnull()
    assert found.values[0, :6].tolist() == [1, 1, 1, 1, 0, 0]


def test_a_guessed_canopy_height_is_told() -> None:
    ds = _given("MuSQ.Z0", "raupach")
    ds["canopy_height"][0, 0] = np.nan
    found = get_recipe("MuSQ.Z0").compute(ds)
    assert found["z0m"].notnull().all()
    assert found["qa"].values[0, :2].tolist() == [QA.BACKUP, 0]
    assert (get_recipe("MuSQ.Z0").compute(ds.drop_vars("canopy_height"))["qa"] == QA.BACKUP).all()


def test_bare_ground_is_smooth() -> None:
    ds = _given("MuSQ.Z0", "raupach")
    ds["land_cover"][:] = 16.0
    found = get_recipe("MuSQ.Z0").compute(ds)
    assert (found["z0m"] == np.float32(turbulence.BARE_LENGTH)).all()
    assert (found["d0"] == 0).all()
    assert (found["kb"] > 0).all()


def test_bare_ground_as_stored_has_sensible_heat() -> None:
    """What is packed and read again still tells how much smoother bare ground is for heat than for wind."""
    ds = _given("MuSQ.Z0", "raupach").assign(land_cover=(("y", "x"), np.full((6, 8), 16.0, np.float32)))
    ds["lai"][:] = 0.0
    recipe = get_recipe("MuSQ.Z0")
    found = recipe.compute(ds)
    stored = {v.name: unpack(pack(found[v.name].values, v)[0], v) for v in recipe.layers}
    assert (stored["z0m"] / np.exp(stored["kb"]) < 1e-4).all()
    land = _given("MuSQ.H", "monin_obukhov")
    exact = land.assign(z0m=found["z0m"], kb=found["kb"])
    read = land.assign({name: (("y", "x"), stored[name]) for name in ("z0m", "kb")})
    h = get_recipe("MuSQ.H").compute
    np.testing.assert_allclose(h(read)["h"], h(exact)["h"], rtol=1e-3)


def test_the_roughness_of_forests_fits_into_its_layer() -> None:
    ds = _given("MuSQ.Z0", "raupach")
    ds["land_cover"][:], ds["canopy_height"][:] = 2.0, 40.0
    recipe = get_recipe("MuSQ.Z0")
    found = recipe.compute(ds)
    assert (found["z0m"] > 3.2).all()
    for layer in recipe.layers:
        assert not pack(found[layer.name].values, layer)[1].any()


def test_the_uncertainty_of_roughness_needs_no_negative_leaf_area() -> None:
    lai = xr.DataArray(np.array([0.0, 0.1, 0.699, 0.701], np.float32), dims="x")
    found = turbulence.roughness(lai, xr.full_like(lai, 6.0), xr.full_like(lai, 5.0))
    for name in turbulence.LAYERS:
        unc = found[f"{name}_unc"].values
        assert np.isfinite(unc).all()
        assert unc[2] == pytest.approx(unc[3], rel=0.05)  # no leap where the step down is cut; d0 begins like a root


def test_sensible_heat_does_not_depend_on_the_cut() -> None:
    """Stable, unstable and missing pixels beside each other: any cut gives the same bits."""
    rng = np.random.default_rng(8)
    n = 3001
    ta, z0m = rng.uniform(270, 310, n), rng.uniform(0.01, 1, n)
    ts = np.where(rng.uniform(size=n) < 0.05, np.nan, ta + rng.normal(0, 6, n))
    given = (rng.uniform(0, 8, n), 10.0, 4.0, z0m, z0m / 10, ts, ta, 1000.0, 9.6e4, rng.uniform(-100, 600, n))
    arrays = [np.broadcast_to(np.asarray(v, np.float32), n) for v in given]
    whole = kernels.sensible_heat(*arrays)
    for step in (1, 7, 777):
        parts = [kernels.sensible_heat(*(v[i : i + step] for v in arrays)) for i in range(0, n, step)]
        for found, part in zip(whole, zip(*parts, strict=True), strict=True):
            np.testing.assert_array_equal(found, np.concatenate(part))
    assert 0.04 < np.isnan(whole[0]).mean() < 0.08


def test_calm_air_and_tall_roughness_have_no_sensible_heat() -> None:
    ds = _given("MuSQ.H", "monin_obukhov")
    ds["wind_speed"][0, 0] = 0.0
    ds["z0m"][0, 1] = 6.0
    found = get_recipe("MuSQ.H").compute(ds)
    assert found["h"].isnull().values[0, :3].tolist() == [1, 1, 0]


def _field(rng: np.random.Generator, shape: tuple[int, int]) -> dict[str, Any]:
    n = rng.uniform(0.1, 0.85, shape).astype("float32")
    ts = (295 + 2 * n + rng.uniform(0, 1, shape) * (35 - 37 * n)).astype("float32")
    return {"lst": ts, "ndvi": n}


def test_dryness_does_not_depend_on_the_cut() -> None:
    """A part with a margin of the reach gives the same bits as the whole."""
    rng = np.random.default_rng(4)
    box = GeoBox.from_bbox((400_000, 4_000_000, 400_000 + 420_000, 4_000_000 + 400_000), "EPSG:32632", resolution=1000)
    ds = xr.Dataset({k: (("y", "x"), v) for k, v in _field(rng, box.shape).items()}, xr_coords(box, always_yx=True))
    whole = moisture.dryness(**ds)["tvdi"]
    reach = get_recipe("MuSQ.TVDI").algorithm.reach
    part = ds.isel(y=slice(150 - reach, 190 + reach), x=slice(170 - reach, 230 + reach))
    found = moisture.dryness(**part)["tvdi"].isel(y=slice(reach, -reach), x=slice(reach, -reach))
    np.testing.assert_array_equal(found, whole.isel(y=slice(150, 190), x=slice(170, 230)))
    assert found.notnull().all()
    np.testing.assert_array_equal(whole, moisture.dryness(**ds.chunk({"y": 90, "x": 110}))["tvdi"])


def test_height_is_taken_out_of_temperature() -> None:
    rng = np.random.default_rng(4)
    ds = xr.Dataset({k: (("y", "x"), v) for k, v in _field(rng, (128, 128)).items()})
    hills = xr.DataArray(rng.uniform(0, 3000, (128, 128)).astype("float32"), dims=("y", "x"))
    high = ds.assign(lst=ds["lst"] - moisture.LAPSE * hills)
    flat, levelled = moisture.dryness(**ds)["tvdi"], moisture.dryness(**high, elevation=hills)["tvdi"]
    np.testing.assert_allclose(flat, levelled, atol=1e-4)


def test_what_is_no_triangle_gives_no_dryness() -> None:
    rng = np.random.default_rng(4)
    n = rng.uniform(0.1, 0.85, (64, 64)).astype("float32")
    ts = (290 + 20 * n * rng.uniform(0, 1, n.shape)).astype("float32")
    arrays = (xr.DataArray(v, dims=("y", "x")) for v in (ts, n))
    assert moisture.dryness(*arrays)["tvdi"].isnull().all()

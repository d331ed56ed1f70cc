"""A small archive of surface reflectance, brightness temperature and reanalysis of one place and month."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from odc.geo.geobox import GeoBox

from musyq_cube.catalog import register_ancillary, search_ancillary
from musyq_cube.plan import Plan, plan
from musyq_cube.scene import Angles, Source
from musyq_cube.testing import make_scene, source_grid, write_cog
from musyq_cube.testing.reanalysis import write_era5

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from musyq_cube.scene import Scene

LEFT, TOP, SIZE = 450_000.0, 4_420_000.0, 96
SR = {"coastal": 0.03, "blue": 0.04, "green": 0.07, "red": 0.06, "nir08": 0.35, "swir16": 0.20, "swir22": 0.12}
"""Mean reflectance of the surface."""
LAKE = {
    "coastal": 0.03, "blue": 0.035, "green": 0.04, "red": 0.02, "nir08": 0.01, "swir16": 0.004, "swir22": 0.003,
}  # fmt: skip
SNOW = {
    "coastal": 0.8, "blue": 0.8, "green": 0.8, "red": 0.78, "nir08": 0.7, "swir16": 0.1, "swir22": 0.08,
}  # fmt: skip
PATH = {"coastal": 0.1, "blue": 0.075, "green": 0.04, "red": 0.022, "nir08": 0.008, "swir16": 0.001, "swir22": 0.0005}
"""Reflectance of the air alone."""
HEAT = {"lwir11": 299.0, "lwir12": 297.5}
"""Mean brightness temperature, K."""
MODEL = {"intercept": 0.5, "per_chla": 0.02, "per_turbidity": 0.01}
DAYS = (3, 12, 19)


def write_scenes(folder: Path, rng: np.random.Generator, day: int) -> list[Scene]:
    """Write one overpass, with a cloud in a corner: surface reflectance, and what was measured."""
    box = GeoBox.from_bbox((LEFT, TOP - SIZE * 30, LEFT + SIZE * 30, TOP), "EPSG:32650", shape=(SIZE, SIZE))
    grid = source_grid(box)
    qa = np.zeros((SIZE, SIZE), "uint16")
    qa[:20, :20] = 8
    qa_file = write_cog(folder / f"{day}_qa.tif", qa, box, overviews=False)
    slope = np.linspace(0.7, 1.3, SIZE)
    sr = {}
    for band, mean in SR.items():
        trend = slope if band == "nir08" else slope[::-1]
        ground = mean * trend * np.ones((SIZE, SIZE))
        ground[70:, 70:], ground[:20, 70:] = LAKE[band], SNOW[band]
        pixels = (1e4 * ground * rng.normal(1, 0.02, (SIZE, SIZE))).astype("uint16")
        sr[band] = write_cog(folder / f"{day}_{band}.tif", pixels, box, nodata=0, overviews=False)
    heat: dict[str, Any] = {}
    for band, mean in HEAT.items():
        pixels = (100 * (mean + day / 10 + 4 * slope[::-1] + rng.normal(0, 0.1, (SIZE, SIZE)))).astype("uint16")
        path = write_cog(folder / f"{day}_{band}.tif", pixels, box, nodata=0, overviews=False)
        heat[band] = Source(str(path), grid=grid, dtype="uint16", nodata=0, scale=0.01)
    toa = {
        band: Source(str(sr[band]), grid=grid, dtype="uint16", nodata=0, scale=0.85e-4, offset=path)
        for band, path in PATH.items()
    }
    when = f"2020-07-{day:02d}T03:00:00Z"
    angles = Angles(sza=28.0, saa=130.0, vza=5.0, vaa=100.0)
    common: dict[str, Any] = {"datetime": when, "qa": qa_file, "angles": angles, "platform": "landsat-8"}
    return [
        make_scene(box, sr, id=f"sr{day}", quantity="sr", collection="landsat-c2-l2", **common),
        make_scene(box, toa | heat, id=f"toa{day}", quantity="toa", collection="landsat-c2-l1", **common),
    ]


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> list[Scene]:
    """Three overpasses, and a reanalysis of every three hours around them."""
    folder = tmp_path_factory.mktemp("land")
    rng = np.random.default_rng(11)
    scenes = [scene for day in DAYS for scene in write_scenes(folder, rng, day)]
    times = [dt.datetime(2020, 7, day, hour, tzinfo=dt.UTC) for day in range(1, 22) for hour in range(0, 24, 3)]
    era5 = write_era5(folder / "era5.nc", times, lon=np.arange(110.0, 122.0, 1.0), lat=np.arange(44.0, 34.0, -1.0))
    register_ancillary(era5, folder / "catalog", kind="era5", accumulated="PT1H")
    register_static(folder)
    return scenes + list(search_ancillary(folder / "catalog"))


def register_static(folder: Path) -> None:
    """Register land cover (grassland), and a model of the lake for nitrogen and phosphorus."""
    box = GeoBox.from_bbox((116.0, 39.5, 117.0, 40.5), "EPSG:4326", shape=(10, 10))
    layers = {"land_cover": 10.0, "canopy_height": 0.5, "elevation": 500.0}
    layers |= {f"{key}_{part}": value for key in ("tn", "tp") for part, value in MODEL.items()}
    for name, value in layers.items():
        path = write_cog(folder / f"{name}.tif", np.full((10, 10), value, "float32"), box, overviews=False)
        register_ancillary(path, folder / "catalog", quantity=name)


@pytest.fixture(scope="session")
def year(tmp_path_factory: pytest.TempPathFactory) -> list[Scene]:
    """A year of small overpasses every five days, green in summer, and a reanalysis of every twelve hours."""
    folder = tmp_path_factory.mktemp("year")
    box = GeoBox.from_bbox((LEFT, TOP - 480, LEFT + 480, TOP), "EPSG:32650", shape=(16, 16))
    rng = np.random.default_rng(3)
    scenes = []
    for number in range(73):
        when = dt.datetime(2020, 1, 3, 3, tzinfo=dt.UTC) + dt.timedelta(days=5 * number)
        green = np.exp(-(((number * 5 - 200) / 55) ** 2))
        bands = {"blue": 0.04, "green": 0.07, "red": 0.12 - 0.08 * green, "nir08": 0.18 + 0.22 * green}
        bands |= {"swir16": 0.25 - 0.1 * green, "swir22": 0.2 - 0.1 * green}
        files = {
            band: write_cog(
                folder / f"{number}_{band}.tif",
                (1e4 * mean * rng.normal(1, 0.02, (16, 16))).astype("uint16"), box, nodata=0, overviews=False,
            )
            for band, mean in bands.items()
        }  # fmt: skip
        scenes.append(make_scene(box, files, id=f"sr{number}", datetime=when.isoformat(), quantity="sr"))
    times = [dt.datetime(2020, 1, 1, tzinfo=dt.UTC) + dt.timedelta(hours=12 * k) for k in range(2 * 366)]
    era5 = write_era5(folder / "era5.nc", times, lon=np.arange(115.0, 119.0, 1.0), lat=np.arange(42.0, 38.0, -1.0))
    register_ancillary(era5, folder / "catalog", kind="era5", accumulated="PT1H")
    register_static(folder)
    return scenes + list(search_ancillary(folder / "catalog"))


@pytest.fixture(scope="session")
def day(tmp_path_factory: pytest.TempPathFactory) -> list[Scene]:
    """A day of hourly brightness temperatures of a geostationary sensor, and what is known of the place."""
    folder = tmp_path_factory.mktemp("day")
    box = GeoBox.from_bbox((LEFT, TOP - 480, LEFT + 480, TOP), "EPSG:32650", shape=(16, 16))
    rng = np.random.default_rng(5)
    scenes = []
    for hour in range(24):
        local = hour + 116.4 / 15
        warm = 285.0 + 15.0 * max(np.cos(np.pi * (local - 13.0) / 14.0), -0.4)
        heat: dict[str, Any] = {}
        for band, less in (("lwir11", 0.0), ("lwir12", 1.2)):
            pixels = (100 * (warm - less + rng.normal(0, 0.1, (16, 16)))).astype("uint16")
            path = write_cog(folder / f"{hour}_{band}.tif", pixels, box, nodata=0, overviews=False)
            heat[band] = Source(str(path), grid=source_grid(box), dtype="uint16", nodata=0, scale=0.01)
        when = f"2020-07-03T{hour:02d}:10:00Z"
        angles = Angles(sza=40.0, saa=130.0, vza=45.0, vaa=100.0)
        scenes.append(make_scene(box, heat, id=f"geo{hour}", datetime=when, sensor="msg2-seviri", angles=angles))
    times = [dt.datetime(2020, 7, 2, tzinfo=dt.UTC) + dt.timedelta(hours=3 * k) for k in range(24)]
    era5 = write_era5(folder / "era5.nc", times, lon=np.arange(115.0, 119.0, 1.0), lat=np.arange(42.0, 38.0, -1.0))
    register_ancillary(era5, folder / "catalog", kind="era5", accumulated="PT1H")
    register_static(folder)
    return scenes + list(search_ancillary(folder / "catalog"))


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> str:
    """One folder of products for all tests that do not look at what is new: intermediates are made once."""
    return str(tmp_path_factory.mktemp("products"))


@pytest.fixture
def order(archive: list[Scene], tmp_path: Path) -> Callable[..., Plan]:
    """Plan a product of the archive, cheaply."""

    def make(products: Any, **options: Any) -> Plan:
        settings: dict[str, Any] = {"scenes": archive, "grid": "utm-30m", "chunk": 64, "resampling": "nearest"}
        settings |= {"out": str(tmp_path / "out"), "workers": 2}
        return plan(products, None, "2020-07", **(settings | options))

    return make

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
SR = {"blue": 0.04, "green": 0.07, "red": 0.06, "nir08": 0.35, "swir16": 0.20, "swir22": 0.12}
"""Mean reflectance of the surface."""
PATH = {"blue": 0.075, "green": 0.04, "red": 0.022, "nir08": 0.008, "swir16": 0.001, "swir22": 0.0005}
"""Reflectance of the air alone."""
HEAT = {"lwir11": 299.0, "lwir12": 297.5}
"""Mean brightness temperature, K."""
DAYS = (3, 12, 19)


def write_scenes(folder: Path, rng: np.random.Generator, day: int) -> list[Scene]:
    """Write one overpass, with a cloud in a corner: surface reflectance, and what was measured in the thermal infrared."""
    box = GeoBox.from_bbox((LEFT, TOP - SIZE * 30, LEFT + SIZE * 30, TOP), "EPSG:32650", shape=(SIZE, SIZE))
    grid = source_grid(box)
    qa = np.zeros((SIZE, SIZE), "uint16")
    qa[:20, :20] = 8
    qa_file = write_cog(folder / f"{day}_qa.tif", qa, box, overviews=False)
    slope = np.linspace(0.7, 1.3, SIZE)
    sr = {}
    for band, mean in SR.items():
        trend = slope if band == "nir08" else slope[::-1]
        pixels = (mean * 1e4 * trend * rng.normal(1, 0.02, (SIZE, SIZE))).astype("uint16")
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
    return scenes + list(search_ancillary(folder / "catalog"))


@pytest.fixture
def order(archive: list[Scene], tmp_path: Path) -> Callable[..., Plan]:
    """Plan a product of the archive, cheaply."""

    def make(products: Any, **options: Any) -> Plan:
        settings: dict[str, Any] = {"scenes": archive, "grid": "utm-30m", "chunk": 64, "resampling": "nearest"}
        settings |= {"out": str(tmp_path / "out"), "workers": 2}
        return plan(products, None, "2020-07", **(settings | options))

    return make

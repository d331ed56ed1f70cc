"""A small archive of three simulated sensors, characterized, for the tests of normalization."""

from __future__ import annotations

import dataclasses
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pystac
import pystac.validation
import pytest
from odc.geo.geobox import GeoBox

import musyq_cube as mc
from musyq_cube.catalog.remember import remember
from musyq_cube.normalization import Geometric, Residual
from musyq_cube.normalize.ancillary import Ancillary, open_ancillary
from musyq_cube.normalize.catalog import NormalizeReport, normalize_catalog
from musyq_cube.testing import simulate, write_cog

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import xarray as xr

    from musyq_cube.plan import Plan
    from musyq_cube.scene import Scene


PERIOD = "2017-07-10/2017-07-16"
BANDS = ("blue", "green", "red", "nir08")
MOVED = Geometric(
    True, "known", "EPSG:32650", (407_500.0, 4_467_500.0), 1500.0, (11.0, 2.0, -1.0), (-6.0, 0.5, 1.5),
    Residual(0.42, 0.22, "px", 17, "test"),
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Archive:
    """Scenes of three sensors, registered and characterized."""

    folder: Path
    bare: Path
    """The catalogue as it was before."""
    report: NormalizeReport

    @property
    def catalog(self) -> str:
        return str(self.folder / "catalog")


def hazy(path: Path, aod: float) -> Ancillary:
    """Return aerosol that grows from west to east, where the scene itself does not tell."""
    box = GeoBox.from_bbox((114.0, 39.0, 118.0, 42.0), "EPSG:4326", resolution=0.25)
    write_cog(path, np.linspace(0.5, 1.5, box.shape[1], dtype=np.float32) * aod * np.ones(box.shape, np.float32), box)
    return Ancillary(aerosol=open_ancillary(str(path)))


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Archive:
    folder = tmp_path_factory.mktemp("normalize")
    simulate(folder / "scenes", period=PERIOD, size=2400.0)
    mc.register(str(folder / "scenes"), str(folder / "catalog"))
    shutil.copytree(folder / "catalog", folder / "bare")
    report = normalize_catalog(folder / "catalog", bases=["landsat8-oli"], ancillary=hazy(folder / "aod.tif", 0.15))
    # so small scenes have too few tie points to be moved for certain: the tests below want one that is
    scene = next(s for s in mc.search(folder / "catalog", period="2017-07-15", sensors=["hj1a-ccd1"]))
    assert scene.normalization is not None
    remember(folder / "catalog", [(scene, scene.normalization.replace(geometric=MOVED))])
    return Archive(folder, folder / "bare", report)


@pytest.fixture(scope="session")
def scenes(archive: Archive) -> list[Scene]:
    return list(mc.search(archive.catalog))


@pytest.fixture
def bare(archive: Archive, tmp_path: Path) -> Path:
    """Return a catalogue of its own that was not characterized."""
    shutil.copytree(archive.bare, tmp_path / "bare")
    return tmp_path / "bare"


def by_sensor(scenes: list[Scene], sensor: str) -> Scene:
    return next(scene for scene in scenes if scene.sensor == sensor)


def lazy(scenes: list[Scene], block: int = 64, **options: Any) -> xr.Dataset:
    return mc.cube(scenes, "utm-30m", bands=BANDS, block=block, **options)


@pytest.fixture(scope="session")
def native(scenes: list[Scene]) -> xr.Dataset:
    return lazy(scenes).compute()


@pytest.fixture
def order(scenes: list[Scene], tmp_path: Path) -> Callable[..., Plan]:
    def make(products: Any = "MuSQ.SR", **options: Any) -> Plan:
        settings: dict[str, Any] = {"grid": "utm-30m", "chunk": 32, "method": "median", "dilate": 90.0, "workers": 2}
        settings |= {"normalize": True, "out": str(tmp_path / "out"), "scenes": scenes, "bands": BANDS}
        return mc.plan(products, None, PERIOD, **(settings | options))

    return make


@pytest.fixture(scope="session")
def reference(scenes: list[Scene], tmp_path_factory: pytest.TempPathFactory) -> pystac.Item:
    """One run, block by block in one thread, that all the others must equal."""
    options: dict[str, Any] = {"grid": "utm-30m", "chunk": 32, "block": 32, "method": "median", "dilate": 90.0}
    out = str(tmp_path_factory.mktemp("reference"))
    plan = mc.plan("MuSQ.SR", None, PERIOD, scenes=scenes, normalize=True, bands=BANDS, workers=2, out=out, **options)
    item = plan.run(quiet=True, workers=1)
    assert isinstance(item, pystac.Item)
    return item

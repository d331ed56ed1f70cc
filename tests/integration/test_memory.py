"""Measured peak memory stays below the projected one, for every composite method, normalized or not."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from odc.geo.geobox import GeoBox

from musyq_cube.methods import METHODS
from musyq_cube.normalization import Atmosphere, Field, Normalization
from musyq_cube.plan import plan
from musyq_cube.plan.estimate import PART_BYTES
from musyq_cube.scene import Angles
from musyq_cube.testing import make_scene, write_cog

if TYPE_CHECKING:
    from pathlib import Path

    from musyq_cube.scene import Scene

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")]

BANDS = ("blue", "green", "red", "nir")
SIZE, DATES = 1024, 24

CODE = """
import json, os, resource, sys
from musyq_cube.plan import Plan
from musyq_cube.read.layer import POOL
from musyq_cube.run import publish
from musyq_cube.run.block import run_block
from musyq_cube.run.driver import tasks

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

def first_block(path):
    plan = Plan.load(path)
    publish.create(plan, plan.parts[0], plan.outputs[0])
    run_block(next(tasks(plan, {0}, set()))[1])

# every kernel is compiled once, on small blocks; each large block is made by a fork of this process
orders = json.loads(sys.argv[1])
for small, _ in orders.values():
    first_block(small)
POOL.clear()  # forks must not share open files
for method, (_, large) in orders.items():
    if os.fork() == 0:
        before = peak()
        first_block(large)
        print(method, peak() - before, flush=True)
        os._exit(0)
    os.wait()
"""


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> list[Scene]:
    """Return dates that share one set of files: what counts is how much is held, not what."""
    folder = tmp_path_factory.mktemp("memory")
    corners = (450_000, 4_390_020, 480_720, 4_420_740)
    box = GeoBox.from_bbox(corners, "EPSG:32650", shape=(SIZE, SIZE))
    pixels = np.random.default_rng(1).integers(400, 4000, (SIZE, SIZE)).astype("uint16")
    file = write_cog(folder / "band.tif", pixels, box, nodata=0, overviews=False)
    clouds = np.zeros((SIZE, SIZE), "uint16")
    clouds[100:160, 200:260] = 8
    qa = write_cog(folder / "qa.tif", clouds, box, overviews=False)
    return [
        make_scene(box, dict.fromkeys(BANDS, file), id=f"d{n}", datetime=f"2020-07-{n + 1:02d}T03:00:00Z", qa=qa)
        for n in range(DATES)
    ]


@pytest.fixture(scope="module")
def peaks(archive: list[Scene], tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[int, int]]:
    """Return (measured, projected) bytes by method."""
    orders: dict[str, dict[str, Any]] = {m: {"products": "MuSQ.TOA", "method": m, "scenes": archive} for m in METHODS}
    return measure(orders, tmp_path_factory.mktemp("orders"))


def measure(orders: dict[str, dict[str, Any]], folder: Path) -> dict[str, tuple[int, int]]:
    """Return (measured, projected) bytes by name: the high-water mark of a process that makes one block."""
    files: dict[str, list[str]] = {}
    projected = {}
    for name, options in orders.items():
        for chunk in (64, SIZE):
            settings: dict[str, Any] = {"grid": "utm-30m", "chunk": chunk, "block": chunk, "dilate": 90.0, **options}
            order = plan(region=None, period="2020-07", out=str(folder / f"{name}-{chunk}"), **settings)
            files.setdefault(name, []).append(str(order.save(folder / f"{name}-{chunk}.json")))
            projected[name] = order.estimate.memory_block
    command = [sys.executable, "-W", "ignore", "-c", CODE, json.dumps(files)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    measured = dict(line.split() for line in done.stdout.splitlines())
    return {name: (int(measured[name]), projected[name]) for name in orders}


@pytest.fixture(scope="module")
def normalized_peaks(archive: list[Scene], tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[int, int]]:
    """
    Return the same of orders that are normalized, of two sensors in turn.

    Every date has a partner of the other sensor within a day, so that the certificate holds as much as it ever does.
    """
    folder = tmp_path_factory.mktemp("normalized")
    box = GeoBox.from_bbox((400_000, 4_350_000, 540_000, 4_490_000), "EPSG:32650", resolution=10_000)
    write_field(folder / "aod.zarr", box)
    air = Atmosphere(True, "test", Field(str(folder / "aod.zarr"), "aod"), "dark-target", elevation=0.1)
    sensors = ("landsat8-oli", "hj1a-ccd1")
    scenes = [
        scene.replace(
            sensor=sensors[n % 2], quantity="toa", angles=Angles(sza=30.0, saa=150.0, vza=10.0, vaa=100.0),
            normalization=Normalization(scene.id, atmosphere=air),
        )
        for n, scene in enumerate(archive)
    ]  # fmt: skip
    methods = ("geomedian", "median")
    common: dict[str, Any] = {"products": "MuSQ.SR", "scenes": scenes, "normalize": True, "bands": BANDS}
    return measure({method: common | {"method": method} for method in methods}, folder)


def write_field(path: Path, box: GeoBox) -> None:
    """Write a field of aerosol as `characterize` does."""
    import zarr

    root = zarr.open_group(str(path), mode="w", zarr_format=3)
    root.attrs.update({"proj:code": "EPSG:32650", "spatial:transform": list(box.affine[:6])})
    root.create_array("aod", data=np.full(box.shape, 0.2, np.float32), dimension_names=("y", "x"))


@pytest.mark.parametrize("method", ["geomedian", "median"])
def test_measured_is_not_above_projected_with_normalization(
    method: str, normalized_peaks: dict[str, tuple[int, int]]
) -> None:
    measured, projected = normalized_peaks[method]
    print(f"{method}, normalized: {measured / 2**20:.0f} of {projected / 2**20:.0f} MiB")  # noqa: T201
    assert measured <= projected, f"{measured / 2**20:.0f} MiB measured, {projected / 2**20:.0f} MiB projected"
    assert measured > PART_BYTES / 4, "the test measured nothing"


@pytest.mark.parametrize("method", METHODS)
def test_measured_is_not_above_projected(method: str, peaks: dict[str, tuple[int, int]]) -> None:
    measured, projected = peaks[method]
    held = len(BANDS) if METHODS[method].joint else 1
    print(f"{method}: {measured / 2**20:.0f} of {projected / 2**20:.0f} MiB")  # noqa: T201
    assert measured <= projected, f"{measured / 2**20:.0f} MiB measured, {projected / 2**20:.0f} MiB projected"
    assert measured > min(SIZE * SIZE * DATES * 4 * held, PART_BYTES) / 2, "the test measured nothing"

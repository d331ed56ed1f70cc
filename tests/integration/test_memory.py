"""Measured peak memory stays below the projected one, for every composite method."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from odc.geo.geobox import GeoBox

from musyq_cube.methods import METHODS
from musyq_cube.plan import plan
from musyq_cube.plan.estimate import PART_BYTES
from musyq_cube.testing import make_scene, write_cog

if TYPE_CHECKING:
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
    """Return (measured, projected) bytes by method: the high-water mark of a process that makes one block."""
    folder = tmp_path_factory.mktemp("orders")
    files: dict[str, list[str]] = {}
    projected = {}
    for method in METHODS:
        for chunk in (64, SIZE):
            options: dict[str, Any] = {"scenes": archive, "grid": "utm-30m", "chunk": chunk, "block": chunk}
            name = f"{method}-{chunk}"
            order = plan("MuSQ.TOA", None, "2020-07", method=method, dilate=90.0, out=str(folder / name), **options)
            files.setdefault(method, []).append(str(order.save(folder / f"{name}.json")))
            projected[method] = order.estimate.memory_block
    command = [sys.executable, "-W", "ignore", "-c", CODE, json.dumps(files)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    measured = dict(line.split() for line in done.stdout.splitlines())
    return {method: (int(measured[method]), projected[method]) for method in METHODS}


@pytest.mark.parametrize("method", METHODS)
def test_measured_is_not_above_projected(method: str, peaks: dict[str, tuple[int, int]]) -> None:
    measured, projected = peaks[method]
    held = len(BANDS) if METHODS[method].joint else 1
    print(f"{method}: {measured / 2**20:.0f} of {projected / 2**20:.0f} MiB")  # noqa: T201
    assert measured <= projected, f"{measured / 2**20:.0f} MiB measured, {projected / 2**20:.0f} MiB projected"
    assert measured > min(SIZE * SIZE * DATES * 4 * held, PART_BYTES) / 2, "the test measured nothing"

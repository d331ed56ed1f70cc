"""Estimate: what a plan will read, hold, write and take, before anything is submitted."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from musyq_cube.config import config
from musyq_cube.methods import get_method
from musyq_cube.plan.footprints import Footprints

if TYPE_CHECKING:
    from musyq_cube.methods import Method
    from musyq_cube.normalize.rules import Rules
    from musyq_cube.plan.value import Plan
    from musyq_cube.scene import Scene
    from musyq_cube.types import JSON

DECODE_RATE = 60e6
"""Decoded bytes per second and core: windows of deflate uint16 COGs read, resampled and scaled."""
REDUCE_RATE = {
    "geomedian": 7e6,
    "weighted": 16e6,
    "medoid": 26e6,
    "max_ndvi": 31e6,
    "best_pixel": 31e6,
    "median": 40e6,
    "mean": 49e6,
}
"""Pixel-observations per second and core: 60 dates × 6 bands × 512² pixels, one core of a 2026 cloud machine."""
DEFAULT_REDUCE_RATE = 40e6
"""The same for the others."""
STORE_RATE = 20e6
"""Bytes per second and core packed, compressed, written and made into pyramid levels, on a local disk."""
BLOCK_OVERHEAD = 0.15
"""Seconds per block that do not depend on its size."""
PRODUCT_BYTES = 14
"""Bytes per pixel and layer while products are computed and packed: float64 of the formula, float32, packed."""
GIVEN_BYTES = 36
"""Bytes per pixel of a product that is taken: value, uncertainty and evidence, and copies on the way."""
QA_BYTES = 4
"""Bytes per pixel and observation of QA: as read, with its halo, and masked."""
MASK_BYTES = 4
"""Bytes per pixel and observation of QA read with the bands, and of masks."""
ANGLE_BYTES = 12
"""Bytes per pixel and observation of sza, vza and raa."""
NORMALIZE_BYTES = 44
"""Bytes per pixel and observation of angles and air, as read with their halo and without."""
RELIEF_BYTES = 20
"""The same of the sun's azimuth, slope and aspect."""
READ_BYTES = 32 * 2**20
"""Bytes of windows being decoded and resampled, whatever the size of the block."""
CACHE_BYTES = 512 * 2**20
"""Bytes of decoded source tiles that GDAL keeps in a process (``GDAL_CACHEMAX``)."""
TILE_BYTES = 8
"""Bytes of those tiles per pixel, observation and layer: large pixels, and what tiles have beyond the block."""
PART_BYTES = 320 * 2**20
"""Bytes of observations at a time: a block that has more is read, masked and composited part by part."""
SMALLEST_PART = 128
"""Pixels along a part (and twice the halo) that is not divided further."""


@dataclass(frozen=True)
class Estimate:
    """Projected work. Bytes are decoded (not compressed) ones; seconds suppose local files."""

    tasks: int
    observations: int
    """Greatest number of observations of one block (scenes fused by day)."""
    bytes_read: int
    bytes_written: int
    """Upper limit: packed, not compressed, with the pyramid."""
    memory_block: int
    """Peak of one block beyond what the process holds anyway."""
    memory: int
    """Peak of `workers` blocks at a time."""
    limit: int
    """What the run may use."""
    workers: int
    seconds: float
    rates: str
    """The rates behind `seconds`, in words."""

    def to_dict(self) -> JSON:
        """Return plain JSON values."""
        return asdict(self)


def estimate(plan: Plan) -> Estimate:
    """Project the work of a plan."""
    method = get_method(plan.request.method)
    most, read, work = 0, 0.0, 0.0
    trees: dict[str, Footprints] = {}
    for block in plan.blocks():
        part = plan.parts[block.part]
        observations = count_observations([plan.scenes[i] for i in block.scenes], plan.request.by)
        most = max(most, observations)
        work += observations * block.geobox.shape[0] * block.geobox.shape[1]
    for part in plan.parts:
        tree = trees.setdefault(part.grid.crs, Footprints(plan.scenes, part.grid.crs, 0.0))
        resolution = abs(part.grid.transform[0])
        for i in part.scenes:
            pixels = tree.share(i, part.geobox) / resolution**2
            read += pixels * bytes_per_pixel(plan.scenes[i], plan.bands, angles=method.angles)
    layers = sum(len(step.recipe.variables(plan.bands)) for step in plan.steps)
    pixels = sum(part.grid.shape[0] * part.grid.shape[1] for part in plan.parts)
    written = int(pixels * layers * 2 * 4 / 3)
    block_memory = peak(plan, plan.block, most)
    seconds = read / DECODE_RATE + work * len(plan.bands) / 6 / REDUCE_RATE.get(method.name, DEFAULT_REDUCE_RATE)
    seconds += written / STORE_RATE + plan.task_count * BLOCK_OVERHEAD
    at_once = min(plan.workers, plan.task_count)
    return Estimate(
        tasks=plan.task_count,
        observations=most,
        bytes_read=int(read),
        bytes_written=written,
        memory_block=block_memory,
        memory=block_memory * at_once,
        limit=plan.memory,
        workers=plan.workers,
        seconds=seconds / at_once,
        rates=f"reading {DECODE_RATE / 1e6:.0f} MB/s, {method.name} "
        f"{REDUCE_RATE.get(method.name, DEFAULT_REDUCE_RATE) / 1e6:.1f} M pixel-observations/s (6 bands), "
        f"writing {STORE_RATE / 1e6:.0f} MB/s, each per core",
    )


def total(plan: Plan) -> Estimate:
    """Project the work of all stages of an order: work adds up, memory is that of the largest."""
    parts = [stage.estimate for stage in plan.stages]
    sums = {name: sum(getattr(e, name) for e in parts) for name in ("tasks", "bytes_read", "bytes_written", "seconds")}
    most = {name: max(getattr(e, name) for e in parts) for name in ("observations", "memory_block", "memory")}
    return replace(parts[-1], **sums, **most)


def peak(plan: Plan, size: int, observations: int) -> int:
    """Return the projected peak of the largest block of `size` pixels, in bytes, with so many observations."""
    method, shape, bands = get_method(plan.request.method), largest_block(plan, size), len(plan.bands)
    layers = sum(len(step.recipe.variables(plan.bands)) for step in plan.steps)
    fields = field_bytes(plan.request.rules, method, bands, len({scene.sensor for scene in plan.scenes}))
    held = {"observations": observations, "bands": bands, "layers": layers, "fields": fields}
    return memory_of(method, shape, plan.halo, **held) + given_bytes(plan, shape)


def memory_of(
    method: Method,
    shape: tuple[int, int],
    halo: int,
    *,
    observations: int,
    bands: int,
    layers: int,
    fields: int = 0,
) -> int:
    """
    Return the projected peak of one block in bytes, beyond what the process holds anyway.

    Parameters
    ----------
    method
        How it is composited: joint methods hold all the bands at once, the others one.
    shape, halo
        Pixels of the block, and of the margin around it whose QA is read too.
    observations
        In time.
    bands
        Composited.
    layers
        Written, of all the products together.
    fields
        Bytes per pixel and observation that normalization holds (:func:`field_bytes`).
    """
    held: dict[str, Any] = {"observations": observations, "bands": bands, "fields": fields}
    whole = observed_bytes(method, shape, halo, **held)
    side = SMALLEST_PART + 2 * halo
    least = observed_bytes(method, (side, side), halo, **held)
    pixels = shape[0] * shape[1]
    made = method.memory(pixels, bands) + pixels * layers * PRODUCT_BYTES
    tiles = min(CACHE_BYTES, pixels * observations * (bands + 1) * TILE_BYTES)
    return int(min(whole, max(PART_BYTES, least)) + made + tiles + READ_BYTES)


def given_bytes(plan: Plan, shape: tuple[int, int]) -> int:
    """Return the bytes that a block of a stage of products holds of those it takes: values, uncertainty, evidence."""
    most = max((len(part.given) for part in plan.parts), default=0)
    ancillary = sum(len(step.ancillary) for step in plan.steps)
    pixels = (shape[0] + 2 * plan.halo) * (shape[1] + 2 * plan.halo)
    return pixels * (most * GIVEN_BYTES + ancillary * 4) if plan.over == "products" else 0


def field_bytes(rules: Rules | None, method: Method, bands: int, sensors: int) -> int:
    """
    Return the bytes per pixel and observation that normalization holds.

    Angles, air and ground; of several sensors also what the certificate compares: the bands before and after every
    step, at worst of all observations.
    """
    if rules is None:
        return 0
    fields = NORMALIZE_BYTES + (RELIEF_BYTES if "topography" in rules.steps else 0)
    return fields + (4 * (bands if method.joint else 1) * (1 + len(rules.steps)) if sensors > 1 else 0)


def observed_bytes(
    method: Method, shape: tuple[int, int], halo: int, *, observations: int, bands: int, fields: int = 0
) -> int:
    """Return the bytes of the observations of a part of a block, and of what is made of them on the way."""
    rows, cols = shape
    pixels, padded = rows * cols, (rows + 2 * halo) * (cols + 2 * halo)
    held = bands + method.held if method.joint else 1
    extra = fields or (ANGLE_BYTES if method.angles else 0)
    quality = padded * (QA_BYTES + extra) * observations
    quality += pixels * observations * (1 + (2 if method.reach else 0))
    return quality + pixels * observations * (4 * held + MASK_BYTES)


def fits(observed: int, shape: tuple[int, int], halo: int) -> bool:
    """Say whether a part needs no further division: little enough, or so small that its halo would outweigh it."""
    return observed <= PART_BYTES or max(shape) <= SMALLEST_PART + 2 * halo


def largest_block(plan: Plan, size: int) -> tuple[int, int]:
    """Return the shape of the largest block of a plan cut into blocks of `size`."""
    shapes = [(min(size, part.grid.shape[0]), min(size, part.grid.shape[1])) for part in plan.parts]
    return max(shapes, key=lambda shape: shape[0] * shape[1])


def count_observations(scenes: list[Scene], by: str) -> int:
    """Return the observations that scenes make: by solar day, those of one platform and day are fused to one."""
    if by == "scene":
        return len(scenes)
    return len({scene.overpass for scene in scenes})


def bytes_per_pixel(scene: Scene, bands: tuple[str, ...], *, angles: bool) -> float:
    """Return the decoded bytes of one output pixel of a scene, QA and angles included."""
    sizes = [np.dtype(scene.sources[band].dtype or "uint16").itemsize for band in bands if band in scene.sources]
    return sum(sizes) + 2 * len(scene.qa) + (2 if angles else 0)


def memory_limit() -> int:
    """Return the bytes a run may use: ``run.memory`` of the configuration, else 80 % of the container or machine."""
    configured = config.get("run.memory")
    if configured is not None:
        return int(configured)
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            limits.append(int(Path(path).read_text()))
        except (OSError, ValueError):
            continue
    return int(0.8 * min(limits))


def cores() -> int:
    """Return the cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

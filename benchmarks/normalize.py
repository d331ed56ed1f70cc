"""
Throughput of normalization on one core: Level-1 numbers in files to normalized blocks in memory.

``python -m benchmarks.normalize`` generates the scenes once, runs each sensor in processes of their own that may use
one core and one thread, prints a table of the stages and writes ``benchmarks/normalize.json``. See
``benchmarks/README.md``.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from benchmarks.level1 import Order

ROOT = Path(__file__).parents[1]
ONE_THREAD = {
    "NUMBA_NUM_THREADS": "1", "GDAL_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "BLOSC_NTHREADS": "1",
    "MUSYQ_READ__THREADS": "1",
}  # fmt: skip
SENSORS = ("landsat8", "modis")
BLOCK = {"landsat8": 1024, "modis": 1200}
"""Side of a block in pixels; at 1 km a whole tile, because the layers of HDF4 are deflated whole."""
BAR = 18.5
"""MB of decoded numbers per second and core: a hundred times the original system's 0.185."""
STAGES = ("angles, air, qa", "read bands", "atmosphere", "direction", "spectral", "rest")
TRIES = 3
"""Repeats of the loops that are only compared with the memory's bandwidth; the shortest counts."""


@dataclass
class Clock:
    """CPU time (user and system, all threads) and wall time of each stage, seconds."""

    cpu: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    wall: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    _last: tuple[float, float] = (0.0, 0.0)

    def start(self) -> None:
        """Count from here."""
        self._last = (time.process_time(), time.perf_counter())

    def lap(self, stage: str) -> None:
        """Add the time since the last lap to a stage."""
        now = (time.process_time(), time.perf_counter())
        self.cpu[stage] += now[0] - self._last[0]
        self.wall[stage] += now[1] - self._last[1]
        self._last = now


def main() -> None:
    """Run the benchmark of the command line."""
    args = _arguments()
    if args.only:
        print(json.dumps(_measure(args.only, args.folder, args.size)))
        return
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in SENSORS}
    for repeat in range(args.repeats):
        for name, done in runs.items():  # taking turns, so that a busy minute hits both
            done.append(_process(name, args))
            print(f"  {repeat + 1}/{args.repeats} {name}: {done[-1]['speed_cpu']:.1f} MB/s of CPU time, load "
                  f"{done[-1]['load']:.1f}", flush=True)  # fmt: skip
    results = {"machine": _machine(), "sensors": {name: _median(done) for name, done in runs.items()}}
    for name, found in results["sensors"].items():
        _print(name, found)
    args.out.write_text(json.dumps(results, indent=1) + "\n")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "musyq-benchmark")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "normalize.json")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--size", type=int, default=3072, help="pixels along the sides of the Landsat scene")
    parser.add_argument("--only", choices=SENSORS, help="measure one sensor in this process and print JSON")
    return parser.parse_args()


def _process(name: str, args: argparse.Namespace) -> dict[str, Any]:
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.normalize", "--only", name]
    command += ["--folder", str(args.folder), "--size", str(args.size)]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | ONE_THREAD, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{name} ended with {done.returncode}: {done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])  # type: ignore[no-any-return]


def _measure(name: str, folder: Path, size: int) -> dict[str, Any]:
    """Normalize all blocks of a sensor's scenes once, files not yet open, kernels compiled and tables made."""
    os.environ.update(ONE_THREAD)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    from benchmarks.level1 import landsat, modis

    orders = landsat(folder, size) if name == "landsat8" else modis(folder)
    _run(orders[-1:], 64, Clock(), limit=1)  # compiles; tables of the sensor
    _close()
    clock = Clock()
    pixels, block = _run(orders, BLOCK[name], clock)
    bands = len(orders[0].bands)
    decoded = pixels * bands * 2
    cpu, wall = sum(clock.cpu.values()), sum(clock.wall.values())
    _close()
    return {
        "pixels": pixels, "bands": bands, "input_mb": decoded / 1e6, "load": os.getloadavg()[0],
        "speed_cpu": decoded / 1e6 / cpu, "speed_wall": decoded / 1e6 / wall,
        "decode": _decode(orders, BLOCK[name]),
        "cpu": dict(clock.cpu), "wall": dict(clock.wall), "kernels": _kernels(block),
    }  # fmt: skip


@dataclass
class Block:
    """What the last block was made of, for the kernels alone."""

    bands: Mapping[str, Any]
    seen: Any
    order: Order


def _run(orders: list[Order], side: int, clock: Clock, limit: int | None = None) -> tuple[int, Block]:
    """Read and normalize as a production block does: QA, angles and air first, then the bands."""
    from musyq_cube.normalize.chain import normalize_bands
    from musyq_cube.normalize.cube import observations
    from musyq_cube.normalize.rules import Rules
    from musyq_cube.read.block import read_block

    pixels, last = 0, None
    for order in orders:
        rules, groups = Rules(reference=order.reference), ((order.scene,),)
        for box in _blocks(order.geobox, side)[:limit]:
            clock.start()
            state, failures = read_block(groups, box, (), angles=True, air=True)
            (seen,) = observations(state)
            clock.lap("angles, air, qa")
            read, more = read_block(groups, box, order.bands)
            bands = {name: read[name].values[0] for name in order.bands}
            clock.lap("read bands")
            made, _ = normalize_bands(bands, seen, rules, lambda step, _bands: clock.lap(step))
            clock.lap("rest")
            if failures or more:
                raise RuntimeError(repr([*failures, *more]))
            pixels += made[order.bands[0]].size
            last = Block(bands, seen, order)
    if last is None:
        raise RuntimeError("no block")
    return pixels, last


def _blocks(geobox: Any, side: int) -> list[Any]:
    rows, cols = geobox.shape
    return [geobox[j : j + side, i : i + side] for j in range(0, rows, side) for i in range(0, cols, side)]


def _decode(orders: list[Order], side: int) -> float:
    """CPU seconds to decode the same windows of the same bands, and nothing else."""
    from musyq_cube.read.layer import POOL
    from musyq_cube.read.warp import source_window

    began = time.process_time()
    for order in orders:
        for box in _blocks(order.geobox, side):
            for source in (order.scene.sources[name] for name in order.bands):
                if window := source_window(source, box):
                    with POOL.borrow(source) as layer:
                        layer.read(*window, 0)
    return time.process_time() - began


def _close() -> None:
    """Forget open files and what GDAL keeps of them, so that the measured pass decodes everything."""
    from musyq_cube.read.layer import POOL

    POOL.clear()


def _kernels(block: Block) -> dict[str, float]:
    """
    Nanoseconds per pixel and band of each step alone on one block, and of copying the same bands.

    ``in cache``: the step on rows that fit into the second cache again and again. Where that takes as long, it is not
    the memory that bounds the step.
    """
    from musyq_cube.normalize.atmosphere import apply_atmosphere
    from musyq_cube.normalize.direction import apply_direction
    from musyq_cube.normalize.spectral import apply_spectral

    seen, order = block.seen, block.order
    out = {name: values.copy() for name, values in block.bands.items()}
    centers = {"swir12": 1.24}

    def copy(rows: slice) -> None:
        for name, values in block.bands.items():
            out[name][rows] = values[rows]

    def atmosphere(rows: slice) -> None:
        bands = {name: values[rows] for name, values in block.bands.items()}
        state = (seen.sza, seen.vza, seen.raa, seen.aod, seen.tcwv, seen.ozone, seen.elevation)
        apply_atmosphere(bands, seen.sensor, seen.aerosol, *(layer[rows] for layer in state))

    def direction(rows: slice) -> None:
        bands = {name: values[rows] for name, values in block.bands.items()}
        apply_direction(bands, seen.sza[rows], seen.vza[rows], seen.raa[rows], wavelengths=centers)

    def spectral(rows: slice) -> None:
        apply_spectral({n: v[rows] for n, v in block.bands.items()}, seen.sensor, order.reference)

    height, width = seen.sza.shape
    found = {}
    for action in (copy, atmosphere, direction, spectral):
        found[action.__name__] = _shortest(action, [slice(0, height)], height * width * len(out))
        few = [slice(0, 16)] * (height // 16)
        found[f"{action.__name__} in cache"] = _shortest(action, few, len(few) * 16 * width * len(out))
    return found


def _shortest(action: Callable[[slice], None], rows: list[slice], values: int) -> float:
    times = []
    for _ in range(TRIES):
        before = time.process_time()
        for part in rows:
            action(part)
        times.append(time.process_time() - before)
    return min(times) / values * 1e9


def _median(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Median of each figure over the runs, with the extremes of the speeds."""
    first = runs[0]
    out: dict[str, Any] = {key: first[key] for key in ("pixels", "bands", "input_mb")}
    for key in ("speed_cpu", "speed_wall", "load"):
        values = [run[key] for run in runs]
        out[key] = {"median": statistics.median(values), "min": min(values), "max": max(values)}
    out["decode"] = statistics.median(run["decode"] for run in runs)
    for key in ("cpu", "wall", "kernels"):
        out[key] = {name: statistics.median(run[key].get(name, 0.0) for run in runs) for name in first[key]}
    return out


def _print(name: str, found: dict[str, Any]) -> None:
    values = found["pixels"] * found["bands"]
    cpu, wall = found["speed_cpu"], found["speed_wall"]
    print(f"\n{name}: {found['input_mb']:.0f} MB of numbers, load {found['load']['median']:.1f}\n")
    print("| stage | CPU s | MB/s | ns per pixel and band |\n|---|---|---|---|")
    for stage in STAGES:
        seconds = found["cpu"].get(stage, 0.0)
        speed = f"{found['input_mb'] / seconds:.0f}" if seconds > 1e-4 else "–"
        print(f"| {stage} | {seconds:.3f} | {speed} | {seconds / values * 1e9:.2f} |")
    print(f"| **all** | | **{cpu['median']:.1f}** ({cpu['min']:.1f}–{cpu['max']:.1f}) | "
          f"{2e3 / cpu['median']:.1f} |")  # fmt: skip
    print(f"\ndecoding alone: {found['decode']:.3f} s of {found['cpu']['read bands']:.3f} s of reading bands")
    print(f"wall: {wall['median']:.1f} MB/s ({wall['min']:.1f}–{wall['max']:.1f}); asked: {BAR}; "
          f"{cpu['median'] / 0.185:.0f} times the original system by CPU time\n")  # fmt: skip
    print("| step alone | ns per pixel and band | in cache | times a copy |\n|---|---|---|---|")
    kernels = found["kernels"]
    for step in ("copy", "atmosphere", "direction", "spectral"):
        print(f"| {step} | {kernels[step]:.2f} | {kernels[f'{step} in cache']:.2f} | "
              f"{kernels[step] / kernels['copy']:.1f} |")  # fmt: skip
    print(flush=True)


def _machine() -> dict[str, Any]:
    return {
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }


if __name__ == "__main__":
    main()

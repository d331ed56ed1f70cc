"""What every tool is given and has to hand in: one run in one process, free of any package but NumPy."""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

BLOCK = 1024
"""Pixels along a chunk of the output, where the tool lets one choose."""
UNCLEAR = 0b11111
"""Bits of Landsat's QA_PIXEL: fill, dilated cloud, cirrus, cloud, shadow."""
SCALE, OFFSET = 2.75e-5, -0.2
EPS = 0.1 * SCALE
"""Convergence of the peers' geometric medians: a tenth of a stored number, the default of odc-algo."""
TASKS = {"median": ["red"], "geomedian": ["blue", "green", "red", "nir08"]}
"""Task to its bands: a per-pixel median of one band as it is, a geometric median of four bands where QA is clear."""


@dataclass(frozen=True)
class Job:
    """The work of one run."""

    task: str
    items: list[dict[str, Any]]
    crs: str
    transform: tuple[float, ...]
    shape: tuple[int, int]

    @property
    def bands(self) -> list[str]:
        """Bands to composite."""
        return TASKS[self.task]

    @property
    def masked(self) -> bool:
        """Whether clouds are masked."""
        return self.task == "geomedian"

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """West, south, east, north of the output."""
        a, _, c, _, e, f = self.transform
        return c, f + self.shape[0] * e, c + self.shape[1] * a, f


@dataclass(frozen=True)
class Result:
    """The composite in stored numbers (band, y, x), NaN where there is none, and how many tasks made it."""

    pixels: np.ndarray
    tasks: int


def main(work: Callable[[Job], Result], packages: list[str]) -> None:
    """Run `work` on the job of the command line, save its pixels and print what the harness wants to know."""
    parser = argparse.ArgumentParser()
    parser.add_argument("manifest", type=Path)
    parser.add_argument("task", choices=TASKS)
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    data = json.loads(args.manifest.read_text())
    output = data["output"]
    items = sorted(data["items"], key=lambda item: item["properties"]["datetime"])
    result = work(Job(args.task, items, output["crs"], tuple(output["transform"]), tuple(output["shape"])))
    np.save(args.out, result.pixels.astype(np.float32))
    versions = {name: importlib.metadata.version(name) for name in packages}
    versions["python"] = ".".join(map(str, sys.version_info[:3]))
    print(json.dumps({"tasks": result.tasks, "versions": versions}))


class Counter:
    """Counts the tasks that dask runs."""

    def __init__(self) -> None:
        from dask.callbacks import Callback

        self.tasks = 0
        self._callback = Callback(pretask=self._count)

    def __enter__(self) -> Self:
        """Begin to count."""
        self._callback.register()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self._callback.unregister()

    def _count(self, *_: object) -> None:
        self.tasks += 1

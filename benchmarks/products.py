"""
Speed of the product kernels on one core: ``python -m benchmarks.products``.

Each family declares its cases in ``benchmarks/products_<family>.py``; the figure is the best of several repeats, in
millions of pixels per second, beside the bar.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

SIZE = 2_000_000
"""Pixels of a case: larger than any cache."""


@dataclass(frozen=True)
class Case:
    """One kernel on arrays of `SIZE` pixels (or `pixels`)."""

    name: str
    arguments: Callable[[int], tuple[Any, ...]]
    """Makes the arguments for a number of pixels, deterministic."""
    kernel: Callable[..., Any]
    bar: float
    """Mpx/s."""
    pixels: int = SIZE


def measure(case: Case, repeats: int = 5) -> float:
    """Return the rate of a case in Mpx/s."""
    given = case.arguments(case.pixels)
    case.kernel(*case.arguments(64))  # compiled
    best = float("inf")
    for _ in range(repeats):
        began = time.perf_counter()
        case.kernel(*given)
        best = min(best, time.perf_counter() - began)
    return case.pixels / best / 1e6


def main(names: list[str]) -> None:
    """Print Markdown."""
    import benchmarks

    found = [m.name for m in pkgutil.iter_modules(benchmarks.__path__) if m.name.startswith("products_")]
    print("| kernel | Mpx/s | bar |\n|---|---|---|")
    for module in [n for n in found if not names or n.removeprefix("products_") in names]:
        for case in importlib.import_module(f"benchmarks.{module}").CASES:
            print(f"| {case.name} | {measure(case):.1f} | {case.bar:g} |", flush=True)


if __name__ == "__main__":
    for name in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = "1"
    main(sys.argv[1:])

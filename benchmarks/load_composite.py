"""
Cube and composite against the peers: the same scenes, grid and resampling, alternating in one run.

``python -m benchmarks.load_composite`` generates the scenes once, runs every tool in processes of their own in turn,
compares what they computed, prints a table and writes ``benchmarks/results.json``. See ``benchmarks/README.md``.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import platform
import statistics
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.job import BLOCK, TASKS
from benchmarks.measure import ROOT, measure
from benchmarks.scenes import Layout, generate

if TYPE_CHECKING:
    from benchmarks.measure import Run

OURS = ("musyq_cube", "musyq_plan")
TOOLS = {
    "musyq_cube": ["benchmarks.tools.musyq_cube"],
    "musyq_plan": ["benchmarks.tools.musyq_plan"],
    "odc-stac": ["benchmarks.tools.odc_stac"],
    "odc-stac, whole time": ["benchmarks.tools.odc_stac", "--whole-time"],
    "stackstac": ["benchmarks.tools.stackstac"],
    "WarpedVRT": ["benchmarks.tools.warped_vrt"],
}
SETTINGS = {"OMP_NUM_THREADS": "1"}
"""The same for all: BLAS adds no threads of its own."""
FASTER, SMALLER = 2.0, 0.5
"""What is asked of us: this many times faster than the best of the peers, with this share of its memory."""


def main() -> None:
    """Run the benchmark of the command line."""
    args = _arguments()
    os.environ.update(SETTINGS)
    layout = Layout(15, 4000, 6144) if args.full else Layout(args.dates, args.size, args.window)
    manifest = generate(args.folder, layout)
    results: dict[str, Any] = {"machine": _machine(), "layout": vars(layout), "tasks": {}}
    for task in args.tasks:
        runs, pixels = _alternate(args, manifest, task)
        results["tasks"][task] = _summary(runs, pixels)
        _print(task, results["tasks"][task], layout)
    args.out.write_text(json.dumps(results, indent=1) + "\n")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--peers", default=os.environ.get("MUSYQ_BENCHMARK_PEERS"), help="Python of the peers' environment"
    )
    parser.add_argument(
        "--folder", type=Path, default=Path(tempfile.gettempdir()) / "musyq-benchmark", help="for scenes"
    )
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results.json")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--full", action="store_true", help="60 scenes of 4000 x 4000 to 6144 x 6144 pixels")
    parser.add_argument("--dates", type=int, default=Layout.dates, help="four scenes each")
    parser.add_argument("--size", type=int, default=Layout.size)
    parser.add_argument("--window", type=int, default=Layout.window)
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--tools", nargs="+", choices=TOOLS, default=list(TOOLS))
    args = parser.parse_args()
    if not args.peers:
        print("no environment of the peers (--peers or MUSYQ_BENCHMARK_PEERS): measuring musyq_cube alone")
        args.tools = [tool for tool in args.tools if tool in OURS]
    return args


def _alternate(
    args: argparse.Namespace, manifest: Path, task: str
) -> tuple[dict[str, list[Run]], dict[str, np.ndarray]]:
    """
    Run every tool once, then every tool again…, so that a busy minute hits all alike.

    A first round does not count: it leaves byte code and compiled kernels on disk, and the scenes in the page cache.
    """
    runs: dict[str, list[Run]] = {tool: [] for tool in args.tools}
    pixels: dict[str, np.ndarray] = {}
    for repeat in range(args.repeats + 1):
        for tool in args.tools:
            python = sys.executable if tool in OURS else args.peers
            run, pixels[tool] = measure(python, TOOLS[tool], manifest, task)
            if repeat > 0:
                runs[tool].append(run)
            print(f"  {task} {repeat}/{args.repeats} {tool}: {run.wall:.1f} s, {run.peak:.0f} MB", flush=True)
    return runs, pixels


def _summary(runs: dict[str, list[Run]], pixels: dict[str, np.ndarray]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for tool, done in runs.items():
        figures = {name: _spread([getattr(run, name) for run in done]) for name in ("wall", "cpu", "peak")}
        reference = pixels.get("musyq_cube")
        same = _agreement(pixels[tool], reference) if reference is not None else {}
        out[tool] = {**figures, "tasks": done[-1].tasks, "agreement": same, "versions": done[-1].versions}
    return out


def _spread(values: list[float]) -> dict[str, float]:
    return {name: round(f(values), 2) for name, f in (("median", statistics.median), ("min", min), ("max", max))}


def _agreement(pixels: np.ndarray, reference: np.ndarray) -> dict[str, float]:
    """Share of pixels that both have and that differ by at most one stored number; share that just one of them has."""
    both = np.isfinite(pixels) & np.isfinite(reference)
    close = np.abs(pixels - reference) <= 1
    return {
        "within_1_dn": round(float(close[both].mean()), 5) if both.any() else 0.0,
        "median_dn": round(float(np.median(np.abs(pixels - reference)[both])), 3) if both.any() else float("nan"),
        "only_one": round(float((np.isfinite(pixels) ^ np.isfinite(reference)).mean()), 5),
    }


def _print(task: str, summary: dict[str, Any], layout: Layout) -> None:
    blocks = (-(-layout.window // BLOCK)) ** 2
    print(
        f"\n{task}: {4 * layout.dates} scenes of {layout.size}², output {layout.window}², {blocks} blocks of {BLOCK}²\n"
    )
    print("| | wall s | CPU s | peak MB | tasks | within 1 DN |\n|---|---|---|---|---|---|")
    for tool, row in summary.items():
        cells = [f"{row[n]['median']:.1f} ({row[n]['min']:.1f}–{row[n]['max']:.1f})" for n in ("wall", "cpu", "peak")]
        same = row["agreement"].get("within_1_dn", float("nan"))
        print(f"| {tool} | {' | '.join(cells)} | {row['tasks']} | {same:.2%} |")
    peers = [row for tool, row in summary.items() if tool not in OURS]
    for tool in (t for t in OURS if t in summary and peers):
        best = {name: min(row[name]["median"] for row in peers) for name in ("wall", "cpu", "peak")}
        ours = {name: summary[tool][name]["median"] for name in best}
        verdict = [
            f"{best['wall'] / ours['wall']:.2f}x the speed of the fastest peer (asked {FASTER}x)",
            f"CPU {best['cpu'] / ours['cpu']:.2f}x (asked {FASTER}x)",
            f"{ours['peak'] / best['peak']:.2f} of the smallest peer's memory (asked {SMALLER})",
        ]
        print(f"\n{tool}: {'; '.join(verdict)}")
    print(flush=True)


def _machine() -> dict[str, Any]:
    return {
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": len(os.sched_getaffinity(0)),
        "load": round(os.getloadavg()[0], 1),
    }


if __name__ == "__main__":
    main()

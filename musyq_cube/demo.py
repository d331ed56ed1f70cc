"""
The demo: simulate a small archive, run the real pipeline on it, and say how far the product is from the truth.

Everything after the simulation goes through the public functions, as a user's own order would.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from musyq_cube.catalog import register
from musyq_cube.errors import MusyqError
from musyq_cube.testing.score import PARTS, Score, score
from musyq_cube.testing.simulator import scheme, simulate
from musyq_cube.testing.truth import load_truth

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pystac
    import xarray as xr
    from numpy.typing import NDArray

    from musyq_cube.plan import Plan
    from musyq_cube.testing.truth import Truth

PRODUCTS = ("MuSQ.TOA.30m", "MuSQ.NDVI.30m")
DILATE = 60.0
"""Metres by which clouds and shadows grow before compositing."""


@dataclass
class Demo:
    """What the demo made, and how good it is."""

    folder: Path
    truth: Truth
    catalog: Path
    items: dict[str, pystac.Item]
    """By product id."""
    score: Score
    ndvi_error: dict[str, float]
    """RMS difference of the NDVI to that of clear top-of-atmosphere (``toa``) and of the surface (``surface``)."""
    picture: Path
    seconds: dict[str, float] = field(default_factory=dict)


def run_demo(
    out: str | Path = "demo",
    *,
    size: float = 9000.0,
    period: str = "2017-07",
    seed: int = 0,
    console: Console | None = None,
) -> Demo:
    """
    Run the whole way on simulated scenes: files, Items, plan, products, and errors against the truth.

    Parameters
    ----------
    out
        Folder for the archive (``scenes``), its catalogue (``catalog``), the products (``products``) and the picture.
        A demo that is there already is used again: what is finished is not made twice.
    size
        Edge of the simulated place, metres.
    period
        What to simulate and to composite.
    seed
        Of the simulation.
    console
        Where to print; default: the terminal.

    Raises
    ------
    MusyqError
        When `out` holds a demo of another size, period or seed.
    """
    console, folder = console or Console(), Path(out)
    seconds: dict[str, float] = {}
    with _step(console, seconds, "1  Simulate", "one known place, seen by Landsat-8, Sentinel-2A and HJ-1A"):
        truth = _archive(folder / "scenes", console, size=size, period=period, seed=seed)
    catalog = folder / "catalog"
    with _step(console, seconds, "2  Register", "recognise the files, write STAC Items"):
        _register(folder / "scenes", catalog, truth, console)
    with _step(console, seconds, "3  Plan", "choose scenes, cut blocks, project memory and time"):
        plan = _plan(truth, catalog, folder / "products", period)
        plan.explain(console)
    with _step(console, seconds, "4  Run", "read, mask, composite, compute, write, publish"):
        items = _run(plan, quiet=console.quiet)
        for item in items.values():
            console.print(f"  published [bold]{item.id}[/]")
    with _step(console, seconds, "5  Compare", "the product against the known truth"):
        import musyq_cube as mc

        toa, ndvi = (mc.open(items[product]).load() for product in PRODUCTS)
        result = score(truth, toa)
        ndvi_error = _ndvi_error(result, ndvi)
        _show_errors(console, result, ndvi_error)
    picture = _picture(folder / "true_colour.png", plan, truth, toa, result)
    _show_ways_on(console, items, picture, seconds)
    return Demo(folder, truth, catalog, items, result, ndvi_error, picture, seconds)


@contextmanager
def _step(console: Console, seconds: dict[str, float], name: str, what: str) -> Iterator[None]:
    console.rule(f"[bold]{name}[/]  {what}", align="left")
    began = time.perf_counter()
    yield
    seconds[name.split()[1].lower()] = round(time.perf_counter() - began, 1)


@contextmanager
def _bar(console: Console, label: str, total: int) -> Iterator[Callable[[], None]]:
    columns = (TextColumn(f"  {label}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(label, total=total)
        yield lambda: progress.advance(task)


def _archive(folder: Path, console: Console, **scenario: Any) -> Truth:
    """Simulate, unless the same archive is there already."""
    wanted = scheme(folder, **scenario)
    if (folder / "truth.json").exists():
        if load_truth(folder) != wanted:
            raise MusyqError(f"{folder.parent} holds another demo: choose a new folder, or remove this one first")
        console.print("  the archive is there already")
        return wanted
    with _bar(console, "scenes", len(wanted.overpasses)) as advance:
        truth = simulate(folder, **scenario, progress=lambda *_: advance())
    _show_archive(console, truth)
    return truth


def _show_archive(console: Console, truth: Truth) -> None:
    table = Table("sensor", "scenes", "aerosol", "clouds", "shift (m)", "gain error", box=None, pad_edge=True)
    for sensor in sorted({over.sensor for over in truth.overpasses}):
        mine = [over for over in truth.overpasses if over.sensor == sensor]
        aod, cloud = [over.air.aod for over in mine], [over.cloud_cover for over in mine]
        shift = np.sqrt(np.mean([over.shift[0] ** 2 + over.shift[1] ** 2 for over in mine]))
        gain = max(abs(value - 1) for _, value in mine[0].gains)
        table.add_row(
            sensor,
            str(len(mine)),
            f"{min(aod):.2f}–{max(aod):.2f}",
            f"{min(cloud):.0%}–{max(cloud):.0%}",
            f"{shift:.1f} RMS",
            f"up to {gain:.1%}",
        )
    console.print(table)


def _register(scenes: Path, catalog: Path, truth: Truth, console: Console) -> None:
    with _bar(console, "scenes", len(truth.overpasses)) as advance:
        report = register(scenes, catalog, progress=lambda *_: advance())
    console.print(f"  {report}", highlight=False)
    if not report.ok:
        raise MusyqError(f"{len(report.skipped)} simulated scenes could not be registered, first {report.skipped[0]}")


def _plan(truth: Truth, catalog: Path, out: Path, period: str) -> Plan:
    import musyq_cube as mc

    return mc.plan(PRODUCTS, truth.bbox, period, catalog=str(catalog), out=str(out), dilate=DILATE)


def _run(plan: Plan, *, quiet: bool) -> dict[str, pystac.Item]:
    made = plan.run(on="local", quiet=quiet)
    return dict(zip(PRODUCTS, made, strict=True))


def _ndvi_error(result: Score, ndvi: xr.Dataset) -> dict[str, float]:
    found = ndvi["ndvi"].values.astype(float)

    def rms(fields: dict[str, NDArray[np.float64]]) -> float:
        true = (fields["nir"] - fields["red"]) / (fields["nir"] + fields["red"])
        return float(np.sqrt(np.nanmean((found - true) ** 2)))

    return {"toa": rms(result.clear), "surface": rms(result.surface)}


def _show_errors(console: Console, result: Score, ndvi: dict[str, float]) -> None:
    console.print(
        f"  {result.cloudiness.mean():.0%} of all observations were under cloud or shadow; "
        f"{result.cloud_left():.2%} of the composite still differs by more than 0.05 in blue."
    )
    table = Table(
        "band", "whole error", *PARTS, box=None, pad_edge=True, title="RMS error of reflectance and its parts"
    )
    for band in result.bands:
        table.add_row(band, f"{result.rms(band, 'all'):.4f}", *(f"{result.rms(band, part):.4f}" for part in PARTS))
    console.print(table)
    console.print(
        f"  NDVI: RMS error {ndvi['toa']:.3f} against clear sky, {ndvi['surface']:.3f} against the surface.\n"
        "  [dim]Truth: nadir surface reflectance as Landsat-8 sees it in the middle of the period. The product is\n"
        "  top-of-atmosphere reflectance of three sensors: what separates it from the surface is first of all the\n"
        "  air, the directions and the bands, which are for normalization to take away. The rest is what masking,\n"
        "  registration, calibration, noise and the composite leave.[/]"
    )


def _picture(path: Path, plan: Plan, truth: Truth, toa: xr.Dataset, result: Score) -> Path:
    """Draw a cloudy input, the composite and the truth side by side."""
    from matplotlib.figure import Figure

    import musyq_cube as mc

    over = max((o for o in truth.overpasses if o.sensor == "sentinel2a-msi"), key=lambda o: o.cloud_cover)
    scene = next(s for s in plan.scenes if s.id == over.id)
    cloudy = mc.cube([scene], geobox=toa.odc.geobox, bands=["red", "green", "blue"], angles=False).isel(time=0).load()
    panels = {
        f"one input: {over.sensor}, {over.day}": [cloudy[b].values for b in ("red", "green", "blue")],
        f"composite of {len(plan.scenes)} scenes": [toa[b].values for b in ("red", "green", "blue")],
        "truth: the same without clouds and errors": [result.clear[b] for b in ("red", "green", "blue")],
    }
    figure = Figure(figsize=(15, 5.4), layout="constrained")
    for axis, (title, bands) in zip(figure.subplots(1, 3), panels.items(), strict=True):
        axis.imshow(_stretch(bands))
        axis.set_title(title)
        axis.set_axis_off()
    figure.savefig(path, dpi=100)
    return path


def _stretch(bands: list[NDArray[Any]]) -> NDArray[np.float64]:
    """Return an RGB picture of top-of-atmosphere reflectance, the same stretch for every panel."""
    low, high = np.array([0.02, 0.04, 0.06]), np.array([0.30, 0.28, 0.28])
    picture = (np.nan_to_num(np.stack(bands, axis=-1)).astype(float) - low) / (high - low)
    return np.asarray(np.clip(picture, 0, 1) ** 0.8)


def _show_ways_on(console: Console, items: dict[str, pystac.Item], picture: Path, seconds: dict[str, float]) -> None:
    href = next(iter(items.values())).get_self_href()
    console.rule("[bold]6  Look[/]", align="left")
    console.print(f"  picture   {picture}", highlight=False, soft_wrap=True)
    for product, item in items.items():
        console.print(f"  {product:<14}{item.get_self_href()}", highlight=False, soft_wrap=True)
    console.print(
        f"\n  [bold]Python[/]\n    import musyq_cube as mc\n    ds = mc.open({href!r})\n    ds.red.plot.imshow()\n"
        f"\n  [bold]Anybody's xarray[/]\n    xarray.open_datatree({_store(items)!r}, engine='zarr')\n"
        f"\n  [bold]Check it[/]\n    musyq validate {href}\n",
        highlight=False,
        soft_wrap=True,
    )
    steps = ", ".join(f"{name} {value:.0f} s" for name, value in seconds.items())
    console.print(f"  [dim]{sum(seconds.values()):.0f} s in all: {steps}[/]")


def _store(items: dict[str, pystac.Item]) -> str:
    item = next(iter(items.values()))
    asset = next(a for a in item.assets.values() if a.href.rstrip("/").endswith(".zarr"))
    return str(asset.get_absolute_href())

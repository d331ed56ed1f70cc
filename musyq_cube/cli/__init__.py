"""Command line: thin, every command is one call of the library. A command imports what it needs when it runs."""

from __future__ import annotations

import os
import sys
from typing import Any

import click

from musyq_cube import __version__
from musyq_cube.cli.normalize import luts, normalize
from musyq_cube.cli.options import json_option, load_plan, make_plan, plan_options, refuse_order, run_folder_of
from musyq_cube.cli.output import print_json, print_table
from musyq_cube.cli.products import products
from musyq_cube.cli.sensors import sensors

FAILED, PARTLY = 1, 3
"""Exit codes besides 0 (all done) and 2 (wrong usage, by click)."""


class _Group(click.Group):
    """Says what went wrong in one line; MUSYQ_DEBUG=1 shows where."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; errors become a line and exit code 1."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:
            if os.environ.get("MUSYQ_DEBUG"):
                raise
            from musyq_cube.errors import MusyqError

            known = isinstance(error, MusyqError)
            text = str(error) if known else f"{type(error).__name__}: {error} (MUSYQ_DEBUG=1 shows where)"
            click.echo(f"error: {text}", err=True)
            ctx.exit(FAILED)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="musyq")
def main() -> None:
    r"""
    Make consistent land products from many satellites.

    \b
    Example: musyq demo
    Exit codes: 0 done, 1 failed, 2 wrong usage, 3 partly (some inputs skipped, product degraded).
    Tab completion: eval "$(_MUSYQ_COMPLETE=bash_source musyq)"   (or zsh_source, fish_source)
    """


@main.command()
@click.option("-o", "--out", default="musyq-demo", show_default=True, help="Folder to work in.")
@json_option
def demo(out: str, *, as_json: bool) -> None:
    r"""
    Simulate scenes of three sensors, make products of them, and compare with the truth.

    \b
    Example: musyq demo --out /tmp/demo
    """
    from rich.console import Console

    from musyq_cube.demo import run_demo

    made = run_demo(out, console=Console(quiet=as_json))
    if as_json:
        items = {product: item.get_self_href() for product, item in made.items.items()}
        answer = {"folder": made.folder, "catalog": made.catalog, "items": items, "picture": made.picture}
        print_json(answer | {"ndvi_error": made.ndvi_error, "seconds": made.seconds})


@main.command()
@click.argument("paths", nargs=-1, required=True)
@click.option("-c", "--catalog", required=True, help="Folder or bucket of the catalogue; made if need be.")
@click.option("--sensor", help="Sensor id, where names and metadata do not tell.")
@click.option("--ancillary", "kind", metavar="NAME", help="They are ancillary data: of era5, a DEM, stations …")
@click.option("--quantity", help="What a file of one ancillary layer is, such as elevation or land_cover.")
@json_option
def register(
    paths: tuple[str, ...], catalog: str, sensor: str | None, kind: str | None, quantity: str | None, *, as_json: bool
) -> None:
    r"""
    Write a STAC Item for every scene among files, or for every time of ancillary data.

    \b
    Example: musyq register scenes/ --catalog catalog/
    Example: musyq register era5_2014-07.nc --ancillary era5 --catalog catalog/
    """
    from musyq_cube.catalog import register as register_files
    from musyq_cube.catalog import register_ancillary
    from musyq_cube.run.progress import following

    with following("register", quiet=as_json) as step:
        if kind or quantity:
            report = register_ancillary(list(paths), catalog, kind=kind, quantity=quantity, progress=step)
        else:
            report = register_files(list(paths), catalog, sensor=sensor, progress=step)
    if as_json:
        items = [item.id for item in report.items]
        print_json({"items": items, "existing": list(report.existing), "skipped": [list(s) for s in report.skipped]})
    else:
        click.echo(repr(report))
    if not (report.items or report.existing or report.skipped):
        click.echo("nothing there is known as a scene; weather, elevation and the like: add --ancillary NAME", err=True)
        sys.exit(FAILED)
    if report.skipped:
        sys.exit(PARTLY if report.items or report.existing else FAILED)


@main.command()
@click.option("-c", "--catalog", required=True, help="Catalogue: folder, bucket, parquet file or STAC API.")
@click.option("-r", "--region", help="west,south,east,north; a GeoJSON or vector file; a tile name.")
@click.option("-t", "--period", help='Such as "2018", "2018-07" or "2018-07-01/2018-09-30".')
@click.option("--sensor", "sensors", multiple=True, help="Only this sensor; repeatable.")
@json_option
def search(catalog: str, region: str | None, period: str | None, sensors: tuple[str, ...], *, as_json: bool) -> None:
    r"""
    Find scenes.

    \b
    Example: musyq search -c catalog/ -r -75,40,-72,42 -t 2018-07
    """
    from musyq_cube.catalog import search as search_scenes

    scenes = search_scenes(catalog, region, period, sensors=sensors or None)
    if as_json:
        left_out = [list(pair) for pair in scenes.left_out]
        print_json({"scenes": [scene.to_dict() for scene in scenes], "left_out": left_out})
        return
    rows = [(s.datetime[:19], s.sensor, s.tile or "", f"{_cloud(s.cloud_cover)}", s.id) for s in scenes]
    print_table(f"{len(scenes)} scenes", ("time (UTC)", "sensor", "tile", "cloud", "id"), rows)


@main.command()
@json_option
def grids(*, as_json: bool) -> None:
    r"""
    Show how grids are named, an example of each kind.

    \b
    Example: musyq grids
    """
    from musyq_cube.grid import grids as examples

    known = examples()
    if as_json:
        print_json([{"name": g.name, "resolution": g.resolution, "tile_shape": g.tile_shape} for g in known])
        return
    rows = [
        (g.name, f"{g.resolution:.10g}", str(g.tile_shape), "one per UTM zone" if g.is_family else "") for g in known
    ]
    print_table("grids", ("name", "pixel (CRS units)", "pixels of a tile", ""), rows)


@main.command()
@plan_options
@click.option("--save", type=click.Path(dir_okay=False), help="Write the plan as JSON, for musyq run.")
@json_option
def plan(save: str | None, *, as_json: bool, **order: Any) -> None:
    r"""
    Say what an order will take, without running it.

    \b
    Example: musyq plan -p MuSQ.NDVI -c catalog/ -r -75,40,-72,42 -t 2018 --every P3M -g utm-3000m --save plan.json
    """
    made = make_plan(order)
    if save:
        made.save(save)
    if as_json:
        from musyq_cube.plan.estimate import total
        from musyq_cube.plan.explain import output_states
        from musyq_cube.plan.remaining import tasks_left
        from musyq_cube.plan.tree import tree

        states = output_states(made)
        outputs = [{"id": o.item_id, "href": o.href, "state": states[o.key]} for o in made.delivered()]
        left_out = [[item.scene, item.reason] for item in made.left_out]
        answer: dict[str, Any] = {"key": made.key, "run": made.run_folder, "outputs": outputs}
        answer |= {"estimate": total(made).to_dict()}
        answer |= {"tasks_left": tasks_left(made), "tree": [list(row) for row in tree(made)]}
        print_json(answer | {"scenes": [s.id for s in made.scenes], "left_out": left_out})
    else:
        made.explain()


@main.command()
@click.argument("plan_file", required=False, metavar="[PLAN.json]")
@plan_options
@click.option("--on", default="local", show_default=True, help="local, or the address of a Dask scheduler.")
@click.option("-w", "--workers", type=int, help="Blocks at a time.")
@click.option("--processes", is_flag=True, help="Processes instead of threads.")
@json_option
def run(plan_file: str | None, on: str, workers: int | None, *, processes: bool, as_json: bool, **order: Any) -> None:
    r"""
    Make products: of a saved plan, or of the options that plan takes. Resumes by itself.

    \b
    Example: musyq run plan.json --workers 4
    """
    if plan_file:
        refuse_order(plan_file, order)
    made = load_plan(plan_file) if plan_file else make_plan(order)
    result = made.run(on=on, workers=workers, processes=processes, quiet=as_json)
    items = [result] if hasattr(result, "assets") else list(result)
    degraded = [item for item in items if item.properties.get("musyq:quality") == "degraded"]
    if as_json:
        print_json({"key": made.key, "items": [i.get_self_href() for i in items], "degraded": [i.id for i in degraded]})
    else:
        for item in items:
            click.echo(f"{item.get_self_href()}{'  (degraded)' if item in degraded else ''}")
    if degraded:
        for item in degraded:
            click.echo(
                f"degraded: scenes could not be read ({item.properties['musyq:failure_count']} failures). To try them "
                f"again, delete {item.get_self_href()} and run {made.run_folder}/plan.json",
                err=True,
            )
        sys.exit(PARTLY)


@main.command()
@click.argument("run_folder", metavar="RUN")
@json_option
def status(run_folder: str, *, as_json: bool) -> None:
    r"""
    Say how far a run is. RUN is its folder (products/runs/…) or a saved plan.

    \b
    Example: musyq status products/runs/0123456789abcdef
    """
    from musyq_cube.run import status as state_of

    state = state_of(run_folder_of(run_folder))
    if as_json:
        print_json(state)
        return
    click.echo(f"{state['state']}: {state['done']} of {state['blocks']} blocks, {state['failed']} failed, "
               f"{len(state['items'])} of {state['outputs']} products published")  # fmt: skip
    for error in state["errors"]:
        click.echo(f"  {error['message']}")
    for href in state["items"]:
        click.echo(f"  {href}")


@main.command()
@click.argument("run_folder", metavar="RUN")
@json_option
def cancel(run_folder: str, *, as_json: bool) -> None:
    r"""
    Ask a run to stop after the blocks that are being made; musyq run resumes it.

    \b
    Example: musyq cancel products/runs/0123456789abcdef
    """
    from musyq_cube.run import cancel as stop

    folder = run_folder_of(run_folder)
    stop(folder)
    print_json({"cancelled": folder}) if as_json else click.echo(f"asked {folder} to stop")


@main.command("open")
@click.argument("item")
@json_option
def open_product(item: str, *, as_json: bool) -> None:
    r"""
    Show what is in a product.

    \b
    Example: musyq open products/MuSQ.NDVI.3km/…/….json
    """
    from musyq_cube.store.open import open_item

    ds = open_item(item)
    if as_json:
        print_json(ds.to_dict(data=False))
    else:
        click.echo(repr(ds))


@main.command()
@click.argument("items", nargs=-1, required=True)
@json_option
def validate(items: tuple[str, ...], *, as_json: bool) -> None:
    r"""
    Check products: Item, store, pyramid, checksums.

    \b
    Example: musyq validate products/MuSQ.NDVI.3km/…/….json
    """
    from musyq_cube.store.validate import validate as check

    reports = [check(item) for item in items]
    if as_json:
        found = [report.to_dict() for report in reports]
        print_json(found[0] if len(found) == 1 else found)
    else:
        click.echo("\n".join(map(str, reports)))
    if not all(report.ok for report in reports):
        sys.exit(FAILED)


@main.command()
@click.option("-o", "--out", default=".", show_default=True, help="Folder or bucket that products would go to.")
@json_option
def doctor(out: str, *, as_json: bool) -> None:
    r"""
    Check this machine and say how to fix what is missing.

    \b
    Example: musyq doctor --out s3://bucket/products
    """
    from musyq_cube.run.doctor import examine

    findings = examine(out)
    if as_json:
        print_json([finding.to_dict() for finding in findings])
    else:
        marks = {(True, True): "ok", (True, False): "ok", (False, True): "FAIL", (False, False): "none"}
        rows = [(marks[f.ok, f.needed], f.name, f.value, "" if f.ok else f.fix) for f in findings]
        print_table("doctor", ("", "what", "found", "fix"), rows)
    if any(not finding.ok and finding.needed for finding in findings):
        sys.exit(FAILED)


def _cloud(percent: float | None) -> str:
    return "" if percent is None else f"{percent:.0f} %"


main.add_command(normalize)
main.add_command(luts)
main.add_command(products)
main.add_command(sensors)
for _command in (main, *main.commands.values(), *luts.commands.values()):
    # docstrings are raw text; click keeps the lines of a paragraph that begins with the backspace character
    _command.help = (_command.help or "").replace("\\b", "\b")

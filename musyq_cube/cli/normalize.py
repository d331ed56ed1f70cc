"""Commands of normalization: find what makes scenes agree, and make tables of the atmosphere."""

from __future__ import annotations

import json
import sys
from typing import Any

import click

from musyq_cube.cli.options import json_option

FAILED, PARTLY = 1, 3


@click.command()
@click.option("-c", "--catalog", required=True, help="Folder or bucket of registered scenes; what is found goes there.")
@click.option("-r", "--region", help="west,south,east,north; a GeoJSON or vector file; a tile name.")
@click.option("-t", "--period", help='Such as "2018", "2018-07" or "2018-07-01/2018-09-30".')
@click.option("--sensor", "sensors", multiple=True, help="Only this sensor; repeatable.")
@click.option("--base", "bases", multiple=True, help="Sensor whose geolocation is taken for right; repeatable.")
@click.option("--step", "steps", multiple=True, help="Only this step; repeatable. Default: all.")
@click.option("--dem", help="Elevation raster in metres; with it topography is found too.")
@click.option("--aod", help="Grid of aerosol optical depth (CAMS, MERRA-2).")
@click.option("--tcwv", type=float, help="Column water vapour, g cm-2. Default: climatology.")
@click.option("--ozone", type=float, help="Column ozone, cm-atm. Default: climatology.")
@click.option("--model", default="continental", show_default=True, help="Aerosol model.")
@click.option("--redo", is_flag=True, help="Find again what was found before.")
@json_option
def normalize(catalog: str, *, as_json: bool, **order: Any) -> None:
    r"""
    Find what makes registered scenes agree with all others, and keep it on their Items.

    No pixel is changed: `musyq run --normalize` and musyq_cube.cube apply what was found.

    \b
    Example: musyq normalize -c catalog/ --base landsat8-oli --dem dem.tif
    """
    from musyq_cube.normalize.ancillary import Ancillary, open_ancillary
    from musyq_cube.normalize.catalog import normalize_catalog
    from musyq_cube.run.progress import following

    aod = order.pop("aod")
    known = Ancillary(
        aerosol=None if aod is None else open_ancillary(aod),
        **{name: order.pop(name) for name in ("dem", "tcwv", "ozone")},
    )
    order = {name: (value or None) if isinstance(value, tuple) else value for name, value in order.items()}
    with following("normalize", quiet=as_json) as step:
        report = normalize_catalog(catalog, ancillary=known, progress=step, **order)
    if as_json:
        click.echo(json.dumps(report.to_dict(), indent=1))
    else:
        click.echo(repr(report))
    if report.failed:
        sys.exit(PARTLY if len(report.failed) < len(report.found) + len(report.existing) else FAILED)


@click.group()
def luts() -> None:
    r"""
    Tables of the atmosphere.

    \b
    Example: musyq luts build --out tables/ --model continental
    """


@luts.command()
@click.option("-o", "--out", required=True, help="File (.zip) or folder of the tables.")
@click.option("--model", "models", multiple=True, help="Aerosol model; repeatable. Default: all.")
@click.option("--fine", is_flag=True, help="Four times as many 6S runs as the tables that come with the package.")
@click.option("--processes", type=int, help="6S runs at a time; default: the cores.")
@json_option
def build(out: str, models: tuple[str, ...], processes: int | None, *, fine: bool, as_json: bool) -> None:
    r"""
    Run 6S and bake tables; goes on where it was interrupted.

    \b
    Example: musyq luts build --out tables/ --model continental --fine
    """
    from musyq_cube.normalize.lut import MODELS
    from musyq_cube.normalize.lut_build import build as bake

    made = bake(out, models=models or MODELS, fine=fine, processes=processes, progress=not as_json)
    click.echo(json.dumps({"tables": str(made)}) if as_json else f"made {made}; MUSYQ_LUTS__PATH={made} uses it")

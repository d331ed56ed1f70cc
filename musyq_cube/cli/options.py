"""What several commands share: the options of an order, and the plan they describe."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

if TYPE_CHECKING:
    from collections.abc import Callable

    from musyq_cube.plan import Plan

    F = TypeVar("F", bound=Callable[..., Any])


def json_option(function: F) -> F:
    """Add --json."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")(function)


def plan_options(function: F) -> F:
    """Add the options that describe an order, the same for plan and run."""
    options = [
        click.option(
            "-p", "--product", "products", multiple=True, help="Product id, such as MuSQ.NDVI.30m; repeatable."
        ),
        click.option("-c", "--catalog", help="Catalogue: folder, bucket, parquet file or STAC API."),
        click.option("-r", "--region", help="west,south,east,north; a GeoJSON or vector file; a tile name."),
        click.option("-t", "--period", help='Such as "2018", "2018-07" or "2018-07-01/2018-09-30".'),
        click.option("-g", "--grid", help="Output grid; default: by the resolution of the product."),
        click.option("--every", help="Length of one composite: P5D, P1M, P3M, P1Y, season. Default: the whole period."),
        click.option("--anchor", help="A date on which a composite begins."),
        click.option(
            "-m", "--method", help="Composite method. Default: geomedian; median in orders of several stages."
        ),
        click.option(
            "--algorithm", "algorithms", multiple=True, metavar="PRODUCT=NAME", help="Use this one; repeatable."
        ),
        click.option("--option", "options", multiple=True, metavar="NAME=VALUE", help="Of the method; repeatable."),
        click.option("--sensor", "sensors", multiple=True, help="Only this sensor; repeatable."),
        click.option(
            "--band", "bands", multiple=True, help="Composite this band; repeatable. Default: all common ones."
        ),
        click.option("--dilate", type=float, default=0.0, show_default=True, help="Metres by which clouds grow."),
        click.option(
            "--max-cloud", type=float, default=100.0, show_default=True, help="Leave cloudier scenes out (%)."
        ),
        click.option(
            "--resampling", default="auto", show_default=True, help="auto, nearest, bilinear, cubic, average."
        ),
        click.option("--normalize", is_flag=True, help="Apply what `musyq normalize` found: all five steps."),
        click.option("--topography", is_flag=True, help="The same and topography, where a DEM was given."),
        click.option("--reference", help="Sensor whose bands are the reference. Default: by the resolution."),
        click.option("--sun", type=float, help="Solar zenith to bring directions to, degrees. Default: as observed."),
        click.option("--tiles", is_flag=True, help="Whole tiles of the grid."),
        click.option("-o", "--out", default="products", show_default=True, help="Folder or bucket of the products."),
        click.option("--chunk", type=int, default=512, show_default=True, help="Pixels of a Zarr chunk."),
        click.option("--block", type=int, help="Pixels of a block; default: by memory."),
        click.option("--on-error", type=click.Choice(["skip", "raise"]), default="skip", show_default=True),
    ]
    for option in reversed(options):
        function = option(function)
    return function


def make_plan(order: dict[str, Any]) -> Plan:
    """Return the plan that the options describe."""
    for name, flag in (("products", "--product"), ("catalog", "--catalog"), ("period", "--period")):
        if not order[name]:
            raise click.UsageError(f"say {flag} (or give a saved plan to musyq run)")
    from musyq_cube.normalization import STEPS
    from musyq_cube.plan import plan as make

    order = {name: (value or None) if isinstance(value, tuple) else value for name, value in order.items()}
    order["options"] = dict(_option(text) for text in order["options"] or ())
    order["algorithms"] = {name: str(value) for name, value in map(_option, order["algorithms"] or ())}
    if order.pop("topography"):
        order["normalize"] = STEPS
    return make(**order)


def refuse_order(plan_file: str, order: dict[str, Any]) -> None:
    """Refuse options of an order beside a saved plan, which they could not change."""
    context = click.get_current_context()
    given = [
        parameter.opts[-1]
        for parameter in context.command.params
        if parameter.name in order and context.get_parameter_source(parameter.name) is not ParameterSource.DEFAULT
    ]
    if given:
        raise click.UsageError(f"{plan_file} is the whole order; {', '.join(given)} cannot change it: plan again")


def load_plan(path: str) -> Plan:
    """Return a saved plan."""
    from musyq_cube.plan import Plan

    return Plan.load(path)


def run_folder_of(text: str) -> str:
    """Return the folder of a run from itself, its plan.json, or a plan saved elsewhere."""
    if not text.endswith(".json") or (text.endswith("/plan.json") and "/runs/" in text):
        return text
    return load_plan(text).run_folder


def _option(text: str) -> tuple[str, Any]:
    name, sign, value = text.partition("=")
    if not sign:
        raise click.UsageError(f"--option {text}: write NAME=VALUE")
    try:
        return name, json.loads(value)
    except json.JSONDecodeError:
        return name, value

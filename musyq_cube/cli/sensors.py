"""Command `sensors`: the list, and one sensor with what can be made of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from musyq_cube.cli.options import json_option
from musyq_cube.cli.output import print_json, print_table

if TYPE_CHECKING:
    from musyq_cube.sensor import Sensor


@click.command()
@click.argument("sensor_id", required=False)
@json_option
def sensors(sensor_id: str | None, *, as_json: bool) -> None:
    r"""
    List the sensors, or show the bands of one, how its scenes come, and the products it can feed.

    \b
    Example: musyq sensors landsat8-oli
    """
    from musyq_cube.sensor import sensor, sensors

    if sensor_id is None:
        known = list(sensors().values())
        if as_json:
            print_json([_facts(one) for one in known])
            return
        rows = [
            (s.id, s.title, _bands(s), _resolution(s), _years(s), ", ".join(p.id for p in s.products)) for s in known
        ]
        print_table("sensors", ("id", "title", "bands", "pixel", "years", "comes as"), rows)
        return
    from musyq_cube.plan.able import feeds

    one = sensor(sensor_id)
    fed = feeds(one)
    if as_json:
        print_json(_facts(one) | {"feeds": fed})
        return
    click.echo(repr(one))
    print_table(
        "products it can feed (by normalization and with ancillary data)", ("product", "algorithm"), fed.items()
    )


def _facts(one: Sensor) -> dict[str, Any]:
    fields = ("name", "common_name", "center_wavelength", "fwhm", "gsd")
    bands = [{name: getattr(band, name) for name in fields} | {"key": band.key} for band in one.bands]
    products = [{"id": p.id, "title": p.title, "quantity": p.quantity} for p in one.products]
    return {"id": one.id, "title": one.title, "period": one.period, "bands": bands, "products": products}


def _bands(one: Sensor) -> str:
    return " ".join(band.key for band in one.bands if band.center_wavelength)


def _resolution(one: Sensor) -> str:
    sizes = sorted({band.gsd for band in one.bands if band.gsd and band.center_wavelength})
    return "" if not sizes else f"{sizes[0]:g} m" if len(sizes) == 1 else f"{sizes[0]:g}-{sizes[-1]:g} m"


def _years(one: Sensor) -> str:
    first, last = ((time or "")[:4] for time in one.period)
    return f"{first}-{last}"

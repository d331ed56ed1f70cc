"""Publish: from finished blocks to a product that exists: pyramid, metadata, picture, and last the Item."""

from __future__ import annotations

import contextlib
import json
import logging
import re
from typing import TYPE_CHECKING, Any

from musyq_cube.config import config
from musyq_cube.errors import StoreError
from musyq_cube.plan.parts import closure
from musyq_cube.plan.select import wavelengths
from musyq_cube.products import get_recipe
from musyq_cube.store import access
from musyq_cube.store import conventions as c
from musyq_cube.store import publish as stac
from musyq_cube.store import zarr as store
from musyq_cube.store.evidence import write_certificate
from musyq_cube.store.item import build_item, provenance_assets, thumbnail_asset
from musyq_cube.store.pyramid import pyramid
from musyq_cube.store.quicklook import write_thumbnail

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pystac

    from musyq_cube.normalize.certificate import Certificate
    from musyq_cube.plan import Output, Part, Plan
    from musyq_cube.plan.parts import Step
    from musyq_cube.types import JSON
    from musyq_cube.variable import Variable


_LOG = logging.getLogger(__name__)
_LOCAL = re.compile(r"(?<![\w:/.])(?:file://)?/(?:[^\s/:;,'\"()]+/)+")
"""The folders of an absolute path."""
_LONGEST = 120
"""Characters of a reason in a published Item; the plan has the whole text."""


def existing(plan: Plan, output: Output) -> pystac.Item | None:
    """Return the Item of an output that was published before, or None."""
    return stac.find_item(plan.request.out, output.collection, output.item_id)


def announce(plan: Plan, item: pystac.Item) -> None:
    """Complete the publication of an Item that is there already; an archive that is read-only is left as it is."""
    try:
        stac.announce(json.loads(access.read_bytes(str(item.get_self_href()))), plan.request.out)
    except StoreError as error:
        _LOG.warning("%s", error)


def variables(plan: Plan, part: Part, output: Output) -> tuple[Variable, ...]:
    """Return the layers of an output."""
    sensors = plan.sensors(part, output.product)
    return plan.step(output.product).recipe.variables(plan.bands, sensors, wavelengths(sensors, plan.bands))


def create(plan: Plan, part: Part, output: Output) -> bool:
    """Write the empty store of an output, or check that the one there is the same; returns whether there was none."""
    fresh = not access.exists(access.join(output.store, "zarr.json"))
    attrs = {"title": get_recipe(output.product).title, c.KEY: output.key, "musyq:product": output.product}
    store.create(output.store, part.geobox, variables(plan, part, output), attrs, plan.request.chunk)
    return fresh


def finish(
    plan: Plan,
    part: Part,
    output: Output,
    *,
    failures: Sequence[JSON],
    provenance: tuple[bytes, bytes],
    submit: Callable[..., Any],
    began: float,
    certificate: Certificate | None = None,
) -> pystac.Item:
    """
    Make a product of an output whose blocks are all there, and publish it.

    Parameters
    ----------
    plan, part, output
        Which.
    failures
        What could not be read for it.
    provenance
        The order and its scenes, as written.
    submit
        Runs the chunks of the pyramid, like ``map``.
    began
        When the run began, in seconds since 1970.
    certificate
        How its sensors agree, where there are several.
    """
    statistics = pyramid(output.store, submit)
    sweep(output.store, began)
    store.consolidate(output.store)
    picture = write_thumbnail(output.store, access.join(output.folder, c.THUMBNAIL_NAME))
    files = {"thumbnail": thumbnail_asset(picture)}
    if certificate is not None:
        files |= write_certificate(certificate, output.folder)
    made = build_item(
        item_id=output.item_id,
        collection=output.collection,
        geobox=part.geobox,
        period=part.period,
        variables=variables(plan, part, output),
        recipe=plan.step(output.product).recipe,
        key=output.key,
        statistics=statistics,
        grid=plan.request.grid,
        lineage=lineage(plan, output),
        method=plan.request.method,
        sensors=plan.sensors(part, output.product),
        inputs=len(part.scenes),
        left_out=[(item.scene, public(item.reason)) for item in plan.left_out],
        failures=failures,
        files=files | provenance_assets(plan.run_id, *provenance),
        certificate=None if certificate is None else certificate.summary(),
        base=plan.request.out,
    )
    if output.product not in plan.ordered:
        made.properties |= c.intermediate(float(config.get("run.intermediate_days")))
        made.stac_extensions = c.extensions_of(made.to_dict(include_self_link=False, transform_hrefs=False))
    return stac.publish(made, plan.request.out)


def public(reason: str) -> str:
    """
    Return a reason for a published Item: short, the same for all scenes where possible, without local folders.

    Examples
    --------
    >>> public("Item a: properties.datetime is missing or unusable: see /home/me/scenes/a.json; give one")
    'properties.datetime is missing or unusable: see a.json'
    """
    said = _LOCAL.sub("", re.sub(r"^Item \S+: ", "", reason)).partition("; ")[0]
    return said if len(said) <= _LONGEST else said[: _LONGEST - 2] + " …"


def sweep(url: str, began: float) -> None:
    """
    Remove what a killed writer left of files it had not finished, in a folder; object stores have no such files.

    Another run of the same order may be writing: only what is older than this run is removed.
    """
    if not access.is_local(url):
        return
    for key in access.list_keys(url):
        if key.endswith((".partial", ".part")):
            path = access.local_path(access.join(url, key))
            with contextlib.suppress(FileNotFoundError):  # it was finished in the meantime
                if path.stat().st_mtime < began:
                    path.unlink()


def lineage(plan: Plan, output: Output) -> str:
    """
    Return the processing in words, from the input quantity to the product.

    The words are those of the order, so that equal orders say the same.
    """
    request = plan.request
    steps = [f"normalized ({', '.join(request.normalize)})"] if request.normalize else []
    if plan.over != "products":
        steps = [*steps, plan.quantity.upper(), f"resampled ({request.resampling}) to {request.grid}"]
        steps.append("masked" + (f", clouds grown by {request.dilate:g} m" if request.dilate else ""))
    if plan.over == "composite":
        steps.append(request.method + "".join(f" {name}={value}" for name, value in request.options))
    return " -> ".join([*steps, *(_made(plan, step) for step in closure(plan.steps, output.product))])


def _made(plan: Plan, step: Step) -> str:
    """Return one product in words: its algorithm and what it is made of."""
    recipe = step.recipe
    if recipe.is_mosaic:
        return "mosaic"
    bands = [band for _, band in step.roles] or [*plan.bands][: len(recipe.algorithm.inputs_of("band"))]
    of = [*bands, *(of.removeprefix("MuSQ.") for _, of, _ in step.needs), *step.ancillary]
    way = f" by {recipe.algorithm.name}" if len(get_recipe(step.product).algorithms) > 1 else ""
    reduced = f", {recipe.algorithm.reduce} of the observations" if plan.over == "observations" else ""
    return f"{recipe.name.removeprefix('MuSQ.')}{way} of {', '.join(of)}{reduced}"

"""Provenance: the order and its scenes, written beside the ledger and linked from every Item."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import shapely

from musyq_cube.store import access
from musyq_cube.store import conventions as c

if TYPE_CHECKING:
    from musyq_cube.plan import Plan
    from musyq_cube.plan.parts import Given
    from musyq_cube.scene import Scene
    from musyq_cube.types import JSON


def write(plan: Plan) -> tuple[bytes, bytes]:
    """
    Write ``plan.json`` and ``inputs.parquet`` (stac-geoparquet) into the folder of the run.

    A second run of the same order keeps the first one's files, so that their checksums in published Items stay true.

    Returns
    -------
    tuple of bytes
        What the two files hold.
    """
    order, inputs = (access.join(plan.run_folder, name) for name in (c.PLAN_NAME, c.INPUTS_NAME))
    if not access.exists(inputs):
        access.write_if_absent(inputs, table([*map(item, (*plan.scenes, *plan.ancillary)), *_products(plan)]))
    write_order(plan)
    return access.read_bytes(order), access.read_bytes(inputs)


def write_order(plan: Plan) -> None:
    """Write ``plan.json`` alone, where there is none."""
    order = access.join(plan.run_folder, c.PLAN_NAME)
    if not access.exists(order):
        access.write_if_absent(order, json.dumps(plan.to_dict(), indent=1).encode())


def table(rows: list[JSON]) -> bytes:
    """Return Items as a stac-geoparquet file."""
    from stac_geoparquet.arrow import parse_stac_items_to_arrow, to_parquet

    items = parse_stac_items_to_arrow(rows).read_all()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, c.INPUTS_NAME)
        to_parquet(items, path, compression="zstd")
        return path.read_bytes()


def _products(plan: Plan) -> list[JSON]:
    """Return the products that a stage is made of as small Items, once each."""
    given = {g.key: g for part in plan.parts for g in part.given}
    made = {output.key for output in plan.outputs}
    return [_product(g) for key, g in given.items() if key not in made and access.exists(g.href)]


def _product(given: Given) -> JSON:
    found = json.loads(access.read_bytes(given.href))
    properties = {"datetime": found["properties"]["start_datetime"], "musyq:quantity": "product", "musyq:scene": ""}
    properties |= {"platform": "several", "musyq:sensor": ",".join(given.sensors), "musyq:key": given.key}
    kept = {name: found[name] for name in ("type", "stac_version", "id", "collection", "geometry", "bbox")}
    asset = {"href": given.href, "roles": ["metadata"]}
    return kept | {"stac_extensions": [], "properties": properties, "assets": {"item": asset}, "links": []}


def item(scene: Scene) -> JSON:
    """Return a scene as a small STAC Item with one asset a band, the Scene itself as JSON in ``musyq:scene``."""
    return {
        "type": "Feature",
        "stac_version": c.STAC_VERSION,
        "stac_extensions": [],
        "id": scene.id,
        "collection": scene.collection or scene.sensor,
        "geometry": shapely.geometry.mapping(scene.geometry),
        "bbox": list(scene.geometry.bounds),
        "properties": {
            "datetime": scene.datetime,
            "platform": scene.platform or "unknown",
            "musyq:sensor": scene.sensor,
            "musyq:quantity": scene.quantity,
            "musyq:scene": json.dumps(scene.to_dict(), sort_keys=True),
        },
        "assets": {name: {"href": source.href, "roles": ["data"]} for name, source in scene.bands},
        "links": [],
    }

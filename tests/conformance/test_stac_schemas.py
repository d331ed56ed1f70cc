"""Published documents against the real JSON schemas of STAC and its extensions (tests/schemas says where from)."""

from __future__ import annotations

import copy
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pystac.validation
import pytest
import referencing
import referencing.jsonschema

from musyq_cube.store import access
from musyq_cube.store import conventions as c

from .conftest import INDEX, SINUSOIDAL, make

if TYPE_CHECKING:
    from .conftest import Made

HERE = Path(__file__).parents[1] / "schemas"
CORE = Path(pystac.validation.__file__).parent / "jsonschemas"
DATACUBE = "https://stac-extensions.github.io/datacube/v2.3.0/schema.json"
ELSEWHERE = ("datacube", "zarr", "alternate-assets")
"""Extensions that we use and whose schema no package carries."""


def _files() -> list[Path]:
    extra = os.environ.get("MUSYQ_TEST_SCHEMAS")
    folders = [HERE, *([Path(extra)] if extra else [])]
    return [*CORE.rglob("*.json"), *(path for folder in folders for path in sorted(folder.glob("*.json")))]


@pytest.fixture(scope="module")
def schemas() -> dict[str, Any]:
    documents = [json.loads(path.read_text()) for path in _files()]
    # One core file misspells its own address.
    return {document["$id"].rstrip("#").replace("/commonjson", "/common.json"): document for document in documents}


@pytest.fixture(scope="module")
def errors(schemas: dict[str, Any]) -> Any:
    """A function that validates a document against one schema and returns what is wrong."""
    specification = referencing.jsonschema.DRAFT7
    aliases = {
        "https://proj.org/schemas/v0.4/projjson.schema.json": "https://proj.org/schemas/v0.7/projjson.schema.json"
    }
    known = schemas | {alias: schemas[target] for alias, target in aliases.items()}
    registry = referencing.Registry().with_resources(
        (uri, specification.create_resource(document)) for uri, document in known.items()
    )

    def check(uri: str, document: dict[str, Any]) -> list[str]:
        validator = jsonschema.Draft7Validator(
            known[uri], registry=registry, format_checker=jsonschema.Draft7Validator.FORMAT_CHECKER
        )
        return [f"{uri}: {error.json_path}: {error.message[:300]}" for error in validator.iter_errors(document)]

    return check


def document(href: str) -> dict[str, Any]:
    return json.loads(access.read_bytes(href))


@pytest.fixture(scope="module")
def items(product: Made, index_product: Made, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    out = str(tmp_path_factory.mktemp("public"))
    options = {"item_id": "ndvi-public", "period": "2014", "public_url": "https://data.example/products"}
    public = make(out, SINUSOIDAL, INDEX, "MuSQ.NDVI.1km", **options)
    return [document(made.href) for made in (product, index_product, public)]


@pytest.fixture(scope="module")
def collections(product: Made, index_product: Made) -> list[dict[str, Any]]:
    return [document(f"{made.out}/{made.item.collection_id}/collection.json") for made in (product, index_product)]


def test_items_fulfil_core_and_every_declared_extension(items: list[Any], errors: Any, schemas: dict[str, Any]) -> None:
    for item in items:
        assert errors("https://schemas.stacspec.org/v1.1.0/item-spec/json-schema/item.json", item) == []
        for uri in item["stac_extensions"]:
            if uri in schemas:
                assert errors(uri, item) == []
            else:
                assert uri in {c.EXTENSIONS[name] for name in ELSEWHERE}, f"no schema for {uri}"


def test_collections_and_catalog_fulfil_core_and_extensions(
    collections: list[Any], product: Made, errors: Any, schemas: dict[str, Any]
) -> None:
    for collection in collections:
        assert (
            errors("https://schemas.stacspec.org/v1.1.0/collection-spec/json-schema/collection.json", collection) == []
        )
        assert len(collection["stac_extensions"]) >= 4
        for uri in collection["stac_extensions"]:
            assert errors(uri, collection) == []
    catalog = document(f"{product.out}/catalog.json")
    assert errors("https://schemas.stacspec.org/v1.1.0/catalog-spec/json-schema/catalog.json", catalog) == []


def test_declared_extensions_are_those_of_the_conventions(items: list[Any]) -> None:
    names = {
        "projection",
        "raster",
        "eo",
        "datacube",
        "processing",
        "version",
        "classification",
        "zarr",
        "render",
        "file",
    }
    assert set(items[0]["stac_extensions"]) == {c.EXTENSIONS[name] for name in names}
    assert c.EXTENSIONS["eo"] not in items[1]["stac_extensions"]  # an index has no spectral band


def test_datacube_fulfils_the_schema_before(items: list[Any], errors: Any) -> None:
    """2.3.0 only adds optional fields (unit, nodata, data_type), none of which we write: 2.2.0 must accept the Item."""
    older = DATACUBE.replace("2.3.0", "2.2.0")
    for item in items:
        renamed = copy.deepcopy(item)
        renamed["stac_extensions"] = [older if uri == DATACUBE else uri for uri in item["stac_extensions"]]
        # The extension wants cubes in properties, assets or a Collection: ours are on the asset.
        assert errors(older, renamed) == []


def test_own_check_zarr_fields(items: list[Any]) -> None:
    """zarr 1.1.0: three fields with these types and no other ``zarr:`` field."""
    kinds = {"zarr:consolidated": bool, "zarr:node_type": str, "zarr:zarr_format": int}
    for item in items:
        found = {name: value for name, value in item["assets"]["data"].items() if name.startswith("zarr:")}
        assert found == {"zarr:consolidated": True, "zarr:node_type": "group", "zarr:zarr_format": 3}
        assert all(type(value) is kinds[name] for name, value in found.items())


def test_own_check_alternate_assets(tmp_path: Path) -> None:
    """alternate-assets 1.2.0: a non-empty object of objects with ``href``, names non-empty, declared."""
    from musyq_cube.period import parse_period
    from musyq_cube.products import get_recipe
    from musyq_cube.store.item import build_item

    item = build_item(
        item_id="a",
        collection="b",
        geobox=SINUSOIDAL,
        period=parse_period("2014"),
        variables=INDEX,
        recipe=get_recipe("MuSQ.NDVI.1km"),
        key="k",
        statistics={},
        base="s3://bucket/products",
        public_url="https://data.example/products",
    ).to_dict(transform_hrefs=False)
    asset = item["assets"]["data"]
    assert asset["href"] == "https://data.example/products/b/a/data.zarr"
    assert asset["alternate"]["s3"]["href"] == "s3://bucket/products/b/a/data.zarr"
    assert asset["alternate"]["s3"]["alternate:name"]
    assert c.EXTENSIONS["alternate-assets"] in item["stac_extensions"]


def test_own_check_no_web_map_links_without_a_render_link(items: list[Any]) -> None:
    """web-map-links: declared with render it demands a link with ``render``; without a tile server, neither."""
    for item in items:
        assert not any("web-map-links" in uri for uri in item["stac_extensions"])
        assert {link["rel"] for link in item["links"]} >= {
            "root",
            "parent",
            "collection",
            "store",
            "processing-expression",
        }


def test_media_type_is_the_constant(items: list[Any]) -> None:
    for item in items:
        assert item["assets"]["data"]["type"] == "application/vnd.zarr; version=3; profile=multiscales"


def test_hrefs_are_relative_unless_a_public_address_is_given(items: list[Any]) -> None:
    def hrefs(item: dict[str, Any]) -> list[str]:
        return [asset["href"] for asset in item["assets"].values()] + [link["href"] for link in item["links"]]

    for item in items[:2]:
        assert all(href.startswith(("./", "../")) for href in hrefs(item))
    assert all(href.startswith("https://data.example/products/") for href in hrefs(items[2]))


def test_period_end_is_inclusive_and_geometry_covers_the_grid(items: list[Any]) -> None:
    properties = items[0]["properties"]
    assert (properties["datetime"], properties["start_datetime"], properties["end_datetime"]) == (
        None, "2014-07-01T00:00:00Z", "2014-07-31T23:59:59Z",
    )  # fmt: skip
    west, south, east, north = items[0]["bbox"]
    assert (round(west, 2), round(south, 2), round(east, 2), round(north, 2)) == (115.82, 39.97, 116.21, 40.21)

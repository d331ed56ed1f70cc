"""Sensor definitions against the JSON schemas of STAC 1.1 and of every extension that they declare."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pystac.validation
import pytest
import referencing
import referencing.jsonschema

from musyq_cube.sensor import sensors_path

VENDORED = Path(__file__).parents[1] / "schemas"
CORE = Path(pystac.validation.__file__).parent / "jsonschemas"
COLLECTION = "https://schemas.stacspec.org/v1.1.0/collection-spec/json-schema/collection.json"


@pytest.fixture(scope="module")
def schemas() -> dict[str, Any]:
    documents = [json.loads(p.read_text()) for p in (*CORE.rglob("*.json"), *VENDORED.glob("*.json"))]
    # One core file misspells its own address.
    return {d["$id"].rstrip("#").replace("/commonjson", "/common.json"): d for d in documents}


@pytest.mark.parametrize("path", sorted(sensors_path().glob("*/collection.json")), ids=lambda p: p.parent.name)
def test_definition_fulfils_the_schemas(path: Path, schemas: dict[str, Any]) -> None:
    resources = {uri: referencing.jsonschema.DRAFT7.create_resource(d) for uri, d in schemas.items()}
    registry = referencing.Registry().with_resources(resources.items())
    definition = json.loads(path.read_text())
    for uri in (COLLECTION, *definition["stac_extensions"]):
        validator = jsonschema.Draft7Validator(schemas[uri.rstrip("#")], registry=registry)
        assert [f"{uri} {e.json_path}: {e.message[:200]}" for e in validator.iter_errors(definition)] == []


@pytest.mark.parametrize("path", sorted(sensors_path().glob("*/collection.json")), ids=lambda p: p.parent.name)
def test_every_prefix_in_use_is_declared(path: Path) -> None:
    definition = json.loads(path.read_text())
    declared = {uri.split("/")[3] for uri in definition["stac_extensions"]}
    text = json.dumps([definition["bands"], definition["item_assets"]])
    assert declared == {
        name for name in ("eo", "raster", "classification", "proj", "view", "file") if f'"{name}:' in text
    }

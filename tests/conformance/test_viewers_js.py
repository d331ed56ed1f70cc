"""The gates of browser viewers (OpenLayers' GeoZarr source, stac-js and ol-stac), run by node on served products."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import zarr

if TYPE_CHECKING:
    from collections.abc import Callable

    from .conftest import Made, Served

JS = Path(__file__).parent / "js"


@pytest.fixture(scope="session")
def node() -> str:
    """The node that has the viewers' packages, or a skip that says how to get them."""
    found = shutil.which("node")
    if found is None:
        pytest.skip("node is not installed")
    if not (JS / "node_modules" / "ol").exists():
        if os.environ.get("MUSYQ_TEST_NPM") != "1":
            pytest.skip("run `npm install` in tests/conformance/js, or set MUSYQ_TEST_NPM=1")
        subprocess.run(["npm", "install", "--no-audit", "--no-fund"], cwd=JS, check=True, capture_output=True)
    return found


def run(node: str, url: str, expected: dict[str, Any]) -> None:
    env = {**os.environ, "MUSYQ_ITEM_URL": url, "MUSYQ_EXPECTED": json.dumps(expected)}
    done = subprocess.run([node, "--test"], cwd=JS, env=env, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def first_pixel(store: str, path: str) -> int:
    return int(zarr.open_array(store, path=path, mode="r")[0, 0])


def test_true_colour_product(node: str, product: Made, served: Served) -> None:
    expected = {
        "bands": ["red", "green", "blue"],
        "resolutions": [120, 60, 30],
        "firstPixel": first_pixel(product.store, "2/red"),
    }
    run(node, f"{served.url}{product.href.removeprefix(product.out)}", expected)


def test_index_on_a_grid_without_code(node: str, index_product: Made, serve: Callable[[str], Served]) -> None:
    served = serve(index_product.out)
    step = index_product.geobox.transform.a
    expected = {
        "bands": ["ndvi"],
        "resolutions": [2 * step, step],
        "firstPixel": first_pixel(index_product.store, "1/ndvi"),
        "colormap": True,
        "wkt2": index_product.item.properties["proj:wkt2"],
    }
    run(node, f"{served.url}{index_product.href.removeprefix(index_product.out)}", expected)

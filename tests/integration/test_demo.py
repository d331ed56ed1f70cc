"""The demo runs the whole way: simulated files to a published, valid product near the known truth."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

import musyq_cube as mc
from musyq_cube.demo import PRODUCTS, run_demo
from musyq_cube.errors import MusyqError

SCENARIO = {"size": 2400.0, "period": "2017-07-01/2017-07-16", "seed": 1}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    text = io.StringIO()
    demo = run_demo(tmp_path_factory.mktemp("demo"), **SCENARIO, console=Console(file=text, width=120))
    return demo, text.getvalue()


def test_products_are_published_and_valid(made):
    demo, _ = made
    assert set(demo.items) == set(PRODUCTS)
    for item in demo.items.values():
        report = mc.validate(item.get_self_href())
        assert report.ok, str(report)


def test_clouds_are_gone_and_the_rest_of_the_error_is_small(made):
    """What masking and compositing answer for; three sensors, twenty percent of the sky and more under cloud."""
    demo, _ = made
    assert demo.score.cloudiness.mean() > 0.15
    assert demo.score.cloud_left() < 0.01
    for band in demo.score.bands:
        assert demo.score.rms(band, "rest") < (0.035 if band == "nir" else 0.02)
        assert abs(demo.score.bias(band, "rest")) < 0.01
    assert demo.ndvi_error["toa"] < 0.10  # so small a scene is mostly edges, which registration errors mix


def test_parts_of_the_error_add_up(made):
    """Composite minus surface, computed directly, is the sum of the parts."""
    demo, _ = made
    toa = mc.open(demo.items["MuSQ.TOA.30m"])
    for band in demo.score.bands:
        whole = toa[band].values - demo.score.surface[band]
        parts = sum(demo.score.parts[band].values())
        np.testing.assert_allclose(parts, whole, atol=1e-6)


def test_the_air_is_most_of_the_error_in_blue(made):
    """Uncorrected top-of-atmosphere reflectance is brighter than the surface, most of all in blue."""
    demo, _ = made
    score = demo.score
    assert score.bias("blue", "atmosphere") > score.bias("red", "atmosphere") > 0
    assert score.rms("blue", "atmosphere") > score.rms("blue", "rest")


def test_picture_and_text(made):
    demo, text = made
    with Image.open(demo.picture) as picture:
        assert picture.width > 2 * picture.height
    for word in ("Simulate", "Register", "Plan", "Run", "Compare", "Look", "musyq validate", str(demo.picture.name)):
        assert word in text


def test_second_run_makes_nothing_again(made):
    demo, _ = made
    store = next((demo.folder / "products").rglob("data.zarr"))
    before = store.stat().st_mtime_ns
    text = io.StringIO()
    again = run_demo(demo.folder, **SCENARIO, console=Console(file=text, width=120))
    assert "there already" in text.getvalue()
    assert store.stat().st_mtime_ns == before
    assert [i.id for i in again.items.values()] == [i.id for i in demo.items.values()]
    with pytest.raises(MusyqError, match="holds another demo"):
        run_demo(demo.folder, **{**SCENARIO, "seed": 2}, console=Console(file=text))

"""Every product, from scenes to a published Item that validates and opens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import musyq_cube as mc
from musyq_cube.products import get_recipe, recipes
from musyq_cube.store.validate import validate
from musyq_cube.types import QA

if TYPE_CHECKING:
    from collections.abc import Callable

    from musyq_cube.plan import Plan
    from musyq_cube.scene import Scene

OF_A_YEAR = ("MuSQ.PHENO", "MuSQ.NPP")
HOURLY = ("MuSQ.DTC",)
"""Made of hourly temperatures of a geostationary sensor."""
ALL = [name for name in recipes() if name not in OF_A_YEAR + HOURLY]


def check(plan: Plan, product: str) -> Any:
    """Run an order; the product must be published, valid and not empty."""
    item = plan.run(quiet=True)
    report = validate(item)
    assert report.ok, report
    assert item.properties["musyq:product"].startswith(product)
    ds = mc.open(item).load()
    for layer in get_recipe(product).layers:
        assert layer.name in ds, (product, layer.name)
    first = get_recipe(product).layers[0] if get_recipe(product).layers else None
    values = ds[first.name if first else "red"].values
    seen = np.isfinite(values)
    assert seen.any(), f"{product} is empty; qa {np.unique(ds.qa.values)}"
    assert ((ds.qa.values[seen] & QA.FILL) == 0).all()
    if first and first.valid:
        assert first.valid[0] <= np.nanmin(values)
        assert np.nanmax(values) <= first.valid[1] * 1.0001
    if first and f"{first.name}_unc" in ds:
        assert np.isfinite(ds[f"{first.name}_unc"].values[seen]).all()
    return ds


@pytest.mark.parametrize("product", ALL)
def test_a_product_is_made_of_scenes_and_reanalysis(product: str, order: Callable[..., Plan], place: str) -> None:
    ds = check(order(product, out=place), product)
    assert ds.sizes["x"] == 97


@pytest.mark.parametrize("product", OF_A_YEAR)
def test_a_product_of_a_year(product: str, year: list[Scene], place: str) -> None:
    settings: dict[str, Any] = {"grid": "utm-30m", "chunk": 64, "resampling": "nearest", "workers": 2}
    plan = mc.plan(product, None, "2020", scenes=year, out=place, **settings)
    check(plan, product)


@pytest.mark.parametrize("product", HOURLY)
def test_a_product_of_hours(product: str, day: list[Scene], place: str) -> None:
    settings: dict[str, Any] = {"grid": "utm-30m", "chunk": 64, "resampling": "nearest", "workers": 2, "by": "scene"}
    plan = mc.plan(product, None, "2020-07-03", scenes=day, out=place, **settings)
    ds = check(plan, product)
    assert 3.5 < float(ds.hour_max.median()) < 7.5, "warmest shortly after noon, in UTC"

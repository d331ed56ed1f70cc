from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from musyq_cube.errors import PlanError
from musyq_cube.products import get_recipe, recipes
from musyq_cube.products.recipe import resolution_label


@pytest.mark.parametrize(
    ("product", "grid"),
    [
        ("MuSQ.NDVI.1km", "sinu-1km"),
        ("MuSQ.TOA.500m", "sinu-500m"),
        ("MuSQ.SR.30m", "utm-30m"),
        ("MuSQ.EVI.5km", "latlon-0.05"),
        ("MuSQ.TOA.3km", "utm-3000m"),
        ("MuSQ.TOA", None),
    ],
)
def test_the_resolution_gives_the_grid(product: str, grid: str | None) -> None:
    recipe = get_recipe(product)
    assert recipe.grid == grid
    assert recipe.id == product
    assert recipe.name.count(".") == 1


def test_unknown_products_name_the_nearest() -> None:
    with pytest.raises(PlanError, match=r"did you mean MuSQ\.NDVI"):
        get_recipe("MuSQ.NDVII")
    with pytest.raises(PlanError, match="no resolution"):
        get_recipe("MuSQ.NDVI.big")


@pytest.mark.parametrize(
    ("metres", "label"),
    [(10, "10m"), (463.3127, "500m"), (231.656, "250m"), (926.6254, "1km"), (1113.2, "1km"), (5566, "5km")],
)
def test_resolution_labels(metres: float, label: str) -> None:
    assert resolution_label(metres) == label


def test_layers_of_a_mosaic_are_its_bands_and_the_evidence() -> None:
    names = [v.name for v in recipes()["MuSQ.TOA"].variables(("red", "nir08"), ("landsat8-oli",))]
    assert names == ["red", "nir08", "red_unc", "nir08_unc", "count", "source", "day", "qa"]


def test_a_missing_band_is_named() -> None:
    ds = xr.Dataset({"red": ("x", np.ones(1, "float32"))})
    with pytest.raises(PlanError, match="nir08 or nir"):
        get_recipe("MuSQ.NDVI").compute(ds)

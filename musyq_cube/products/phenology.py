"""Phenology: when vegetation greens and fades."""

from __future__ import annotations

from typing import TYPE_CHECKING

from musyq_cube.products import _phenology
from musyq_cube.products.recipe import Algorithm, Recipe, product
from musyq_cube.variable import Variable, index

if TYPE_CHECKING:
    from musyq_cube.products.recipe import Function

_INPUTS = (
    product("ndvi", "MuSQ.NDVI", every="P5D", sigma=0.02),
    product("quality", "MuSQ.NDVI", layer="qa", every="P5D", required=False),
)
_WORDS = {
    "sos": "start of season, day of year",
    "eos": "end of season, day of year",
    "pos": "peak of season, day of year",
    "los": "length of season",
    "base": "vegetation index out of season",
    "peak": "vegetation index at the peak of season",
    "amplitude": "rise of the vegetation index in season",
    "integral": "vegetation index above its base, summed over the season",
}


def _layer(metric: str, season: int) -> Variable:
    name = metric if season == 1 else f"{metric}{season}"
    words = _WORDS[metric] + ("" if season == 1 else " (second season)")
    if metric in {"base", "peak", "amplitude"}:
        return index(name, words, valid=(-0.5, 1.5))
    return Variable(name, scale=0.1, nodata=-32768, units="d", valid=(-100.0, 1100.0), long_name=words)


def _way(name: str, part: str, function: Function) -> Algorithm:
    return Algorithm(
        name,
        f"double logistic curves, start and end at {part} of the amplitude",
        function,
        _INPUTS,
        over="series",
        least=_phenology.LEAST_TIMES,
        citation="Beck et al. 2006, doi:10.1016/j.rse.2005.10.021",
    )


RECIPES = (
    Recipe(
        id="MuSQ.PHENO",
        title="Phenology",
        description="Start, end, peak and size of the growing seasons of a year.",
        quantity="phenology",
        algorithms=(
            _way("double_logistic", "a fifth", _phenology.seasons),
            _way("double_logistic_half", "half", _phenology.half_amplitude),
        ),
        layers=(
            *(_layer(metric, season) for season in (1, 2) for metric in _phenology.METRICS),
            Variable("seasons", "uint8", nodata=255, valid=(0, 2), long_name="number of seasons", method="mode"),
        ),
        certain=("seasons",),
        family="vegetation",
    ),
)

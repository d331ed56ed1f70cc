"""BRDF and albedo."""

from __future__ import annotations

import math
from functools import partial

from musyq_cube.products._brdf import MODEL, SHAPE, brdf, composite_albedo, series_albedo, view_albedo
from musyq_cube.products._broadband import SETS, Broadband
from musyq_cube.products.recipe import Algorithm, Input, Recipe, ancillary, angle, band
from musyq_cube.variable import Variable, fraction, index

_ANGLES = (angle("sza"), angle("vza"), angle("raa"))
_AOD = ancillary("aod", sigma=0.1, required=False)
_TYPICAL = 0.2
"""Albedo of land: for errors that are relative to it."""


def _bands(way: Broadband) -> tuple[Input, ...]:
    # the weight of the broad near infrared of Sentinel-2 is no weight of its narrow one
    exact = {"nir": Input("nir", "band", ("nir",), 0.01)} if way.name == "s2" else {}
    return tuple(exact.get(name) or band(name, sigma=0.01) for name in way.bands)


def _error(way: Broadband, *others: float) -> float:
    return round(math.hypot(way.error, MODEL, *others), 4)


def _rtlsr(way: Broadband) -> Algorithm:
    return Algorithm(
        f"rtlsr_{way.name}",
        f"Ross–Li inversion of the series ({', '.join(way.bands)})",
        partial(series_albedo, way.name),
        (*_bands(way), *_ANGLES, _AOD),
        accepts=("sr",),
        over="series",
        sensors=way.sensors,
        least=7,
        error=_error(way),
        citation=f"Lucht et al. 2000, doi:10.1109/36.841980; {way.citation}",
    )


def _magnitude(way: Broadband) -> Algorithm:
    return Algorithm(
        f"magnitude_{way.name}",
        f"average directional shape scaled to three to six views ({', '.join(way.bands)})",
        partial(series_albedo, way.name),
        (*_bands(way), *_ANGLES, _AOD),
        accepts=("sr",),
        over="series",
        sensors=way.sensors,
        least=3,
        error=_error(way, SHAPE * _TYPICAL),
        citation=f"Strugnell and Lucht 2001; {way.citation}",
    )


def _view(way: Broadband) -> Algorithm:
    return Algorithm(
        f"view_{way.name}",
        f"each view by the shape of average land ({', '.join(way.bands)})",
        partial(view_albedo, way.name),
        (*_bands(way), *_ANGLES, _AOD),
        accepts=("sr",),
        over="observations",
        sensors=way.sensors,
        error=_error(way, SHAPE * _TYPICAL),
        citation=f"Shuai et al. 2011, doi:10.1016/j.rse.2011.04.019; {way.citation}",
    )


def _composite(way: Broadband) -> Algorithm:
    return Algorithm(
        f"composite_{way.name}",
        f"composite without angles, as seen from nadir under a sun at 45° ({', '.join(way.bands)})",
        partial(composite_albedo, way.name),
        _bands(way),
        sensors=way.sensors,
        error=_error(way, 2 * SHAPE * _TYPICAL),
        backup=True,
        citation=way.citation,
    )


def _parameters() -> tuple[Variable, ...]:
    words = {"iso": "isotropic", "vol": "volume", "geo": "geometric"}
    return tuple(
        index(f"{b}_{part}", f"{word} parameter of the Ross–Li model, {b}", valid=(0.0, 1.6))
        for b in ("red", "nir")
        for part, word in words.items()
    )


RECIPES = (
    Recipe(
        id="MuSQ.BRDF",
        title="Directional reflectance",
        description="Ross–Li parameters of red and near infrared: R = iso + vol · k_vol + geo · k_geo.",
        quantity="brdf",
        algorithms=(
            Algorithm(
                "rtlsr",
                "non-negative least squares of seven views or more, else the average shape scaled",
                brdf,
                (band("red", sigma=0.01), band("nir", sigma=0.01), *_ANGLES),
                accepts=("sr",),
                over="series",
                least=7,
                citation="Lucht et al. 2000, doi:10.1109/36.841980",
            ),
            Algorithm(
                "magnitude",
                "average shape scaled to three to six views",
                brdf,
                (band("red", sigma=0.01), band("nir", sigma=0.01), *_ANGLES),
                accepts=("sr",),
                over="series",
                least=3,
                citation="Strugnell and Lucht 2001",
            ),
        ),
        layers=_parameters(),
    ),
    Recipe(
        id="MuSQ.LSA",
        title="Land surface albedo",
        description=(
            "Shortwave (0.3–4 µm) albedo under the clear sky of the sun of the observations, white-sky and black-sky."
        ),
        quantity="fraction",
        algorithms=tuple(make(way) for make in (_rtlsr, _magnitude, _view, _composite) for way in SETS.values()),
        layers=(
            fraction("albedo", "shortwave albedo, blue sky", standard_name="surface_albedo"),
            fraction("wsa", "shortwave albedo, white sky"),
            fraction("bsa", "shortwave albedo, black sky"),
        ),
    ),
)

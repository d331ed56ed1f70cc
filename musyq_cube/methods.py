"""What the composite methods are called and need: plain data, so that a plan can project memory without xarray."""

from __future__ import annotations

from dataclasses import dataclass

from musyq_cube.errors import CompositeError


@dataclass(frozen=True)
class Method:
    """One way to make one value out of many observations: what it needs, and what it holds in memory."""

    name: str
    title: str
    joint: bool
    """All bands take part in one decision per pixel, so they must be in memory together."""
    angles: bool = False
    """Uses the view angle of every observation."""
    reach: float = 0.0
    """Metres of the distance to cloud that it uses (its option ``reach``); 0: it uses none."""
    options: tuple[str, ...] = ()
    """Names of its options; a test holds them against the functions that take them."""
    bands: tuple[str, ...] = ()
    """Roles of bands that must be present, whatever is composited."""
    held: int = 0
    """More arrays per observation, the size of a band, than the bands."""
    per_band: float = 8.0
    """Bytes per pixel and band of results: value and uncertainty."""
    scratch: int = 48 * 2**20
    """Bytes of temporaries, which do not grow with the block: pixels are reduced in strips."""

    def memory(self, pixels: int, bands: int) -> int:
        """
        Return the bytes that one reduction needs beyond its input arrays.

        Parameters
        ----------
        pixels, bands
            Size of the reduced block.
        """
        return int(pixels * (self.per_band * bands + EVIDENCE_BYTES)) + self.scratch


EVIDENCE_BYTES = 16
"""Bytes per pixel of count, source, day and qa, and of what they are made from."""

_ALL = (
    Method("geomedian", "geometric median of all bands", joint=True, options=("mads", "eps", "maxiter")),
    Method("medoid", "observation nearest to the median of all bands", joint=True),
    Method("median", "median of each band", joint=False),
    Method("percentile", "percentile of each band", joint=False, options=("q",)),
    Method(
        "best_pixel",
        "best available pixel by score",
        joint=True,
        reach=1500.0,
        options=("target", "doy_sigma", "reach", "sensor_scores"),
    ),
    Method(
        "max_ndvi",
        "observation of greatest NDVI",
        joint=True,
        angles=True,
        bands=("red", "nir"),
        options=("max_vza",),
    ),
    Method(
        "weighted",
        "weighted mean around the weighted median",
        joint=False,
        angles=True,
        reach=2000.0,
        options=("width", "reach", "aod_weight", "sensor_sigma"),
    ),
    Method("mean", "mean of each band", joint=False),
)

METHODS: dict[str, Method] = {method.name: method for method in _ALL}
"""Composite methods by name."""

OBSERVATIONS = Method("observations", "retrieval from each observation", joint=True, angles=True, held=16)
SERIES = Method("series", "retrieval from the whole series", joint=True, angles=True, held=16)
PRODUCTS = Method("products", "made of other products", joint=True)
_STAGES = {method.name: method for method in (OBSERVATIONS, SERIES, PRODUCTS)}
"""What stages that composite nothing have in the place of a method; nobody can order these."""


def get_method(name: str) -> Method:
    """
    Return a composite method by name.

    Raises
    ------
    CompositeError
        If there is none of that name.

    Examples
    --------
    >>> get_method("median").joint
    False
    """
    if name in _STAGES:
        return _STAGES[name]
    if name not in METHODS:
        raise CompositeError(f"unknown composite method {name!r}; choose one of {', '.join(METHODS)}")
    return METHODS[name]

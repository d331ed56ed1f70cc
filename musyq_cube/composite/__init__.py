"""
Composites: one value per pixel and period out of many observations, with its evidence.

`composite` divides a cube into periods; `reduce` makes one. Methods whose decision is per band (median, percentile,
mean, weighted) can also run band by band, so that only one band is in memory: `reduce_qa` once, `reduce_band` for each.
All give the same bits.
"""

from musyq_cube.composite.bands import reduce_band
from musyq_cube.composite.core import composite, reduce
from musyq_cube.composite.observations import Observations, reduce_qa
from musyq_cube.methods import METHODS, Method

__all__ = ["METHODS", "Method", "Observations", "composite", "reduce", "reduce_band", "reduce_qa"]

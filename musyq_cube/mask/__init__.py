"""Clear or not: what the common QA bits do to the observations of a cube."""

from musyq_cube.mask.core import cloud_distance, halo, mask
from musyq_cube.mask.core import unclear as unclear

__all__ = ["cloud_distance", "halo", "mask", "unclear"]

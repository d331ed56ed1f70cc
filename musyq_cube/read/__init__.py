"""Read scenes: sources open as layers, geometry as mappings, blocks as arrays."""

from musyq_cube.read.block import (
    Failure,
    group_scenes,
    read_air,
    read_angles,
    read_band,
    read_block,
    read_qa,
    read_relief,
)
from musyq_cube.read.layer import Layer, open_layer
from musyq_cube.read.warp import read_values

__all__ = [
    "Failure",
    "Layer",
    "group_scenes",
    "open_layer",
    "read_air",
    "read_angles",
    "read_band",
    "read_block",
    "read_qa",
    "read_relief",
    "read_values",
]

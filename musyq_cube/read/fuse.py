"""Fuse: several scenes of one overpass become one time step, the first valid pixel wins."""

from __future__ import annotations

import re
from itertools import groupby
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from musyq_cube.scene import Scene

GroupBy: TypeAlias = Literal["solar_day", "scene"]
Group: TypeAlias = "tuple[Scene, ...]"


def group_scenes(scenes: Iterable[Scene], by: GroupBy = "solar_day") -> tuple[Group, ...]:
    """
    Group scenes into time steps, in order of time.

    Parameters
    ----------
    scenes
        In any order.
    by
        ``solar_day``: scenes of the same sensor, platform, quantity, aerosol model, C of the topographic correction and
        solar day together (one overpass cut into scenes);
        ``scene``: every scene is a time step of its own.

    Returns
    -------
    tuple of groups; inside a group the scene that wins comes first: newest version, then least cloud, then id. The time
    of a group is that of its first scene. Sensors are never mixed, nor are quantities: top-of-atmosphere reflectance
    never fills the gaps of surface reflectance.
    """
    if by == "scene":
        groups: list[Group] = [(scene,) for scene in scenes]
    elif by == "solar_day":
        ordered = sorted(scenes, key=lambda scene: scene.overpass)
        runs = groupby(ordered, key=lambda scene: scene.overpass)
        groups = [tuple(sorted(members, key=_preference)) for _, members in runs]
    else:
        raise ValueError(f"by={by!r}: group scenes by 'solar_day' or 'scene'")
    return tuple(sorted(groups, key=lambda group: (group[0].time, group[0].id, group[0].collection or "")))


def fuse(into: np.ndarray[Any, Any], more: np.ndarray[Any, Any]) -> None:
    """Fill, in place, the nan pixels of `into` with those of `more`."""
    np.copyto(into, more, where=np.isnan(into))


def _preference(scene: Scene) -> tuple[tuple[int, ...], float, str, str]:
    newest = tuple(-int(number) for number in re.findall(r"\d+", scene.version or ""))
    cloud = 101.0 if scene.cloud_cover is None else scene.cloud_cover
    return newest or (1,), cloud, scene.id, scene.key

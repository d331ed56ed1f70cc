"""One scene per acquisition: copies and reprocessings resolved by a stated rule."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from musyq_cube.scene import Scene

SAME_TIME = dt.timedelta(seconds=1)
"""Catalogues round acquisition times differently; closer than this is the same acquisition."""


@dataclass(frozen=True)
class Dropped:
    """A scene left out as a duplicate, and why."""

    id: str
    kept: str
    reason: str


class Scenes(list["Scene"]):
    """
    A list of scenes that knows what is not in it.

    `dropped` are the duplicates, `left_out` the (item id, reason) pairs of items that could not be used.
    """

    def __init__(
        self,
        scenes: Iterable[Scene] = (),
        dropped: Iterable[Dropped] = (),
        left_out: Iterable[tuple[str, str]] = (),
    ) -> None:
        super().__init__(scenes)
        self.dropped = tuple(dropped)
        self.left_out = tuple(left_out)

    def __repr__(self) -> str:
        from musyq_cube.catalog.show import scenes_text

        return scenes_text(self)

    def _repr_html_(self) -> str:
        from musyq_cube.catalog.show import scenes_html

        return scenes_html(self)

    def plot(self, ax: Any = None) -> Any:
        """Plot footprints and acquisition times; returns the matplotlib axes."""
        from musyq_cube.catalog.show import plot_scenes

        return plot_scenes(self, ax)


def deduplicate(scenes: Iterable[Scene]) -> Scenes:
    """
    Keep one scene of each acquisition.

    Two scenes are the same acquisition where they have the same id, or where platform, tile, quantity (TOA, SR …) and,
    within one second, time are the same. Of these the one is kept that has the newest version (processing baseline or
    collection number), then the newest ``created``, then the greatest id. Neighbouring tiles of one overpass are not
    duplicates, though they overlap: they are fused by solar day when read. Scenes without a tile are compared by id
    only.

    Parameters
    ----------
    scenes
        In any order.

    Returns
    -------
    Scenes
        Sorted by time, then id; `dropped` lists what was left out, what was kept instead, and why.
    """
    by_id: dict[tuple[str, str, str], list[Scene]] = {}
    for scene in scenes:
        by_id.setdefault((scene.sensor, scene.quantity, scene.id), []).append(scene)
    dropped: list[Dropped] = []
    unique = [_best(group, "same id", dropped) for group in by_id.values()]
    kept = [_best(group, "same acquisition", dropped) for group in _acquisitions(unique)]
    return Scenes(
        sorted(kept, key=lambda s: (s.time, s.id)),
        sorted(dropped, key=lambda d: (d.id, d.kept)),
        getattr(scenes, "left_out", ()),
    )


def _acquisitions(scenes: list[Scene]) -> list[list[Scene]]:
    """Group scenes of one platform, tile and quantity whose times follow each other within a second."""
    groups: list[list[Scene]] = []
    last: dict[tuple[str, ...], list[Scene]] = {}
    for scene in sorted(scenes, key=lambda s: (s.time, s.id)):
        if scene.tile is None:
            groups.append([scene])
            continue
        key = (_folded(scene.platform or scene.sensor), scene.sensor, _folded(scene.tile), scene.quantity)
        group = last.get(key)
        if group is not None and scene.time - group[0].time <= SAME_TIME:
            group.append(scene)
        else:
            last[key] = [scene]
            groups.append(last[key])
    return groups


def _best(group: list[Scene], reason: str, dropped: list[Dropped]) -> Scene:
    ordered = sorted(group, key=_rank)
    best = ordered[-1]
    dropped += [Dropped(s.id, best.id, _why(s, best, reason)) for s in ordered[:-1]]
    return best


def _rank(scene: Scene) -> tuple[tuple[int, ...], dt.datetime, str, str]:
    created = dt.datetime.min.replace(tzinfo=dt.UTC)
    if scene.created:
        created = dt.datetime.fromisoformat(scene.created)
        created = created.replace(tzinfo=dt.UTC) if created.tzinfo is None else created
    return _version(scene), created, scene.id, scene.key


def _version(scene: Scene) -> tuple[int, ...]:
    """Version as numbers, so that 5.10 is newer than 5.9 and 05.00 equals 5.0."""
    return tuple(int(n) for n in re.findall(r"\d+", scene.version or ""))


def _why(scene: Scene, best: Scene, reason: str) -> str:
    if _version(scene) != _version(best):
        return f"{reason}, version {scene.version or 'unknown'} is older than {best.version}"
    if scene.created != best.created:
        return f"{reason}, created {scene.created or 'at an unknown time'}, the other {best.created}"
    return f"{reason}, version and creation"


def _folded(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())

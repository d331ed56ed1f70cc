"""Normalize a catalogue: characterize its scenes and keep what was found on their Items."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

from musyq_cube.catalog import search
from musyq_cube.catalog.remember import check_writable, layers_folder, remember
from musyq_cube.errors import NormalizeError
from musyq_cube.normalization import STEPS
from musyq_cube.normalize.characterize import characterize, check_steps
from musyq_cube.sensor import sensors as known_sensors

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from musyq_cube.catalog import Catalog
    from musyq_cube.normalization import Normalization
    from musyq_cube.normalize.ancillary import Ancillary
    from musyq_cube.scene import Scene
    from musyq_cube.types import JSON

    Progress: TypeAlias = Callable[[int, int, str], None]


@dataclass(frozen=True)
class NormalizeReport:
    """What :func:`normalize_catalog` did."""

    catalog: str
    found: tuple[Normalization, ...] = ()
    """Of the scenes that were characterized now."""
    existing: tuple[str, ...] = ()
    """Ids of scenes that had been characterized before."""
    failed: tuple[tuple[str, str], ...] = ()
    """(scene, reason) of scenes that cannot be made surface reflectance."""

    def to_dict(self) -> JSON:
        """Return plain JSON values."""
        return asdict(self) | {"found": [one.to_dict() for one in self.found]}

    def __repr__(self) -> str:
        lines = [
            (
                f"{self.catalog}: {len(self.found)} scenes characterized, {len(self.existing)} before, "
                f"{len(self.failed)} without aerosol"
            )
        ]
        lines += [f"  {name:<11} {self._tally(name)}" for name in STEPS if any(getattr(n, name) for n in self.found)]
        return "\n".join(lines + [f"  {scene}: {reason}" for scene, reason in self.failed])

    def _tally(self, step: str) -> str:
        of = [getattr(n, step) for n in self.found if getattr(n, step) is not None]
        text = f"applied to {sum(s.applied for s in of)} of {len(of)}"
        measured = [s.residual for s in of if s.applied and s.residual]
        if not measured:
            return text
        before, after = (sum(getattr(r, side) for r in measured) / len(measured) for side in ("before", "after"))
        return f"{text}; mean residual {before:.3g} → {after:.3g} {measured[0].unit}"


def normalize_catalog(
    catalog: Catalog | str | Path,
    region: Any = None,
    period: Any = None,
    *,
    sensors: Sequence[str] | None = None,
    bases: Sequence[str] | None = None,
    ancillary: Ancillary | None = None,
    steps: Sequence[str] | None = None,
    model: str = "continental",
    redo: bool = False,
    progress: Progress | None = None,
) -> NormalizeReport:
    """
    Characterize the registered scenes of a place and time; what is found is kept on their Items.

    Scenes of one sensor and tile are done together and kept at once, so that an interrupted call goes on where it was.

    Parameters
    ----------
    catalog
        A folder or bucket of our own.
    region, period, sensors
        Which scenes, as for :func:`musyq_cube.search`.
    bases
        Sensors whose geolocation is taken for right: their scenes of the same place are the base of all others.
    ancillary, steps, model
        As for :func:`characterize`.
    redo
        Find again what was found before.
    progress
        Called with (done, total, scene id).

    Raises
    ------
    NormalizeError
        For unknown sensors, steps or ancillary quantities.
    CatalogError
        If the catalogue cannot be written.
    """
    for name in bases or ():
        if name not in known_sensors():
            raise NormalizeError(f"base {name!r}: no such sensor; there are {', '.join(known_sensors())}")
    wanted = check_steps(steps or STEPS)
    check_writable(catalog)
    scenes = search(catalog, region, period, sensors=sensors)
    everything = scenes if sensors is None or not bases else search(catalog, region, sensors=list(bases))
    base = [scene for scene in everything if scene.sensor in (bases or ())]
    done: list[str] = []
    groups: dict[tuple[str, str | None], list[Scene]] = defaultdict(list)
    for scene in scenes:
        if not redo and _is_done(scene, wanted):
            done.append(scene.id)
        else:
            groups[scene.sensor, scene.tile].append(scene)
    report = NormalizeReport(str(getattr(catalog, "href", catalog)), existing=tuple(done))
    total = sum(map(len, groups.values()))
    for members in groups.values():
        told = _told(progress, len(report.found), total)
        options: dict[str, Any] = {"steps": wanted, "model": model, "progress": told}
        folder = layers_folder(catalog, members[0])
        found = characterize(members, _nearest(base, members), ancillary, out=folder, **options)
        remember(catalog, list(zip(members, found, strict=True)))
        lost = [(n.scene, n.atmosphere.reason) for n in found if n.atmosphere and _is_lost(n, members)]
        report = replace(report, found=(*report.found, *found), failed=(*report.failed, *lost))
    return report


def _is_done(scene: Scene, steps: Sequence[str]) -> bool:
    """Whether nothing is left to find; what could not be found before is tried again."""
    found = scene.normalization
    if found is None or not all(getattr(found, step) for step in steps):
        return False
    return "atmosphere" not in steps or not _is_lost(found, [scene])


def _is_lost(found: Normalization, scenes: Sequence[Scene]) -> bool:
    quantity = next(s.quantity for s in scenes if s.id == found.scene)
    return quantity == "toa" and found.atmosphere is not None and not found.atmosphere.applied


def _nearest(base: Sequence[Scene], members: Sequence[Scene]) -> list[Scene]:
    """Return the scenes of the base that overlap, the least cloudy ones: more would only be read."""
    near = [b for b in base if any(b.geometry.intersects(m.geometry) for m in members)]
    return sorted(near, key=lambda s: (100.0 if s.cloud_cover is None else s.cloud_cover, s.id))[:3]


def _told(progress: Progress | None, before: int, total: int) -> Progress | None:
    return None if progress is None else lambda done, _, name: progress(before + done, total, name)

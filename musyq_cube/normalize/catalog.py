"""Normalize a catalogue: characterize its scenes and keep what was found on their Items."""

from __future__ import annotations

import datetime as dt
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

from musyq_cube.catalog import search
from musyq_cube.catalog.remember import check_registered, check_writable, layers_folder, remember
from musyq_cube.errors import NormalizeError
from musyq_cube.normalization import STEPS
from musyq_cube.normalize._series import series_of
from musyq_cube.normalize.ancillary import elevation_source
from musyq_cube.normalize.characterize import PARTNER, characterize, check_order
from musyq_cube.read.warp import source_grid
from musyq_cube.sensor import sensors as known_sensors

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from musyq_cube.catalog import Catalog
    from musyq_cube.normalization import Calibration, Normalization
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

    Scenes of one sensor and place are done together and kept at once, so that an interrupted call goes on where it was.

    Parameters
    ----------
    catalog
        A folder or bucket of our own.
    region, period, sensors
        Which scenes, as for :func:`musyq_cube.search`.
    bases
        Sensors whose position and calibration are taken for right: their scenes of the same place are characterized
        first and are the base of all others.
    ancillary, steps, model
        As for :func:`characterize`.
    redo
        Find again what was found before.
    progress
        Called with (done, total, scene id).

    Raises
    ------
    NormalizeError
        For unknown sensors, steps or aerosol models.
    CatalogError
        If the catalogue cannot be written.
    ReadError
        If the DEM cannot be opened.
    """
    for name in bases or ():
        if name not in known_sensors():
            raise NormalizeError(f"base {name!r}: no such sensor; there are {', '.join(known_sensors())}")
    wanted = check_order(steps or STEPS, model)
    check_writable(catalog)
    if ancillary is not None and ancillary.dem is not None:
        for tile in [ancillary.dem] if isinstance(ancillary.dem, str) else ancillary.dem:
            source_grid(elevation_source(tile))
    scenes = search(catalog, region, period, sensors=None if sensors is None else [*sensors, *(bases or ())])
    base = [scene for scene in scenes if scene.sensor in (bases or ())]
    done: list[str] = []
    waiting: list[Scene] = []
    for scene in scenes:
        if not redo and _is_done(scene, wanted):
            done.append(scene.id)
        else:
            waiting.append(scene)
    report = NormalizeReport(str(getattr(catalog, "href", catalog)), existing=tuple(done))
    check_registered(catalog, waiting)
    left = {scene.id for scene in waiting}
    groups = [[scenes[i] for i in members] for members in series_of(scenes)]
    groups = [group for group in groups if any(scene.id in left for scene in group)]
    cameras: dict[str, Calibration] = {}
    for members in sorted(groups, key=lambda group: group[0].sensor not in (bases or ())):
        partners = [scene for scene in members if scene.id not in left]
        members = [scene for scene in members if scene.id in left]  # noqa: PLW2901
        told = _told(progress, len(report.found), len(waiting))
        options: dict[str, Any] = {"model": model, "out": layers_folder(catalog, members[0])}
        options["partners"] = _beside(partners, members)
        found = characterize(members, _near(base, members), ancillary, steps=wanted, progress=told, **options)
        if "calibration" in wanted and (lasting := _lasting(found, members, cameras)) is not None:
            found = [one.replace(calibration=lasting) for one in found]
        remember(catalog, list(zip(members, found, strict=True)))
        known = {one.scene: one for one in found}
        base = [b.replace(normalization=known.get(b.id, b.normalization)) for b in base]
        lost = [(n.scene, n.atmosphere.reason) for n in found if n.atmosphere and _is_lost(n, members)]
        report = replace(report, found=(*report.found, *found), failed=(*report.failed, *lost))
    return report


def _lasting(
    found: Sequence[Normalization], members: Sequence[Scene], cameras: dict[str, Calibration]
) -> Calibration | None:
    """
    Return the calibration that another tile gave for the same camera, where this one has none of its own.

    A camera's error lasts, and not every tile is seen together with the base.
    """
    sensor, own = members[0].sensor, found[0].calibration
    if own is None or own.applied:
        if own is not None and own.residual is not None:
            cameras.setdefault(sensor, own)
        return None
    return cameras.get(sensor)


def _is_done(scene: Scene, steps: Sequence[str]) -> bool:
    """Whether nothing is left to find; what could not be found before is tried again."""
    found = scene.normalization
    if found is None or not all(getattr(found, step) for step in steps):
        return False
    return "atmosphere" not in steps or not _is_lost(found, [scene])


def _is_lost(found: Normalization, scenes: Sequence[Scene]) -> bool:
    quantity = next(s.quantity for s in scenes if s.id == found.scene)
    return quantity == "toa" and found.atmosphere is not None and not found.atmosphere.applied


def _beside(partners: Sequence[Scene], members: Sequence[Scene]) -> list[Scene]:
    """Return the dates that are near any of the members in time: more would only be read."""
    span = dt.timedelta(days=2 * PARTNER)
    return [p for p in partners if any(abs(p.time - m.time) <= span for m in members)]


def _near(base: Sequence[Scene], members: Sequence[Scene]) -> list[Scene]:
    """Return the scenes of the base that overlap any of the members."""
    return [b for b in base if any(b.geometry.intersects(m.geometry) for m in members)]


def _told(progress: Progress | None, before: int, total: int) -> Progress | None:
    return None if progress is None else lambda done, _, name: progress(before + done, total, name)

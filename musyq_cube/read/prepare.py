"""Prepare: put what is known of a scene's normalization into its sources, so that reading applies it."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from musyq_cube.errors import ReadError
from musyq_cube.normalization import Field, Geometric
from musyq_cube.scene import Air, Quality, Relief, Source
from musyq_cube.types import QA

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from musyq_cube.normalization import Atmosphere, Calibration, Normalization, Topographic
    from musyq_cube.scene import Angles, Scene

READ_STEPS = ("geometric", "calibration", "atmosphere")
"""The steps that reading has a part in: the mapping, scale and offset, and the air that the correction needs."""
HEIGHTS = (-500.0, 9_000.0)
"""Metres that the ground can be at; anything else in an elevation model is missing."""


def prepare(scene: Scene, steps: Iterable[str] = READ_STEPS) -> Scene:
    """
    Return a scene whose sources carry the corrections that were found for it.

    Parameters
    ----------
    scene
        With or without `normalization`.
    steps
        ``geometric``: the mapping of every layer is corrected (pixels are still resampled once). ``calibration``:
        gain and offset go into scale and offset. ``atmosphere``: `Scene.air` says what the correction needs; reading
        then adds ``aod``, ``tcwv``, ``ozone`` and ``elevation``. ``topography``: likewise `Scene.relief` and ``saa``,
        ``slope``, ``aspect``. Others concern the cube and are ignored here. The mask that was made where native QA
        lacks cloud or shadow is always used, for the bits that are lacking.

    Raises
    ------
    ReadError
        Where a layer does not say its grid in the metadata and its file, which should, cannot be opened.

    Examples
    --------
    >>> from musyq_cube.scene import Scene
    >>> scene = Scene("a", "landsat8-oli", "2018-07-01T10:00:00Z", "POINT (0 0)")
    >>> prepare(scene) is scene
    True
    """
    found = scene.normalization
    if found is None:
        return scene
    steps = set(steps)
    if found.mask is not None:
        scene = scene.replace(qa=(*scene.qa, _own_mask(found.mask, native_bits(scene))))
    if "calibration" in steps and found.calibration is not None and found.calibration.applied:
        scene = _calibrated(scene, found.calibration)
    if "geometric" in steps and found.geometric is not None and found.geometric.applied:
        try:
            scene = _moved(scene, found.geometric)
        except ReadError as error:
            raise ReadError(f"scene {scene.id}: {error}; bring it back, or run `musyq normalize --redo`") from error
    scene = _aired(scene, found, steps)
    if "topography" in steps and found.topography is not None and found.topography.applied:
        scene = scene.replace(relief=_relief(found.topography))
    return scene.replace(normalization=None)


def with_air(scene: Scene) -> Scene:
    """Return a scene with the aerosol optical depth that characterization found as its band ``aod``, where gridded."""
    found = scene.normalization and scene.normalization.atmosphere
    if not found or not found.applied or not isinstance(found.aod, Field):
        return scene
    return scene.replace(bands=(*scene.bands, ("aod", _layer(found.aod))))


def _aired(scene: Scene, found: Normalization, steps: set[str]) -> Scene:
    """Add what the correction of the air needs, and the bits of what is only second best."""
    if "geometric" in steps and found.geometric is not None and found.geometric.failed:
        scene = scene.replace(flags=scene.flags | QA.BACKUP.value)
    air = found.atmosphere
    if "atmosphere" not in steps or air is None or not air.applied:
        return scene
    scene = scene.replace(air=_air(air))
    if air.source == "climatology":
        return scene.replace(flags=scene.flags | QA.CLIMATOLOGY_AOD.value)
    if isinstance(air.aod, Field) and air.aod.layer == "aod":
        return scene.replace(qa=(*scene.qa, _filled(air.aod)))
    return scene


def native_bits(scene: Scene) -> QA:
    """Return the common QA bits that the layers of a scene can tell."""
    known = QA(0)
    for quality in scene.qa:
        for _, _, meaning in quality.rules:
            known |= QA(meaning)
    return known


def _own_mask(mask: Field, native: QA) -> Quality:
    """Return what our own mask adds: bits that the native layers do not tell; the data know best where they end."""
    told = native | QA.FILL
    if native & QA.CLOUD:
        told |= QA.ADJACENT  # of clouds that are not taken
    return _bits(mask, ~told)


def _filled(aod: Field) -> Quality:
    """Return where the aerosol was filled in, which is written beside it."""
    return _bits(Field(aod.href, "qa"), QA.GAP_FILLED | QA.CLIMATOLOGY_AOD)


def _bits(layer: Field, taken: QA) -> Quality:
    """Return a layer of common QA bits of our own, of which some are taken."""
    return Quality(_layer(layer), tuple((bit.value, bit.value, bit.value) for bit in QA if bit & taken))


def _layer(field: Field) -> Source:
    return Source(field.href, driver="zarr" if field.layer else "raster", layer=field.layer)


def _air(found: Atmosphere) -> Air:
    aod = _layer(found.aod) if isinstance(found.aod, Field) else found.aod
    return Air(found.model, aod, found.tcwv, found.ozone, _height(found.elevation))


def _height(elevation: float | Field) -> float | Source:
    """Return the height of the ground in km; a DEM is in metres."""
    if not isinstance(elevation, Field):
        return elevation
    return dataclasses.replace(dem_source(elevation), scale=0.001)


def dem_source(dem: Field) -> Source:
    """Return an elevation model in metres as a layer to read."""
    return dataclasses.replace(_layer(dem), valid=HEIGHTS)


def _relief(found: Topographic) -> Relief | None:
    return None if found.dem is None else Relief(dem_source(found.dem), found.c)


def _calibrated(scene: Scene, found: Calibration) -> Scene:
    gains = {band: (gain, offset) for band, gain, offset in found.bands}

    def change(name: str, source: Source) -> Source:
        if name not in gains:
            return source
        gain, offset = gains[name]
        return dataclasses.replace(source, scale=source.scale * gain, offset=source.offset * gain + offset)

    return scene.replace(bands=tuple((name, change(name, source)) for name, source in scene.bands))


def _moved(scene: Scene, found: Geometric) -> Scene:
    from musyq_cube.read.warp import source_grid  # heavy, and most scenes do not need it

    def move(source: Source) -> Source:
        return dataclasses.replace(
            source, grid=dataclasses.replace(source.grid or source_grid(source), correction=found)
        )

    return scene.replace(
        bands=tuple((name, move(source)) for name, source in scene.bands),
        qa=tuple(dataclasses.replace(quality, source=move(quality.source)) for quality in scene.qa),
        angles=_each(scene.angles, move),
    )


def _each(angles: Angles, move: Callable[[Source], Source]) -> Angles:
    layers = {f.name: getattr(angles, f.name) for f in dataclasses.fields(angles)}
    moved: dict[str, Any] = {name: move(layer) for name, layer in layers.items() if isinstance(layer, Source)}
    return dataclasses.replace(angles, **moved)

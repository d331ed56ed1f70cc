"""What was really there: the reference that every result is held against."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from musyq_cube.sensor import sensor as get_sensor
from musyq_cube.testing import thermal
from musyq_cube.testing.atmosphere import Atmosphere
from musyq_cube.testing.observe import View
from musyq_cube.testing.overpass import TRACKS, Overpass, in_swath
from musyq_cube.testing.resample import area_mean
from musyq_cube.testing.surface import CRS, Surface

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from odc.geo.geobox import GeoBox

    Array = NDArray[np.float64]


@dataclass(frozen=True)
class Truth:
    """
    The truth behind a simulated archive, on any pixel grid.

    Every method takes the grid to answer on (default: the scene at 10 m) and returns ``(rows, columns)``; reflectance
    is unitless, NaN outside the known surface. Files: ``truth.json`` holds everything, ``truth.npz`` the map of land
    cover.
    """

    folder: Path
    surface: Surface
    overpasses: tuple[Overpass, ...]

    def overpass(self, scene: str) -> Overpass:
        """Return the overpass of a scene id."""
        for over in self.overpasses:
            if over.id == scene:
                return over
        raise ValueError(f"no scene {scene!r} was simulated; there are {', '.join(o.id for o in self.overpasses)}")

    @property
    def bbox(self) -> tuple[float, float, float, float]:
        """West, south, east, north of the part of the scene that no file's edge touches, degrees."""
        from pyproj import Transformer

        left, bottom, right, top = self.surface.scene.buffered(-120).boundingbox.bbox
        to_lonlat = Transformer.from_crs(CRS, "EPSG:4326", always_xy=True)
        west, south, east, north = to_lonlat.transform_bounds(left, bottom, right, top)
        return west, south, east, north

    def land_cover(self, geobox: GeoBox | None = None) -> NDArray[np.uint8]:
        """Return the kind of land at pixel centres (position in ``landscape.COVERS``, 255 outside)."""
        fine, box = self.surface.geobox, self._box(geobox)
        x, y = _centres(box)
        column = np.floor((x - fine.affine.c) / fine.affine.a).astype(int)
        row = np.floor((y - fine.affine.f) / fine.affine.e).astype(int)
        inside = (row >= 0) & (row < fine.shape[0]) & (column >= 0) & (column < fine.shape[1])
        cover = self.surface.land.cover[np.where(inside, row, 0), np.where(inside, column, 0)]
        return np.where(inside, cover, 255).astype(np.uint8)

    def nadir(self, sensor: str, band: str, day: dt.date, geobox: GeoBox | None = None) -> Array:
        """Return the nadir surface reflectance (sun at 45°) of a day as a sensor's band sees it."""
        return self._onto(self.surface.reflectance(day, get_sensor(sensor).srf(band)), geobox)

    def surface_reflectance(self, scene: str, band: str, geobox: GeoBox | None = None) -> Array:
        """Return the surface reflectance in the geometry of a scene."""
        return self._onto(self._view(scene).surface_reflectance(self._band(scene, band)), geobox)

    def toa(self, scene: str, band: str, geobox: GeoBox | None = None, *, cloudy: bool = False) -> Array:
        """Return top-of-atmosphere reflectance of a scene without sensor errors, clear or under its clouds."""
        return self._onto(self._view(scene).toa(self._band(scene, band), cloudy=cloudy), geobox)

    def chain(self, scene: str, band: str, geobox: GeoBox | None = None) -> tuple[Array, Array, Array]:
        """Return nadir reflectance, reflectance in the scene's geometry and clear top-of-atmosphere reflectance."""
        view, name = self._view(scene), self._band(scene, band)
        fields = view.chain(name)
        return self._onto(fields[0], geobox), self._onto(fields[1], geobox), self._onto(fields[2], geobox)

    def lst(self, time: dt.datetime, geobox: GeoBox | None = None) -> Array:
        """Return the land surface temperature (K) at a time."""
        return self._onto(thermal.temperature(self.surface, time), geobox)

    def lai(self, day: dt.date, geobox: GeoBox | None = None) -> Array:
        """Return the leaf area index (m² m⁻²) of a day."""
        return self._onto(self.surface.lai(day), geobox)

    def clouds(self, scene: str, geobox: GeoBox | None = None) -> tuple[Array, Array]:
        """Return opacity of the clouds and depth of the shadows of a scene, 0…1."""
        clouds = self._view(scene).clouds
        return self._onto(clouds.opacity, geobox), self._onto(clouds.shadow, geobox)

    def masks(self, scene: str, geobox: GeoBox | None = None) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Return where a scene is cloudy and where it is in shadow, to the threshold of ``clouds.SEEN``."""
        from musyq_cube.testing.clouds import Clouds

        found = Clouds(*(np.nan_to_num(field) for field in self.clouds(scene, geobox)))
        return found.cloud, found.shaded

    def save(self) -> None:
        """Write ``truth.json`` and ``truth.npz`` into the archive's folder."""
        self.folder.mkdir(parents=True, exist_ok=True)
        data = {
            "surface": dataclasses.asdict(self.surface),
            "crs": CRS,
            "transform": list(self.surface.scene.affine[:6]),
            "overpasses": [_over_to_dict(over) for over in self.overpasses],
        }
        (self.folder / "truth.json").write_text(json.dumps(data, indent=1))
        np.savez_compressed(self.folder / "truth.npz", land_cover=self.land_cover())

    def _view(self, scene: str) -> View:
        return View(self.surface, self.overpass(scene))

    def _band(self, scene: str, band: str) -> str:
        return get_sensor(self.overpass(scene).sensor).band(band).name

    def seen(self, scene: str, geobox: GeoBox | None = None) -> NDArray[np.bool_]:
        """Return which pixels lie inside the swath of a scene."""
        return in_swath(self.overpass(scene).track, self._box(geobox))

    def _box(self, geobox: GeoBox | None) -> GeoBox:
        return self.surface.scene if geobox is None else geobox

    def _onto(self, fine: Array, geobox: GeoBox | None) -> Array:
        box, source = self._box(geobox), self.surface.geobox
        if box.crs == source.crs:
            return area_mean(fine, source, box)
        from rasterio.warp import Resampling, reproject

        out = np.full(box.shape, np.nan)
        reproject(fine, out, src_transform=source.affine, src_crs=str(source.crs), dst_transform=box.affine,
                  dst_crs=str(box.crs), dst_nodata=np.nan, resampling=Resampling.average)  # fmt: skip
        return out


def load_truth(folder: str | Path) -> Truth:
    """Return the truth of an archive that `simulate` wrote before."""
    path = Path(folder) / "truth.json"
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist: {folder} is not a simulated archive")
    data = json.loads(path.read_text())
    return Truth(Path(folder), Surface(**data["surface"]), tuple(map(_over_from_dict, data["overpasses"])))


def _over_to_dict(over: Overpass) -> dict[str, object]:
    plain = {f.name: getattr(over, f.name) for f in dataclasses.fields(over)}
    return {**plain, "time": over.time.isoformat(), "track": over.track.label, "air": dataclasses.asdict(over.air),
            "gains": dict(over.gains)}  # fmt: skip


def _over_from_dict(data: dict[str, object]) -> Overpass:
    values = dict(data)
    values["time"] = dt.datetime.fromisoformat(str(data["time"]))
    values["track"] = next(t for t in TRACKS if (t.sensor, t.label) == (data["sensor"], data["track"]))
    values["air"] = Atmosphere(**data["air"])  # type: ignore[arg-type]
    values["shift"] = tuple(data["shift"])  # type: ignore[arg-type]
    values["gains"] = tuple(data["gains"].items())  # type: ignore[attr-defined]
    return Overpass(**values)  # type: ignore[arg-type]


def _centres(box: GeoBox) -> tuple[Array, Array]:
    """Return x and y of the pixel centres in the surface's CRS."""
    rows, columns = np.mgrid[0 : box.shape[0], 0 : box.shape[1]] + 0.5
    x = box.affine.c + columns * box.affine.a + rows * box.affine.b
    y = box.affine.f + columns * box.affine.d + rows * box.affine.e
    if str(box.crs) == CRS:
        return x, y
    from pyproj import Transformer

    x, y = Transformer.from_crs(str(box.crs), CRS, always_xy=True).transform(x, y)
    return x, y

"""Scene: one acquisition, the internal record behind a STAC Item."""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import json
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import shapely
from odc.geo.geobox import GeoBox

from musyq_cube.normalization import Geometric, Normalization, Residual
from musyq_cube.types import NEAR_INFRARED

if TYPE_CHECKING:
    from collections.abc import Iterable

    from musyq_cube.types import JSON


ANCILLARY = "ancillary"
"""Quantity of scenes that are ancillary data, and how the ids of their collections begin."""
ANY_TIME = "../.."
"""The span of what does not change with time."""


@dataclass(frozen=True)
class SourceGrid:
    """The pixel grid of a source layer: CRS (authority code or WKT), affine (rasterio order), shape (rows, columns)."""

    crs: str
    transform: tuple[float, float, float, float, float, float]
    shape: tuple[int, int]
    correction: Geometric | None = None
    """Where the pixels truly are, as far as it is known better than CRS and affine say; heeded by the mapping."""

    @cached_property
    def geobox(self) -> GeoBox:
        """The same grid as an odc-geo GeoBox, by its native geolocation."""
        from affine import Affine

        return GeoBox(self.shape, Affine(*self.transform), self.crs)


@dataclass(frozen=True)
class Source:
    """
    One two-dimensional layer in a file, and how its numbers become physical.

    value = DN * scale + offset, then divided by cos(sza) where `cosine`, then to kelvin where `planck`
    (T = K2 / ln(K1 / L + 1)).
    """

    href: str
    grid: SourceGrid | None = None
    """None: not known from the metadata, read from the file's header when needed."""
    driver: str = "raster"
    """Which reader opens it: ``raster`` (GDAL through rasterio), ``hdf4`` (HDF4-EOS through pyhdf) or ``zarr``."""
    band: int = 1
    """Band number in the file, from 1 (raster)."""
    layer: str | None = None
    """Name of the data set inside the file (HDF) or the array inside the store (Zarr)."""
    dtype: str | None = None
    nodata: float | None = None
    scale: float = 1.0
    offset: float = 0.0
    valid: tuple[float, float] | None = None
    """Inclusive range of valid DN, where the format states one."""
    cosine: bool = False
    """The numbers still have to be divided by the cosine of the solar zenith angle."""
    planck: tuple[float, float] | None = None
    """(K1, K2) of a thermal band whose scaled value is spectral radiance."""


@dataclass(frozen=True)
class Quality:
    """A native QA layer and the rules that map it to the common bits: where ``native & mask == value``, set `bits`."""

    source: Source
    rules: tuple[tuple[int, int, int], ...]


@dataclass(frozen=True)
class Angles:
    """
    Sun and view angles in degrees, each a constant, a layer, or unknown.

    `metadata` names the angle file of the scene (Sentinel-2 MTD_TL.xml, Landsat ANG.txt) and wins where present; an
    unknown sun is computed from place and time; an unknown view stays NaN.
    """

    sza: float | Source | None = None
    saa: float | Source | None = None
    vza: float | Source | None = None
    vaa: float | Source | None = None
    raa: Source | None = None
    """Relative azimuth layer where the product stores it instead of both azimuths; folded on reading."""
    metadata: str | None = None


@dataclass(frozen=True)
class Air:
    """What the atmospheric correction of a scene needs: an aerosol model, and constants or layers."""

    model: str
    """Aerosol model of the tables."""
    aod: float | Source
    """Aerosol optical depth at 0.55 µm."""
    tcwv: float
    """Column water vapour, g cm⁻²."""
    ozone: float
    """Column ozone, cm-atm."""
    elevation: float | Source
    """Of the ground, km."""


@dataclass(frozen=True)
class Relief:
    """What the topographic correction of a scene needs: elevation, and C by band."""

    dem: Source
    """Metres."""
    c: tuple[tuple[str, float], ...]
    """(common name, C)."""

    @cached_property
    def text(self) -> str:
        """C by band as compact JSON: what a cube keeps of it, along time."""
        return json.dumps(dict(self.c), separators=(",", ":"))


@dataclass(frozen=True, repr=False)
class Scene:
    """
    One acquisition of one sensor: everything that the reader needs, nothing else.

    Made once by :func:`musyq_cube.catalog.adapt`. Frozen, hashable, JSON-stable (`to_dict`, `from_dict`).
    """

    id: str
    sensor: str
    """Sensor id, a folder of ``catalogs/sensors``."""
    datetime: str
    """Acquisition time, RFC 3339 in UTC."""
    footprint: str
    """WKT polygon in longitude and latitude of the valid pixels."""
    quantity: str = "toa"
    """What the reflective bands are: ``toa``, ``sr``, ``nbar``, ``index`` or ``lst``; ``ancillary``: none are."""
    bands: tuple[tuple[str, Source], ...] = ()
    """(common name, source) in the order of the sensor's file."""
    qa: tuple[Quality, ...] = ()
    angles: Angles = field(default_factory=Angles)
    collection: str | None = None
    platform: str | None = None
    tile: str | None = None
    """Path/row, MGRS tile or MODIS tile."""
    cloud_cover: float | None = None
    """Percent."""
    version: str | None = None
    """Processing baseline or collection number: the newest wins among duplicates."""
    created: str | None = None
    normalization: Normalization | None = None
    """What ``characterize`` found, where it has run."""
    span: str | None = None
    """Start and end, joined by ``/``, of what holds for a time and not at an instant (means, series); see ANY_TIME."""
    flags: int = 0
    """Common QA bits that hold for every pixel."""
    air: Air | None = None
    """Set by :func:`musyq_cube.read.prepare.prepare` where reading has to add what the correction needs."""
    relief: Relief | None = None
    """Likewise, for the topographic correction."""

    @cached_property
    def sources(self) -> dict[str, Source]:
        """Band sources by common name."""
        return dict(self.bands)

    @cached_property
    def time(self) -> dt.datetime:
        """Acquisition time, aware, UTC."""
        return dt.datetime.fromisoformat(self.datetime).astimezone(dt.UTC)

    @cached_property
    def interval(self) -> tuple[dt.datetime, dt.datetime]:
        """First and last instant that it holds for: the time of acquisition twice, unless it has a `span`."""
        if self.span is None:
            return self.time, self.time
        if self.is_static:
            return dt.datetime.min.replace(tzinfo=dt.UTC), dt.datetime.max.replace(tzinfo=dt.UTC)
        start, _, end = self.span.partition("/")
        return dt.datetime.fromisoformat(start).astimezone(dt.UTC), dt.datetime.fromisoformat(end).astimezone(dt.UTC)

    @property
    def is_static(self) -> bool:
        """Whether it holds at any time: elevation, land cover."""
        return self.span == ANY_TIME

    @cached_property
    def geometry(self) -> shapely.Geometry:
        """Footprint in longitude and latitude."""
        return shapely.from_wkt(self.footprint)

    @cached_property
    def solar_day(self) -> dt.date:
        """Local solar date at the centre of the footprint (of its larger part where the antimeridian cuts it)."""
        largest = max(shapely.get_parts(self.geometry), key=lambda part: part.area)
        return (self.time + dt.timedelta(hours=largest.centroid.x / 15)).date()

    @cached_property
    def overpass(self) -> tuple[str, ...]:
        """What scenes have in common that are fused into one time step."""
        aerosol, relief = self.air.model if self.air else "", self.relief.text if self.relief else ""
        return self.solar_day.isoformat(), self.sensor, self.platform or "", self.quantity, aerosol, relief

    def __hash__(self) -> int:
        return hash((self.id, self.collection, self.datetime))

    def __repr__(self) -> str:
        bands = " ".join(name for name, _ in self.bands)
        parts = (self.id, self.sensor, self.datetime, self.quantity, self.tile, bands)
        return f"<Scene {' · '.join(part for part in parts if part)}>"

    def replace(self, **changes: Any) -> Scene:
        """Return a copy with some fields changed."""
        return dataclasses.replace(self, **changes)

    def lend(self, wanted: Iterable[str]) -> Scene:
        """Read a wanted near infrared band that the sensor lacks from its other one, under the wanted name."""
        bands = self.sources
        for name, other in (NEAR_INFRARED, NEAR_INFRARED[::-1]):
            if name in wanted and name not in bands and other in bands:
                return self.replace(bands=(*self.bands, (name, bands[other])))
        return self

    def to_dict(self) -> JSON:
        """Return plain JSON values; fields at their default are left out."""
        return _plain(self)  # type: ignore[no-any-return]

    @classmethod
    def from_dict(cls, data: JSON) -> Scene:
        """Rebuild what `to_dict` wrote."""
        data = dict(data)
        data["bands"] = tuple((name, _source(s)) for name, s in data.get("bands", ()))
        data["qa"] = tuple(
            Quality(_source(q["source"]), tuple(tuple(r) for r in q["rules"])) for q in data.get("qa", ())
        )
        angles: JSON = {k: _source(v) if isinstance(v, dict) else v for k, v in data.get("angles", {}).items()}
        data["angles"] = Angles(**angles)
        if found := data.get("normalization"):
            data["normalization"] = Normalization.from_dict(found)
        if air := data.get("air"):
            parts: JSON = {k: _source(v) if isinstance(v, dict) else v for k, v in air.items()}
            data["air"] = Air(**parts)
        if relief := data.get("relief"):
            data["relief"] = Relief(_source(relief["dem"]), tuple((name, c) for name, c in relief["c"]))
        return cls(**data)

    @cached_property
    def key(self) -> str:
        """Content hash: equal scenes have equal keys, whatever catalogue they came from."""
        text = json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def _source(data: JSON) -> Source:
    data = dict(data)
    if grid := data.get("grid"):
        data["grid"] = SourceGrid(
            grid["crs"], tuple(grid["transform"]), tuple(grid["shape"]), _correction(grid.get("correction"))
        )
    for name in ("valid", "planck"):
        if data.get(name) is not None:
            data[name] = tuple(data[name])
    return Source(**data)


def _correction(data: JSON | None) -> Geometric | None:
    if data is None:
        return None
    data = {k: tuple(v) if isinstance(v, list) else v for k, v in data.items()}
    if data.get("residual"):
        data["residual"] = Residual(**data["residual"])
    return Geometric(**data)


def _plain(value: Any) -> Any:
    if isinstance(value, Normalization):
        return value.to_dict()
    if dataclasses.is_dataclass(value):
        out = {}
        for f in dataclasses.fields(value):
            v = getattr(value, f.name)
            default = f.default_factory() if f.default_factory is not dataclasses.MISSING else f.default
            if v != default:
                out[f.name] = _plain(v)
        return out
    if isinstance(value, tuple | list):
        return [_plain(v) for v in value]
    return value

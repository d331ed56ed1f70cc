"""One reading of a STAC Item whatever its version: asset fields, projection, hrefs, times."""

from __future__ import annotations

import datetime as dt
import json
import math
import re
from functools import cached_property, lru_cache
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from musyq_cube.errors import CatalogError
from musyq_cube.scene import SourceGrid

if TYPE_CHECKING:
    import pystac

    from musyq_cube.types import JSON


class ItemView:
    """A STAC Item of any version from 0.7 to 1.1, as plain JSON with the questions that `adapt` asks."""

    def __init__(self, item: pystac.Item | JSON) -> None:
        data = item if isinstance(item, dict) else item.to_dict(transform_hrefs=False)
        if not isinstance(data.get("id"), str) or not data["id"]:
            raise CatalogError("the Item has no id: give it one (a base or partial Item cannot be used)")
        self.id: str = data["id"]
        self.data = data
        for name in ("properties", "assets"):
            if not isinstance(data.get(name), dict):
                raise self.error(name, "a JSON object is needed; is this a STAC Item?")
        self.properties: JSON = data["properties"]
        self.assets: dict[str, JSON] = {
            k: v for k, v in data["assets"].items() if isinstance(v, dict) and v.get("href")
        }
        self.collection: str | None = data.get("collection") or self.properties.get("odc:product")
        links = [ln for ln in data.get("links") or () if isinstance(ln, dict) and ln.get("rel") == "self"]
        self._base = (None if isinstance(item, dict) else item.get_self_href()) or (links[0]["href"] if links else "")

    def error(self, field: str, fix: str) -> CatalogError:
        """Return the error for a missing or unusable field."""
        return CatalogError(f"Item {self.id}: {field} is missing or unusable: {fix}")

    def get(self, *names: str) -> Any:
        """First property that is present and not null."""
        return next((v for n in names if (v := self.properties.get(n)) is not None), None)

    def number(self, *names: str) -> float | None:
        """First property that is a finite number, also where written as text."""
        return next((v for n in names if (v := as_number(self.properties.get(n))) is not None), None)

    @cached_property
    def platforms(self) -> set[str]:
        """Platform names, folded; more than one for combined products."""
        return fold(self.get("platform", "eo:platform"), ",")

    @cached_property
    def instruments(self) -> set[str]:
        """Instrument names, folded."""
        return fold(self.get("instruments", "eo:instrument", "instrument"))

    @property
    def is_combined(self) -> bool:
        """Whether one product was made from several platforms."""
        return len(self.platforms) > 1

    def href(self, asset: JSON) -> str:
        """Return the asset's href, absolute relative to the self link, as written otherwise (never signed here)."""
        href = str(asset["href"])
        if urlsplit(href).scheme or href.startswith("/") or not self._base:
            return href
        base = self._base
        scheme = urlsplit(base).scheme
        if scheme in ("http", "https"):
            return urljoin(base, href)
        prefix, path = (base[: len(scheme) + 3], base[len(scheme) + 3 :]) if scheme else ("", base)
        return prefix + _join(path.rpartition("/")[0], href)

    def datetime(self) -> str:
        """
        Acquisition time in UTC.

        A range without `datetime` gives its middle, one of several days noon of its middle day (so that all tiles of a
        period have one time, whichever way its end is written), and a date without time gives noon UTC: these keep the
        calendar date as the local solar date at every longitude.
        """
        text = self.get("datetime")
        if text is None:
            first, last = self.get("start_datetime"), self.get("end_datetime")
            if first is None or last is None:
                raise self.error("properties.datetime", "give datetime, or start_datetime and end_datetime (RFC 3339)")
            start, end = self._time(first, "start_datetime"), self._time(last, "end_datetime")
            return rfc3339(_middle(start, end))
        if len(str(text)) == len("2015-07-10"):
            text = f"{text}T12:00:00Z"
        return rfc3339(self._time(text, "datetime"))

    def _time(self, text: Any, field: str) -> dt.datetime:
        try:
            return parse_time(str(text))
        except ValueError:
            raise self.error(f"properties.{field}", f"it is {text!r}; write it as RFC 3339 in UTC") from None

    def footprint(self) -> str:
        """WKT of the geometry, else of the bbox."""
        import shapely

        geometry, bbox = self.data.get("geometry"), self.data.get("bbox")
        try:
            if geometry:
                shape = shapely.from_geojson(json.dumps(geometry))
            elif bbox and len(bbox) in (4, 6):
                half = len(bbox) // 2
                shape = shapely.box(bbox[0], bbox[1], bbox[half], bbox[half + 1])
            else:
                raise self.error("geometry", "give the footprint as GeoJSON in longitude and latitude")
        except (shapely.errors.GEOSException, TypeError) as problem:
            raise self.error("geometry", f"not GeoJSON ({problem})") from None
        shape = shapely.force_2d(shape if shape.is_valid else shapely.make_valid(shape))
        if shape.is_empty:
            raise self.error("geometry", "it is empty; give the footprint in longitude and latitude")
        return str(shapely.to_wkt(shape, rounding_precision=7))

    def field(self, asset: JSON, name: str) -> Any:
        """
        Field of an asset's only band, wherever the version keeps it.

        STAC 1.1 has ``raster:scale`` (and core ``nodata``, ``data_type``) on band or asset, STAC 1.0 has ``scale`` in
        ``raster:bands``.
        """
        bare = name.removeprefix("raster:")
        for holder, key in ((_only(asset.get("bands")), name), (asset, name), (_only(asset.get("raster:bands")), bare)):
            if holder and holder.get(key) is not None:
                return holder[key]
        return None

    def band_names(self, asset: JSON) -> set[str]:
        """Names and common names that an asset gives its only band."""
        out: set[str] = set()
        for old_or_new in ("bands", "eo:bands"):
            band = asset.get(old_or_new)
            if isinstance(band, list) and len(band) == 1 and isinstance(band[0], int):
                listed = self.properties.get("eo:bands") or []
                band = listed[band[0] : band[0] + 1]
            one = _only(band) or {}
            out |= {str(v).casefold() for k in ("name", "common_name", "eo:common_name") if (v := one.get(k))}
        return out

    def grid(self, asset: JSON, gsd: float | None) -> SourceGrid | None:
        """
        Pixel grid of an asset, None where the Item does not say (the file's header does).

        A grid stated for the whole Item counts only for assets of its pixel size.
        """
        crs = _crs(asset) or _crs(self.properties)
        if crs and not _is_known(crs):
            raise self.error("proj:code", f"there is no CRS {crs[:60]}; write an authority code such as EPSG:32650")
        own = _affine(asset)
        if crs and own:
            return SourceGrid(crs, *own)
        common = _affine(self.properties)
        if not crs or not common or "proj:transform" in asset or "proj:shape" in asset:
            return None
        stated = as_number(self.field(asset, "raster:spatial_resolution")) or as_number(asset.get("gsd")) or gsd
        pixel = abs(common[0][0])
        if stated is not None and (not _projected(crs) or abs(stated - pixel) > 0.1 * pixel):
            return None
        return SourceGrid(crs, *common)


def fold(value: Any, separators: str = ",/_ ") -> set[str]:
    """
    Fold names of platforms or instruments: split, then without case, blanks, dashes and signs.

    Examples
    --------
    >>> sorted(fold("OLI_TIRS") | fold(["ETM+"]) | fold("terra,aqua") | fold("LANDSAT_8", ","))
    ['aqua', 'etm', 'landsat8', 'oli', 'terra', 'tirs']
    """
    texts = value if isinstance(value, list | tuple) else [] if value is None else [value]
    parts = [part for text in texts for part in re.split(f"[{separators}]", str(text).casefold())]
    return {folded for part in parts if (folded := "".join(c for c in part if c.isalnum()))}


def as_number(value: Any) -> float | None:
    """Finite number out of JSON, None otherwise; accepts text such as "12.3"."""
    if isinstance(value, bool) or value is None:
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def as_nodata(value: Any) -> float | None:
    """Nodata value out of JSON; ``"nan"`` (STAC writes it as text) becomes NaN."""
    if isinstance(value, str) and value.casefold() == "nan":
        return math.nan
    return as_number(value)


def parse_time(text: str) -> dt.datetime:
    """Parse RFC 3339 (and the sloppier forms that catalogues hold) to UTC."""
    time = dt.datetime.fromisoformat(text.strip().replace(" ", "T").replace("Z", "+00:00").replace("z", "+00:00"))
    return (time if time.tzinfo else time.replace(tzinfo=dt.UTC)).astimezone(dt.UTC)


def _middle(start: dt.datetime, end: dt.datetime) -> dt.datetime:
    if end - start <= dt.timedelta(days=1):
        return (start + (end - start) / 2).replace(microsecond=0)
    first, last = start.date(), (end - dt.timedelta(seconds=1)).date()  # an end at midnight is the day before's
    return dt.datetime.combine(first + dt.timedelta(days=(last - first).days // 2), dt.time(12), dt.UTC)


def rfc3339(time: dt.datetime) -> str:
    """Format a UTC time with a Z."""
    return time.isoformat().replace("+00:00", "Z")


def suffix(href: str) -> str:
    """Lower-case file extension of an href, without query."""
    return PurePosixPath(href.partition("?")[0]).suffix.casefold()


def _join(folder: str, href: str) -> str:
    parts = folder.split("/") if folder else []
    for piece in href.split("/"):
        if piece == ".." and parts and parts[-1] not in ("", ".."):
            parts.pop()
        elif piece not in (".", ""):
            parts.append(piece)
    return "/".join(parts)


def _only(bands: Any) -> JSON | None:
    """Return the single band of a list; None where there are several, because their fields may differ."""
    if isinstance(bands, list) and len(bands) == 1 and isinstance(bands[0], dict):
        return bands[0]
    return None


def _crs(fields: JSON) -> str | None:
    if fields.get("proj:code"):
        return str(fields["proj:code"])
    if as_number(fields.get("proj:epsg")):
        return f"EPSG:{int(float(fields['proj:epsg']))}"
    if fields.get("proj:wkt2"):
        return str(fields["proj:wkt2"])
    if isinstance(fields.get("proj:projjson"), dict):
        from pyproj import CRS

        return str(CRS.from_json_dict(fields["proj:projjson"]).to_wkt())
    return None


@lru_cache(maxsize=256)
def _is_known(crs: str) -> bool:
    from pyproj import CRS
    from pyproj.exceptions import CRSError

    try:
        CRS.from_user_input(crs)
    except CRSError:
        return False
    return True


def _projected(crs: str) -> bool:
    from pyproj import CRS

    return bool(CRS.from_user_input(crs).is_projected)


def _affine(fields: JSON) -> tuple[tuple[float, float, float, float, float, float], tuple[int, int]] | None:
    """Affine (rasterio order) and shape out of ``proj:transform`` or ``proj:bbox`` with ``proj:shape``."""
    shape, transform, bbox = (fields.get(f"proj:{n}") for n in ("shape", "transform", "bbox"))
    if not isinstance(shape, list) or len(shape) != 2 or not all(as_number(n) for n in shape):
        return None
    rows, cols = int(shape[0]), int(shape[1])
    if isinstance(transform, list) and len(transform) in (6, 9):
        a, b, c, d, e, f = (float(v) for v in transform[:6])
        if a * e - b * d == 0:
            return None
    elif isinstance(bbox, list) and len(bbox) == 4:
        a, b, c = (bbox[2] - bbox[0]) / cols, 0.0, float(bbox[0])
        d, e, f = 0.0, (bbox[1] - bbox[3]) / rows, float(bbox[3])
    else:
        return None
    return (a, b, c, d, e, f), (rows, cols)

"""Small files and scenes for tests: a cloud-optimised GeoTIFF from an array, a Scene without any catalogue."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely

from musyq_cube.scene import Angles, Quality, Scene, Source, SourceGrid

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike
    from odc.geo.geobox import GeoBox


def source_grid(geobox: GeoBox) -> SourceGrid:
    """Return the pixel grid of a geobox as a Scene's sources hold it."""
    a = geobox.affine
    return SourceGrid(_crs(geobox), (a.a, a.b, a.c, a.d, a.e, a.f), (int(geobox.shape[0]), int(geobox.shape[1])))


def _crs(geobox: GeoBox) -> str:
    crs = geobox.crs
    if crs is None:
        raise ValueError("the geobox has no CRS: give it one")
    return str(crs.to_wkt()) if crs.epsg is None else f"EPSG:{crs.epsg}"


def outline(geobox: GeoBox, points: int = 5) -> shapely.Polygon:
    """Return the outline of a geobox in longitude and latitude, with `points` vertices an edge."""
    from pyproj import Transformer

    left, bottom, right, top = geobox.boundingbox.bbox
    edge = shapely.segmentize(shapely.box(left, bottom, right, top), max(right - left, top - bottom) / points)
    to_lonlat = Transformer.from_crs(_crs(geobox), "EPSG:4326", always_xy=True)
    return shapely.transform(edge, to_lonlat.transform, interleaved=False)


def write_cog(
    path: str | Path,
    array: ArrayLike,
    geobox: GeoBox,
    *,
    nodata: float | None = None,
    overviews: bool = True,
    blocksize: int = 256,
    resampling: str = "average",
) -> Path:
    """
    Write an array as a tiled, deflated GeoTIFF laid out for the cloud, and return its path.

    Parameters
    ----------
    path
        File to write; missing folders are made.
    array
        ``(rows, columns)`` or ``(bands, rows, columns)``, any dtype that GeoTIFF knows.
    geobox
        Where the pixels are; its shape must be the array's.
    nodata
        Value that means "no observation", if there is one.
    overviews
        Whether to write reduced levels (averaged unless `resampling` says otherwise).
    blocksize
        Edge of a tile in pixels, a multiple of 16.
    resampling
        GDAL name of the method that makes the overviews.

    Examples
    --------
    >>> import tempfile, numpy as np
    >>> from odc.geo.geobox import GeoBox
    >>> box = GeoBox.from_bbox((0, 0, 640, 480), "EPSG:32631", resolution=10)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_cog(f"{folder}/a.tif", np.zeros(box.shape, "uint16"), box).name
    'a.tif'
    """
    import rasterio

    data = np.asarray(array)
    data = data[None] if data.ndim == 2 else data
    if data.shape[1:] != tuple(geobox.shape):
        raise ValueError(
            f"array of {data.shape[1:]} pixels on a geobox of {tuple(geobox.shape)}: make the shapes equal"
        )
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    options: dict[str, Any] = {
        "driver": "COG",
        "compress": "deflate",
        "predictor": "yes",
        "blocksize": blocksize,
        "overviews": "auto" if overviews else "none",
        "overview_resampling": resampling,
        "num_threads": 1,
    }
    with rasterio.open(
        path,
        "w",
        count=data.shape[0],
        height=data.shape[1],
        width=data.shape[2],
        dtype=data.dtype.name,
        crs=_crs(geobox),
        transform=geobox.affine,
        nodata=nodata,
        **options,
    ) as file:
        file.write(data)
    return path


def make_scene(
    geobox: GeoBox,
    bands: Mapping[str, str | Path | Source],
    *,
    id: str = "scene",  # noqa: A002  the field of Scene is called so
    datetime: str = "2020-07-01T03:00:00Z",
    sensor: str = "landsat8-oli",
    nodata: float | None = 0,
    scale: float = 1e-4,
    offset: float = 0.0,
    dtype: str | None = "uint16",
    qa: str | Path | Quality | None = None,
    qa_rules: Sequence[tuple[int, int, int]] = ((1, 1, 1), (8, 8, 2), (16, 16, 4)),
    angles: Angles | None = None,
    **fields: Any,
) -> Scene:
    """
    Return a Scene for files that are on one grid, without any catalogue.

    Parameters
    ----------
    geobox
        Grid of the files; the footprint is its outline in longitude and latitude.
    bands
        Common name to path (or to a ready Source).
    id, datetime, sensor
        Identity of the acquisition.
    nodata, scale, offset, dtype
        How DN become values, the same for every path given.
    qa
        Path of a native QA layer on the same grid, or a ready Quality.
    qa_rules
        ``(mask, value, common bits)`` for a path given as `qa`; the default knows the fill, cloud and shadow bits of
        Landsat's QA_PIXEL.
    angles, fields
        Any other field of Scene.

    Examples
    --------
    >>> from odc.geo.geobox import GeoBox
    >>> box = GeoBox.from_bbox((600000, 4000000, 630000, 4030000), "EPSG:32650", resolution=30)
    >>> make_scene(box, {"red": "red.tif", "nir": "nir.tif"}).sources["red"].scale
    0.0001
    """
    grid = source_grid(geobox)

    def source(value: str | Path | Source) -> Source:
        if isinstance(value, Source):
            return value
        return Source(str(value), grid=grid, dtype=dtype, nodata=nodata, scale=scale, offset=offset)

    quality: tuple[Quality, ...] = ()
    if isinstance(qa, Quality):
        quality = (qa,)
    elif qa is not None:
        quality = (Quality(Source(str(qa), grid=grid, dtype="uint16"), tuple(qa_rules)),)
    return Scene(
        id=id,
        sensor=sensor,
        datetime=datetime,
        footprint=outline(geobox).wkt,
        bands=tuple((name, source(value)) for name, value in bands.items()),
        qa=quality,
        angles=angles or Angles(),
        **fields,
    )

"""
Generate what the benchmark of normalization reads: one Landsat-8 Level-1 scene and one day of MODIS-like 1-km data.

Landsat is laid out as in the archive (Collection 2: a tiled, deflated GeoTIFF per band, QA_PIXEL, MTL and the angle
coefficients of fourteen sensor chips), MODIS as the gridded daily products are (HDF4, deflated, sinusoidal, angle and
state layers). Aerosol is a coarse field, the ground a DEM. All of it follows from a seed.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
from affine import Affine
from odc.geo.geobox import GeoBox

from musyq_cube.catalog import register, search
from musyq_cube.grid import get_grid
from musyq_cube.normalization import Atmosphere, Field, Normalization
from musyq_cube.normalize.aerosol import AodField, write_field
from musyq_cube.read.prepare import prepare
from musyq_cube.scene import Angles, Quality, Scene, Source
from musyq_cube.testing import make_scene, source_grid, write_cog

if TYPE_CHECKING:
    from pathlib import Path

    Array = np.ndarray[Any, Any]

LANDSAT = {"blue": "B2", "green": "B3", "red": "B4", "nir08": "B5", "swir16": "B6", "swir22": "B7"}
MODIS = ("red", "nir08", "blue", "green", "swir12", "swir16", "swir22")
LEVEL = {"blue": 0.11, "green": 0.11, "red": 0.12, "nir08": 0.28, "swir12": 0.3, "swir16": 0.24, "swir22": 0.16}
FILL, CLEAR, CLOUD = 1, 21824, 22280
CHIPS, CHIP = 14, 494
KM = 926.625433055833


@dataclasses.dataclass(frozen=True)
class Order:
    """What is to be read and where to."""

    scene: Scene
    """Characterized and prepared: reading adds the air."""
    bands: tuple[str, ...]
    geobox: GeoBox
    reference: str


def landsat(folder: Path, size: int) -> list[Order]:
    """Return a Landsat-8 scene of `size`² pixels at the archive's odd multiples of 15 m, to the 30 m grid."""
    home = folder / f"landsat-{size}"
    box = GeoBox((size, size), Affine(30.0, 0.0, 399_945.0, 0.0, -30.0, 4_430_025.0), "EPSG:32650")
    name = "LC08_L1TP_123032_20180701_20200831_02_T1"
    if not (home / f"{name}_MTL.txt").exists():
        _write_landsat(home, name, box)
    report = register(home, home / "catalog")
    if report.skipped:
        raise RuntimeError(repr(report))
    (scene,) = search(home / "catalog")
    scene = scene.replace(bands=tuple((n, s) for n, s in scene.bands if n in LANDSAT))
    inside = GeoBox((size - 2, size - 2), Affine(30.0, 0.0, 399_960.0, 0.0, -30.0, 4_430_010.0), "EPSG:32650")
    return [Order(_with_air(scene, box, 100, home), tuple(LANDSAT), inside, "sentinel2a-msi")]


def modis(folder: Path, days: int = 4, size: int = 1200) -> list[Order]:
    """
    Return days of one tile: seven bands at 1 km with angles, taken as top-of-atmosphere reflectance.

    There is no reader of Level-1B swaths: this is their content in the layout of the gridded daily products.
    """
    home = folder / f"modis-{size}"
    crs = str(get_grid("sinu-1km").crs)
    box = GeoBox((size, size), Affine(KM, 0.0, 8 * 1200 * KM, 0.0, -KM, 5 * 1200 * KM), crs)
    return [_day(home / f"day{day}.hdf", box, day) for day in range(days)]


def _day(path: Path, box: GeoBox, day: int) -> Order:
    if not path.exists():
        _write_modis(path, int(box.shape[0]), day)
    grid = source_grid(box)

    def layer(name: str, dtype: str, nodata: float, scale: float = 1.0) -> Source:
        return Source(str(path), grid, "hdf4", layer=name, dtype=dtype, nodata=nodata, scale=scale)

    sza, saa, vza, vaa = (layer(name, "int16", -32767, 0.01) for name in ("sza", "saa", "vza", "vaa"))
    angles = Angles(sza, saa, vza, vaa)
    quality = Quality(layer("state", "uint16", 65535), ((3, 1, 2), (4, 4, 4)))
    bands = {name: layer(name, "int16", -28672, 1e-4) for name in MODIS}
    date = f"2018-07-{day + 1:02d}T03:00:00Z"
    scene = make_scene(box, bands, id=path.stem, datetime=date, sensor="modis-aqua", qa=quality, angles=angles)
    return Order(_with_air(scene, box, 20, path.parent), MODIS, box, "modis-terra")


def _with_air(scene: Scene, box: GeoBox, every: int, home: Path) -> Scene:
    """Add what `characterize` leaves behind: a field of aerosol in a small Zarr, vapour and ozone, the DEM."""
    dem = home / "dem" / "dem.tif"
    if not dem.exists():
        write_cog(dem, _dem(int(box.shape[0])), box)
    rows, cols = (-(-n // every) for n in box.shape)
    coarse = GeoBox((rows, cols), box.affine * Affine.scale(every), box.crs)
    aod = (0.15 + 0.1 * _texture((rows, cols), (4,), 3)).astype(np.float32)
    bits, count = np.zeros((rows, cols), np.uint16), np.ones((rows, cols), np.int32)
    field = AodField(aod, bits, aod * np.float32(0.2), count, source_grid(coarse), "dark-target")
    made, _ = write_field(field, str(home / "aod.zarr"))
    air = Atmosphere(True, "generated", made, "dark-target", "continental", 2.0, 0.32, Field(str(dem)))
    return prepare(scene.replace(normalization=Normalization(scene.id, atmosphere=air)))


def _texture(shape: tuple[int, int], cells: tuple[int, ...], seed: int) -> Array:
    """Return smooth noise of several scales, 0…1."""
    rng = np.random.default_rng(seed)
    out = np.zeros(shape, np.float32)
    for n in cells:
        coarse = rng.random((n + 2, n + 2)).astype(np.float32)
        (j, v), (i, u) = (np.divmod(np.arange(m) * (n / m), 1) for m in shape)
        rows = coarse[j.astype(int)] * (1 - v)[:, None] + coarse[j.astype(int) + 1] * v[:, None]
        out += rows[:, i.astype(int)] * (1 - u) + rows[:, i.astype(int) + 1] * u
    return out / len(cells)


def _dem(size: int) -> Array:
    return np.rint(800 * _texture((size, size), (5, 30, 200), 4)).astype(np.int16)


def _bands(names: tuple[str, ...], shape: tuple[int, int], day: int = 0) -> dict[str, Array]:
    """Reflectance of each band: ground of many scales, 20 % cloud, noise of the sensor."""
    ground = _texture(shape, (8, 60, shape[0] // 6, shape[0] // 2), 1)
    cloud = np.clip((_texture(shape, (6, 40), 100 + day) - 0.58) * 6, 0, 1)
    rng = np.random.default_rng([5, day])
    noise = {name: rng.normal(0, 0.001, shape).astype(np.float32) for name in names}
    return {name: LEVEL[name] * (0.3 + 1.4 * ground) + 0.6 * cloud + noise[name] for name in names}


def _write_landsat(home: Path, name: str, box: GeoBox) -> None:
    shape = (int(box.shape[0]), int(box.shape[1]))
    border = np.add.outer(np.arange(shape[0]), np.arange(shape[1]) * 6) < shape[0] // 2
    bands = _bands(tuple(LANDSAT), shape)
    for band, values in bands.items():
        dn = np.clip(np.rint((values * 0.87 + 0.1) / 2e-5), 1, 65_535)
        write_cog(home / f"{name}_{LANDSAT[band]}.TIF", np.where(border, 0, dn).astype(np.uint16), box, nodata=0)
    qa = np.where(border, FILL, np.where(bands["blue"] > 0.35, CLOUD, CLEAR)).astype(np.uint16)
    write_cog(home / f"{name}_QA_PIXEL.TIF", qa, box, nodata=1, resampling="nearest")
    (home / f"{name}_ANG.txt").write_text(_ang(box))
    (home / f"{name}_MTL.txt").write_text(_mtl(name, box))


def _mtl(name: str, box: GeoBox) -> str:
    left, bottom, right, top = box.boundingbox.bbox
    west, south, east, north = box.geographic_extent.boundingbox.bbox
    corners = []
    for corner in ("UL", "UR", "LL", "LR"):
        x, lon = (left + 15, west) if corner[1] == "L" else (right - 15, east)
        y, lat = (top - 15, north) if corner[0] == "U" else (bottom + 15, south)
        own = {"LAT": lat, "LON": lon, "PROJECTION_X": x, "PROJECTION_Y": y}
        corners += [f"CORNER_{corner}_{name}_PRODUCT = {value:.5f}" for name, value in own.items()]
    numbers = [band[1:] for band in LANDSAT.values()]
    groups = {
        "PRODUCT_CONTENTS": [
            f'LANDSAT_PRODUCT_ID = "{name}"', 'PROCESSING_LEVEL = "L1TP"', "COLLECTION_NUMBER = 02",
            'COLLECTION_CATEGORY = "T1"', 'OUTPUT_FORMAT = "GEOTIFF"',
            *(f'FILE_NAME_BAND_{n} = "{name}_B{n}.TIF"' for n in numbers),
            f'FILE_NAME_QUALITY_L1_PIXEL = "{name}_QA_PIXEL.TIF"',
            f'FILE_NAME_ANGLE_COEFFICIENT = "{name}_ANG.txt"', f'FILE_NAME_METADATA_ODL = "{name}_MTL.txt"',
        ],
        "IMAGE_ATTRIBUTES": [
            'SPACECRAFT_ID = "LANDSAT_8"', 'SENSOR_ID = "OLI_TIRS"', "WRS_PATH = 123", "WRS_ROW = 32",
            "DATE_ACQUIRED = 2018-07-01", 'SCENE_CENTER_TIME = "02:52:31.0000000Z"', "CLOUD_COVER = 20.00",
            "SUN_AZIMUTH = 126.0", "SUN_ELEVATION = 65.3", "EARTH_SUN_DISTANCE = 1.0166",
        ],
        "PROJECTION_ATTRIBUTES": [
            'MAP_PROJECTION = "UTM"', 'DATUM = "WGS84"', "UTM_ZONE = 50", "GRID_CELL_SIZE_REFLECTIVE = 30.00",
            f"REFLECTIVE_LINES = {box.shape[0]}", f"REFLECTIVE_SAMPLES = {box.shape[1]}", *corners,
        ],
        "LEVEL1_RADIOMETRIC_RESCALING": [
            *(f"REFLECTANCE_MULT_BAND_{n} = 2.0000E-05" for n in numbers),
            *(f"REFLECTANCE_ADD_BAND_{n} = -0.100000" for n in numbers),
        ],
    }  # fmt: skip
    text = ["GROUP = LANDSAT_METADATA_FILE"]
    for group, lines in groups.items():
        text += [f"  GROUP = {group}", *(f"    {line}" for line in lines), f"  END_GROUP = {group}"]
    return "\n".join([*text, "END_GROUP = LANDSAT_METADATA_FILE", "END", ""])


def _ang(box: GeoBox) -> str:
    """Angle coefficients of the red band as the archive has them: fourteen chips side by side, linear in place."""
    rows, cols = (int(n) for n in box.shape)
    left, top = box.affine.c + 15, box.affine.f - 15
    b, width = "BAND04", cols / CHIPS  # the chips share the image between them
    lines = [
        'SPACECRAFT_ID = "LANDSAT_8"', "BAND_LIST = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11)", 'MAP_PROJECTION = "UTM"',
        "UTM_ZONE = 50", f"UL_CORNER = ({left:.3f}, {top:.3f})", f"{b}_NUMBER_OF_SCAS = {CHIPS}",
        f"{b}_NUM_L1R_LINES = {rows}", f"{b}_NUM_L1R_SAMPS = {CHIP}", f"{b}_PIXEL_SIZE = 30.000",
        f"{b}_MEAN_L1R_LINE_SAMP = ({rows / 2:.3f}, {CHIPS * CHIP / 2:.3f})",
        f"{b}_MEAN_L1T_LINE_SAMP = ({rows / 2:.3f}, {cols / 2:.3f})",
    ]  # fmt: skip
    turn = 0.13 / (cols / 2)  # 7.5 degrees on either side
    for target, mean, slope in (("SAT", (0.0, 0.0, 0.9966), -turn), ("SUN", (0.338, -0.245, 0.908), 4e-6)):
        lines.append(f"{b}_MEAN_{target}_VECTOR = {mean}")
        for axis in "XYZ":
            terms = [0.0, 0.0, slope if axis == "X" else 0.0, *[1e-12] * 7]
            lines.append(f"{b}_{target}_{axis}_NUM_COEF = ({', '.join(f'{v:.6e}' for v in terms)})")
            lines.append(f"{b}_{target}_{axis}_DEN_COEF = ({', '.join(['1.000000e-12'] * 9)})")
    for chip in range(CHIPS):
        n = f"{b}_SCA{chip + 1:02d}"
        lines += [
            f"{n}_MEAN_L1R_LINE_SAMP = ({rows / 2:.3f}, {CHIP / 2:.3f})",
            f"{n}_MEAN_L1T_LINE_SAMP = ({rows / 2:.3f}, {(chip + 0.5) * width:.3f})",
            f"{n}_LINE_NUM_COEF = (0.0, 1.0, -0.002, 1e-4, -1e-6)", f"{n}_LINE_DEN_COEF = (1e-8, -1e-7, -1e-9, -1e-12)",
            f"{n}_SAMP_NUM_COEF = (0.0, 0.002, {CHIP / width:.6f}, -4e-3, -5e-8)",
            f"{n}_SAMP_DEN_COEF = (-1e-8, -7e-8, -1e-6, -4e-12)",
        ]  # fmt: skip
    return "\n".join([*(f"  {line}" for line in lines), "END", ""])


def _write_modis(path: Path, size: int, day: int) -> None:
    from pyhdf.SD import SD, SDC

    path.parent.mkdir(parents=True, exist_ok=True)
    rows, cols = np.mgrid[0:size, 0:size].astype(np.float32) / size
    bands = _bands(MODIS, (size, size), day)
    # scan angles come back every few hundred kilometres, with the orbits
    swath = ((cols * 0.9 + rows * 0.15) * 2 + day / 4) % 1 - 0.5
    layers: dict[str, Array] = {
        "sza": 3000 + 1500 * rows + 300 * swath, "saa": 13000 + 2000 * cols + 400 * swath,
        "vza": np.abs(swath) * 11_000, "vaa": np.where(swath > 0, 9800.0, -8200.0),
    }  # fmt: skip
    border = rows * 0.2 > cols
    file = SD(str(path), SDC.WRITE | SDC.CREATE)
    state = np.where(bands["blue"] > 0.35, 1, 0) | 8
    for name, values, fill, kind in (
        *((n, np.clip(v * 1e4, -100, 16_000), -28672, SDC.INT16) for n, v in bands.items()),
        *((n, v, -32767, SDC.INT16) for n, v in layers.items()),
        ("state", state, 65535, SDC.UINT16),
    ):
        dataset = file.create(name, kind, (size, size))
        dataset.setcompress(SDC.COMP_DEFLATE, 8)
        dataset.attr("_FillValue").set(kind, fill)
        dataset[:] = np.where(border, fill, np.rint(values)).astype(np.uint16 if kind == SDC.UINT16 else np.int16)
        dataset.endaccess()
    file.end()

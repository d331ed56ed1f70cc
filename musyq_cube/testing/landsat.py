"""Write a simulated overpass as a Landsat-8 Collection-2 Level-1 scene: TIF per band, QA, angles and MTL."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from affine import Affine
from odc.geo.geobox import GeoBox

from musyq_cube.testing import thermal
from musyq_cube.testing.files import outline, write_cog
from musyq_cube.testing.landscape import CODE
from musyq_cube.testing.overpass import earth_sun_distance, in_swath, sun_angles, view_angles
from musyq_cube.testing.resample import area_mean
from musyq_cube.testing.surface import CRS

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from musyq_cube.testing.observe import View

    Array = NDArray[np.float64]

BANDS = ("B1", "B2", "B3", "B4", "B5", "B6", "B7")
"""Reflective bands written: those outside gas absorption; no pan, no cirrus. With the thermal ones if asked for."""
MULT, ADD = 2e-5, -0.1
"""Reflectance (times the cosine of the sun zenith) = MULT · DN + ADD."""
RADIANCE_MULT, RADIANCE_ADD = 3.342e-4, 0.1
"""Radiance of the thermal bands, W m⁻² sr⁻¹ µm⁻¹ = MULT · DN + ADD."""
_CLEAR, _WATER, _CLOUD, _SHADOW, _FILL = 21824, 21952, 22280, 23888, 1


def pixels(view: View) -> GeoBox:
    """Return the scene's pixel grid: 30 m, edges at odd multiples of 15 m as in the archive."""
    left, bottom, right, top = view.surface.scene.boundingbox.bbox
    x0, y0 = np.floor((left - 15) / 30) * 30 + 15, np.ceil((top - 15) / 30) * 30 + 15
    shape = (int(np.ceil((y0 - bottom) / 30)), int(np.ceil((right - x0) / 30)))
    return GeoBox(shape, Affine(30.0, 0.0, x0, 0.0, -30.0, y0), CRS)


def write(view: View, folder: Path) -> Path:
    """Write the scene into a folder of its own under `folder` and return that."""
    box, name = pixels(view), view.overpass.id
    home = folder / name
    sza, saa = sun_angles(view.overpass.time, box)
    vza, vaa = view_angles(view.overpass.track, box)
    inside = in_swath(view.overpass.track, box)
    saturated = np.zeros(box.shape, np.uint16)
    for number, band in enumerate(BANDS):
        dn = (view.record(band, box) * np.cos(np.radians(sza)) - ADD) / MULT
        counts = np.clip(np.rint(np.nan_to_num(dn)), 1, 65535)
        saturated |= ((dn > 65535) << number).astype(np.uint16)
        write_cog(home / f"{name}_{band}.TIF", np.where(inside, counts, 0).astype(np.uint16), box, nodata=0)
    heat = thermal.BANDS if view.overpass.thermal else ()
    for band in heat:
        seen = area_mean(thermal.radiance(view, band), view.surface.geobox, box, view.overpass.shift)
        counts = np.clip(np.rint((np.nan_to_num(seen) - RADIANCE_ADD) / RADIANCE_MULT), 1, 65535)
        write_cog(home / f"{name}_{band}.TIF", np.where(inside, counts, 0).astype(np.uint16), box, nodata=0)
    write_cog(home / f"{name}_QA_PIXEL.TIF", _quality(view, box, inside), box, nodata=1, resampling="nearest")
    write_cog(home / f"{name}_QA_RADSAT.TIF", saturated, box, resampling="nearest")
    for key, angle in {"SZA": sza, "SAA": saa, "VZA": vza, "VAA": vaa}.items():
        hundredths = np.rint(100 * ((angle + 180) % 360 - 180)).astype(np.int16)
        write_cog(home / f"{name}_{key}.TIF", np.where(inside, hundredths, 0).astype(np.int16), box, nodata=0)
    (home / f"{name}_MTL.txt").write_text(_mtl(view, box, float(sza.mean()), float(saa.mean())))
    return home


def _quality(view: View, box: GeoBox, inside: NDArray[np.bool_]) -> NDArray[np.uint16]:
    cloud, shadow = view.masks(box)
    wet = np.isin(view.surface.land.cover, (CODE["lake"], CODE["river"]))
    water = area_mean(wet.astype(float), view.surface.geobox, box, view.overpass.shift) > 0.5
    out = np.where(water, _WATER, _CLEAR)
    out[shadow], out[cloud], out[~inside] = _SHADOW, _CLOUD, _FILL
    return np.asarray(out, dtype=np.uint16)


def _mtl(view: View, box: GeoBox, sza: float, saa: float) -> str:
    """Return the metadata file as ODL text, with the groups of Collection 2."""
    over, name = view.overpass, view.overpass.id
    heat = thermal.BANDS if over.thermal else ()
    files = {f"FILE_NAME_BAND_{b[1:]}": f"{name}_{b}.TIF" for b in (*BANDS, *heat)}
    angles = {
        f"FILE_NAME_ANGLE_{kind}_BAND_4": f"{name}_{key}.TIF"
        for kind, key in (("SENSOR_AZIMUTH", "VAA"), ("SENSOR_ZENITH", "VZA"),
                          ("SOLAR_AZIMUTH", "SAA"), ("SOLAR_ZENITH", "SZA"))
    }  # fmt: skip
    groups: dict[str, dict[str, object]] = {
        "PRODUCT_CONTENTS": {
            "ORIGIN": "simulated by musyq_cube.testing",
            "LANDSAT_PRODUCT_ID": name,
            "PROCESSING_LEVEL": "L1TP",
            "COLLECTION_NUMBER": _Bare("02"),
            "COLLECTION_CATEGORY": "T1",
            "OUTPUT_FORMAT": "GEOTIFF",
            **files,
            "FILE_NAME_QUALITY_L1_PIXEL": f"{name}_QA_PIXEL.TIF",
            "FILE_NAME_QUALITY_L1_RADIOMETRIC_SATURATION": f"{name}_QA_RADSAT.TIF",
            **angles,
            "FILE_NAME_METADATA_ODL": f"{name}_MTL.txt",
            **{f"DATA_TYPE_BAND_{b[1:]}": "UINT16" for b in BANDS},
        },
        "IMAGE_ATTRIBUTES": {
            "SPACECRAFT_ID": "LANDSAT_8",
            "SENSOR_ID": "OLI_TIRS",
            "WRS_TYPE": 2,
            "WRS_PATH": int(over.track.label[:3]),
            "WRS_ROW": int(over.track.label[3:]),
            "NADIR_OFFNADIR": "NADIR",
            "DATE_ACQUIRED": _Bare(f"{over.time:%Y-%m-%d}"),
            "SCENE_CENTER_TIME": f"{over.time:%H:%M:%S.%f}0Z",
            "CLOUD_COVER": round(100 * float(view.masks(box)[0].mean()), 2),
            "ROLL_ANGLE": 0.0,
            "SUN_AZIMUTH": round(saa, 8),
            "SUN_ELEVATION": round(90 - sza, 8),
            "EARTH_SUN_DISTANCE": round(earth_sun_distance(over.time), 7),
        },
        "PROJECTION_ATTRIBUTES": _projection(box),
        "LEVEL1_PROCESSING_RECORD": {
            "LANDSAT_PRODUCT_ID": name,
            "PROCESSING_LEVEL": "L1TP",
            "DATE_PRODUCT_GENERATED": _Bare("2020-09-03T06:00:00Z"),
            "PROCESSING_SOFTWARE_VERSION": "LPGS_15.3.1c",
        },
        "LEVEL1_MIN_MAX_PIXEL_VALUE": {
            f"QUANTIZE_CAL_{k}_BAND_{b[1:]}": v for b in BANDS for k, v in (("MAX", 65535), ("MIN", 1))
        },
        "LEVEL1_RADIOMETRIC_RESCALING": {
            **{f"REFLECTANCE_MULT_BAND_{b[1:]}": _Bare("2.0000E-05") for b in BANDS},
            **{f"REFLECTANCE_ADD_BAND_{b[1:]}": _Bare("-0.100000") for b in BANDS},
            **{f"RADIANCE_MULT_BAND_{b[1:]}": _Bare("3.3420E-04") for b in heat},
            **{f"RADIANCE_ADD_BAND_{b[1:]}": _Bare("0.10000") for b in heat},
        },
        **({"LEVEL1_THERMAL_CONSTANTS": _constants()} if heat else {}),
    }
    return _odl("LANDSAT_METADATA_FILE", groups)


def _constants() -> dict[str, object]:
    pairs = [(b[1:], thermal.K1[b], thermal.K2[b]) for b in thermal.BANDS]
    return {f"K{k}_CONSTANT_BAND_{n}": _Bare(f"{v:.4f}") for n, *values in pairs for k, v in enumerate(values, 1)}


def _projection(box: GeoBox) -> dict[str, object]:
    left, bottom, right, top = box.boundingbox.bbox
    corners = {"UL": (left, top), "UR": (right, top), "LL": (left, bottom), "LR": (right, bottom)}
    lonlat = outline(box).bounds
    out: dict[str, object] = {
        "MAP_PROJECTION": "UTM",
        "DATUM": "WGS84",
        "ELLIPSOID": "WGS84",
        "UTM_ZONE": 50,
        "GRID_CELL_SIZE_REFLECTIVE": _Bare("30.00"),
        "REFLECTIVE_LINES": int(box.shape[0]),
        "REFLECTIVE_SAMPLES": int(box.shape[1]),
        "ORIENTATION": "NORTH_UP",
    }
    for key, (x, y) in corners.items():
        lat, lon = lonlat[3 if key[0] == "U" else 1], lonlat[0 if key[1] == "L" else 2]
        out |= {f"CORNER_{key}_LAT_PRODUCT": round(lat, 5), f"CORNER_{key}_LON_PRODUCT": round(lon, 5)}
        # Projected corners are the centres of the corner pixels.
        inward = (15 if key[1] == "L" else -15, -15 if key[0] == "U" else 15)
        out[f"CORNER_{key}_PROJECTION_X_PRODUCT"] = _Bare(f"{x + inward[0]:.3f}")
        out[f"CORNER_{key}_PROJECTION_Y_PRODUCT"] = _Bare(f"{y + inward[1]:.3f}")
    return out


class _Bare(str):
    """A value that ODL writes without quotes."""

    __slots__ = ()


def _odl(root: str, groups: dict[str, dict[str, object]]) -> str:
    lines = [f"GROUP = {root}"]
    for name, values in groups.items():
        lines.append(f"  GROUP = {name}")
        for key, value in values.items():
            quoted = isinstance(value, str) and not isinstance(value, _Bare)
            lines.append(f"    {key} = " + (f'"{value}"' if quoted else str(value)))
        lines.append(f"  END_GROUP = {name}")
    return "\n".join([*lines, f"END_GROUP = {root}", "END", ""])

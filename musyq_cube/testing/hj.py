"""Write a simulated overpass as an HJ-1A CCD1 Level-2 scene of CRESDA: one TIF per band and an XML."""

from __future__ import annotations

import datetime as dt
import math
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element, ElementTree, SubElement, indent

import numpy as np
from affine import Affine
from odc.geo.geobox import GeoBox

from musyq_cube.sensor import sensor
from musyq_cube.testing.files import outline, write_cog
from musyq_cube.testing.overpass import earth_sun_distance, sun_angles, view_angles
from musyq_cube.testing.surface import CRS

if TYPE_CHECKING:
    from pathlib import Path

    from musyq_cube.testing.observe import View

BANDS = ("B1", "B2", "B3", "B4")
# (gain A, offset L0) with L = DN / A + L0 (W m⁻² sr⁻¹ µm⁻¹): of the size of the published ones, so that 8 bits suffice.
COEFFICIENTS = {"B1": (0.7696, 7.3250), "B2": (0.7815, 6.0737), "B3": (1.0914, 3.6123), "B4": (1.0281, 1.9028)}


def pixels(view: View) -> GeoBox:
    """Return the scene's pixel grid: 30 m, on no particular multiple."""
    left, bottom, right, top = view.surface.scene.boundingbox.bbox
    x0, y0 = left - 7.25, top + 11.5
    shape = (math.ceil((y0 - bottom) / 30), math.ceil((right - x0) / 30))
    return GeoBox(shape, Affine(30.0, 0.0, x0, 0.0, -30.0, y0), CRS)


def write(view: View, folder: Path) -> Path:
    """Write the scene into a folder of its own under `folder` and return that."""
    box, name = pixels(view), view.overpass.id
    home = folder / name
    sza, saa = sun_angles(view.overpass.time, box)
    per_reflectance = np.cos(np.radians(sza)) / (math.pi * earth_sun_distance(view.overpass.time) ** 2)
    for number, band in enumerate(BANDS, 1):
        esun = sensor("hj1a-ccd1").band(band).esun
        gain, offset = COEFFICIENTS[band]
        radiance = view.record(band, box) * per_reflectance * (esun or math.nan)
        counts = np.clip(np.rint((radiance - offset) * gain), 1, 255)
        write_cog(home / f"{name}-{number}.TIF", np.nan_to_num(counts).astype(np.uint8), box, nodata=0)
    vza, vaa = view_angles(view.overpass.track, box)
    angles = {"sza": sza, "saa": saa, "vza": vza, "vaa": vaa}
    _xml(view, box, {k: float(v.mean()) for k, v in angles.items()}).write(
        home / f"{name}.XML", encoding="utf-8", xml_declaration=True
    )
    return home


def _xml(view: View, box: GeoBox, angles: dict[str, float]) -> ElementTree[Element]:
    over = view.overpass
    path, row = over.track.label.split("-")
    calibration = ", ".join(f"{b}:g {a:g}, L0 {l0:g}" for b, (a, l0) in COEFFICIENTS.items())
    left, bottom, right, top = box.boundingbox.bbox
    west, south, east, north = outline(box).bounds
    values = {
        "productId": over.id.rsplit("-L2", 1)[-1],
        "satelliteId": "HJ1A",
        "sensorId": "CCD1",
        "productDate": f"{over.time + dt.timedelta(days=1):%Y-%m-%d %H:%M:%S}",
        "productLevel": "LEVEL2",
        "pixelSpacing": "30.000",
        "scenePath": path,
        "sceneRow": row,
        "direction": "D",
        "sunElevation": f"{90 - angles['sza']:.3f}",
        "sunAzimuthElevation": f"{angles['saa']:.3f}",
        "satZenith": f"{angles['vza']:.3f}",
        "satAzimuth": f"{angles['vaa']:.3f}",
        "sceneDate": f"{over.time:%Y-%m-%d %H:%M:%S}.00",
        "gain": "1,1,1,1",
        "bands": "1,2,3,4",
        "absCalibType": f"(gain1,Fielddata,L=DN/g+L0,W*m^(-2)*sr^(-1)*um^(-1)){calibration}",
        "earthModel": "WGS_84",
        "mapProjection": "UTM",
        "zone": "50N",
        "productOrientation": "MAP",
        **{f"product{k}Lat": f"{v:.6f}" for k, v in _corners(north, south, north, south).items()},
        **{f"product{k}Long": f"{v:.6f}" for k, v in _corners(west, west, east, east).items()},
        **{f"product{k}X": f"{v:.6f}" for k, v in _corners(left, left, right, right).items()},
        **{f"product{k}Y": f"{v:.6f}" for k, v in _corners(top, bottom, top, bottom).items()},
        "sceneCenterLat": f"{(south + north) / 2:.6f}",
        "sceneCenterLong": f"{(west + east) / 2:.6f}",
        "isSimulateData": "Y",
        "dataFormatDes": "GEOTIFF",
    }
    root = Element("root")
    data = SubElement(root, "data")
    for key, value in values.items():
        SubElement(data, key).text = value
    indent(root)
    return ElementTree(root)


def _corners(ul: float, ll: float, ur: float, lr: float) -> dict[str, float]:
    return {"UpperLeft": ul, "LowerLeft": ll, "UpperRight": ur, "LowerRight": lr}

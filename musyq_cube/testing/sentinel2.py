"""Write a simulated overpass as a Sentinel-2A Level-1C SAFE (baseline 05.00): JPEG 2000 bands, masks and metadata."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element, ElementTree, SubElement, indent

import numpy as np
from affine import Affine
from odc.geo.geobox import GeoBox

from musyq_cube.testing.overpass import earth_sun_distance, sun_angles, view_angles
from musyq_cube.testing.surface import CRS

if TYPE_CHECKING:
    import datetime as dt
    from pathlib import Path

    from numpy.typing import NDArray

    from musyq_cube.testing.observe import View

    Array = NDArray[np.float64]

BANDS = {"B01": 60, "B02": 10, "B03": 10, "B04": 10, "B05": 20, "B06": 20, "B07": 20, "B08": 10, "B8A": 20,
         "B11": 20, "B12": 20}  # fmt: skip
"""Bands written and their pixels in metres; B09 and B10 lie where gases absorb, which the simulated air lacks."""
QUANTIFICATION, ADD_OFFSET = 10000, -1000
"""Reflectance = (DN + ADD_OFFSET) / QUANTIFICATION, as stated since baseline 04.00."""
TILE = "T50TMK"
_ORIGIN = (399960.0, 4500000.0)
_ALL = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B10", "B11", "B12")
_NODES, _STEP = 23, 5000
_PSD = "https://psd-14.sentinel2.eo.esa.int/PSD/"


def pixels(view: View, resolution: int = 10) -> GeoBox:
    """Return the part of the tile that the scene needs: whole 60 m steps from the tile's corner."""
    left, bottom, right, top = view.surface.scene.boundingbox.bbox
    x0 = _ORIGIN[0] + np.floor((left - _ORIGIN[0]) / 60) * 60
    y0 = _ORIGIN[1] - np.floor((_ORIGIN[1] - top) / 60) * 60
    rows, columns = int(np.ceil((y0 - bottom) / 60)), int(np.ceil((right - x0) / 60))
    shape = (rows * 60 // resolution, columns * 60 // resolution)
    return GeoBox(shape, Affine(float(resolution), 0.0, x0, 0.0, -float(resolution), y0), CRS)


def write(view: View, folder: Path) -> Path:
    """Write the scene as a SAFE folder under `folder` and return that."""
    over = view.overpass
    home = folder / f"{over.id}.SAFE"
    granule = home / "GRANULE" / f"L1C_{TILE}_A010620_{over.time:%Y%m%dT%H%M%S}"
    for part in ("IMG_DATA", "QI_DATA"):
        (granule / part).mkdir(parents=True, exist_ok=True)
    images = {band: f"{TILE}_{over.time:%Y%m%dT%H%M%S}_{band}" for band in BANDS}
    for band, resolution in BANDS.items():
        box = pixels(view, resolution)
        dn = np.rint(view.record(band, box) * QUANTIFICATION - ADD_OFFSET)
        counts = np.where(np.isfinite(dn), np.clip(dn, 1, 65534), 0).astype(np.uint16)
        _write_jp2(granule / "IMG_DATA" / f"{images[band]}.jp2", counts[None], box)
    box = pixels(view, 60)
    cloud = view.masks(box)[0].astype(np.uint8)
    clear = np.zeros_like(cloud)
    _write_jp2(granule / "QI_DATA" / "MSK_CLASSI_B00.jp2", np.stack([cloud, clear, clear]), box)
    paths = [f"{granule.relative_to(home).as_posix()}/IMG_DATA/{image}" for image in images.values()]
    _save(_product(view, paths, 100 * float(cloud.mean())), home / "MTD_MSIL1C.xml")
    _save(_tile(view, granule.relative_to(home).as_posix(), 100 * float(cloud.mean())), granule / "MTD_TL.xml")
    return home


def _write_jp2(path: Path, data: NDArray[np.generic], box: GeoBox) -> None:
    import rasterio

    options = {"quality": 100, "reversible": "yes", "blockxsize": 1024, "blockysize": 1024}
    count, height, width = data.shape
    with rasterio.open(path, "w", driver="JP2OpenJPEG", count=count, height=height, width=width, dtype=data.dtype.name,
                       crs=CRS, transform=box.affine, **options) as file:  # fmt: skip
        file.write(data)


def _product(view: View, images: list[str], cloud: float) -> Element:
    """Return MTD_MSIL1C.xml."""
    over = view.overpass
    root = Element("n1:Level-1C_User_Product", {"xmlns:n1": f"{_PSD}User_Product_Level-1C.xsd"})
    info = SubElement(SubElement(root, "n1:General_Info"), "Product_Info")
    stamp = f"{over.time:%Y-%m-%dT%H:%M:%S}.026Z"
    _leaves(info, PRODUCT_START_TIME=stamp, PRODUCT_STOP_TIME=stamp, PRODUCT_URI=f"{over.id}.SAFE",
            PROCESSING_LEVEL="Level-1C", PRODUCT_TYPE="S2MSI1C", PROCESSING_BASELINE="05.00",
            GENERATION_TIME="2023-09-10T10:10:10.000000Z")  # fmt: skip
    take = SubElement(info, "Datatake", datatakeIdentifier=f"GS2A_{over.time:%Y%m%dT%H%M%S}_010620_N05.00")
    _leaves(take, SPACECRAFT_NAME="Sentinel-2A", DATATAKE_TYPE="INS-NOBS", DATATAKE_SENSING_START=stamp,
            SENSING_ORBIT_NUMBER=str(int(over.track.label[1:])), SENSING_ORBIT_DIRECTION="DESCENDING")  # fmt: skip
    organisation = SubElement(SubElement(info, "Product_Organisation"), "Granule_List")
    granule = SubElement(organisation, "Granule", imageFormat="JPEG2000")
    for image in images:
        SubElement(granule, "IMAGE_FILE").text = image
    facts = SubElement(root[0], "Product_Image_Characteristics")
    for text, index in (("NODATA", "0"), ("SATURATED", "65535")):
        _leaves(SubElement(facts, "Special_Values"), SPECIAL_VALUE_TEXT=text, SPECIAL_VALUE_INDEX=index)
    SubElement(facts, "QUANTIFICATION_VALUE", unit="none").text = str(QUANTIFICATION)
    offsets = SubElement(facts, "Radiometric_Offset_List")
    for number in range(len(_ALL)):
        SubElement(offsets, "RADIO_ADD_OFFSET", band_id=str(number)).text = str(ADD_OFFSET)
    conversion = SubElement(facts, "Reflectance_Conversion")
    SubElement(conversion, "U").text = f"{earth_sun_distance(over.time) ** -2:.8f}"
    quality = SubElement(root, "n1:Quality_Indicators_Info")
    SubElement(quality, "Cloud_Coverage_Assessment").text = f"{cloud:.6f}"
    return root


def _tile(view: View, granule: str, cloud: float) -> Element:
    """Return MTD_TL.xml, with sun and view angles every 5 km as in a full tile."""
    over, box = view.overpass, pixels(view)
    root = Element("n1:Level-1C_Tile_ID", {"xmlns:n1": f"{_PSD}S2_PDI_Level-1C_Tile_Metadata.xsd"})
    general = SubElement(root, "n1:General_Info")
    identity = f"S2A_OPER_MSI_L1C_TL_2APS_20230910T101010_A010620_{TILE}_N05.00"
    _leaves(general, TILE_ID=identity, SENSING_TIME=f"{over.time:%Y-%m-%dT%H:%M:%S}.127Z")
    geometric = SubElement(root, "n1:Geometric_Info")
    geocoding = SubElement(geometric, "Tile_Geocoding")
    _leaves(geocoding, HORIZONTAL_CS_NAME="WGS84 / UTM zone 50N", HORIZONTAL_CS_CODE=CRS)
    for resolution in (10, 20, 60):
        rows, columns = (str(n) for n in pixels(view, resolution).shape)
        _leaves(SubElement(geocoding, "Size", resolution=str(resolution)), NROWS=rows, NCOLS=columns)
    for resolution in (10, 20, 60):
        position = SubElement(geocoding, "Geoposition", resolution=str(resolution))
        _leaves(position, ULX=f"{box.affine.c:.0f}", ULY=f"{box.affine.f:.0f}", XDIM=str(resolution),
                YDIM=str(-resolution))  # fmt: skip
    _angles(SubElement(geometric, "Tile_Angles"), view, box)
    quality = SubElement(root, "n1:Quality_Indicators_Info")
    content = SubElement(quality, "Image_Content_QI")
    _leaves(content, CLOUDY_PIXEL_PERCENTAGE=f"{cloud:.6f}", DEGRADED_MSI_DATA_PERCENTAGE="0")
    masks = SubElement(quality, "Pixel_Level_QI", geometry="FULL_RESOLUTION")
    SubElement(masks, "MASK_FILENAME", type="MSK_CLASSI").text = f"{granule}/QI_DATA/MSK_CLASSI_B00.jp2"
    return root


def _angles(parent: Element, view: View, box: GeoBox) -> None:
    """Add the grids: nodes at multiples of 5 km from the upper left corner, then the means over the scene."""
    half = _STEP / 2
    nodes = GeoBox((_NODES, _NODES), Affine(_STEP, 0.0, box.affine.c - half, 0.0, -_STEP, box.affine.f + half), CRS)
    over = view.overpass
    sun, seen = sun_angles(over.time, nodes), view_angles(over.track, nodes)
    _grid(SubElement(parent, "Sun_Angles_Grid"), *sun)
    _mean(SubElement(parent, "Mean_Sun_Angle"), *sun_angles(over.time, box.zoom_out(32)))
    for number in range(len(_ALL)):
        marks = {"bandId": str(number), "detectorId": "7"}
        _grid(SubElement(parent, "Viewing_Incidence_Angles_Grids", marks), *seen)
    means = SubElement(parent, "Mean_Viewing_Incidence_Angle_List")
    for number in range(len(_ALL)):
        mean = SubElement(means, "Mean_Viewing_Incidence_Angle", bandId=str(number))
        _mean(mean, *view_angles(over.track, box.zoom_out(32)))


def _grid(parent: Element, zenith: Array, azimuth: Array) -> None:
    for name, values in (("Zenith", zenith), ("Azimuth", azimuth)):
        element = SubElement(parent, name)
        SubElement(element, "COL_STEP", unit="m").text = str(_STEP)
        SubElement(element, "ROW_STEP", unit="m").text = str(_STEP)
        rows = SubElement(element, "Values_List")
        for row in values:
            SubElement(rows, "VALUES").text = " ".join(f"{v:.4f}" for v in row)


def _mean(parent: Element, zenith: Array, azimuth: Array) -> None:
    SubElement(parent, "ZENITH_ANGLE", unit="deg").text = f"{zenith.mean():.6f}"
    SubElement(parent, "AZIMUTH_ANGLE", unit="deg").text = f"{azimuth.mean():.6f}"


def _leaves(parent: Element, **values: str) -> None:
    for key, value in values.items():
        SubElement(parent, key).text = value


def _save(root: Element, path: Path) -> None:
    indent(root)
    ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)


def scene_id(label: str, time: dt.datetime) -> str:
    """Return the product name of an overpass on a relative orbit (``R032``)."""
    return f"S2A_MSIL1C_{time:%Y%m%dT%H%M%S}_N0500_{label}_{TILE}_20230910T101010"

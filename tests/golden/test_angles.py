"""Angles against what the providers and the orbit themselves say, on real metadata."""

import datetime as dt
import re
import zipfile

import numpy as np
import pyproj
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox

from musyq_cube.read._angles_landsat import _ENTRY, _numbers, parse_angles
from musyq_cube.read._angles_sentinel2 import parse_granule
from musyq_cube.read.angles import load_angles, load_sza
from musyq_cube.read.solar import sun_angles
from musyq_cube.scene import Angles, Scene, Source


def _scene(angles, time="2020-01-01T00:00:00Z"):
    return Scene("a-scene", "a-sensor", time, "POINT (0 0)", angles=angles)


def _degrees(vector):
    zenith = np.degrees(np.arctan2(np.hypot(vector[0], vector[1]), vector[2]))
    return zenith, np.degrees(np.arctan2(vector[0], vector[1])) % 360


def _east_north_up(ecef, lon, lat):
    lon, lat = np.radians(lon), np.radians(lat)
    x, y, z = ecef
    east = -np.sin(lon) * x + np.cos(lon) * y
    north = -np.sin(lat) * (np.cos(lon) * x + np.sin(lon) * y) + np.cos(lat) * z
    up = np.cos(lat) * (np.cos(lon) * x + np.sin(lon) * y) + np.sin(lat) * z
    return np.stack([east, north, up]) / np.sqrt(x**2 + y**2 + z**2)


def _mtl(text):
    """Every field of an MTL file, text or XML; the first value where a name repeats."""
    found = re.findall(r'^\s*(\w+) = "?([^"\n]+)"?', text, re.MULTILINE) or re.findall(r"<(\w+)>([^<>]+)</\1>", text)
    fields = {}
    for name, value in found:
        fields.setdefault(name, value.strip())
    return fields


def _centre(fields):
    """Longitude and latitude of the middle of the four corners, right across the antimeridian."""
    lon, lat = (
        np.radians([float(fields[f"CORNER_{c}_{a}_PRODUCT"]) for c in ("UL", "UR", "LL", "LR")]) for a in ("LON", "LAT")
    )
    x, y, z = (np.cos(lat) * np.cos(lon)).sum(), (np.cos(lat) * np.sin(lon)).sum(), np.sin(lat).sum()
    return np.degrees(np.arctan2(y, x)), np.degrees(np.arctan2(z, np.hypot(x, y)))


def _time(fields):
    clock = fields.get("SCENE_CENTER_TIME") or fields["SCENE_CENTER_SCAN_TIME"]
    return dt.datetime.fromisoformat(f"{fields['DATE_ACQUIRED']}T{clock[:15].rstrip('Z')}+00:00")


def _mtl_files(data):
    folders = (
        "landsat_metadata_mtl_ang", "landsat8_c2l2_008059", "landsat_l5_l7_l8_l1_dem_clips", "metric_et_talca_mendoza",
        "landsat8_l1_small",
    )  # fmt: skip
    for folder in folders:
        for path in sorted(data(folder).rglob("*")):
            name = path.name.upper()
            if path.suffix in {".txt", ".xml"} and ("MTL" in name or "METADATA" in name):
                yield path


def test_computed_sun_agrees_with_every_landsat_mtl(data):
    """
    SUN_ELEVATION and SUN_AZIMUTH of USGS, Landsat 1 to 9, at the middle of the corners and the scene's time.

    One file is left out: USGS itself corrected LC81950252013188 from 59.155 to 58.997 degrees later. The
    centre of MSS scenes (row 1 lies at 80 degrees north) is only roughly the middle of their corners.
    """
    checked = 0
    for path in _mtl_files(data):
        fields = _mtl(path.read_text())
        if path.name.startswith("LC81950252013188"):
            continue
        within = 0.3 if path.name.startswith("LM") else 0.1
        sza, saa = sun_angles(_time(fields), *_centre(fields))
        azimuth = abs((saa - float(fields["SUN_AZIMUTH"]) + 180) % 360 - 180)
        assert sza == pytest.approx(90 - float(fields["SUN_ELEVATION"]), abs=0.1), path.name
        assert azimuth * np.sin(np.radians(sza)) < within, path.name
        checked += 1
    assert checked >= 20


def _angle_files(data):
    found = [*data("landsat_metadata_mtl_ang").rglob("*_ANG.txt"), *data("landsat8_c2l2_008059").glob("*_ANG.txt")]
    assert found
    return sorted(found)


def test_landsat_sun_at_the_scene_centre_agrees_with_its_mtl(data):
    for path in _angle_files(data):
        fields = _mtl(path.with_name(path.name.replace("_ANG", "_MTL")).read_text())
        model = parse_angles(path.read_text(), str(path))
        x, y = (
            np.mean([float(fields[f"CORNER_{c}_PROJECTION_{a}_PRODUCT"]) for c in ("UL", "UR", "LL", "LR")])
            for a in "XY"
        )
        sun, _ = model.vectors(np.array([x]), np.array([y]))
        zenith, azimuth = _degrees(sun)
        assert zenith[0] == pytest.approx(90 - float(fields["SUN_ELEVATION"]), abs=0.02)
        assert azimuth[0] == pytest.approx(float(fields["SUN_AZIMUTH"]) % 360, abs=0.02)


def test_landsat_view_agrees_with_the_orbit(data):
    """The polynomials against the satellite's ephemeris of the same file: ground point, time of its line, direction."""
    for path in _angle_files(data):
        text = path.read_text()
        fields = dict(_ENTRY.findall(text))
        model = parse_angles(text, str(path))
        low, right = _numbers(fields["LR_CORNER"])[1], _numbers(fields["LR_CORNER"])[0]
        x, y = np.meshgrid(
            np.linspace(model.corner[0] + 4e4, right - 4e4, 25), np.linspace(low + 4e4, model.corner[1] - 4e4, 25)
        )
        x, y = x.ravel(), y.ravel()
        _, view = model.vectors(x, y)
        seen = model._seen_by((model.corner[1] - y) / model.pixel, (x - model.corner[0]) / model.pixel)
        line = sum(weight * place for weight, place, _ in seen)
        time = float(fields["BAND04_START_TIME"]) + line * float(fields["BAND04_LINE_TIME"])
        clock = _numbers(fields["EPHEMERIS_TIME"])
        satellite = np.stack([np.interp(time, clock, _numbers(fields[f"EPHEMERIS_ECEF_{a}"])) for a in "XYZ"])
        lon, lat = pyproj.Transformer.from_crs(model.crs, "EPSG:4326", always_xy=True).transform(x, y)
        height = np.full_like(lon, float(fields["BAND04_MEAN_HEIGHT"]))
        ground = np.stack(
            pyproj.Transformer.from_crs("EPSG:4979", "EPSG:4978", always_xy=True).transform(lon, lat, height)
        )
        truth = _east_north_up(satellite - ground, lon, lat)
        error = np.degrees(np.arccos(np.clip((truth * view).sum(0), -1, 1)))
        assert error.max() < 0.01, path.name


def _granules(data):
    for archive in sorted(data("s2_safe_metadata").glob("*.zip")):
        with zipfile.ZipFile(archive) as opened:
            for name in opened.namelist():
                if re.search(r"(MTD_TL|/metadata)\.xml$", name):
                    content = opened.read(name)
                    if b"Sun_Angles_Grid" in content:
                        yield archive, name, content


def test_sentinel2_means_agree_with_the_means_of_the_file(data):
    for _, name, content in _granules(data):
        grid = parse_granule(content, name)
        sun, _ = grid.vectors(np.array([grid.corner[0] + 54_900]), np.array([grid.corner[1] - 54_900]))
        text = content.decode()
        mean = re.search(r"<Mean_Sun_Angle>.*?([\d.]+)</ZENITH.*?([\d.]+)</AZIMUTH", text, re.DOTALL)
        zenith, azimuth = _degrees(sun)
        assert zenith[0] == pytest.approx(float(mean[1]), abs=0.01)
        assert azimuth[0] == pytest.approx(float(mean[2]), abs=0.01)
        stated = np.mean([float(v) for v in re.findall(r"bandId=\"\d+\">\s*<ZENITH_ANGLE[^>]*>([\d.]+)", text)])
        inside = _degrees(grid.view)[0]
        # the file's mean counts the pixels of the swath only, ours the nodes of the whole tile
        assert inside.min() < stated < inside.max()


def test_sentinel2_sun_grid_agrees_with_the_computed_sun(data):
    """One instant up to five minutes after the stated time (which is that of the data strip) explains every node."""
    for _, name, content in _granules(data):
        grid = parse_granule(content, name)
        start = re.search(rb"<SENSING_TIME[^>]*>([^<]+)<", content)[1].decode().replace("Z", "+00:00")
        x, y = (
            a.ravel()
            for a in np.meshgrid(*(c + s * 5000.0 * np.arange(23) for c, s in zip(grid.corner, (1, -1), strict=True)))
        )
        lon, lat = pyproj.Transformer.from_crs(grid.crs, "EPSG:4326", always_xy=True).transform(x, y)
        stated = _degrees(grid.vectors(x, y)[0])

        def worst(seconds, start=start, lon=lon, lat=lat, stated=stated):
            sza, saa = sun_angles(dt.datetime.fromisoformat(start) + dt.timedelta(seconds=seconds), lon, lat)
            return max(np.abs(sza - stated[0]).max(), np.abs(saa - stated[1]).max())

        assert min(worst(s) for s in range(0, 330, 10)) < 0.1, name


def test_sentinel2_in_its_archive(data):
    """The granule file is read inside the ZIP by the path that GDAL uses, and lands on the grid of the product."""
    archive, name, content = next(_granules(data))
    grid = parse_granule(content, name)
    scene = _scene(Angles(metadata=f"/vsizip/{archive}/{name}"))
    left, top = grid.corner
    box = GeoBox((200, 200), Affine(300, 0, left, 0, -300, top), grid.crs)
    sza, vza, raa = load_angles(scene, box)
    sun, view = grid.vectors(np.array([left + 30_150.0]), np.array([top - 30_150.0]))
    assert sza[100, 100] == pytest.approx(_degrees(sun)[0][0], abs=0.01)
    assert vza[100, 100] == pytest.approx(_degrees(view)[0][0], abs=0.05)
    difference = abs(_degrees(sun)[1][0] - _degrees(view)[1][0])
    assert raa[100, 100] == pytest.approx(min(difference, 360 - difference), abs=0.5)
    assert all(np.isfinite(a).all() for a in (sza, vza, raa))


def test_modis_angle_layers(data):
    """MOD09GA: zenith layers unchanged on their own grid, relative azimuth from the two azimuths."""
    rasterio = pytest.importorskip("rasterio")
    folder = data("modis_mod09ga_pamplona_3days") / "2021222_un"

    def layer(name):
        path = folder / f"MODIS_Grid_1km_2D_{name}_1.tif"
        return Source(str(path), scale=0.01, nodata=-32767)

    names = ("SolarZenith", "SolarAzimuth", "SensorZenith", "SensorAzimuth")
    raw = {}
    for name in names:
        with rasterio.open(layer(name).href) as file:
            raw[name], transform, crs = file.read(1) * 0.01, file.transform, file.crs
    scene = _scene(Angles(**dict(zip(("sza", "saa", "vza", "vaa"), map(layer, names), strict=True))))
    box = GeoBox(raw["SolarZenith"].shape, transform, crs.to_wkt())
    sza, vza, raa = load_angles(scene, box)
    inner = np.s_[1:-1, 1:-1]
    np.testing.assert_allclose(sza[inner], raw["SolarZenith"][inner], atol=0.01)
    np.testing.assert_allclose(vza[inner], raw["SensorZenith"][inner], atol=0.01)
    folded = np.abs((raw["SolarAzimuth"] - raw["SensorAzimuth"] + 180) % 360 - 180)
    np.testing.assert_allclose(raa[inner], folded[inner], atol=0.05)
    np.testing.assert_array_equal(load_sza(scene, box), sza)


def test_mod09a1_angles_from_hdf4(data):
    from musyq_cube.hdfeos import hdfeos_grids

    path = str(next(data("modis_hdf4").glob("MOD09A1*.hdf")))
    grids = hdfeos_grids(path)

    def layer(name):
        return Source(path, driver="hdf4", layer=name, grid=grids[name], scale=0.01, nodata=0)

    scene = _scene(Angles(sza=layer("sur_refl_szen"), vza=layer("sur_refl_vzen"), raa=layer("sur_refl_raz")))
    sza, vza, raa = load_angles(scene, grids["sur_refl_szen"].geobox)
    assert 20 < np.nanmedian(sza) < 40  # mid-July, 46 degrees north, half past ten
    assert 0 <= np.nanmin(vza) <= np.nanmax(vza) < 66
    assert 0 <= np.nanmin(raa) <= np.nanmax(raa) <= 180

"""Angles of a scene on a grid: every source, every block the same, every fault a clear error."""

import zipfile

import numpy as np
import pyproj
import pytest
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox

from musyq_cube.config import config
from musyq_cube.errors import CatalogError, ReadError
from musyq_cube.read import angles as angle_module
from musyq_cube.read._angles_landsat import parse_angles
from musyq_cube.read._angles_sentinel2 import parse_granule
from musyq_cube.read.angles import _model, load_angles, load_sza
from musyq_cube.read.raster import RasterLayer
from musyq_cube.read.solar import sun_angles
from musyq_cube.scene import Angles, Scene, Source, SourceGrid

UTM = "EPSG:32650"
WHOLE = GeoBox((240, 190), Affine(30, 0, 400_020, 0, -30, 4_400_010), UTM)


def scene(angles, time="2018-06-01T02:50:00Z"):
    return Scene("a-scene", "a-sensor", time, "POINT (116 40)", angles=angles)


def coefficients(count, *values):
    return "(" + ", ".join(f"{v:.6e}" for v in (*values, *[0.0] * (count - len(values)))) + ")"


def angle_file(kind="SCA", craft="LANDSAT_8", band=4):
    """Two chips (or directions) of 100 samples; the satellite's east component changes by 1e-5 per sample."""
    b = f"BAND{band:02d}"
    lines = [
        f'SPACECRAFT_ID = "{craft}"', f"BAND_LIST = (1, {band})", 'MAP_PROJECTION = "UTM"', "UTM_ZONE = 50",
        "UL_CORNER = ( 400035.000,  4399995.000)", f"{b}_NUM_L1R_LINES = 200", f"{b}_NUM_L1R_SAMPS = 100",
        f"{b}_PIXEL_SIZE = 30.000", f"{b}_MEAN_L1T_LINE_SAMP = (100, 75)", f"{b}_MEAN_L1R_LINE_SAMP = (100, 75)",
        f"{b}_NUMBER_OF_SCAS = 2" if kind == "SCA" else f"{b}_NUMBER_OF_DIRECTIONS = 2",
    ]  # fmt: skip
    for target, mean in (("SAT", "(0.0, 0.05, 0.99)"), ("SUN", "(0.4, -0.3, 0.86)")):
        lines.append(f"{b}_MEAN_{target}_VECTOR = {mean}")
        for axis in "XYZ":
            values = (0.0, 0.0, 1e-5) if axis == "X" else ()
            lines += [
                f"{b}_{target}_{axis}_NUM_COEF = {coefficients(10, *values)}",
                f"{b}_{target}_{axis}_DEN_COEF = {coefficients(9)}",
            ]
    for number in (1, 2):
        n = f"{b}_{kind}{number if kind == 'SCA' else number - 1:02d}"
        middle = 50 + 90 * (number - 1) if kind == "SCA" else 75
        lines += [
            f"{n}_MEAN_L1R_LINE_SAMP = (100.0, 50.0)", f"{n}_MEAN_L1T_LINE_SAMP = (100.0, {middle}.0)",
            f"{n}_LINE_NUM_COEF = {coefficients(5, 0.0, 1.0)}", f"{n}_LINE_DEN_COEF = {coefficients(4)}",
            f"{n}_SAMP_NUM_COEF = {coefficients(5, 0.0, 0.0, 1.0)}", f"{n}_SAMP_DEN_COEF = {coefficients(4)}",
        ]  # fmt: skip
    return "\n".join(f"  {line}" for line in lines)


def granule(gap=False):
    """Sun zenith 30 + row, azimuth 350…10 across north; one detector, north-west corner unseen where `gap`."""

    def grid(zenith, azimuth):
        def rows(values):
            return "".join(f"<VALUES>{' '.join(str(v) for v in row)}</VALUES>" for row in values)

        steps = '<COL_STEP unit="m">5000</COL_STEP><ROW_STEP unit="m">5000</ROW_STEP>'
        return "".join(
            f"<{n}>{steps}<Values_List>{rows(v)}</Values_List></{n}>"
            for n, v in (("Zenith", zenith), ("Azimuth", azimuth))
        )

    row, col = np.mgrid[0:23, 0:23]
    azimuth = (350 + col * 20 / 22) % 360
    view = np.where(gap & (row + col < 5), np.nan, 8.0)
    return (
        '<?xml version="1.0"?><n1:T xmlns:n1="https://x.y/z"><n1:Geometric_Info><Tile_Geocoding>'
        "<HORIZONTAL_CS_CODE>epsg:32650</HORIZONTAL_CS_CODE><Geoposition><ULX>399960</ULX><ULY>4400040</ULY>"
        f"</Geoposition></Tile_Geocoding><Tile_Angles><Sun_Angles_Grid>{grid(30.0 + row, azimuth)}</Sun_Angles_Grid>"
        f'<Viewing_Incidence_Angles_Grids bandId="3" detectorId="1">{grid(view, view * 12.5)}'
        "</Viewing_Incidence_Angles_Grids></Tile_Angles></n1:Geometric_Info></n1:T>"
    ).encode()


@pytest.fixture
def landsat(tmp_path):
    path = tmp_path / "LC08_ANG.txt"
    path.write_text(angle_file())
    return scene(Angles(metadata=str(path)))


@pytest.fixture
def sentinel(tmp_path):
    path = tmp_path / "MTD_TL.xml"
    path.write_bytes(granule(gap=True))
    return scene(Angles(metadata=str(path)))


def test_landsat_vectors():
    sun, view = parse_angles(angle_file(), "x").vectors(np.array([402_285.0]), np.array([4_396_995.0]))
    expected = np.array([0.0, 0.05, 0.99]) / np.hypot(0.05, 0.99)
    np.testing.assert_allclose(view[:, 0], expected, atol=1e-12)  # the middle: line 100, sample 75, every offset zero
    np.testing.assert_allclose(sun[:, 0], np.array([0.4, -0.3, 0.86]) / np.sqrt(0.16 + 0.09 + 0.86**2), atol=1e-12)


@pytest.mark.parametrize(
    ("craft", "band"),
    [
        ("L7_ETM", 3),
        ("L5_TM", 3),
        ("LANDSAT_4", 3),
        ("LANDSAT_5", 3),
        ("LANDSAT_7", 3),
        ("LANDSAT_8", 4),
        ("LANDSAT_9", 4),
    ],
)
def test_scan_directions_of_tm_and_etm_and_the_red_band(craft, band):
    model = parse_angles(angle_file("DIR" if craft.startswith("L") and craft[1].isdigit() else "SCA", craft, band), "x")
    _, view = model.vectors(np.array([402_285.0, 402_285.0 + 300]), np.array([4_396_995.0] * 2))
    assert view[0, 1] - view[0, 0] == pytest.approx(1e-4, rel=0.02)


def test_beyond_the_image_the_nearest_detector_answers():
    _, view = parse_angles(angle_file(), "x").vectors(np.array([300_000.0, np.nan]), np.array([4_396_995.0, 0.0]))
    assert np.isfinite(view[:, 0]).all()
    assert np.isnan(view[:, 1]).all()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("UTM_ZONE = 50", ""), "UTM_ZONE"),
        (('"UTM"', '"SOM"'), "SOM"),
        (("BAND04_SAT_X_NUM_COEF = (", "BAND04_SAT_X_NUM_COEF = (1.0, "), "coefficients"),
        (("_LINE_NUM_COEF", "_NO_COEF"), "LINE_NUM_COEF"),
    ],
)
def test_a_broken_angle_file_names_itself_and_the_fault(change, says):
    with pytest.raises(ReadError, match=f"LC08_ANG.txt.*{says}"):
        parse_angles(angle_file().replace(*change), "LC08_ANG.txt")


def test_sentinel2_across_north_and_through_gaps():
    grid = parse_granule(granule(gap=True), "MTD_TL.xml")
    assert grid.crs == UTM
    sun, view = grid.vectors(np.array([399_960.0 + 55_000]), np.array([4_400_040.0 - 5_000]))
    assert np.degrees(np.arctan2(sun[0, 0], sun[1, 0])) == pytest.approx(
        0, abs=1e-9
    )  # 350 and 10 meet at 0, not at 180
    assert np.degrees(np.arccos(sun[2, 0])) == pytest.approx(31)
    assert np.isfinite(grid.view).all()
    assert np.degrees(np.arccos(view[2, 0])) == pytest.approx(8)


def test_sentinel2_without_view_angles_is_nan():
    content = granule().replace(b"Viewing_Incidence_Angles_Grids", b"Something_Else")
    grid = parse_granule(content, "MTD_TL.xml")
    assert np.isnan(grid.view).all()


@pytest.mark.parametrize(
    "content",
    [
        b"<html>",
        b"<a/>",
        b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>',
        granule().replace(b"30.0 30.0", b"30.0 x"),
    ],
)
def test_a_broken_granule_file_names_itself(content):
    with pytest.raises(ReadError, match=r"MTD_TL\.xml"):
        parse_granule(content, "MTD_TL.xml")


def test_granule_inside_an_archive(tmp_path):
    archive = tmp_path / "S2A.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr("S2A.SAFE/MTD_TL.xml", granule())
    sza, vza, _ = load_angles(scene(Angles(metadata=f"/vsizip/{archive}/S2A.SAFE/MTD_TL.xml")), WHOLE)
    assert 30 <= sza.min() <= sza.max() <= 32
    np.testing.assert_allclose(vza, 8, atol=1e-4)


def test_a_missing_angle_file_is_a_read_error(tmp_path):
    with pytest.raises(ReadError, match=r"none\.xml"):
        load_sza(scene(Angles(metadata=str(tmp_path / "none.xml"))), WHOLE)


@settings(max_examples=20, deadline=None)
@given(place=st.tuples(st.integers(0, 180), st.integers(0, 130), st.integers(1, 60), st.integers(1, 60)))
@pytest.mark.parametrize("kind", ["landsat", "sentinel", "computed", "layers"])
def test_any_block_gives_the_same_bits(kind, tmp_path_factory, place):
    top, left, height, width = place
    folder = tmp_path_factory.getbasetemp()
    names = {"landsat": ("ANG.txt", angle_file().encode()), "sentinel": ("MTD_TL.xml", granule(gap=True))}
    if kind == "computed":
        angles = Angles(vza=7.0, vaa=100.0)
    elif kind == "layers":
        path, turn = folder / "azimuth.tif", np.arange(14 * 12).reshape(14, 12) * 2.0 - 160
        angles = Angles(sza=30.0, saa=write(path, turn) if not path.exists() else layer(path), vza=5.0, vaa=10.0)
    else:
        name, content = names[kind]
        (folder / name).write_bytes(content)
        angles = Angles(metadata=str(folder / name))
    part = np.s_[top : top + height, left : left + width]
    whole, block = load_angles(scene(angles), WHOLE), load_angles(scene(angles), WHOLE[part])
    for expected, got in zip(whole, block, strict=True):
        assert expected.dtype == np.float32
        np.testing.assert_array_equal(got, expected[part])
    np.testing.assert_array_equal(load_sza(scene(angles), WHOLE[part]), whole[0][part])


def test_computed_sun_is_the_sun_of_every_pixel():
    sza, vza, raa = load_angles(scene(Angles()), WHOLE)
    x, y = WHOLE.affine @ (75.5, 100.5)
    place = pyproj.Transformer.from_crs(UTM, "EPSG:4326", always_xy=True).transform(x, y)
    assert sza[100, 75] == pytest.approx(float(sun_angles(scene(Angles()).time, *place)[0]), abs=1e-4)
    assert np.isnan(vza).all()
    assert np.isnan(raa).all()


@pytest.mark.parametrize(
    ("saa", "vaa", "expected"), [(150, 150, 0), (10, 350, 20), (350, 10, 20), (0, 180, 180), (90, -90, 180)]
)
def test_relative_azimuth_is_folded_with_zero_at_the_hot_spot(saa, vaa, expected):
    _, _, raa = load_angles(scene(Angles(sza=30.0, saa=float(saa), vza=5.0, vaa=float(vaa))), WHOLE[:2, :2])
    np.testing.assert_allclose(raa, expected, atol=1e-4)


def write(path, array, scale=100):
    import rasterio

    options = {"driver": "GTiff", "height": array.shape[0], "width": array.shape[1], "count": 1, "dtype": "int16"}
    with rasterio.open(path, "w", crs=UTM, transform=Affine(600, 0, 399_900, 0, -600, 4_400_400), **options) as file:
        file.write((array * scale).astype("int16"), 1)
    return layer(path, scale)


def layer(path, scale=100):
    return Source(str(path), scale=1 / scale, nodata=-32768)


def test_azimuth_layers_are_interpolated_across_north(tmp_path):
    azimuth = np.broadcast_to(np.where(np.arange(12) % 2, 10.0, -10.0), (14, 12))
    angles = Angles(sza=30.0, saa=write(tmp_path / "saa.tif", azimuth), vza=5.0, vaa=0.0)
    _, _, raa = load_angles(scene(angles), WHOLE)
    assert raa.min() < 0.6  # half-way between 350 and 10 degrees
    assert raa.max() == pytest.approx(10, abs=0.05)


def test_a_relative_azimuth_layer_folds_and_keeps_gaps(tmp_path):
    azimuth = np.full((14, 12), -170.0)
    azimuth[:, :4] = -327.68
    angles = Angles(sza=30.0, raa=write(tmp_path / "raa.tif", azimuth))
    _, _, raa = load_angles(scene(angles), WHOLE)
    assert np.isnan(raa[:, 0]).all()
    np.testing.assert_allclose(raa[:, 140:], 170, atol=1e-3)


def test_a_layer_that_does_not_reach_the_block_is_nan(tmp_path):
    far = Source(
        write(tmp_path / "sza.tif", np.full((14, 12), 30.0)).href,
        grid=SourceGrid(UTM, (600, 0, 0, 0, -600, 0), (14, 12)),
    )
    assert np.isnan(load_sza(scene(Angles(sza=far)), WHOLE)).all()


def test_a_granule_is_parsed_once(sentinel):
    _model.cache_clear()
    load_angles(sentinel, WHOLE)
    load_sza(sentinel, WHOLE)
    assert _model.cache_info().misses == 1


def test_signed_view_zeniths_become_zeniths_after_interpolation(tmp_path):
    """MODIS counts view zenith negative on one side of the track: the interpolated angle at nadir is near zero."""
    signed = np.broadcast_to(np.where(np.arange(12) < 6, -4.0, 4.0), (14, 12))
    _, vza, _ = load_angles(scene(Angles(sza=30.0, saa=0.0, vza=write(tmp_path / "vza.tif", signed))), WHOLE)
    assert vza.min() < 0.2
    assert vza.max() == pytest.approx(4.0)
    assert (vza >= 0).all()


def test_angle_files_and_layers_are_read_again_after_a_transient_error(tmp_path, monkeypatch, landsat):
    """A store that is busy once."""
    failed = []

    def busy_once(action, error):
        def attempt(*args):
            if action not in failed:
                failed.append(action)
                raise error("503 Service Unavailable, slow down")
            return action(*args)

        return attempt

    monkeypatch.setattr(angle_module, "_content", busy_once(angle_module._content, CatalogError))
    monkeypatch.setattr(RasterLayer, "read", busy_once(RasterLayer.read, ReadError))
    layers = scene(Angles(sza=write(tmp_path / "sza.tif", np.full((14, 12), 30.0))))
    _model.cache_clear()
    with config.set({"read.backoff": 0.0}):
        assert np.isfinite(load_sza(landsat, WHOLE)).any()
        np.testing.assert_allclose(load_sza(layers, WHOLE), 30, rtol=1e-6)
    assert len(failed) == 2

"""HDF4-EOS: grids, embedded metadata and layers, on small files made here and on real MODIS files."""

import threading

import numpy as np
import pytest
from pyhdf.SD import SD, SDC

from musyq_cube.errors import CatalogError, ReadError
from musyq_cube.grid import SINUSOIDAL, get_grid
from musyq_cube.hdfeos import hdfeos_grids, hdfeos_metadata, open_hdf4
from musyq_cube.read.hdf import open_layer
from musyq_cube.scene import Source

STRUCT = """GROUP=SwathStructure
END_GROUP=SwathStructure
GROUP=GridStructure
\tGROUP=GRID_1
\t\tGridName="Grid_1km"
\t\tXDim={cols}
\t\tYDim={rows}
\t\tUpperLeftPointMtrs=({left},{top})
\t\tLowerRightMtrs=({right},{bottom})
\t\tProjection={projection}
\t\tProjParams=({radius},0,0,0,0,0,0,0,86400,0,0,0,0)
\t\tGROUP=Dimension
\t\tEND_GROUP=Dimension
\t\tGROUP=DataField
\t\t\tOBJECT=DataField_1
\t\t\t\tDataFieldName="a band"
\t\t\t\tDataType=DFNT_INT16
\t\t\t\tDimList=("YDim","XDim")
\t\t\tEND_OBJECT=DataField_1
\t\t\tOBJECT=DataField_2
\t\t\t\tDataFieldName="compact"
\t\t\t\tDataType=DFNT_INT16
\t\t\t\tDimList=("Compact")
\t\t\tEND_OBJECT=DataField_2
\t\tEND_GROUP=DataField
\tEND_GROUP=GRID_1
END_GROUP=GridStructure
END
"""
# corners of h21v04, rounded to micrometres as the producer rounds them; 12 pixels instead of 1200
MODIS = {
    "rows": 12, "cols": 12, "left": "3335851.559000", "top": "5559752.598333", "right": "4447802.078667",
    "bottom": "4447802.078667", "projection": "GCTP_SNSOID", "radius": "6371007.181000",
}  # fmt: skip
CORE = """
GROUP = INVENTORYMETADATA
  OBJECT = LOCALGRANULEID
    NUM_VAL = 1
    VALUE = "MOD09GA.A2008296.h21v04.hdf"
  END_OBJECT = LOCALGRANULEID
  OBJECT = ADDITIONALATTRIBUTENAME
    VALUE = "HORIZONTALTILENUMBER"
  END_OBJECT = ADDITIONALATTRIBUTENAME
  OBJECT = PARAMETERVALUE
    VALUE = "21"
  END_OBJECT = PARAMETERVALUE
END_GROUP = INVENTORYMETADATA
END
"""
DATA = np.arange(144, dtype=np.int16).reshape(12, 12)


@pytest.fixture
def make(tmp_path):
    def write(struct=None, data=DATA):
        path = str(tmp_path / "MOD.hdf")
        file = SD(path, SDC.WRITE | SDC.CREATE | SDC.TRUNC)
        if struct:
            text = STRUCT.format(**struct)
            file.attr("StructMetadata.0").set(SDC.CHAR, text[:400])  # the parts are cut anywhere
            file.attr("StructMetadata.1").set(SDC.CHAR, text[400:])
            file.attr("CoreMetadata.0").set(SDC.CHAR, CORE)
        for name, values in (("a band", data), ("compact", data.reshape(-1)[:5])):
            dataset = file.create(name, SDC.INT16, values.shape)
            dataset[:] = values
            dataset.attr("_FillValue").set(SDC.INT16, -28672)
            dataset.endaccess()
        file.end()
        return path

    return write


def test_the_grid_lies_exactly_on_the_modis_lattice(make):
    grids = hdfeos_grids(make(MODIS))
    assert list(grids) == ["a band"]  # the compact layer has no place
    grid, tile = grids["a band"], get_grid("sinu-1km").tile("h21v04")
    assert grid.crs == SINUSOIDAL
    assert grid.transform[0] * 12 == pytest.approx(tile.resolution.x * 1200, rel=1e-15)
    assert grid.transform[2] == pytest.approx(tile.affine.c, abs=1e-9)
    assert grid.transform[5] == pytest.approx(tile.affine.f, abs=1e-9)


def test_a_clip_off_the_lattice_keeps_its_corners(make):
    grid = hdfeos_grids(make({**MODIS, "left": "3335900.000000", "right": "4447850.519667"}))["a band"]
    assert grid.transform[2] == 3335900.0


def test_geographic_corners_are_packed_degrees(make):
    struct = {**MODIS, "projection": "GCTP_GEO", "left": "-180000000.00", "top": "90000000.00", "right": "0.00",
              "bottom": "-30030000.00"}  # fmt: skip
    grid = hdfeos_grids(make(struct))["a band"]
    assert grid.crs == "EPSG:4326"
    assert grid.transform == (15.0, 0.0, -180.0, 0.0, pytest.approx(-120.5 / 12), 90.0)


@pytest.mark.parametrize(
    ("struct", "says"),
    [
        (None, "not an HDF-EOS file"),
        ({**MODIS, "projection": "GCTP_LAMAZ"}, "GCTP_LAMAZ"),
        ({**MODIS, "radius": "6378137.0"}, "6378137"),
        ({**MODIS, "rows": "many"}, "many"),
    ],
)
def test_what_is_no_supported_grid_says_so(make, struct, says):
    with pytest.raises(CatalogError, match=f"MOD.hdf.*{says}"):
        hdfeos_grids(make(struct))


def test_embedded_metadata(make):
    facts = hdfeos_metadata(make(MODIS))
    assert facts["LOCALGRANULEID"] == "MOD09GA.A2008296.h21v04.hdf"
    assert facts["HORIZONTALTILENUMBER"] == "21"


def test_a_layer_reads_windows(make):
    layer = open_layer(Source(make(MODIS), driver="hdf4", layer="a band"))
    assert layer.shape == layer.levels[0] == (12, 12)
    assert layer.dtype == np.int16
    assert layer.nodata == -28672
    assert layer.grid is not None
    assert layer.grid.crs == SINUSOIDAL
    np.testing.assert_array_equal(layer.read(slice(2, 5), slice(7, 12), 0), DATA[2:5, 7:12])
    with pytest.raises(ReadError, match="overview"):
        layer.read(slice(0, 1), slice(0, 1), 1)
    layer.close()


@pytest.mark.parametrize(
    ("name", "says"), [("red", "no layer 'red'; it holds a band"), ("compact", "1 dimensions"), (None, "must name")]
)
def test_a_layer_that_is_not_there(make, name, says):
    with pytest.raises(ReadError, match=says):
        open_layer(Source(make(MODIS), driver="hdf4", layer=name))


def test_files_that_are_not_hdf4(tmp_path):
    page = tmp_path / "login.hdf"
    page.write_text("<html>please log in</html>")
    for path in (page, tmp_path / "absent.hdf"):
        with pytest.raises(ReadError, match=f"{path.name}.*not a readable HDF4"):
            open_layer(Source(str(path), driver="hdf4", layer="a"))


def test_threads_share_the_library(make):
    """Without the lock the HDF4 library crashes the process here."""
    source = Source(make(MODIS), driver="hdf4", layer="a band")
    wrong = []

    def work():
        for i in range(40):
            layer = open_layer(source)
            if not np.array_equal(layer.read(slice(i % 6, 12), slice(0, 12), 0), DATA[i % 6 :]):
                wrong.append(i)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_remote_files_are_copied_here(make):
    import fsspec

    fs = fsspec.filesystem("memory")
    fs.put_file(make(MODIS), "/modis/MOD.hdf")
    layer = open_layer(Source("memory://modis/MOD.hdf", driver="hdf4", layer="a band"))
    np.testing.assert_array_equal(layer.read(slice(0, 12), slice(0, 12), 0), DATA)
    with pytest.raises(ReadError, match=r"memory://modis/absent.hdf: HDF4 must be copied here"):
        open_layer(Source("memory://modis/absent.hdf", driver="hdf4", layer="a band"))


def test_real_modis_files(data):
    """Every gridded layer of the real files opens; MOD11A1 h14v09 is a whole tile of the 1 km grid."""
    for path in sorted(data("modis_hdf4").glob("*.hdf")):
        grids = hdfeos_grids(path)
        name, grid = next(iter(grids.items()))
        layer = open_layer(Source(str(path), driver="hdf4", layer=name))
        assert layer.shape == grid.shape == grids[name].shape
        assert layer.read(slice(0, 3), slice(0, 4), 0).shape == (3, 4)
        with open_hdf4(path) as file:
            assert layer.nodata == file.select(name).attributes()["_FillValue"]
    tile = get_grid("sinu-1km").tile("h14v09")
    grid = hdfeos_grids(data("modis_hdf4") / "MOD11A1.hdf")["LST_Day_1km"]
    assert grid.geobox.shape == tile.shape
    np.testing.assert_allclose(grid.transform, tile.affine[:6], atol=1e-8)

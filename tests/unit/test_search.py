"""search: scenes of a place and time, what is left out, tables and pictures."""

from __future__ import annotations

import datetime as dt
import logging

import matplotlib as mpl
import pystac
import pytest
import shapely

from musyq_cube.catalog import open_catalog, register, scenes_of, search
from musyq_cube.catalog.query import Query, footprint, interval
from musyq_cube.catalog.write import commit
from musyq_cube.errors import CatalogError, SensorError

mpl.use("agg")


def item(name="S2A_MSIL2A_20220620T105631_N0400_R094_T31UFS_20220620T170309", **fields) -> pystac.Item:
    shape = fields.pop("shape", shapely.box(4, 50, 6, 51))
    time = fields.pop("time", dt.datetime(2022, 6, 20, 10, 56, 31, tzinfo=dt.UTC))
    properties = {"platform": "sentinel-2a", "eo:cloud_cover": 12.0, **fields}
    out = pystac.Item(
        name, shapely.geometry.mapping(shape), list(shape.bounds), time, properties, collection="sentinel-2-l2a"
    )
    out.add_asset("B04", pystac.Asset("https://example.com/B04.tif"))
    return out


@pytest.fixture
def catalog(tmp_path):
    odd = item("odd", platform="sputnik-1")
    later = item("S2A_MSIL2A_20220620T105631_N0510_R094_T31UFS_20240620T170309")
    commit(str(tmp_path), [item(), later, odd])
    return open_catalog(tmp_path)


def test_scenes_are_deduplicated_and_what_cannot_be_used_is_named(catalog, caplog):
    with caplog.at_level(logging.WARNING, "musyq_cube"):
        found = search(catalog, (4.5, 50.5, 5, 51), "2022")
    assert [s.version for s in found] == ["05.10"]
    assert [d.kept for d in found.dropped] == [found[0].id]
    assert [name for name, _ in found.left_out] == ["odd"]
    assert "sputnik" in caplog.text


def test_search_takes_a_path_and_narrows_by_sensor_and_limit(catalog):
    assert len(search(catalog.href, sensors="sentinel2a-msi")) == 1
    assert len(search(catalog.href, sensors=["sentinel2b-msi"])) == 0
    assert len(search(catalog, limit=0)) == 0
    assert search(catalog, collections="nothing") == []
    with pytest.raises(SensorError, match="no sensor 'sentinel-2'"):
        search(catalog, sensors="sentinel-2")


def test_tables_say_how_many_when_and_how_cloudy(catalog):
    found = search(catalog)
    assert "1 scenes, 1 duplicates dropped, 1 items left out" in repr(found)
    assert "sentinel2a-msi" in repr(found)
    assert "2022-06-20" in repr(found)
    assert "3 items" in repr(catalog)
    assert "<table>" in found._repr_html_()
    assert "<table>" in catalog._repr_html_()
    assert len(catalog) == 3


def test_pictures_show_footprints_and_times(catalog):
    import matplotlib.pyplot as plt

    for what in (catalog, search(catalog)):
        places, times = what.plot()
        assert places.lines
        assert times.lines
        plt.close(places.figure)


def test_a_footprint_is_brought_into_range_however_it_was_drawn():
    """Three ways in which catalogues draw a scene across the antimeridian are the same place."""
    drawn_beyond = item(shape=shapely.box(178, 0, 182, 4))
    drawn_around = item(shape=shapely.Polygon([(178, 0), (-178, 0), (-178, 4), (178, 4)]))
    drawn_around.bbox = [178, 0, -178, 4]
    only_box = item()
    only_box.geometry, only_box.bbox = None, [178, 0, -178, 4]
    for one in (drawn_beyond, drawn_around, only_box):
        shape = footprint(one)
        assert shape.area == pytest.approx(16)
        assert shape.contains(shapely.Point(179, 2))
        assert shape.contains(shapely.Point(-179, 2))
        assert not shape.intersects(shapely.Point(0, 2))
    assert Query(shapely.union_all([shapely.box(175, 0, 180, 5), shapely.box(-180, 0, -179, 5)])).boxes == (
        (-180, 0, -179, 5),
        (175, 0, 180, 5),
    )


def test_an_item_without_any_time_is_an_error_that_names_it():
    timeless = item(time=None, start_datetime="2020-01-01T00:00:00Z", end_datetime="2020-01-02T00:00:00Z")
    assert interval(timeless)[1].day == 2
    del timeless.properties["end_datetime"]
    with pytest.raises(CatalogError, match="start_datetime and end_datetime"):
        interval(timeless)


def test_items_that_cannot_adapt_are_never_dropped_silently():
    found = scenes_of([item(), item("odd", platform="sputnik-1")])
    assert (len(found), len(found.left_out)) == (1, 1)


def test_every_real_scene_is_found_through_its_own_place_and_time(data, tmp_path):
    """447 acquisitions: searched in spans of ten years, each comes back exactly once."""
    register(data("landsat57_p035r032_447dates"), tmp_path)
    catalog = open_catalog(tmp_path)
    spans = [search(catalog, (-107, 40, -106, 41), f"{year}/{year + 9}") for year in (1980, 1990, 2000, 2010)]
    assert sum(map(len, spans)) == 447
    assert {s.time.year for s in spans[0]} == set(range(1984, 1990))
    assert sum(len(search(catalog, sensors=s)) for s in ("landsat4-tm", "landsat5-tm", "landsat7-etm")) == 447
    assert search(catalog, (0, 0, 1, 1)) == []

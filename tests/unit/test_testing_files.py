"""Helpers for tests: files, scenes without a catalogue, a server that fails on purpose."""

from __future__ import annotations

import urllib.error
import urllib.request

import numpy as np
import pytest
import rasterio
from odc.geo.geobox import GeoBox

from musyq_cube.scene import Scene
from musyq_cube.testing import make_scene, serve, write_cog

BOX = GeoBox.from_bbox((600000, 4000000, 615000, 4012000), "EPSG:32650", resolution=30)


def test_cog_is_tiled_has_overviews_and_keeps_the_numbers(tmp_path):
    array = np.arange(BOX.shape[0] * BOX.shape[1], dtype=np.uint16).reshape(BOX.shape)
    with rasterio.open(write_cog(tmp_path / "deep" / "a.tif", array, BOX, nodata=7)) as file:
        assert file.profile["tiled"]
        assert file.overviews(1)
        assert file.nodata == 7
        assert file.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        np.testing.assert_array_equal(file.read(1), array)
        assert file.transform == BOX.affine


def test_cog_of_another_shape_is_refused(tmp_path):
    with pytest.raises(ValueError, match="make the shapes equal"):
        write_cog(tmp_path / "a.tif", np.zeros((2, 2)), BOX)


def test_scene_without_catalogue_survives_json():
    scene = make_scene(BOX, {"red": "r.tif", "nir": "n.tif"}, qa="q.tif", cloud_cover=3.0)
    assert Scene.from_dict(scene.to_dict()) == scene
    assert scene.qa[0].rules[0] == (1, 1, 1)
    west, south, east, north = scene.geometry.bounds
    assert 118 < west < east < 119
    assert 36 < south < north < 37


def test_server_answers_ranges_counts_and_fails_on_purpose(tmp_path):
    (tmp_path / "a.bin").write_bytes(bytes(range(100)))
    with serve(tmp_path) as server:
        url = f"{server.url}/a.bin"
        request = urllib.request.Request(url, headers={"Range": "bytes=10-19"})
        with urllib.request.urlopen(request) as answer:
            assert answer.status == 206
            assert answer.read() == bytes(range(10, 20))
        server.fail("a.bin", "503")
        with pytest.raises(urllib.error.HTTPError, match="503") as error:
            urllib.request.urlopen(url)
        error.value.close()
        server.fail("*", "html")
        with urllib.request.urlopen(url) as answer:
            assert b"<html>" in answer.read()
        with urllib.request.urlopen(url) as answer:
            assert len(answer.read()) == 100
        assert server.counts["a.bin"] == 4


def test_server_does_not_leave_its_folder(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "secret").write_text("x")
    with serve(tmp_path / "in") as server, pytest.raises(urllib.error.HTTPError, match="404") as error:
        urllib.request.urlopen(f"{server.url}/%2e%2e/secret")
    error.value.close()

"""The same search on a folder, on parquet, in a bucket, and on a STAC API: the same items in the same order."""

from __future__ import annotations

import datetime as dt
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pystac
import pytest
import shapely

from musyq_cube.catalog import open_catalog, rebuild
from musyq_cube.catalog.parquet import write_parts
from musyq_cube.catalog.write import commit
from musyq_cube.errors import CatalogError

START = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)


def make_items() -> list[pystac.Item]:
    """120 items: instants and ranges, two collections, some across the antimeridian, some with the same time."""
    items = []
    for n in range(120):
        west = -180 + (n * 37) % 360
        shape = shapely.box(west, -40 + n % 80, west + 5, -35 + n % 80)
        bbox = list(shape.bounds)
        if west + 5 > 180:
            parts = [shapely.box(west, bbox[1], 180, bbox[3]), shapely.box(-180, bbox[1], west - 355, bbox[3])]
            shape = shapely.MultiPolygon(parts)
            bbox = [west, bbox[1], west - 355.0, bbox[3]]
        time = START + dt.timedelta(days=3 * (n // 2), seconds=n % 3)
        ranged = n % 10 == 0
        properties = {"musyq:sensor": "landsat8-oli" if n % 2 else "modis-terra", "eo:cloud_cover": n / 2}
        if ranged:
            end = time + dt.timedelta(days=8)
            properties |= {"start_datetime": f"{time:%Y-%m-%dT%H:%M:%SZ}", "end_datetime": f"{end:%Y-%m-%dT%H:%M:%SZ}"}
        collection = "landsat8-oli-l1-c1" if n % 2 else "modis-terra-mod09ga"
        item = pystac.Item(
            f"item-{n:03d}",
            shapely.geometry.mapping(shape),
            bbox,
            None if ranged else time,
            properties,
            collection=collection,
        )
        extra = {"only:here": n} if n == 7 else {}
        item.add_asset("B4", pystac.Asset(f"/data/{n}.tif", extra_fields={"raster:scale": 2e-5, **extra}))
        items.append(item)
    return items


class Api(BaseHTTPRequestHandler):
    """A STAC API as small as pystac-client allows: pages that overlap by one item, box and time as the spec says."""

    items: tuple[dict, ...] = ()
    asked: list[str]

    def log_message(self, *args: object) -> None: ...

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self._search(body)

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        here = f"http://{self.headers['Host']}"
        if url.path in ("", "/"):
            links = [
                {"rel": "self", "href": f"{here}/"},
                {"rel": "root", "href": f"{here}/"},
                {"rel": "data", "href": f"{here}/collections"},
                {"rel": "search", "href": f"{here}/search", "method": "GET", "type": "application/geo+json"},
                {"rel": "search", "href": f"{here}/search", "method": "POST", "type": "application/geo+json"},
            ]
            conforms = ["core", "collections", "item-search", "ogcapi-features"]
            self._send(
                {
                    "type": "Catalog",
                    "stac_version": "1.1.0",
                    "id": "api",
                    "description": "test",
                    "links": links,
                    "conformsTo": [f"https://api.stacspec.org/v1.0.0/{c}" for c in conforms],
                }
            )
        elif url.path == "/collections":
            extent = {"spatial": {"bbox": [[-180, -90, 180, 90]]}, "temporal": {"interval": [[None, None]]}}
            names = sorted({i["collection"] for i in self.items})
            common = {"type": "Collection", "stac_version": "1.1.0", "description": "x", "license": "other"}
            self._send(
                {"collections": [{"id": n, "links": [], "extent": extent, **common} for n in names], "links": []}
            )
        elif url.path == "/search":
            query = {k: v[0] for k, v in parse_qs(url.query).items()}
            for name in ("bbox", "collections"):
                if name in query:
                    query[name] = query[name].split(",")
            self._search(query)
        else:
            self.send_error(404)

    def _search(self, query: dict) -> None:
        type(self).asked.append(str(query.get("datetime")))
        found = [item for item in self.items if self._matches(item, query)]
        start, size = int(query.get("token", 0)), 7
        page = found[start : start + size]
        links = []
        if start + size < len(found):
            href = f"http://{self.headers['Host']}/search"
            body = {**query, "token": start + size - 1}
            links = [{"rel": "next", "href": href, "method": "POST", "body": body}]
        self._send({"type": "FeatureCollection", "features": page, "links": links})

    def _matches(self, item: dict, query: dict) -> bool:
        if query.get("collections") and item["collection"] not in query["collections"]:
            return False
        if query.get("bbox"):
            box = shapely.box(*map(float, query["bbox"]))
            if not shapely.geometry.shape(item["geometry"]).intersects(box):
                return False
        if query.get("datetime"):
            low, high = query["datetime"].split("/")
            properties = item["properties"]
            first = properties.get("start_datetime") or properties["datetime"]
            last = properties.get("end_datetime") or properties["datetime"]
            if (high != ".." and first > high) or (low != ".." and last < low):
                return False
        return True

    def _send(self, data: dict) -> None:
        body = json.dumps(data).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def api(items: list[pystac.Item]):
    handler = type("Handler", (Api,), {"items": tuple(i.to_dict(transform_hrefs=False) for i in items), "asked": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(scope="module")
def catalogs(tmp_path_factory):
    """The same items behind every kind of catalogue."""
    items = make_items()
    folder = tmp_path_factory.mktemp("catalogs")
    ours = folder / "ours"
    commit(str(ours), items[:60])
    commit(str(ours), items[60:])
    foreign = folder / "foreign"
    tree = pystac.Catalog("foreign", "somebody's")
    for name in sorted({i.collection_id or "" for i in items}):
        extent = pystac.Extent(pystac.SpatialExtent([[-180, -90, 180, 90]]), pystac.TemporalExtent([[START, None]]))
        child = pystac.Collection(name, "x", extent)
        child.add_items([i.clone() for i in items if i.collection_id == name])
        tree.add_child(child)
    tree.normalize_and_save(str(foreign), pystac.CatalogType.SELF_CONTAINED)
    parts = folder / "parts"
    write_parts([i.to_dict(transform_hrefs=False) for i in items[:50]], str(parts))
    write_parts([i.to_dict(transform_hrefs=False) for i in items[40:]], str(parts))
    single = folder / "features.geojson"
    features = [i.to_dict(transform_hrefs=False) for i in items]
    single.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    with api(items) as url:
        yield {
            "folder": open_catalog(ours),
            "foreign": open_catalog(foreign / "catalog.json"),
            "parquet": open_catalog(parts),
            "one collection": open_catalog(ours / "landsat8-oli-l1-c1"),
            "geojson": open_catalog(single),
            "api": open_catalog(url),
        }


SEARCHES = {
    "everything": {},
    "place": {"region": (-60, -20, 40, 30)},
    "across the antimeridian": {"region": (170, -60, -170, 60)},
    "time": {"period": "2020-02"},
    "open end": {"period": "2020-05/.."},
    "place, time": {"region": (-100, -90, 100, 90), "period": "2020-01-15/2020-03-10"},
    "sensor": {"sensors": "landsat8-oli"},
    "collection": {"collections": ["modis-terra-mod09ga"], "period": "2020-03"},
    "limit": {"limit": 5},
    "nothing": {"region": (0, 80, 1, 81)},
}


@pytest.mark.parametrize("name", SEARCHES)
def test_the_backends_agree(catalogs, name):
    """Truth: the definition of a match applied to every item, one by one."""
    truth = expected(**SEARCHES[name])
    for kind in ("folder", "foreign", "parquet", "geojson", "api"):
        found = catalogs[kind].search_items(**SEARCHES[name])
        assert [i.id for i in found] == truth, kind


def expected(region=None, period=None, sensors=None, collections=None, limit=None) -> list[str]:
    from musyq_cube.grid import as_region
    from musyq_cube.period import parse_period

    found = []
    for item in make_items():
        data = item.properties
        start = item.datetime or dt.datetime.fromisoformat(data["start_datetime"])
        end = item.datetime or dt.datetime.fromisoformat(data["end_datetime"])
        if region and not as_region(region).geometry.intersects(shapely.geometry.shape(item.geometry)):
            continue
        if period and not (start < parse_period(period).end and end >= parse_period(period).start):
            continue
        if (sensors and data["musyq:sensor"] != sensors) or (collections and item.collection_id not in collections):
            continue
        found.append((start, item.id))
    return [item_id for _, item_id in sorted(found)][:limit]


def test_the_backends_return_equal_items(catalogs):
    """Not only the same ids: the same properties, geometry and assets."""

    def plain(item: pystac.Item) -> dict:
        data = json.loads(json.dumps(item.to_dict(transform_hrefs=False)))
        data["links"] = []
        return data

    first = [plain(i) for i in catalogs["folder"].search_items()]
    for kind in ("foreign", "parquet", "geojson", "api"):
        assert [plain(i) for i in catalogs[kind].search_items()] == first, kind


def test_a_period_is_half_open(catalogs):
    """An acquisition exactly on the end is in the next period, for the API too, whose own interval is closed."""
    day = "2020-01-07T00:00:00Z"
    for kind in ("folder", "api", "parquet"):
        before = {i.id for i in catalogs[kind].search_items(period=f"2020-01-05T00:00:00Z/{day}")}
        after = {i.id for i in catalogs[kind].search_items(period=f"{day}/2020-01-08T00:00:00Z")}
        assert "item-004" in after - before


def test_a_collection_opens_alone(catalogs):
    found = catalogs["one collection"].search_items(period="2020-02")
    assert {i.collection_id for i in found} == {"landsat8-oli-l1-c1"}


def test_a_bucket_answers_like_a_folder(catalogs):
    """Written and searched through fsspec, without a disk."""
    import fsspec

    where = "memory://bucket/scenes"
    commit(where, make_items())
    try:
        catalog = open_catalog(where)
        for search in SEARCHES.values():
            assert [i.id for i in catalog.search_items(**search)] == expected(**search)
    finally:
        fsspec.filesystem("memory").rm("/bucket", recursive=True)


def test_items_without_parts_and_newer_rows_are_found(tmp_path):
    """The parts are an index: what they lack is read from the files; of two rows of an item the later one counts."""
    items = make_items()[:6]
    commit(str(tmp_path), items)
    for part in tmp_path.glob("modis-terra-mod09ga/items/*.parquet"):
        part.unlink()
    moved = items[1].clone()
    moved.properties["eo:cloud_cover"] = 99.0
    moved.datetime = START + dt.timedelta(days=700)
    commit(str(tmp_path), [moved])
    catalog = open_catalog(tmp_path)
    assert len(catalog) == 6
    assert (
        catalog.search_items(period="2020-01", collections="landsat8-oli-l1-c1", sensors="landsat8-oli")[0].id
        != "item-001"
    )
    assert [i.properties["eo:cloud_cover"] for i in catalog.search_items(period="2021-12")] == [99.0]


def test_rebuild_makes_one_part_from_the_files(tmp_path):
    items = make_items()
    for start in range(0, 120, 30):
        commit(str(tmp_path), items[start : start + 30])
    (tmp_path / "modis-terra-mod09ga" / "item-000" / "item-000.json").unlink()
    assert rebuild(str(tmp_path)) == 119
    assert len(list(tmp_path.glob("*/items/*.parquet"))) == 2
    assert "item-000" not in [i.id for i in open_catalog(tmp_path).search_items()]
    assert len(open_catalog(tmp_path)) == 119


def test_concurrent_commits_lose_nothing(tmp_path):
    """Every commit writes a part of its own, so the last writer of collection.json cannot hide another's items."""
    from concurrent.futures import ThreadPoolExecutor

    items = make_items()
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda n: commit(str(tmp_path), items[n::6]), range(6)))
    assert len(open_catalog(tmp_path)) == 120


def test_what_is_written_is_valid_stac_and_parquet_is_stac_geoparquet(tmp_path):
    import pyarrow.parquet as pq
    from pystac.validation import validate_dict

    commit(str(tmp_path), make_items()[:8])
    for path in [*tmp_path.glob("**/*.json")]:
        validate_dict(json.loads(path.read_text()), extensions=[])
    part = next(tmp_path.glob("*/items/*.parquet"))
    assert b"stac-geoparquet" in pq.read_schema(part).metadata or b"geo" in pq.read_schema(part).metadata


def test_a_catalogue_that_is_none_is_a_clear_error(tmp_path):
    (tmp_path / "catalog.json").write_text("<html>sign in</html>")
    with pytest.raises(CatalogError, match="not JSON"):
        open_catalog(tmp_path).search_items()
    with pytest.raises(CatalogError, match="no such file"):
        open_catalog(tmp_path / "none.parquet")
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 not really")
    with pytest.raises(CatalogError, match="stac-geoparquet"):
        open_catalog(tmp_path / "bad.parquet").search_items()
    with pytest.raises(CatalogError, match="not a STAC API"):
        open_catalog("http://127.0.0.1:9/")


def test_an_empty_folder_is_an_empty_catalogue(tmp_path):
    catalog = open_catalog(tmp_path / "new")
    assert len(catalog) == 0
    assert catalog.search_items((0, 0, 1, 1), "2020") == []
    assert "0 items" in repr(catalog)

"""stac-geoparquet: Items as rows, found by box and time without reading every JSON file."""

from __future__ import annotations

import datetime as dt
import json
import logging
import re
import tempfile
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import fsspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as pads
import pystac

from musyq_cube.catalog import storage
from musyq_cube.errors import CatalogError
from musyq_cube.normalization import FIELD

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from musyq_cube.catalog.query import Query
    from musyq_cube.types import JSON

logger = logging.getLogger(__name__)

_TIMES = {"start_datetime", "end_datetime", "created", "updated", "published", "expires", "unpublished"}
_PADDING = re.compile(r"(\.\d*?)0+Z$")
"""Zeros of a fraction of a second, which a table's timestamps come back with."""

ROWS = 20_000
"""Rows in a row group: large enough for good compression, small enough that a box and a month skip most of them."""


def write_parts(items: Sequence[JSON], folder: str) -> list[str]:
    """
    Write items as new stac-geoparquet files and return their hrefs: one, if they fit into one table.

    Every commit adds a file of its own, so processes that register at the same time cannot lose each other's rows. The
    name sorts by time: of rows with the same id the last file's is the valid one.

    Parameters
    ----------
    items
        STAC Items of one collection.
    folder
        Where the parts are.
    """
    rows = sorted(items, key=lambda i: (i["properties"].get("datetime") or "", i["id"]))
    table = _table(rows)
    if table is not None:
        return [_write(table, folder)]
    if len(rows) == 1:
        logger.warning("%s: does not fit a table, it is found through its JSON file only", rows[0]["id"])
        return []
    # foreign items may hold text where others hold a number: halves of them fit
    half = len(rows) // 2
    return [*write_parts(rows[:half], folder), *write_parts(rows[half:], folder)]


def _table(rows: Sequence[JSON]) -> pa.Table | None:
    from stac_geoparquet.arrow import parse_stac_items_to_arrow

    try:
        return parse_stac_items_to_arrow([_flat(row) for row in rows], chunk_size=ROWS).read_all()
    except (pa.ArrowException, ValueError, TypeError, KeyError):
        return None


def _flat(row: JSON) -> JSON:
    """Return a row whose normalization is JSON text: its lists mix text and numbers, which no column can hold."""
    found = row["properties"].get(FIELD)
    if not isinstance(found, dict):
        return row
    return row | {"properties": row["properties"] | {FIELD: json.dumps(found, sort_keys=True)}}


def _write(table: pa.Table, folder: str) -> str:
    from stac_geoparquet.arrow import to_parquet

    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch, "part.parquet")
        to_parquet(table, file, compression="zstd")
        data = file.read_bytes()
    now = dt.datetime.now(dt.UTC)
    href = storage.join(folder, f"part-{now:%Y%m%dT%H%M%S%f}-{uuid.uuid4().hex[:8]}.parquet")
    storage.write_bytes(href, data)
    return href


class Parts:
    """A set of stac-geoparquet files that together are one catalogue, the last one winning where an id repeats."""

    def __init__(self, hrefs: Sequence[str]) -> None:
        self.hrefs = tuple(sorted(hrefs))
        self._valid: dict[tuple[str, str], int] | None = None

    @property
    def valid(self) -> dict[tuple[str, str], int]:
        """(collection, id) -> number of the part that holds the valid row."""
        if self._valid is None:
            self._valid = {
                (row["collection"] or "", row["id"]): number
                for number, href in enumerate(self.hrefs)
                for row in _read(href, None, ["id", "collection"]).to_pylist()
            }
        return self._valid

    def candidates(self, query: Query) -> Iterator[pystac.Item]:
        """Yield the valid items whose box and time meet the query's; a superset of the exact answer."""
        from stac_geoparquet.arrow import stac_table_to_items

        for number, href in enumerate(self.hrefs):
            for row in stac_table_to_items(_read(href, query, None)):
                if self.valid[row.get("collection") or "", row["id"]] == number:
                    yield to_item(row)

    def collection_ids(self) -> list[str]:
        """Ids of the collections that the rows name."""
        return sorted({collection for collection, _ in self.valid})


def to_item(row: JSON) -> pystac.Item:
    """Turn a row back into an Item: fields that only other rows of the table have came back as null and are dropped."""
    data = {key: _without_nulls(value) for key, value in row.items()}
    for key in _TIMES & data["properties"].keys():
        data["properties"][key] = _PADDING.sub(lambda m: m[1].rstrip(".") + "Z", data["properties"][key])
    data["properties"].setdefault("datetime", None)
    if isinstance(found := data["properties"].get(FIELD), str):
        data["properties"][FIELD] = json.loads(found)
    data.setdefault("geometry", None)
    data.setdefault("links", [])
    # the row was made for us, and copying or migrating what is current already is most of the time
    return pystac.Item.from_dict(data, preserve_dict=False, migrate=data.get("stac_version") != "1.1.0")


def _read(href: str, query: Query | None, columns: list[str] | None) -> pa.Table:
    fs, path = fsspec.core.url_to_fs(href)
    try:
        dataset = pads.dataset(path, filesystem=fs, format="parquet")
        names = [name for name in columns if name in dataset.schema.names] if columns else None
        table = dataset.to_table(columns=names, filter=_filter(query, dataset.schema))
    except (OSError, pa.ArrowException, KeyError) as error:
        raise CatalogError(f"{href}: not readable as stac-geoparquet ({error})") from error
    for name in columns or ():
        if name not in table.column_names:
            table = table.append_column(name, pa.nulls(len(table), pa.string()))
    return table


def _filter(query: Query | None, schema: pa.Schema) -> pc.Expression | None:
    """Build what the file can skip rows by; rows that lack a field pass and are judged exactly later."""
    if query is None:
        return None
    terms = [*_time_terms(query, schema), *_box_terms(query, schema)]
    if query.collections is not None and "collection" in schema.names:
        terms.append(pc.field("collection").isin(list(query.collections)))
    out: pc.Expression | None = None
    for term in terms:
        out = term if out is None else out & term
    return out


def _time_terms(query: Query, schema: pa.Schema) -> Iterable[pc.Expression]:
    if query.period is None:
        return
    for column, compare in (("start_datetime", "__le__"), ("end_datetime", "__ge__")):
        limit = query.period.end if column == "start_datetime" else query.period.start
        instant = _timestamp(schema, "datetime", limit, compare)
        ranged = _timestamp(schema, column, limit, compare)
        terms = [t for t in (instant, ranged) if t is not None]
        if len(terms) == 2:
            yield terms[0] | (pc.field("datetime").is_null() & terms[1])
        elif instant is not None:
            yield instant


def _timestamp(schema: pa.Schema, column: str, limit: dt.datetime, compare: str) -> pc.Expression | None:
    if column not in schema.names or not pa.types.is_timestamp(schema.field(column).type):
        return None
    kind = schema.field(column).type
    value = pa.scalar(limit, pa.timestamp("us", "UTC")).cast(pa.timestamp("us", kind.tz))
    field = pc.field(column).cast(value.type)
    term: pc.Expression = getattr(field, compare)(value)
    return term


def _box_terms(query: Query, schema: pa.Schema) -> Iterable[pc.Expression]:
    if query.boxes is None or "bbox" not in schema.names or not pa.types.is_struct(schema.field("bbox").type):
        return
    xmin, ymin, xmax, ymax = (pc.field("bbox", side) for side in ("xmin", "ymin", "xmax", "ymax"))
    out: pc.Expression | None = None
    for west, south, east, north in query.boxes:
        across = (xmin > xmax) | ((xmin <= east) & (xmax >= west))
        term = across & (ymin <= north) & (ymax >= south)
        out = term if out is None else out | term
    if out is not None:
        yield out | pc.field("bbox").is_null()


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _without_nulls(v) for k, v in value.items() if v is not None}
    if isinstance(value, list):
        return [_without_nulls(v) for v in value]
    return value

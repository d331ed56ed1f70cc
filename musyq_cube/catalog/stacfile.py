"""STAC Items that come with the files: registered as they are, pointed at the files that exist here."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import pystac

from musyq_cube.catalog.storage import is_remote
from musyq_cube.errors import CatalogError

if TYPE_CHECKING:
    from musyq_cube.types import JSON

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_MOST_BYTES = 16 * 2**20


def item_files(path: str) -> list[str] | None:
    """
    Return the local files that a STAC Item's assets name, or None where the JSON file is no STAC Item.

    An asset with a remote href is taken to be the file of the same name beside the Item, where there is one.
    """
    data = _read(path)
    if data is None:
        return None
    assets = data.get("assets", {})
    return [str(local) for asset in assets.values() if (local := _local(asset.get("href", ""), path)) is not None]


def read_item(path: str) -> tuple[pystac.Item, dict[str, str]]:
    """
    Read an Item, its asset hrefs made absolute, to the local files where these exist.

    Returns
    -------
    item, local
        `local` is asset key to local path.

    Raises
    ------
    CatalogError
        Not a STAC Item that pystac can read.
    """
    data = _read(path) or {}
    _put_days_at_noon(data)
    try:
        item = pystac.Item.from_dict(data, href=path)
    except (pystac.STACError, KeyError, ValueError, TypeError) as error:
        raise CatalogError(f"{path}: not a STAC Item ({type(error).__name__}: {error})") from error
    found: dict[str, str] = {}
    for key, asset in item.assets.items():
        if (local := _local(asset.href, path)) is not None:
            found[key] = asset.href = str(local)
        elif not is_remote(asset.href):
            asset.href = str(_absolute(Path(path).parent / asset.href))
    item.clear_links()
    return item, found


def _put_days_at_noon(data: JSON) -> None:
    """Turn a date without time into noon UTC, as `adapt` does: midnight would be the day before west of Greenwich."""
    properties = data.get("properties")
    if isinstance(properties, dict) and _DATE.fullmatch(str(properties.get("datetime"))):
        data["properties"] = {**properties, "datetime": f"{properties['datetime']}T12:00:00Z"}


def _read(path: str) -> JSON | None:
    file = Path(path)
    try:
        if file.stat().st_size > _MOST_BYTES:
            return None
        data = json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    is_item = isinstance(data, dict) and data.get("type") == "Feature" and "assets" in data
    return data if is_item and "stac_version" in data else None


def _local(href: str, path: str) -> Path | None:
    folder = Path(path).parent
    file = folder / PurePosixPath(href).name if is_remote(href) else folder / href
    return _absolute(file) if href and file.is_file() else None


def _absolute(path: Path) -> Path:
    """Return a path without ``..`` but with its links: names say what a file is, what they link to may not."""
    return Path(os.path.abspath(path))  # noqa: PTH100  (Path has no such thing)

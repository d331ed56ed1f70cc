"""Small files of a catalogue, on a disk or in a bucket alike, through fsspec."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import fsspec
import pystac.stac_io

from musyq_cube.errors import CatalogError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pystac.link import HREF

_UNREADABLE = (OSError, ValueError, ImportError)
"""What fsspec and its back ends raise for an address that cannot be read."""


def is_remote(href: str) -> bool:
    """Whether a href names a protocol (``s3://``, ``https://`` …) rather than a local path."""
    return "://" in href and not href.startswith("file://")


def absolute(href: str | Path) -> str:
    """Return a remote href without its trailing slash, a local one as an absolute path."""
    text = str(href)
    if is_remote(text):
        return text.rstrip("/")
    return str(Path(text.removeprefix("file://")).expanduser().resolve())


def join(base: str, *parts: str) -> str:
    """Join path parts below a folder or prefix."""
    return "/".join([base.rstrip("/"), *parts])


def exists(href: str) -> bool:
    """Whether a file or folder is there."""
    fs, path = fsspec.core.url_to_fs(href)
    return bool(fs.exists(path))


def read_bytes(href: str) -> bytes:
    """
    Read a whole small file.

    Raises
    ------
    CatalogError
        Not readable; says why.
    """
    fs, path = fsspec.core.url_to_fs(href)
    try:
        return bytes(fs.cat_file(path))
    except _UNREADABLE as error:
        raise CatalogError(f"{href}: cannot be read ({type(error).__name__}: {error})") from error


def read_json(href: str) -> dict[str, Any]:
    """
    Read a JSON object.

    Raises
    ------
    CatalogError
        Not readable, or not a JSON object.
    """
    raw = read_bytes(href)
    try:
        data = json.loads(raw)
    except ValueError as error:
        raise CatalogError(f"{href}: not JSON ({error}); it begins with {raw[:30]!r}") from error
    if not isinstance(data, dict):
        raise CatalogError(f"{href}: a JSON {type(data).__name__}, not an object")
    return data


def write_bytes(href: str, data: bytes) -> None:
    """
    Write a whole file so that a reader sees the old or the new one, never a part.

    Raises
    ------
    CatalogError
        Not writable; says why.
    """
    try:
        if is_remote(href):
            fs, path = fsspec.core.url_to_fs(href)
            fs.pipe_file(path, data)
        else:
            _replace(Path(href), data)
    except _UNREADABLE as error:
        raise CatalogError(f"{href}: cannot be written ({error}); choose a catalogue that is writable") from error


def write_json(href: str, data: dict[str, Any]) -> None:
    """Write a JSON object, atomically."""
    write_bytes(href, json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False).encode())


def find(folder: str, names: str) -> list[str]:
    """Return the hrefs below `folder` that match a glob, sorted; none where the folder does not exist."""
    fs, path = fsspec.core.url_to_fs(folder)
    fs.invalidate_cache()
    found: Iterable[str] = fs.glob(join(path, names))
    return sorted(str(fs.unstrip_protocol(p)) if is_remote(folder) else str(p) for p in found)


def _replace(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


class StacFiles(pystac.stac_io.DefaultStacIO):
    """pystac's reader, extended to every protocol that fsspec knows."""

    def read_text_from_href(self, href: str) -> str:
        """Read a STAC object's text."""
        return read_bytes(href).decode()

    def write_text_to_href(self, href: HREF, content: str) -> None:
        """Write a STAC object's text."""
        write_bytes(str(href), content.encode())


def remove(href: str) -> None:
    """Remove a file, if it is there."""
    fs, path = fsspec.core.url_to_fs(href)
    if fs.exists(path):
        fs.rm_file(path)

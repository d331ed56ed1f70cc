"""XML and ODL text of metadata files, parsed without trusting them."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from musyq_cube.errors import CatalogError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from xml.etree.ElementTree import Element

MOST_BYTES = 64 * 2**20
"""No scene's metadata file comes near this; what does is refused before it is parsed."""


def read_text(path: str) -> str:
    """
    Read a metadata file, also inside a ZIP archive (``/vsizip/<archive>/<member>``).

    Raises
    ------
    CatalogError
        Not readable, or larger than any metadata file.
    """
    try:
        raw = _member(path) if path.startswith("/vsizip/") else _limited(Path(path), path)
    except (OSError, KeyError, RuntimeError, zipfile.BadZipFile) as error:
        raise CatalogError(f"{path}: cannot be read ({error})") from error
    return raw.decode("utf-8-sig", errors="replace")


def read_xml(path: str) -> Element:
    """
    Parse an XML file; entities, external references and document type definitions are refused.

    Raises
    ------
    CatalogError
        Not readable, too large, not well-formed, or uses what is refused.
    """
    from xml.etree.ElementTree import ParseError

    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import fromstring

    text = read_text(path)
    try:
        root: Element = fromstring(text.encode(), forbid_dtd=True)
    except ParseError as error:
        raise CatalogError(f"{path}: not well-formed XML ({error}); the file may be truncated") from error
    except DefusedXmlException as error:
        raise CatalogError(f"{path}: refused, it declares {error!r}; metadata files need no such thing") from error
    return root


def leaves(root: Element) -> Iterator[tuple[str, str]]:
    """Yield (tag without namespace, text) of every element that has text and no children, in document order."""
    for element in root.iter():
        if len(element) == 0 and element.text and element.text.strip():
            yield local(element.tag), element.text.strip()


def local(tag: str) -> str:
    """Tag without its namespace."""
    return tag.rsplit("}", 1)[-1]


def split_archive(path: str) -> tuple[Path, str]:
    """Archive and member of a ``/vsizip/`` path."""
    text = path.removeprefix("/vsizip/")
    end = text.lower().index(".zip") + len(".zip")
    return Path(text[:end] if text.startswith("/") else f"/{text[:end]}"), text[end:].lstrip("/")


def _limited(path: Path, name: str) -> bytes:
    if (size := path.stat().st_size) > MOST_BYTES:
        raise CatalogError(f"{name}: {size} bytes is no metadata file (at most {MOST_BYTES})")
    return path.read_bytes()


def _member(path: str) -> bytes:
    archive, name = split_archive(path)
    with zipfile.ZipFile(archive) as opened:
        if (size := opened.getinfo(name).file_size) > MOST_BYTES:
            raise CatalogError(f"{path}: {size} bytes is no metadata file (at most {MOST_BYTES})")
        return opened.read(name)

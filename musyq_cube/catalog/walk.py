"""Files of the paths that a user gives: folders walked, patterns expanded, scenes in archives opened."""

from __future__ import annotations

import glob
import os
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from musyq_cube.catalog.metadata_sentinel2 import PRODUCT_FILES
from musyq_cube.errors import CatalogError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator


def walk(paths: str | Path | Iterable[str | Path]) -> tuple[list[str], list[tuple[str, str]]]:
    """
    Return every file below some paths, and what could not be looked into.

    Parameters
    ----------
    paths
        Files, folders (walked, hidden ones left out), glob patterns, or several of them. A ZIP archive with a
        Sentinel-2 scene inside counts as a folder: its members come as ``/vsizip/<archive>/<member>``.

    Returns
    -------
    files
        Absolute, sorted, each once.
    failed
        (path, reason) of archives that are damaged.

    Raises
    ------
    CatalogError
        A path that does not exist: a misspelled one must not pass as an empty one.
    """
    files: set[str] = set()
    failed: list[tuple[str, str]] = []
    for path in [paths] if isinstance(paths, str | Path) else paths:
        for file in below(str(path)):
            if file.lower().endswith(".zip"):
                try:
                    files.update(_members(file))
                except (OSError, zipfile.BadZipFile) as error:
                    failed.append((file, f"not a readable ZIP archive ({error})"))
            else:
                files.add(file)
    return sorted(files), failed


def below(path: str, is_store: Callable[[str], bool] = lambda _: False) -> Iterator[str]:
    """
    Yield the files of a path, folder or pattern; hidden ones are passed over.

    Parameters
    ----------
    path
        What to look at.
    is_store
        Whether a folder is one thing, such as a Zarr store, and not looked into.

    Raises
    ------
    CatalogError
        There is no such path, and nothing matches it.
    """
    root = Path(path).expanduser()
    if root.is_file() or is_store(str(root)):
        yield str(root.absolute())
    elif root.is_dir():
        for folder, folders, names in os.walk(root.absolute(), followlinks=True):
            seen = sorted(f for f in folders if not f.startswith("."))
            stores = [f for f in seen if is_store(os.path.join(folder, f))]  # noqa: PTH118  fast
            folders[:] = [f for f in seen if f not in stores]
            yield from (os.path.join(folder, name) for name in (*stores, *names) if not name.startswith("."))  # noqa: PTH118
    else:
        found = sorted(glob.glob(str(root), recursive=True))  # noqa: PTH207  Path.glob refuses absolute patterns
        if not found:
            raise CatalogError(f"{path}: no such file or folder, and nothing matches it as a pattern")
        for match in found:
            yield from below(match, is_store)


def _members(archive: str) -> list[str]:
    """Members of an archive that holds a Sentinel-2 scene, none for any other archive."""
    with zipfile.ZipFile(archive) as opened:
        names = opened.namelist()
    scene = any(name.rsplit("/", 1)[-1] in (*PRODUCT_FILES, "tileInfo.json") for name in names)
    safe = [n for n in names if not n.endswith("/") and not n.startswith("/") and ".." not in n.split("/")]
    return [f"/vsizip/{archive}/{name}" for name in safe] if scene else []

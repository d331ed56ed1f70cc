"""Remember: write what was found out about scenes onto their Items."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pystac

from musyq_cube.catalog import storage
from musyq_cube.catalog.write import commit, own_href
from musyq_cube.errors import CatalogError
from musyq_cube.normalization import EXTENSION, FIELD

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from musyq_cube.catalog.catalog import Catalog
    from musyq_cube.normalization import Normalization
    from musyq_cube.scene import Scene


def remember(catalog: Catalog | str | Path, found: Iterable[tuple[Scene, Normalization]]) -> list[pystac.Item]:
    """
    Write normalizations onto the Items of a catalogue; what was there before is replaced.

    Parameters
    ----------
    catalog
        A folder or bucket of our own (see :func:`musyq_cube.register`).
    found
        Scenes of it, each with what was found.

    Returns
    -------
    list of pystac.Item
        The Items as they are now.

    Raises
    ------
    CatalogError
        If the catalogue cannot be written, or has no such Item.
    """
    href, changed = check_writable(catalog), []
    for scene, normalization in found:
        item = pystac.Item.from_dict(storage.read_json(_path(href, scene)))
        item.properties[FIELD] = normalization.to_dict()
        if EXTENSION not in item.stac_extensions:
            item.stac_extensions.append(EXTENSION)
        changed.append(item)
    return commit(href, changed)


def layers_folder(catalog: Catalog | str | Path, scene: Scene) -> str:
    """Return the folder for layers that belong to the scenes of a collection: beside its Items."""
    return storage.join(check_writable(catalog), scene.collection or "items", "normalization")


def _path(href: str, scene: Scene) -> str:
    """Return where the Item of a scene is, or raise CatalogError where there is none."""
    path = storage.join(href, scene.collection or "items", scene.id, f"{scene.id}.json")
    if not storage.exists(path):
        raise CatalogError(f"{path}: there is no such Item; register the scene first")
    return path


def check_registered(catalog: Catalog | str | Path, scenes: Iterable[Scene]) -> None:
    """
    Refuse scenes that are not in a catalogue, before any work is done on them.

    Raises
    ------
    CatalogError
        Names the first Item that is not there.
    """
    href = check_writable(catalog)
    for scene in scenes:
        _path(href, scene)


def check_writable(catalog: Catalog | str | Path) -> str:
    """
    Return the href of a catalogue of our own, without ``catalog.json``.

    Raises
    ------
    CatalogError
        If it is of a kind that cannot be written: an API, a parquet file.
    """
    return own_href(catalog, "cannot be written; normalize the scenes of")

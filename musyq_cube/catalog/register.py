"""register: files on disk become STAC Items in a catalogue."""

from __future__ import annotations

import logging
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from musyq_cube.catalog import storage
from musyq_cube.catalog.items import make_item
from musyq_cube.catalog.recognise import candidates
from musyq_cube.catalog.walk import walk
from musyq_cube.catalog.write import commit, own_href, stored_item
from musyq_cube.errors import MusyqError
from musyq_cube.sensor import sensor as get_sensor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import pystac

    from musyq_cube.catalog.catalog import Catalog
    from musyq_cube.catalog.recognise import Candidate

logger = logging.getLogger(__name__)

Progress: TypeAlias = "Callable[[int, int, str], None]"
"""Called with (scenes done, scenes in all, name of the one just done)."""


@dataclass(frozen=True)
class RegisterReport:
    """What :func:`register` did."""

    catalog: str
    """Where the catalogue is."""
    items: tuple[pystac.Item, ...] = ()
    """Items written: new ones, and those whose files had changed."""
    existing: tuple[str, ...] = ()
    """Ids of scenes that were there already, with the same checksums; nothing was written for them."""
    skipped: tuple[tuple[str, str], ...] = field(default=())
    """(path, reason) of files that claim to be a scene and could not be registered."""

    @property
    def ok(self) -> bool:
        """Whether nothing had to be skipped."""
        return not self.skipped

    def __repr__(self) -> str:
        counts = f"{len(self.items)} registered, {len(self.existing)} there already, {len(self.skipped)} skipped"
        return "\n".join([f"{self.catalog}: {counts}", *(f"  skipped {path}: {why}" for path, why in self.skipped)])


def register(
    paths: str | Path | Iterable[str | Path],
    catalog: Catalog | str | Path,
    *,
    sensor: str | None = None,
    progress: Progress | None = None,
) -> RegisterReport:
    """
    Recognise scenes among files and write a STAC Item of each into a catalogue.

    Parameters
    ----------
    paths
        Files, folders, glob patterns, or several. Files that belong to no known sensor are passed over.
    catalog
        Catalogue to add to: a folder or ``s3://`` prefix, made if need be, or an open Catalog.
    sensor
        Id of the sensor, where names and metadata do not tell it.
    progress
        Called after each scene with (done, total, name).

    Returns
    -------
    RegisterReport
        What was written, what was there already, and what was skipped and why. One bad file does not keep the others
        from being registered.

    Raises
    ------
    CatalogError
        A path that does not exist, or a catalogue that cannot be written.
    SensorError
        An unknown sensor.

    Examples
    --------
    >>> register("scenes/", "catalog/")  # doctest: +SKIP
    catalog: 19 registered, 0 there already, 0 skipped
    """
    if sensor is not None:
        get_sensor(sensor)
    href = own_href(catalog, "cannot be registered into; give")
    files, failed = walk(paths)
    found = list(candidates(files, sensor))
    skipped, items, existing = list(failed), [], []

    def one(candidate: Candidate) -> tuple[Candidate, pystac.Item | None, str]:
        """Item and, where it is there already, its id; or no item and the reason."""
        try:
            item = make_item(candidate, sensor)
            return candidate, item, item.id if is_same(item, stored_item(href, item)) else ""
        except (MusyqError, OSError, ValueError, KeyError, ArithmeticError) as error:
            reason = str(error) if isinstance(error, MusyqError) else f"{type(error).__name__}: {error}"
            return candidate, None, reason.removeprefix(f"{candidate.path}: ")

    with ThreadPoolExecutor(min(8, 2 * (os.cpu_count() or 1))) as pool:
        for number, (candidate, item, said) in enumerate(pool.map(one, found), 1):
            if item is None:
                skipped.append((candidate.path, said))
                logger.warning("not registered: %s: %s", candidate.path, said)
            elif said:
                existing.append(said)
            else:
                items.append(item)
            if progress is not None:
                progress(number, len(found), candidate.name or Path(candidate.path).name)
    written = commit(href, _distinct(items, skipped))
    return RegisterReport(href, tuple(written), tuple(existing), tuple(skipped))


def is_same(item: pystac.Item, stored: pystac.Item | None) -> bool:
    """Whether a stored item describes the same bytes, and its local files are still where it says."""
    if stored is None or _checksums(item) != _checksums(stored):
        return False
    local = (asset.href for asset in stored.assets.values() if not storage.is_remote(asset.href))
    return all(href.startswith("/vsizip/") or Path(href).exists() for href in local)


def _checksums(item: pystac.Item) -> dict[str, str | None]:
    return {key: asset.extra_fields.get("file:checksum") for key, asset in item.assets.items()}


def _distinct(items: list[pystac.Item], skipped: list[tuple[str, str]]) -> list[pystac.Item]:
    """Drop copies of a scene within one call; copies that differ under one id are an error of the second."""
    kept: dict[tuple[str | None, str], pystac.Item] = {}
    for item in items:
        first = kept.setdefault((item.collection_id, item.id), item)
        if first is not item and not is_same(item, first):
            where = next(iter(item.assets.values())).href
            skipped.append((where, f"{item.id}: another scene of this call has the same id and other files"))
    return list(kept.values())

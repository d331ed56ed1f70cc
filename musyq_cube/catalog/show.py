"""Catalogues and search results as tables and pictures."""

from __future__ import annotations

import html
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from musyq_cube.catalog.query import footprint, interval

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Sequence

    import pystac
    import shapely
    from matplotlib.axes import Axes

    from musyq_cube.catalog.catalog import Catalog
    from musyq_cube.catalog.dedupe import Scenes

_HEAD = ("sensor", "scenes", "first", "last", "cloud %")


@dataclass(frozen=True)
class _Entry:
    """What a table and a picture show of one item or scene."""

    group: str
    time: dt.datetime
    cloud: float | None
    shape: shapely.Geometry | None


def catalog_text(catalog: Catalog) -> str:
    """Table of a catalogue by sensor; for a STAC API its collections, which do not need every item."""
    if (few := _api_lines(catalog)) is not None:
        return "\n".join(few)
    entries = _of_items(catalog.search_items())
    return "\n".join([f"Catalog {catalog.href}: {len(entries)} items", *_text(_rows(entries))])


def catalog_html(catalog: Catalog) -> str:
    """Table of a catalogue for notebooks."""
    if (few := _api_lines(catalog)) is not None:
        return "<br>".join(html.escape(line) for line in few)
    entries = _of_items(catalog.search_items())
    return _html(f"Catalog {catalog.href}: {len(entries)} items", _rows(entries))


def scenes_text(scenes: Scenes) -> str:
    """Table of a search result by sensor, with what is not in it."""
    return "\n".join([_title(scenes), *_text(_rows(_of_scenes(scenes)))])


def scenes_html(scenes: Scenes) -> str:
    """Table of a search result for notebooks."""
    return _html(_title(scenes), _rows(_of_scenes(scenes)))


def plot_items(items: Sequence[pystac.Item], axes: Any = None) -> Any:
    """Plot footprints and acquisition times of items."""
    return _plot(_of_items(items), axes)


def plot_scenes(scenes: Scenes, axes: Any = None) -> Any:
    """Plot footprints and acquisition times of scenes."""
    return _plot(_of_scenes(scenes), axes)


def _title(scenes: Scenes) -> str:
    title = f"{len(scenes)} scenes"
    if scenes.dropped:
        title += f", {len(scenes.dropped)} duplicates dropped"
    return title + (f", {len(scenes.left_out)} items left out (see .left_out)" if scenes.left_out else "")


def _api_lines(catalog: Catalog) -> list[str] | None:
    from musyq_cube.catalog.api import ApiBackend

    if not isinstance(catalog._backend, ApiBackend):  # noqa: SLF001  the two are one room
        return None
    return [f"Catalog {catalog.href}: STAC API", *(f"  {name}" for name in catalog.collections)]


def _of_items(items: Iterable[pystac.Item]) -> list[_Entry]:
    return [
        _Entry(
            i.properties.get("musyq:sensor") or i.collection_id or "?",
            interval(i)[0],
            i.properties.get("eo:cloud_cover"),
            footprint(i),
        )
        for i in items
    ]


def _of_scenes(scenes: Scenes) -> list[_Entry]:
    return [_Entry(s.sensor, s.time, s.cloud_cover, s.geometry) for s in scenes]


def _rows(entries: Sequence[_Entry]) -> list[tuple[str, ...]]:
    groups: dict[str, list[_Entry]] = defaultdict(list)
    for entry in entries:
        groups[entry.group].append(entry)
    rows: list[tuple[str, ...]] = []
    for name, members in sorted(groups.items()):
        times = [m.time for m in members]
        clouds = [m.cloud for m in members if m.cloud is not None]
        cloud = f"{sum(clouds) / len(clouds):.0f}" if clouds else "-"
        rows.append((name, str(len(members)), f"{min(times):%Y-%m-%d}", f"{max(times):%Y-%m-%d}", cloud))
    return rows


def _text(rows: Sequence[tuple[str, ...]]) -> list[str]:
    if not rows:
        return []
    widths = [max(len(row[i]) for row in (_HEAD, *rows)) for i in range(len(_HEAD))]
    return ["  " + "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)) for row in (_HEAD, *rows)]


def _html(title: str, rows: Sequence[tuple[str, ...]]) -> str:
    def line(cells: Iterable[str], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{html.escape(c)}</{tag}>" for c in cells) + "</tr>"

    body = "".join(line(row, "td") for row in rows)
    return f"<p>{html.escape(title)}</p><table><thead>{line(_HEAD, 'th')}</thead><tbody>{body}</tbody></table>"


def _plot(entries: Sequence[_Entry], axes: Any) -> Any:
    """Footprints above, acquisition times below."""
    import matplotlib.pyplot as plt

    if axes is None:
        axes = plt.subplots(2, 1, figsize=(8, 6), height_ratios=(4, 1), layout="constrained")[1]
    places, times = axes
    for number, name in enumerate(sorted({e.group for e in entries})):
        members = [e for e in entries if e.group == name]
        for member in members:
            _outline(places, member, f"C{number % 10}")
        times.plot([m.time for m in members], [number] * len(members), "|", color=f"C{number % 10}", label=name)
    places.set(xlabel="longitude (°)", ylabel="latitude (°)")
    times.set(yticks=[], xlabel="acquisition")
    if entries:
        times.legend(fontsize="small", loc="upper left")
    return axes


def _outline(ax: Axes, entry: _Entry, color: str) -> None:
    for polygon in getattr(entry.shape, "geoms", [entry.shape]):
        if polygon is not None and polygon.geom_type == "Polygon":
            ax.plot(*polygon.exterior.xy, color=color, linewidth=0.6, alpha=0.6)

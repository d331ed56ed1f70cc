"""MODIS land products: the metadata embedded in HDF4-EOS files, and what names of exports tell."""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING

from musyq_cube.catalog.metadata import Metadata, utc
from musyq_cube.hdfeos import hdfeos_metadata

if TYPE_CHECKING:
    from musyq_cube.types import JSON

# Days that one file of a multi-day product covers, by the product's number (MOD09A1, MYD13Q1 …)
_DAYS = {"09A1": 8, "09Q1": 8, "11A2": 8, "11B2": 8, "13A1": 16, "13A2": 16, "13A3": 31, "13Q1": 16, "15A2H": 8}
_NAME = re.compile(r"(?P<product>M[OYC]D\w+)\.A(?P<doy>\d{7})(?:\.(?P<tile>h\d{2}v\d{2}))?", re.IGNORECASE)


def modis_name(path: str, stem: str) -> str:
    """Return the granule's name: the file's where it is one, else the one written inside the file."""
    if _NAME.match(stem):
        return stem
    return hdfeos_metadata(path).get("LOCALGRANULEID", stem).removesuffix(".hdf")


def modis_metadata(name: str, path: str | None = None) -> Metadata:
    """
    Return what a granule's name, and its embedded metadata where `path` is given, say.

    A daily product has no time of day: `start` is midnight of its day, for the nominal overpass to be set from. The
    day of MCD43 is the one that its 16-day window is weighted to.
    """
    facts = hdfeos_metadata(path) if path else {}
    properties: JSON = {}
    start = end = None
    match = _NAME.match(name)
    if match:
        start = dt.datetime.strptime(match["doy"], "%Y%j").replace(tzinfo=dt.UTC)
        number = match["product"][3:].upper()
        if days := _DAYS.get(number):
            end = start + dt.timedelta(days=days, seconds=-1)
            if "RANGEENDINGDATE" in facts:
                time = facts.get("RANGEENDINGTIME", "23:59:59")
                end = utc(f"{facts['RANGEENDINGDATE']}T{time}")
        if match["tile"]:
            properties["grid:code"] = f"MSIN-{match['tile'][1:3]}{match['tile'][4:6]}"
    if created := facts.get("PRODUCTIONDATETIME"):
        properties["created"] = created
    if version := facts.get("VERSIONID"):
        properties["processing:version"] = f"{int(version):03d}"
    return Metadata(name, start, end, properties)

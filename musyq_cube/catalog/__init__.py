"""Catalogues of scenes: register files, search, adapt STAC Items to Scenes."""

from musyq_cube.catalog.adapt import adapt
from musyq_cube.catalog.ancillary import ancillary_files, register_ancillary, search_ancillary
from musyq_cube.catalog.catalog import Catalog, open_catalog
from musyq_cube.catalog.dedupe import Dropped, Scenes, deduplicate
from musyq_cube.catalog.register import RegisterReport, register
from musyq_cube.catalog.remember import remember
from musyq_cube.catalog.search import scenes_of, search
from musyq_cube.catalog.write import rebuild

__all__ = [
    "Catalog",
    "Dropped",
    "RegisterReport",
    "Scenes",
    "adapt",
    "ancillary_files",
    "deduplicate",
    "open_catalog",
    "rebuild",
    "register",
    "register_ancillary",
    "remember",
    "scenes_of",
    "search",
    "search_ancillary",
]

"""
musyq_cube: consistent land products from many satellites.

Scenes from every sensor are registered as STAC Items, read lazily into xarray cubes on one common grid, normalized,
masked, composited and written as Zarr products that any STAC browser finds.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from musyq_cube import config as config
    from musyq_cube import errors as errors
    from musyq_cube import products as products
    from musyq_cube import testing as testing
    from musyq_cube.catalog import open_catalog as open_catalog
    from musyq_cube.catalog import register as register
    from musyq_cube.catalog import register_ancillary as register_ancillary
    from musyq_cube.catalog import search as search
    from musyq_cube.composite import composite as composite
    from musyq_cube.cube import cube as cube
    from musyq_cube.grid import get_grid as get_grid
    from musyq_cube.grid import grids as grids
    from musyq_cube.mask import mask as mask
    from musyq_cube.normalize.characterize import characterize as characterize
    from musyq_cube.normalize.cube import normalize as normalize
    from musyq_cube.plan import plan as plan
    from musyq_cube.sensor import sensor as sensor
    from musyq_cube.sensor import sensors as sensors
    from musyq_cube.store.open import open_item
    from musyq_cube.store.validate import validate as validate

    open = open_item  # noqa: A001

__version__ = "0.1.0"

_PUBLIC = {
    "open_catalog": "catalog",
    "register": "catalog",
    "register_ancillary": "catalog",
    "search": "catalog",
    "cube": "cube",
    "mask": "mask",
    "characterize": "normalize.characterize",
    "normalize": "normalize.cube",
    "composite": "composite",
    "plan": "plan",
    "open": "store.open:open_item",
    "validate": "store.validate",
    "sensor": "sensor",
    "sensors": "sensor",
    "get_grid": "grid",
    "grids": "grid",
}
_MODULES = ("config", "errors", "products", "testing")


class _Package(ModuleType):
    """The package: public names load on first use, so that ``import musyq_cube`` and ``musyq --help`` are instant."""

    def __getattr__(self, name: str) -> Any:
        if name in _MODULES:
            return importlib.import_module(f"{__name__}.{name}")
        if name not in _PUBLIC:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {', '.join(dir(self))}")
        module, _, attribute = _PUBLIC[name].partition(":")
        value = getattr(importlib.import_module(f"{__name__}.{module}"), attribute or name)
        self.__dict__[name] = value
        return value

    def __setattr__(self, name: str, value: Any) -> None:
        # `cube`, `plan`… name a function and the module that holds it: importing the module must not hide the function
        if not (name in _PUBLIC and isinstance(value, ModuleType)):
            super().__setattr__(name, value)

    def __dir__(self) -> list[str]:
        return sorted({*_PUBLIC, *_MODULES, "__version__"})


sys.modules[__name__].__class__ = _Package

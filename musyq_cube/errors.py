"""What can go wrong, by room. Each error is also the builtin that fits."""


class MusyqError(Exception):
    """Base of every error raised on purpose: says what, which value, and what to do."""


class GridError(MusyqError, ValueError):
    """A grid name, region or geobox that cannot be."""


class SensorError(MusyqError, ValueError):
    """A sensor file that is wrong or incomplete, or a sensor that does not exist."""


class CatalogError(MusyqError, ValueError):
    """A catalogue, Item or scene file that cannot be used; names the missing field."""


class ReadError(MusyqError, OSError):
    """Pixels of one scene that could not be read."""


class NormalizeError(MusyqError, ValueError):
    """A normalization that cannot be done: a step, scene, band or ancillary file that does not fit."""


class CompositeError(MusyqError, ValueError):
    """A compositing method, period or input that cannot be."""


class PlanError(MusyqError, ValueError):
    """An order that cannot be fulfilled, with the reason."""


class StoreError(MusyqError, OSError):
    """A product store that cannot be written, read or validated."""


class RunError(MusyqError, RuntimeError):
    """A run that ended without its product; the ledger keeps what was done."""

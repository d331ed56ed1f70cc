"""Sensor: bands, spectral response and product encodings of one instrument, read from ``catalogs/sensors/<id>``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from musyq_cube._sensor_file import Node, calibration_series, count_gains, qa_rules, read_json, read_srf
from musyq_cube.errors import SensorError

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes

    from musyq_cube._sensor_file import CountGain, GainOffset
    from musyq_cube.types import JSON

QUANTITIES = ("toa", "sr", "nbar", "index", "lst")
DRIVERS = ("raster", "hdf4", "zarr")
_PRODUCT_FIELDS = ("title", "quantity", "driver", "metadata", "collections", "pattern", "offset_from_baseline",
                   "defaults", "assets")  # fmt: skip
_ASSET_FIELDS = ("role", "band", "names", "file", "layer", "number", "data_type", "nodata", "raster:scale",
                 "raster:offset", "valid", "cosine", "planck", "eo:solar_illumination",
                 "classification:bitfields", "classification:classes")  # fmt: skip
ROLES = ("data", "qa", "sza", "saa", "vza", "vaa", "raa", "metadata")


@dataclass(frozen=True)
class Band:
    """One spectral band (or one layer of a derived product, which has no wavelength)."""

    name: str
    common_name: str | None = None
    """STAC ``eo:common_name``; None where STAC has no word for it."""
    center_wavelength: float | None = None
    """Micrometres."""
    fwhm: float | None = None
    """Full width at half maximum, micrometres."""
    gsd: float | None = None
    """Nominal ground sample distance, metres."""
    esun: float | None = None
    """Exo-atmospheric solar irradiance at 1 AU, W m⁻² µm⁻¹."""
    k1: float | None = None
    """Thermal constant K1, W m⁻² sr⁻¹ µm⁻¹."""
    k2: float | None = None
    """Thermal constant K2, kelvin."""
    alias: str | None = None
    """Our own common name where STAC has none: ``swir12``, ``mwir37``, ``mwir39``, ``lwir13``."""
    wavenumber: float | None = None
    """Central wavenumber for Planck's law, cm⁻¹; the brightness temperature is `bt_gain` · T + `bt_offset`."""
    bt_gain: float = 1.0
    bt_offset: float = 0.0
    """Kelvin."""

    @property
    def key(self) -> str:
        """Name of the variable in a cube: the common name, else the band's own name in lower case."""
        return self.common_name or self.alias or self.name.lower()


@dataclass(frozen=True)
class Asset:
    """
    One layer of a product: how its file and its catalogue asset are recognised, and how its numbers are encoded.

    Bands, QA layers, angle layers and metadata files are all assets and differ by `role`.
    """

    key: str
    """Asset key that `register` writes."""
    role: str = "data"
    """``data``, ``qa``, ``sza``, ``saa``, ``vza``, ``vaa``, ``raa`` or ``metadata`` (the file with the angles)."""
    band: str | None = None
    """Name of the band (role ``data``)."""
    names: tuple[str, ...] = ()
    """Other asset keys seen in catalogues."""
    file: str | None = None
    """Regular expression, searched in the file's path below the scene's folder."""
    layer: str | None = None
    """Data set name inside an HDF file or array inside a Zarr store."""
    number: int = 1
    """Band number inside a raster file, from 1."""
    data_type: str | None = None
    nodata: float | None = None
    scale: float | None = 1.0
    """None: differs from scene to scene, must come from the Item (`register` reads it from the metadata file)."""
    offset: float | None = 0.0
    valid: tuple[float, float] | None = None
    cosine: bool = False
    planck: bool = False
    """The scaled value is spectral radiance; the band's `k1` and `k2` turn it to kelvin."""
    esun: float | None = None
    """Solar irradiance that the producer divides by, W m⁻² µm⁻¹, where it is not the band's."""
    rules: tuple[tuple[int, int, int], ...] = ()
    """(mask, value, common QA bits) where `role` is ``qa``."""

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """Every asset key that means this layer, ours first."""
        return (self.key, *(n for n in self.names if n != self.key))

    def matches(self, path: str) -> bool:
        """Whether a file path belongs to this asset."""
        return self.file is not None and re.search(self.file, path, re.IGNORECASE) is not None


@dataclass(frozen=True)
class Product:
    """One way in which scenes of the sensor are distributed: level, collection and file layout."""

    id: str
    title: str
    quantity: str
    """What the reflective bands are: ``toa``, ``sr``, ``nbar``, ``index`` or ``lst``."""
    driver: str | None
    """Reader of its files: ``raster``, ``hdf4`` or ``zarr``; None where there is no reader for them."""
    assets: tuple[Asset, ...]
    collections: tuple[str, ...] = ()
    """Regular expressions for the whole id of a catalogue's collection."""
    pattern: str | None = None
    """Regular expression with named groups (tile, date or doy, time, created, version …) for scene and file names."""
    metadata: str | None = None
    """Kind of metadata file: ``mtl``, ``safe``, ``hdfeos``, ``hj-xml`` or None."""
    offset_from_baseline: tuple[tuple[str, float], ...] = ()
    """(processing baseline, offset) of reflective bands from that baseline on, where it is not applied already."""

    def match(self, name: str) -> re.Match[str] | None:
        """Match a scene or file name with `pattern`, from its start."""
        return re.match(self.pattern, name) if self.pattern else None

    def of_role(self, *roles: str) -> tuple[Asset, ...]:
        """Assets of some roles, in the order of the sensor file."""
        return tuple(a for a in self.assets if a.role in roles)

    def asset(self, key: str) -> Asset | None:
        """Asset that a catalogue's key stands for, None where it means nothing to us."""
        folded = key.casefold()
        return next((a for a in self.assets for k in a.keys if k.casefold() == folded), None)

    def __repr__(self) -> str:
        return f"Product({self.id}: {self.title}; {self.quantity}, {len(self.of_role('data'))} bands)"


@dataclass(frozen=True)
class Sensor:
    """
    What one instrument on one platform is.

    Examples
    --------
    >>> oli = sensor("landsat8-oli")
    >>> oli.band("red").name, oli.band("B4").common_name
    ('B4', 'red')
    """

    id: str
    title: str
    platforms: tuple[str, ...]
    """Names in catalogues, compared without case, blanks and dashes."""
    instruments: tuple[str, ...]
    bands: tuple[Band, ...]
    products: tuple[Product, ...]
    period: tuple[str | None, str | None]
    """First and last day of the mission (RFC 3339), None where open."""
    path: Path
    """Folder of the definition."""
    calibration: tuple[GainOffset, ...] = ()
    """Cross-calibration by band and date; see :func:`musyq_cube.normalize.calibration.calibration_for`."""
    counts: tuple[CountGain, ...] = ()
    """From counts to radiance by band and date, where the producer publishes it apart from the scenes."""

    def flew(self, time: str) -> bool:
        """Whether an RFC 3339 time in UTC lies in the mission's period."""
        first, last = self.period
        return (first is None or first <= time) and (last is None or time <= last)

    def band(self, name: str) -> Band:
        """Band by name or common name; SensorError lists what there is."""
        for band in self.bands:
            if name in (band.name, band.common_name, band.key):
                return band
        raise SensorError(f"{self.id} has no band {name!r}; it has {', '.join(b.key for b in self.bands)}")

    def product(self, product_id: str) -> Product:
        """Product by id; SensorError lists what there is."""
        for product in self.products:
            if product.id == product_id:
                return product
        raise SensorError(f"{self.id} has no product {product_id!r}; it has {', '.join(p.id for p in self.products)}")

    def srf(self, band: str) -> tuple[np.ndarray, np.ndarray]:
        """
        Spectral response of a band.

        Returns
        -------
        wavelength, response
            float64 arrays of equal length: micrometres increasing, relative response in 0…1.
        """
        name = self.band(band).name
        table = read_srf(self.path / "srf.csv")
        if name not in table:
            raise SensorError(f"{self.path / 'srf.csv'}: no spectral response for band {name}; add its rows")
        wavelength, response = table[name]
        return wavelength.copy(), response.copy()

    def plot(self, ax: Axes | None = None) -> Axes:
        """Plot the spectral response of every band."""
        if ax is None:
            import matplotlib.pyplot as plt

            ax = plt.subplots(figsize=(9, 3))[1]
        for name, (wavelength, response) in read_srf(self.path / "srf.csv").items():
            ax.plot(wavelength, response, label=f"{name} {self.band(name).key}")
        ax.set(xlabel="wavelength (µm)", ylabel="relative response", title=self.title)
        ax.legend(fontsize="small", ncols=2)
        return ax

    def __repr__(self) -> str:
        lines = [f"Sensor({self.id}: {self.title})", "  band    common name   centre µm   FWHM µm   gsd m"]
        lines += [
            f"  {b.name:<7} {b.common_name or '-':<13} {_number(b.center_wavelength, '.4f'):>9} "
            f"{_number(b.fwhm, '.4f'):>9} {_number(b.gsd, 'g'):>7}"
            for b in self.bands
        ]
        return "\n".join([*lines, f"  products: {', '.join(p.id for p in self.products)}"])


def sensor(sensor_id: str) -> Sensor:
    """
    Return one sensor by id, a folder of ``catalogs/sensors``.

    Raises
    ------
    SensorError
        For an unknown id (lists the known ones) and for a wrong definition (names file and field).
    """
    folders = _folders()
    if sensor_id not in folders:
        raise SensorError(
            f"no sensor {sensor_id!r}; known: {', '.join(folders)}. "
            f"A new one is a folder of that name in {sensors_path()} with collection.json and srf.csv"
        )
    return load_sensor(folders[sensor_id])


def sensors() -> dict[str, Sensor]:
    """Return every sensor by id."""
    return {name: load_sensor(folder) for name, folder in _folders().items()}


def sensors_path() -> Path:
    """Folder of the sensor definitions: inside the wheel, or at the root of a source checkout."""
    package = Path(__file__).parent
    for root in (package, package.parent):
        if (root / "catalogs" / "sensors").is_dir():
            return root / "catalogs" / "sensors"
    raise SensorError(f"no catalogs/sensors in {package} or {package.parent}: the installation is incomplete")


@cache
def load_sensor(folder: Path) -> Sensor:
    """
    Read and check one definition: ``collection.json`` (STAC Collection) and ``srf.csv`` in `folder`.

    Raises
    ------
    SensorError
        Naming the file and the field that is missing or wrong.
    """
    root = Node(read_json(folder / "collection.json"), folder / "collection.json")
    sensor_id = root.text("id")
    if sensor_id != folder.name:
        raise root.error("id", f"is {sensor_id!r} but the folder is {folder.name!r}; make them equal")
    bands = tuple(_band(node) for node in root.items("bands"))
    for given in ([b.name for b in bands], [b.key for b in bands]):
        if twice := {n for n in given if given.count(n) > 1}:
            raise root.error("bands", f"has {', '.join(sorted(twice))} more than once")
    summaries = root.child("summaries")
    item_assets = root.child("item_assets")
    names = {b.name for b in bands}
    keys = {name: b.key for b in bands for name in (b.name, b.key)}
    return Sensor(
        id=sensor_id,
        title=root.text("title"),
        platforms=summaries.texts("platform"),
        instruments=summaries.texts("instruments"),
        bands=bands,
        products=tuple(_product(name, node, item_assets, names) for name, node in root.children("musyq:products")),
        period=_period(root),
        path=folder,
        calibration=calibration_series(root, keys),
        counts=count_gains(root, keys),
    )


def _period(root: Node) -> tuple[str | None, str | None]:
    intervals = root.child("extent").child("temporal").data.get("interval")
    if not isinstance(intervals, list) or not intervals or len(intervals[0]) != 2:
        raise root.error("extent.temporal.interval", f"is {intervals!r}, expected [[first, last]]")
    return intervals[0][0], intervals[0][1]


@cache
def _folders() -> dict[str, Path]:
    return {p.parent.name: p.parent for p in sorted(sensors_path().glob("*/collection.json"))}


def _band(node: Node) -> Band:
    return Band(
        name=node.text("name"),
        common_name=node.text("eo:common_name", None),
        center_wavelength=node.number("eo:center_wavelength", None),
        fwhm=node.number("eo:full_width_half_max", None),
        gsd=node.number("gsd", None),
        esun=node.number("eo:solar_illumination", None),
        k1=node.number("musyq:k1", None),
        k2=node.number("musyq:k2", None),
        alias=node.text("musyq:common_name", None),
        wavenumber=node.number("musyq:wavenumber", None),
        bt_gain=node.number("musyq:bt_gain", 1.0),
        bt_offset=node.number("musyq:bt_offset", 0.0),
    )


def _product(product_id: str, node: Node, item_assets: Node, bands: set[str]) -> Product:
    node.only(*_PRODUCT_FIELDS)
    defaults = node.child("defaults", {}).data
    assets = []
    for key, own in node.children("assets"):
        shared = _stac_asset(item_assets.data.get(key, {}))
        role = own.data.get("role", shared.get("role", "data"))
        assets.append(_asset(key, own.merged({**shared, **(defaults if role == "data" else {})}), bands))
    return Product(
        id=product_id,
        title=node.text("title"),
        quantity=node.choice("quantity", QUANTITIES),
        driver=node.choice("driver", DRIVERS) if "driver" in node.data else None,
        assets=tuple(assets),
        collections=tuple(node.regex_list("collections")),
        pattern=node.regex("pattern"),
        metadata=node.text("metadata", None),
        offset_from_baseline=tuple(sorted(node.child("offset_from_baseline", {}).data.items())),
    )


def _stac_asset(shared: JSON) -> JSON:
    """Words of an ``item_assets`` entry in the form of a product's asset."""
    skip = ("title", "description", "type", "roles", "bands", "unit")
    out: dict[str, Any] = {k: v for k, v in shared.items() if k not in skip}
    role = next((r for r in shared.get("roles", ()) if r in ROLES), None)
    if role:
        out["role"] = role
    if shared.get("bands"):
        out["band"] = shared["bands"][0]["name"]
    return out


def _asset(key: str, node: Node, bands: set[str]) -> Asset:
    node.only(*_ASSET_FIELDS)
    role = node.choice("role", ROLES, "data")
    band = node.text("band", None)
    if role == "data" and band not in bands:
        raise node.error("band", f"is {band!r}, not one of the sensor's bands {', '.join(sorted(bands))}")
    rules = qa_rules(node)
    if role == "qa" and not rules:
        raise node.error(
            "classification:bitfields", "or classification:classes with musyq:qa is required of a QA asset"
        )
    valid = node.numbers("valid", None)
    return Asset(
        key=key,
        role=role,
        band=band,
        names=node.texts("names", ()),
        file=node.regex("file"),
        layer=node.text("layer", None),
        number=int(node.number("number", 1) or 1),
        data_type=node.text("data_type", None),
        nodata=node.number("nodata", None),
        scale=node.number("raster:scale", 1.0),
        offset=node.number("raster:offset", 0.0),
        valid=None if valid is None else (valid[0], valid[1]),
        cosine=bool(node.data.get("cosine", False)),
        planck=bool(node.data.get("planck", False)),
        esun=node.number("eo:solar_illumination", None),
        rules=rules,
    )


def _number(value: float | None, spec: str) -> str:
    return "-" if value is None else format(value, spec)

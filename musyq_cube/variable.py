"""Variable: what one published layer is: name, packing, units, flags, and how its pyramid is made."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from musyq_cube.errors import StoreError
from musyq_cube.types import JSON, QA, QA_MEANINGS

if TYPE_CHECKING:
    from collections.abc import Iterable

Method: TypeAlias = Literal["average", "nearest", "mode"]
"""How a pyramid level is made from the one below: mean of valid pixels, upper left pixel, or most frequent value."""

COMMON_NAMES: frozenset[str] = frozenset(
    (
        "pan",
        "coastal",
        "blue",
        "green",
        "green05",
        "yellow",
        "red",
        "rededge",
        "rededge071",
        "rededge075",
        "rededge078",
        "nir",
        "nir08",
        "nir09",
        "cirrus",
        "swir16",
        "swir22",
        "lwir",
        "lwir11",
        "lwir12",
    )
)
"""The band names of the STAC eo extension 2.0."""


@dataclass(frozen=True)
class Flag:
    """One bit of a flag variable: position from 0, a name without blanks, and a sentence."""

    bit: int
    name: str
    description: str


@dataclass(frozen=True)
class Variable:
    """
    One layer of a product as it is stored: value = stored * scale + offset, missing where stored == nodata.

    Frozen, hashable and JSON-stable (`to_dict`, `from_dict`). ``scale=None`` means the integers are the values.
    """

    name: str
    dtype: str = "int16"
    scale: float | None = None
    offset: float = 0.0
    nodata: int | None = None
    """Stored value of a missing pixel; None where every value means something (counts, flags)."""
    units: str = "1"
    valid: tuple[float, float] | None = None
    """Inclusive physical range; what falls outside is clipped and gets QA bit 15. None: what the dtype can hold."""
    long_name: str = ""
    standard_name: str | None = None
    """CF standard name."""
    flags: tuple[Flag, ...] = ()
    method: Method = "average"
    """How pyramid levels are made."""
    fill: int = 0
    """Stored value of a chunk nobody has written, where there is no `nodata`."""
    center_wavelength: float | None = None
    """Micrometres, for spectral bands."""

    def __post_init__(self) -> None:
        if np.dtype(self.dtype).kind not in "iu":
            raise StoreError(f"variable {self.name!r}: dtype {self.dtype!r} is not an integer; products are packed")
        if self.scale is not None and not self.scale > 0:
            raise StoreError(f"variable {self.name!r}: scale {self.scale} must be positive")

    @property
    def fill_value(self) -> int:
        """The Zarr fill value: equal to `nodata` where there is one."""
        return self.fill if self.nodata is None else self.nodata

    @property
    def common_name(self) -> str | None:
        """The STAC eo common name, where the variable is a spectral band."""
        return self.name if self.name in COMMON_NAMES else None

    def replace(self, **changes: Any) -> Variable:
        """Return a copy with some fields changed."""
        return dataclasses.replace(self, **changes)

    def to_dict(self) -> JSON:
        """Return plain JSON values; fields at their default are left out."""
        out = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if getattr(self, f.name) != f.default}
        if self.valid:
            out["valid"] = list(self.valid)
        if self.flags:
            out["flags"] = [[f.bit, f.name, f.description] for f in self.flags]
        return out

    @classmethod
    def from_dict(cls, data: JSON) -> Variable:
        """Rebuild what `to_dict` wrote."""
        data = dict(data)
        if data.get("valid") is not None:
            low, high = data["valid"]
            data["valid"] = (low, high)
        data["flags"] = tuple(Flag(*flag) for flag in data.get("flags", ()))
        return cls(**data)


def reflectance(name: str, *, quantity: str = "surface", center_wavelength: float | None = None) -> Variable:
    """
    Return the layer of one reflective band: int16, 0.0001 a step, -0.2 … 1.6.

    Parameters
    ----------
    name
        STAC eo common name.
    quantity
        ``surface`` or ``toa``.
    center_wavelength
        Micrometres.

    Examples
    --------
    >>> reflectance("red").standard_name
    'surface_bidirectional_reflectance'
    """
    words = {"surface": "surface reflectance", "toa": "top-of-atmosphere reflectance"}[quantity]
    return Variable(
        name,
        scale=1e-4,
        nodata=-32768,
        valid=(-0.2, 1.6),
        long_name=f"{words} {name}",
        standard_name=f"{quantity}_bidirectional_reflectance",
        center_wavelength=center_wavelength,
    )


def index(
    name: str,
    long_name: str,
    *,
    valid: tuple[float, float] = (-1.0, 1.0),
    standard_name: str | None = None,
) -> Variable:
    """Return the layer of a dimensionless index: int16, 0.0001 a step."""
    return Variable(name, scale=1e-4, nodata=-32768, valid=valid, long_name=long_name, standard_name=standard_name)


def temperature(name: str, long_name: str, *, standard_name: str | None = None) -> Variable:
    """Return the layer of a temperature: K, uint16, 0.01 a step, 0 where missing."""
    return Variable(
        name,
        "uint16",
        0.01,
        nodata=0,
        units="K",
        valid=(150.0, 400.0),
        long_name=long_name,
        standard_name=standard_name,
    )


def flux(
    name: str,
    long_name: str,
    *,
    valid: tuple[float, float] = (-1000.0, 2000.0),
    standard_name: str | None = None,
) -> Variable:
    """Return the layer of a flux: W m⁻², int16, 0.1 a step."""
    return Variable(
        name, scale=0.1, nodata=-32768, units="W m-2", valid=valid, long_name=long_name, standard_name=standard_name
    )


def fraction(name: str, long_name: str, *, standard_name: str | None = None) -> Variable:
    """Return the layer of a fraction, 0…1: int16, 0.0001 a step."""
    return index(name, long_name, valid=(0.0, 1.0), standard_name=standard_name)


def uncertainty(of: Variable) -> Variable:
    """Return the layer ``<name>_unc``: one standard deviation of `of`, in its units and its step."""
    modifier = f"{of.standard_name} standard_error" if of.standard_name else None
    return Variable(
        f"{of.name}_unc",
        dtype="uint16",
        scale=of.scale,
        nodata=65535,
        units=of.units,
        long_name=f"one standard deviation of {of.long_name or of.name}",
        standard_name=modifier,
    )


def source(sensors: Iterable[str]) -> Variable:
    """Return the bit field of the sensors that contributed to a pixel, one bit a sensor in the given order."""
    names = list(sensors)
    if len(names) > 16:
        raise StoreError(f"source: {len(names)} sensors do not fit in 16 bits; split the order by sensor")
    flags = tuple(Flag(bit, name, f"observed by {name}") for bit, name in enumerate(names))
    return Variable("source", dtype="uint16", long_name="sensors that contributed", flags=flags, method="mode")


COUNT = Variable(
    "count",
    dtype="uint16",
    long_name="number of clear observations",
    standard_name="number_of_observations",
    method="nearest",
)
"""Clear observations of a pixel; 0 is a value, so nothing is missing."""

DAY = Variable(
    "day",
    nodata=-1,
    units="d",
    valid=(0, 32767),
    long_name="day of observation, counted from the first day of the period",
    method="mode",
)
"""Day of observation, 0 = first day of the period."""

QUALITY = Variable(
    "qa",
    dtype="uint16",
    long_name="common quality bits",
    standard_name="quality_flag",
    flags=tuple(Flag(flag.value.bit_length() - 1, flag.name or "", QA_MEANINGS[flag.name or ""]) for flag in QA),
    method="mode",
    fill=QA.FILL.value,
)
"""The common quality bit field; a chunk nobody has written reads as FILL."""

"""Broadband: shortwave reflectance from that of a few bands, by sets of bands with published or fitted weights."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

FITTED = Path(__file__).parent / "data" / "broadband.csv"
"""Weights made by :mod:`musyq_cube.products.broadband_build`."""

_WAVELENGTHS = {"swir12": 1.24}
_LIANG = "Liang 2001, doi:10.1016/S0034-4257(00)00205-4"


@dataclass(frozen=True)
class Broadband:
    """Shortwave reflectance as a weighted sum of bands."""

    name: str
    weights: tuple[tuple[str, float], ...]
    """By the parts that bands play."""
    offset: float
    error: float
    """Standard deviation of what it gives, over land spectra."""
    sensors: tuple[str, ...]
    """Sensors it was made for, with wildcards; empty: any with its bands."""
    citation: str

    @property
    def bands(self) -> tuple[str, ...]:
        """The parts."""
        return tuple(name for name, _ in self.weights)

    @property
    def shape(self) -> tuple[float, float, float]:
        """f_iso, f_vol, f_geo of average land in the shortwave: the weighted sum of those of its bands."""
        from musyq_cube.normalize.direction import fixed_parameters

        parts = [(w, fixed_parameters(b, _WAVELENGTHS.get(b))) for b, w in self.weights]
        iso, vol, geo = (sum(w * f[i] for w, f in parts) for i in range(3))
        return iso + self.offset, vol, geo

    def of(self, bands: Mapping[str, Any]) -> Any:
        """
        Return ``Σ weight · band + offset``.

        Parameters
        ----------
        bands
            Reflectance or albedo by part, arrays or floats; NaN where any is missing.

        Examples
        --------
        >>> tm = {"blue": 0.05, "red": 0.08, "nir": 0.30, "swir16": 0.25, "swir22": 0.15}
        >>> round(SETS["tm"].of(tm), 5)
        0.17035
        """
        total: Any = self.offset
        for name, weight in self.weights:
            total = total + weight * bands[name]
        return total.astype("float32") if hasattr(total, "astype") else total


def _fitted(name: str) -> Broadband:
    with FITTED.open(newline="") as file:
        rows = {row["band"]: float(row["value"]) for row in csv.DictReader(file) if row["set"] == name}
    error, offset = rows.pop("error"), rows.pop("offset")
    return Broadband(
        name, tuple(rows.items()), offset, error, (), "least squares on spectra of land (PROSPECT-D and 4SAIL, soils)"
    )


SETS: dict[str, Broadband] = {
    "modis": Broadband(
        "modis",
        (("red", 0.160), ("nir", 0.291), ("blue", 0.243), ("green", 0.116), ("swir12", 0.112), ("swir22", 0.081)),
        -0.0015,
        0.0078,
        ("modis-*",),
        _LIANG,
    ),
    "s2": Broadband(
        "s2",
        (("blue", 0.2266), ("green", 0.1236), ("red", 0.1573), ("nir", 0.3417), ("swir16", 0.1170), ("swir22", 0.0338)),
        0.0,
        0.008,
        ("sentinel2?-msi",),
        "Bonafoni & Sekertekin 2020, doi:10.1109/LGRS.2020.2967085",
    ),
    "tm": Broadband(
        "tm",
        (("blue", 0.356), ("red", 0.130), ("nir", 0.373), ("swir16", 0.085), ("swir22", 0.072)),
        -0.0018,
        0.008,
        (),
        _LIANG,
    ),
    "swir16": _fitted("swir16"),
    "vnir": _fitted("vnir"),
    "rednir": _fitted("rednir"),
}
"""Best first."""

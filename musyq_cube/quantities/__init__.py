"""
Quantities: what is known of the air and the ground from elsewhere, under one name and in one unit each.

A value room: it knows names, units and formulas, no files. Names follow the CF conventions, ERA5, MERRA-2 and
CAMS; 1 Dobson unit is 2.1415e-5 kg m⁻² of ozone.
"""

from musyq_cube.quantities.derived import (
    DERIVED,
    Derivation,
    derivable,
    derivation,
    dew_point,
    parts_of,
    relative_humidity,
    saturation_vapour_pressure,
    vapour_pressure_deficit,
    vapour_pressure_of_humidity,
)
from musyq_cube.quantities.table import QUANTITIES, Quantity, find_quantity, quantity
from musyq_cube.quantities.units import conversion, fold_unit, guess_unit, is_energy

__all__ = [
    "DERIVED",
    "QUANTITIES",
    "Derivation",
    "Quantity",
    "conversion",
    "derivable",
    "derivation",
    "dew_point",
    "find_quantity",
    "fold_unit",
    "guess_unit",
    "is_energy",
    "parts_of",
    "quantity",
    "relative_humidity",
    "saturation_vapour_pressure",
    "vapour_pressure_deficit",
    "vapour_pressure_of_humidity",
]

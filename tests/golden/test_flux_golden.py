"""Turbulent fluxes against published and verified numbers."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import xarray as xr

from musyq_cube.kernels import flux as kernels
from musyq_cube.kernels import turbulence as turbulent
from musyq_cube.products import evapotranspiration as water
from musyq_cube.products import latent_heat, moisture, turbulence

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FIRST = {
    "NDVI": 0.70972943, "ST_C": 31.95, "Ta_C": 32.65892, "RH": 0.5602149, "Rn": 393.8571, "albedo": 0.21544458,
    "Topt_C": 10.09, "fAPARmax": 0.4659,
}  # fmt: skip
"""First row of ECOv002-cal-val-PT-JPL-outputs.csv."""
COLUMNS = {
    "g": "G_Wm2", "rn_soil": "Rn_soil_Wm2", "le_soil": "LE_soil_Wm2", "rn_canopy": "Rn_canopy_Wm2",
    "potential": "PET_Wm2", "le_canopy": "LE_canopy_Wm2", "le_interception": "LE_interception_Wm2", "le": "LE_Wm2",
}  # fmt: skip


def _published(d: Any, floor: float | None = None) -> dict[str, Any]:
    return latent_heat.pt_jpl_parts(
        d["Rn"], d["NDVI"], d["ST_C"] + 273.15, d["albedo"], d["Ta_C"] + 273.15, d["RH"],
        optimum_temperature=d["Topt_C"] + 273.15, fapar_max=d["fAPARmax"], published=True, floor=floor,
    )  # fmt: skip


def _table(path: Path) -> dict[str, np.ndarray]:
    names = [*FIRST, *COLUMNS.values()]
    with path.open(newline="", encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    return {name: np.array([float(row[name]) for row in rows]) for name in names}


def test_pt_jpl_first_row_of_ecostress_v002() -> None:
    found = _published(FIRST)
    assert found["g"] == pytest.approx(51.00152695768387, rel=1e-7)
    assert found["le"] == pytest.approx(266.44909937049323, rel=1e-7)


def test_pt_jpl_every_column_of_ecostress_v002(data: Callable[[str], Path]) -> None:
    d = _table(data("ecostress_towers") / "ECOv002-cal-val-PT-JPL-outputs.csv")
    found = _published(d)
    assert len(d["Rn"]) >= 500
    for ours, theirs in COLUMNS.items():
        np.testing.assert_allclose(found[ours], d[theirs], rtol=1e-5, atol=1e-8, err_msg=theirs)


def test_the_floor_of_1_kpa_changes_cold_rows_only(data: Callable[[str], Path]) -> None:
    """ALGORITHMS, trap 4: saturation is below 1 kPa under 6.97 °C."""
    d = _table(data("ecostress_towers") / "ECOv002-cal-val-PT-JPL-outputs.csv")
    floored = _published(d)["le_soil"]
    free = _published(d, floor=0.0)["le_soil"]
    assert (floored == free)[d["Ta_C"] >= 6.98].all()
    assert (floored != free)[(d["Ta_C"] < 6.9) & (floored > 0)].all()


def test_pt_jpl_single_precision_is_the_double_one() -> None:
    rng = np.random.default_rng(3)
    ranges = (
        (50, 700),
        (0, 0.95),
        (270, 325),
        (0.05, 0.4),
        (265, 315),
        (0.05, 1),
        (7e4, 1.03e5),
        (285, 305),
        (0.1, 0.8),
    )
    given = [rng.uniform(low, high, 5000).astype("float32") for low, high in ranges]
    single = kernels.pt_jpl(*given)
    double = kernels.pt_jpl_parts(*(v.astype(float) for v in given), 0.0, np.bool_(1))[-1]
    np.testing.assert_allclose(single, double, rtol=2e-4, atol=0.02)


def test_mod16_unit_case_of_arthur_e_mod16() -> None:
    """``MOD16._et`` of its own tests: 40.94 W m-2."""
    parameters = np.array([[-8, 8, 650, 3000, 0.01, 0.01, 1e-5, 2.4e-3, 60, 90.0]])
    given = np.array((150, -50, -30, 0.3, 293, 290, 285, 285, 1000, 500, 1e5, 0.5, 1.5), np.float32)
    day, night = kernels.mod16(*given, np.int16(0), parameters)
    assert round(float(day + night), 2) == 40.94


def test_mod16_parameters_of_collection_7() -> None:
    classes, values = water.bplut()
    assert classes == (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12)
    assert values[:, kernels.VPD_CLOSE].tolist() == [4650, 4300, 2450, 3450, 3900, 4650, 5350, 3650, 5100, 4150, 4950]
    assert values[:, kernels.OPEN].tolist() == [3.6, 20.2, 3.7, 21.4, 17.8, 19.4, 11.1, 13.7, 8.1, 5.0, 21.5]


def _fao56(
    day: int, lat: float, height: float, warm: float, cold: float, ea: float, sun: float, wind: float, g: float = 0.0
) -> float:
    """Return the reference evapotranspiration from weather: equations 7 to 39 of FAO-56."""
    mean = (warm + cold) / 2
    phi, turn = np.radians(lat), 2 * np.pi * day / 365
    near, decline = 1 + 0.033 * np.cos(turn), 0.409 * np.sin(turn - 1.39)
    set_ = np.arccos(-np.tan(phi) * np.tan(decline))
    ra = 24 * 60 / np.pi * 0.082 * near * (
        set_ * np.sin(phi) * np.sin(decline) + np.cos(phi) * np.cos(decline) * np.sin(set_)
    )  # fmt: skip
    rs = (0.25 + 0.5 * sun / (24 / np.pi * set_)) * ra
    clear = (0.75 + 2e-5 * height) * ra
    t4 = ((warm + 273.16) ** 4 + (cold + 273.16) ** 4) / 2
    rn = 0.77 * rs - 4.903e-9 * t4 * (0.34 - 0.14 * ea**0.5) * (1.35 * min(rs / clear, 1) - 0.35)
    pressure = 101.3 * ((293 - 0.0065 * height) / 293) ** 5.26
    es = sum(latent_heat.saturation_vapour_pressure(t + 273.15) for t in (warm, cold)) / 2000
    slope = 4.098 * latent_heat.saturation_vapour_pressure(mean + 273.15) / (mean + 237.3) ** 2
    return water.reference_evapotranspiration(rn, mean, wind, es - ea, slope, 0.665e-3 * pressure, g)


def test_fao56_bangkok_example_17() -> None:
    found = _fao56(105, 13.73, 2, 34.8, 25.6, 2.85, 8.5, 2.0, 0.14)
    assert found == pytest.approx(5.713, abs=0.005)
    assert found == pytest.approx(5.72, abs=0.02)


def test_fao56_uccle_example_18() -> None:
    ea = 0.0005 * (
        latent_heat.saturation_vapour_pressure(12.3 + 273.15) * 0.84
        + latent_heat.saturation_vapour_pressure(21.5 + 273.15) * 0.63
    )
    found = _fao56(187, 50.8, 100, 21.5, 12.3, ea, 9.25, 2.078)
    assert found == pytest.approx(3.878, abs=0.005)


def test_raupach_of_pytseb() -> None:
    z, d = turbulence.raupach(np.array([0.05, 0.1, 0.152, 0.3, 1.0]))
    np.testing.assert_allclose(z, [0.075386, 0.120755, 0.128444, 0.100703, 0.057379], atol=1e-6)
    np.testing.assert_allclose(d, [0.330990, 0.423417, 0.484040, 0.585104, 0.747171], atol=1e-6)


def test_roughness_of_shrub_of_pytseb() -> None:
    lai = xr.DataArray([0.5, 1.0, 2.0, 4.0], dims="x")
    found = turbulence.roughness(lai, xr.full_like(lai, 6.0), xr.full_like(lai, 5.0))
    np.testing.assert_allclose(found["z0m"], [1.2963, 1.07835, 0.78266, 0.56709], rtol=1e-4)


def test_roughness_by_savi_of_sebal() -> None:
    red, nir = xr.DataArray(0.07), xr.DataArray(0.35)
    savi = 1.5 * 0.28 / 0.92
    assert float(turbulence.roughness_by_savi(red, nir)["z0m"]) == pytest.approx(np.exp(-5.809 + 5.62 * savi))


def test_sensible_heat_of_monin_obukhov() -> None:
    """Converged: u* 0.34534, ra 37.479, H 226.10, L -16.09."""
    z0m = 0.125
    given = np.array((3, 9.35, 9.35, z0m, z0m / np.exp(2.3), 300.15, 293.15, 1169, 101325, -1), np.float32)
    h, friction, resistance, length = turbulent.sensible_heat(*given)
    assert h == pytest.approx(226.10, rel=2e-4)
    assert friction == pytest.approx(0.34534, rel=2e-4)
    assert resistance == pytest.approx(37.479, rel=2e-4)
    assert length == pytest.approx(-16.09, rel=2e-3)


def _by_bisection(u: float, z: float, z0m: float, z0h: float, ts: float, ta: float) -> tuple[float, float, float]:
    """Return friction velocity, resistance and Obukhov length of stable air: the root nearest to neutral air."""

    def profile(x: float, low: float) -> float:
        a, b = (np.log(v + (1.0 + v**2.5) ** 0.4) for v in (z * x, low * x))
        return float(np.log(z / low) + 6.1 * (a - b))

    def lacking(x: float) -> float:
        return x - 9.8 * (ta - ts) / (u * u * ta) * profile(x, z0m) ** 2 / profile(x, z0h)

    steps = np.linspace(0.0, 5.0 / z, 5001)
    first = next(i for i, x in enumerate(steps) if lacking(x) >= 0.0)
    low, high = steps[first - 1], steps[first]
    for _ in range(60):
        middle = 0.5 * (low + high)
        low, high = (low, middle) if lacking(middle) >= 0.0 else (middle, high)
    friction = 0.41 * u / profile(high, z0m)
    return friction, profile(high, z0h) / (0.41 * friction), 1.0 / high


@pytest.mark.parametrize(("u", "ts"), [(3.0, 290.15), (2.0, 291.15), (3.256, 282.6), (6.0, 278.15)])
def test_sensible_heat_of_stable_air_by_bisection(u: float, ts: float) -> None:
    """An independent solution in double precision of the equations of ALGORITHMS, from near neutral to near still."""
    z, z0m, z0h, ta, p, e = 9.375, 0.125, 0.0125, 293.15, 101_325.0, 1169.0
    given = np.array((u, z, z, z0m, z0h, ts, ta, e, p, -1), np.float32)
    h, friction, resistance, length = turbulent.sensible_heat(*given)
    expected = _by_bisection(u, z, *(float(v) for v in given[3:7]))
    q = 0.622 * e / (p - 0.378 * e)
    heat = p / (287.04 * ta) * (1.0 - 0.378 * e / p) * ((1.0 - q) * 1003.5 + q * 1865.0)
    assert (friction, resistance, length) == pytest.approx(expected, rel=1e-4)
    assert h == pytest.approx(heat * float(given[5] - given[6]) / expected[1], rel=1e-4)
    assert h < -1.0


def test_dryness_of_a_synthetic_triangle() -> None:
    """Dry edge 330 - 35 N, wet edge 295 + 2 N, uniform moisture, 20000 pixels."""
    rng = np.random.default_rng(0)
    n = rng.uniform(0.2, 0.86, (128, 157)).astype("float32")
    wetness = rng.uniform(0, 1, n.shape)
    ts = (295 + 2 * n + (1 - wetness) * (35 - 37 * n)).astype("float32")
    found = moisture.dryness(xr.DataArray(ts, dims=("y", "x")), xr.DataArray(n, dims=("y", "x")), window=512)
    error = (found["smi"] - wetness).values[n < 0.8]
    assert np.sqrt((error**2).mean()) < 0.02
    bare, green = (float(v) for v in _dry_edge(found["tvdi"].values, n, ts))
    assert bare == pytest.approx(329.7, abs=0.5)
    assert green == pytest.approx(-34.5, abs=1.0)


def _dry_edge(tvdi: np.ndarray, n: np.ndarray, ts: np.ndarray) -> np.ndarray:
    """Return offset and slope of the dry edge from an index between a wet edge (a, b) and it, by least squares."""
    n, ts, t = (v.ravel().astype(float) for v in (n, ts, tvdi))
    # ts = (1 - t) (wet0 + wet1 n) + t (dry0 + dry1 n)
    columns = np.stack([t, t * n, 1 - t, (1 - t) * n], axis=1)
    return np.linalg.lstsq(columns, ts, rcond=None)[0][:2]

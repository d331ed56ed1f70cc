"""Vegetation products against published numbers and against the canopy model they are made of."""

from __future__ import annotations

import re
from functools import cache

import numpy as np
import pytest
import xarray as xr

from musyq_cube.normalize import spectral
from musyq_cube.products import chlorophyll, cover, get_recipe, indices, leaf_area
from musyq_cube.sensor import sensor
from musyq_cube.types import QA

OLI = ("landsat8-oli", "red", "nir08", "swir16")
MSI = ("sentinel2a-msi", "red", "nir08", "swir16")


@cache
def canopies():
    """Simulated canopies over soils that the shipped tables were not made of."""
    pytest.importorskip("prosail")
    from musyq_cube.products import _canopy_model, canopy_build

    return _canopy_model.simulate(2500, 2, canopy_build.wanted())


def seen(sensor_id, *bands, noise=0.03):
    """Reflectances with relative noise, under the names of the inputs."""
    exact = canopies().of(sensor_id, bands)
    made = exact * (1 + noise * np.random.default_rng(7).standard_normal(exact.shape))
    names = ["nir" if b == "nir08" else b for b in bands]
    return xr.Dataset({n: ("x", v.astype("float32")) for n, v in zip(names, made, strict=True)})


def rmse(made, truth, where=slice(None)):
    return float(np.sqrt(np.nanmean((made.values - truth)[where] ** 2)))


@pytest.mark.parametrize(("ndvi", "expected"), [(0.30, 0.29412), (0.60, 0.64706), (0.02, 0.0), (0.95, 1.0)])
def test_cover_gutman_ignatov_1998(ndvi, expected):
    assert float(cover.dimidiate(ndvi, 0.05, 0.90)) == pytest.approx(expected, abs=5e-6)


def test_cover_of_mixtures_is_biased_by_less_than_a_tenth():
    """Reflectances mix linearly, NDVI does not: soil (0.15, 0.22) and plants (0.03, 0.45) of red and near infrared."""
    share = np.linspace(0, 1, 101)
    red, nir = 0.15 + share * (0.03 - 0.15), 0.22 + share * (0.45 - 0.22)
    made = cover.dimidiate((nir - red) / (nir + red), (0.22 - 0.15) / 0.37, 0.42 / 0.48)
    assert 0 < (made - share).mean() < 0.1


@pytest.mark.parametrize("ndvi", [0.0, 0.05, 0.3, 0.65, 0.9, 1.0])
def test_lai_carlson_as_in_pt_jpl(ndvi):
    """``fIPAR = clip(NDVI - 0.05, 0, 1)``; ``LAI = min(-ln(1 - fIPAR) / 0.5, 10)``, to the bit."""
    f = min(max(ndvi - 0.05, 0.0), 1.0)
    assert float(leaf_area.carlson(ndvi)) == min(-np.log(1 - f) * 2, 10)


@pytest.mark.parametrize(("clustered", "expected"), [(0.0, 2.21636), (1.0, 4.22729), (0.5, 3.22183)])
def test_lai_from_the_simple_ratio_as_in_casa(clustered, expected):
    """GTMM (CASA): SRmax 3.8387, LAImax 6, FPARmax 0.95; NDVI 0.5 is SR 3 and FPAR 0.66932."""
    assert float(leaf_area.fpar_ratio(0.5, 3.8387)) == pytest.approx(0.66932, abs=5e-6)
    assert float(leaf_area.lai_ratio(0.5, 6.0, clustered, 3.8387)) == pytest.approx(expected, abs=5e-6)


def test_fpar_jpl_of_ndvi_06_is_one_half():
    assert float(leaf_area.fpar_jpl(0.6)) == pytest.approx(0.500, abs=5e-4)


def test_fpar_wapor():
    assert float(leaf_area.fpar_linear(0.6)) == pytest.approx(1.257 * 0.6 - 0.161, abs=1e-12)


LAIS = (0.5, 1.0, 2.0, 3.0, 5.0)
R670 = (0.195883, 0.121207, 0.050587, 0.025889, 0.014377)
R800 = (0.389829, 0.393637, 0.404827, 0.418577, 0.441418)
NDVI = (0.331129, 0.529151, 0.777842, 0.883505, 0.936915)


def spectrum(area, cab):
    prosail = pytest.importorskip("prosail")
    return prosail.run_prosail(
        1.5, cab, 8.0, 0.0, 0.01, 0.009, area, -0.35, 0.01, 30.0, 10.0, 0.0,
        typelidf=1, lidfb=-0.15, prospect_version="D", rsoil=1.0, psoil=1.0,
    )  # fmt: skip


@pytest.mark.parametrize(("area", "red", "nir", "ndvi"), list(zip(LAIS, R670, R800, NDVI, strict=True)))
def test_prosail_of_spherical_leaves(area, red, nir, ndvi):
    """N 1.5, Cab 40, Car 8, Cw 0.01, Cm 0.009, spherical, hot spot 0.01, sun 30°, view 10°, dry soil."""
    rho = spectrum(area, 40.0)
    assert rho[[270, 400]] == pytest.approx([red, nir], abs=5e-6)
    assert float(indices.ndvi(rho[400], rho[270])) == pytest.approx(ndvi, abs=5e-6)


@pytest.mark.parametrize(
    ("cab", "cire", "mtci"),
    [(10, 0.8858, 0.7615), (20, 1.7146, 1.3833), (40, 3.3695, 2.7269), (60, 5.0122, 4.2627), (80, 6.5901, 6.0295)],
)
def test_chlorophyll_indices_of_prosail(cab, cire, mtci):
    """The canopy above with LAI 3 and carotenoids 8: R783 / R705 - 1 and (R754 - R709) / (R709 - R681)."""
    rho = spectrum(3.0, float(cab))
    assert chlorophyll.ci_red_edge(rho[383], rho[305]) == pytest.approx(cire, abs=5e-5)
    assert chlorophyll.mtci(rho[354], rho[309], rho[281]) == pytest.approx(mtci, abs=1e-4)


def test_lai_of_that_canopy_is_found_and_rises():
    wave = np.arange(400, 2501) / 1000
    rho = np.stack([spectrum(area, 40.0) for area in LAIS])
    bands = {b: spectral.band_mean((wave, rho), sensor(OLI[0]).srf(b)) for b in OLI[1:]}
    ds = xr.Dataset({b: ("x", v.astype("float32")) for b, v in bands.items()} | {"qa": ("x", np.zeros(5, "uint16"))})
    made = get_recipe("MuSQ.LAI").compute(ds, sensor=OLI[0])
    assert (np.diff(made["lai"]) > 0).all()
    assert (np.abs(made["lai"] - LAIS) < 2 * made["lai_unc"] + 0.1).all()
    assert not (made["qa"] & QA.BACKUP).any()


@pytest.mark.parametrize("given", [OLI, MSI, ("modis-terra", *OLI[1:]), OLI[:3], ("hj1a-ccd1", "red", "nir")])
def test_lai_closed_loop(given):
    """RMSE at most 0.6 below LAI 4 with 3 % noise on every band."""
    made = get_recipe("MuSQ.LAI").compute(seen(*given), sensor=given[0])
    truth = canopies().lai
    assert rmse(made["lai"], truth, truth < 4) <= 0.6
    assert abs(float(made["lai"].values[truth < 4].mean() - truth[truth < 4].mean())) < 0.15


def test_fpar_closed_loop():
    """Far within the goal of GCOS, 0.05 or 10 %."""
    made = get_recipe("MuSQ.FPAR").compute(seen(*OLI), sensor=OLI[0])
    assert rmse(made["fpar"], canopies().fpar) <= 0.05


def test_lai_and_fpar_rise_with_ndvi():
    red = np.linspace(0.2, 0.02, 200)
    nir = 0.28 + (0.2 - red) * 0.8
    ds = xr.Dataset({"red": ("x", red.astype("float32")), "nir": ("x", nir.astype("float32"))})
    for product in ("LAI", "FPAR"):
        made = get_recipe(f"MuSQ.{product}").compute(ds)[product.lower()].values
        assert (np.diff(made) > -0.02).all()
        assert made[-1] > made[0] + 0.5


def test_leaf_chlorophyll_closed_loop():
    """RMSE at most 8 µg cm⁻² where there is a canopy (LAI above 1)."""
    ds = seen("sentinel2a-msi", "red", "rededge071", "rededge078")
    made = get_recipe("MuSQ.CHL").compute(ds, sensor="sentinel2a-msi")
    truth = canopies()
    assert rmse(made["cab"], truth.cab, truth.lai > 1) <= 8
    assert rmse(made["chl"], truth.chlorophyll) <= 0.7
    assert np.corrcoef(made["chl"], truth.chlorophyll)[0, 1] ** 2 >= 0.75


def test_ndvi_and_evi_as_in_myd13a1(data):
    """Vegetation indices of the producer's own reflectance agree with its own indices to 1e-4 (95 %)."""
    import rasterio

    folder = next((data("modis_cogs") / "MYD13A1.006").glob("*/*/*"))

    def read(name):
        found = [p for p in folder.iterdir() if re.search(rf"_{name}\.TIF$", p.name)]
        if not found:
            pytest.skip(f"MYD13A1 without its layer {name} on this machine")
        with rasterio.open(found[0]) as file:
            values = file.read(1).astype(float)
            return np.where(values == file.nodata, np.nan, values) / 1e4

    nir, red, blue = read("NIRR_B05"), read("RR_B04"), read("BR_B06")
    for made, name in ((indices.ndvi(nir, red), r"\w*NDVI_B01"), (indices.evi(nir, red, blue), r"\w*EVI_B02")):
        away = np.abs(made - read(name))
        assert np.isfinite(away).sum() > 100_000
        assert np.nanquantile(away, 0.95) < 1e-4

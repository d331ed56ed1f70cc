"""What must hold for the directional kernels whatever the angles."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from musyq_cube.kernels.brdf import kernels
from musyq_cube.normalize.direction import apply_direction

angle = st.floats(0, 75)
azimuth = st.floats(-720, 720)


@given(angle, angle, azimuth)
@settings(max_examples=200, deadline=None)
def test_kernels_are_reciprocal_and_fold_the_azimuth(a, b, phi):
    """Sun and view may be exchanged; the sign and whole turns of the azimuth do not matter."""
    there, back = kernels(a, b, phi), kernels(b, a, phi)
    assert max(abs(x - y) for x, y in zip(there, back, strict=True)) <= 1e-12
    other = kernels(a, b, 360 - phi)
    assert max(abs(x - y) for x, y in zip(there, other, strict=True)) <= 1e-9


@given(st.integers(0, 2**32 - 1), st.integers(1, 150), st.integers(1, 150))
@settings(max_examples=15, deadline=None)
def test_any_block_gives_the_same_bits(seed, row, column):
    """Law 10: a pixel depends on nothing but itself, wherever it lies in a strip, a lane or a vector."""
    rng = np.random.default_rng(seed)
    shape = (150, 151)
    angles = [rng.uniform(0, top, shape).astype(np.float32) for top in (80, 65, 180)]
    red = rng.uniform(-0.01, 1, shape).astype(np.float32)
    whole, qa = apply_direction({"red": red}, *angles, sun=40.0)
    part, bits = apply_direction({"red": red[row:, column:]}, *(a[row:, column:] for a in angles), sun=40.0)
    np.testing.assert_array_equal(part["red"].view(np.uint32), whole["red"][row:, column:].view(np.uint32))
    np.testing.assert_array_equal(bits, qa[row:, column:])


@given(angle, st.floats(0, 60), azimuth)
@settings(max_examples=100, deadline=None)
def test_fixed_parameters_never_give_an_impossible_factor(sza, vza, raa):
    """Within the angles that are not refused every factor is finite and moderate."""
    bands = dict.fromkeys(("blue", "green", "red", "nir08", "swir16", "swir22"), np.ones((1, 1), np.float32))
    out, qa = apply_direction(bands, sza, vza, raa)
    assert not qa.any()
    assert all(0.35 < band[0, 0] < 1.6 for band in out.values())

"""What holds of the aerosol kernels and windows for any input."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from musyq_cube.kernels.aerosol import solve, trimmed
from musyq_cube.normalize._aerosol_lattice import fill_gaps, lattice, smooth
from musyq_cube.scene import SourceGrid

VALUES = st.floats(-1, 1, width=32) | st.just(np.nan)
FIELDS = hnp.arrays(np.float32, hnp.array_shapes(min_dims=2, max_dims=2, max_side=9), elements=VALUES)


@given(hnp.arrays(np.float32, (2, 30), elements=VALUES), st.floats(0, 0.5), st.floats(0.5, 1))
def test_trimmed_means_lie_within_the_values_and_do_not_depend_on_order(x, low, high):
    mean, count = trimmed(x, x[0], low, high)
    fit = np.isfinite(x).all(0)
    assert (count > 0) == fit.any()
    if fit.any():
        assert (mean >= x[:, fit].min(1) - 1e-6).all()
        assert (mean <= x[:, fit].max(1) + 1e-6).all()
    if np.unique(x[0, fit]).size == fit.sum():
        again, _ = trimmed(x[:, ::-1], x[0, ::-1], low, high)
        np.testing.assert_allclose(again, mean, atol=1e-6)


@given(
    st.floats(0.02, 1.9), st.floats(0.02, 0.3), hnp.arrays(np.float32, 2, elements=st.floats(0.25, 4, width=32))
)  # fmt: skip
def test_the_root_that_all_residuals_share_is_found(root, slope, weight):
    nodes = np.linspace(0, 2, 11).astype(np.float32)
    residual = np.stack([slope * (root - nodes), 0.5 * slope * (root - nodes)]).astype(np.float32)
    aod, rms, sensitivity = solve(residual, weight, nodes)
    assert abs(aod - root) < 1e-3
    assert rms < 1e-4
    assert 0.4 * slope < sensitivity < 1.1 * slope


@given(FIELDS)
def test_filled_and_smoothed_fields_stay_between_what_was_seen(field):
    filled = fill_gaps(field)
    seen = field[np.isfinite(field)]
    if seen.size == 0:
        assert np.isnan(filled).all()
        return
    for made in (filled, smooth(filled)):
        assert np.isfinite(made).all()
        assert made.min() >= seen.min() - 1e-6
        assert made.max() <= seen.max() + 1e-6
    np.testing.assert_array_equal(filled[np.isfinite(field)], seen)


@settings(max_examples=50)
@given(st.integers(-40, 40), st.integers(-40, 40), st.integers(1, 30), st.integers(1, 30), st.sampled_from([300, 700]))
def test_every_pixel_is_in_the_window_of_its_place(row, col, height, width, size):
    grid = SourceGrid("EPSG:32650", (100.0, 0.0, 100.0 * col, 0.0, -100.0, -100.0 * row), (height, width))
    windows = lattice(grid, size)
    rows, cols = np.mgrid[row : row + height, col : col + width]
    n = size // 100
    folded = windows.fold(np.stack([rows, cols]).astype(np.float32))
    first = round(-windows.grid.transform[5] / size), round(windows.grid.transform[2] / size)
    for i in range(windows.shape[0]):
        for j in range(windows.shape[1]):
            inside = np.isfinite(folded[0, i, j])
            assert inside.any()
            assert (folded[0, i, j, inside] // n == first[0] + i).all()
            assert (folded[1, i, j, inside] // n == first[1] + j).all()
    assert np.isfinite(folded[0]).sum() == height * width

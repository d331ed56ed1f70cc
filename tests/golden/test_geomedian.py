"""The geometric median against cases known in closed form and an independent minimiser."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import special_ortho_group

from musyq_cube.kernels.geomedian import distances, geomedian


def solve(points, **options):
    """Geometric median of (observation, band) by the kernel."""
    return geomedian(np.asarray(points, np.float32).T[:, :, None], **options)[:, 0].astype(float)


def cost(y, points):
    return np.sqrt(((points - y) ** 2).sum(1)).sum()


def cloudy(seed, times=40, bands=6):
    rng = np.random.default_rng(seed)
    points = rng.random(bands) * 0.4 + rng.normal(0, 0.02, (times, bands)) + (rng.random((times, 1)) < 0.25) * 0.3
    return points.astype(np.float32).astype(float)


@pytest.mark.parametrize("seed", range(8))
def test_agrees_with_a_quasi_newton_minimiser(seed):
    """SciPy's BFGS on the sum of distances, gradient tolerance 1e-10."""
    points = cloudy(seed)
    expected = minimize(cost, points.mean(0), (points,), "BFGS", options={"gtol": 1e-10}).x
    np.testing.assert_allclose(solve(points, eps=1e-8, maxiter=2000), expected, atol=1e-6)
    np.testing.assert_allclose(solve(points), expected, atol=2e-6)


def test_fermat_point_of_a_triangle():
    """Equilateral: the centre. Right isosceles with legs 1: both coordinates (3 - √3) / 6."""
    np.testing.assert_allclose(
        solve([[0, 0], [1, 0], [0.5, np.sqrt(3) / 2]], eps=1e-7), [0.5, np.sqrt(3) / 6], atol=1e-6
    )
    expected = (3 - np.sqrt(3)) / 6
    np.testing.assert_allclose(solve([[0, 0], [1, 0], [0, 1]], eps=1e-7), [expected, expected], atol=1e-6)


def test_a_corner_of_120_degrees_or_more_is_itself_the_median():
    """Vardi and Zhang: the minimum may be an observation, where Weiszfeld's own step divides by zero."""
    np.testing.assert_allclose(solve([[0, 0], [1, 0], [-1, 0.2]]), [0, 0], atol=1e-5)
    np.testing.assert_allclose(solve([[0, 0], [0, 0], [0, 0], [1, 0], [0, 1]]), [0, 0], atol=1e-7)


def test_the_start_on_an_observation_that_is_not_minimal():
    """The band-wise median is the first point here, and the minimum is elsewhere."""
    points = np.array([[0.5, 0.5], [0.4, 0.9], [0.9, 0.45], [0.1, 0.4], [0.6, 0.1]])
    assert (np.median(points, 0) == [0.5, 0.45]).all()
    points[1:, 1] += 0.05
    expected = minimize(cost, [0.3, 0.3], (points,), "Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-14}).x
    np.testing.assert_allclose(solve(points, eps=1e-8, maxiter=5000), expected, atol=1e-5)


def test_one_two_and_equal_observations():
    np.testing.assert_array_equal(solve([[0.25, 0.5]]), [0.25, 0.5])
    np.testing.assert_allclose(solve([[0.25, 0.5], [0.5, 0.75]]), [0.375, 0.625])
    np.testing.assert_array_equal(solve([[0.25, 0.5]] * 7), [0.25, 0.5])
    assert np.isnan(solve([[np.nan, 0.5], [0.5, np.nan]])).all()


def test_one_band_is_the_median():
    x = np.random.default_rng(0).random((15, 1)).astype(np.float32)
    np.testing.assert_allclose(solve(x, eps=1e-8, maxiter=5000), np.median(x), atol=1e-5)


def test_turns_and_moves_with_the_data():
    """Unlike the band-wise median, it is equivariant to rotations of the spectral space."""
    points = cloudy(3)
    turn = special_ortho_group.rvs(6, random_state=1)
    centre = solve(points, eps=1e-8)
    np.testing.assert_allclose(solve(points @ turn.T, eps=1e-8), turn @ centre, atol=1e-6)
    np.testing.assert_allclose(solve(points + 0.5, eps=1e-8), centre + 0.5, atol=1e-6)


def test_an_observation_without_one_band_does_not_count():
    points = cloudy(4)
    holed = np.vstack([points, [[np.nan, 9, 9, 9, 9, 9]]])
    np.testing.assert_array_equal(solve(holed), solve(points))


def test_distances_by_their_definitions():
    """Roberts et al. 2018, written out with NumPy."""
    points = cloudy(5)
    centre = solve(points)
    x = points.T[:, :, None].astype(np.float32)
    emad, smad, bcmad = distances(x, centre[:, None].astype(np.float32))
    assert emad[0] == pytest.approx(np.median(np.linalg.norm(points - centre, axis=1)), rel=1e-5)
    cosine = points @ centre / np.linalg.norm(points, axis=1) / np.linalg.norm(centre)
    assert smad[0] == pytest.approx(np.median(1 - cosine), abs=1e-6)
    bray = np.abs(points - centre).sum(1) / np.abs(points + centre).sum(1)
    assert bcmad[0] == pytest.approx(np.median(bray), rel=1e-5)


@pytest.mark.parametrize(("times", "bands"), [(3, 6), (5, 3), (8, 4), (30, 2)])
def test_few_steps_suffice(times, bands):
    """Weiszfeld's plain iteration is often 1e-3 away after its 200 steps; the sum of distances must be the least."""
    rng = np.random.default_rng(times)
    clouds = (rng.random((1, times, 500)) < 0.3) * rng.random((1, times, 500)) * 0.6
    x = (rng.random((bands, times, 500)) * 0.3 + clouds).astype(np.float32)
    near, nearest = geomedian(x, maxiter=40), geomedian(x, eps=1e-8, maxiter=20_000)

    def total(centre):
        return np.sqrt(((x.astype(float) - centre[:, None]) ** 2).sum(axis=0)).sum(axis=0)

    assert (total(near) - total(nearest)).max() < 1e-5
    assert np.percentile(np.abs(near - nearest), 99) < 1e-5

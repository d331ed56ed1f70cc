"""Kernels against NumPy and SciPy, for any data."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.ndimage import distance_transform_edt

from musyq_cube.kernels._gufunc import network
from musyq_cube.kernels.geomedian import distances, geomedian
from musyq_cube.kernels.morphology import distance
from musyq_cube.kernels.reduce import mean, summarize, weighted
from musyq_cube.kernels.select import quantile, spread

quick = settings(max_examples=40, deadline=None)
values = st.one_of(st.floats(-1, 2, width=32), st.just(np.nan), st.sampled_from([0.0, -0.0, 0.5]))


def stacks(max_times=20, max_pixels=70):
    shape = st.tuples(st.integers(1, max_times), st.integers(1, max_pixels))
    return hnp.arrays(np.float32, shape, elements=values)


@pytest.mark.parametrize("n", [*range(1, 40), 64, 100, 447])
def test_the_network_sorts_by_the_zero_one_principle(n):
    """Knuth: a network that sorts every sequence of zeros and ones sorts everything; sampled beyond n = 10."""
    rng = np.random.default_rng(n)
    cases = (np.arange(1 << n)[:, None] >> np.arange(n)) & 1 if n <= 10 else rng.integers(0, 2, (2000, n))
    for i, j in network(n):
        low, high = np.minimum(cases[:, i], cases[:, j]), np.maximum(cases[:, i], cases[:, j])
        cases[:, i], cases[:, j] = low, high
    assert (np.diff(cases, axis=1) >= 0).all()


@quick
@given(stacks(), st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.9, 1.0]))
def test_quantiles_are_those_of_numpy(x, q):
    good = [column[np.isfinite(column)].astype(np.float64) for column in x.T]
    expected = [np.quantile(column, q) if column.size else np.nan for column in good]
    np.testing.assert_allclose(quantile(x, q), expected, rtol=1e-6, atol=1e-7)


@quick
@given(stacks(), st.randoms(use_true_random=False))
def test_order_statistics_do_not_depend_on_the_order(x, random):
    order = list(range(len(x)))
    random.shuffle(order)
    np.testing.assert_array_equal(quantile(x), quantile(x[order]))
    np.testing.assert_array_equal(spread(x, quantile(x)), spread(x[order], quantile(x)))


@quick
@given(stacks())
def test_spread_is_the_median_absolute_deviation(x):
    centre = quantile(x)
    expected = quantile(np.abs(x.astype(np.float64) - centre).astype(np.float32))
    np.testing.assert_allclose(spread(x, centre), expected, rtol=1e-5, atol=1e-6)


@quick
@given(stacks())
def test_mean_and_its_error(x):
    value, error = mean(x)
    n = np.isfinite(x).sum(0)
    for p in range(x.shape[1]):
        good = x[np.isfinite(x[:, p]), p].astype(np.float64)
        assert value[p] == pytest.approx(good.mean() if n[p] else np.nan, rel=1e-6, abs=1e-7, nan_ok=True)
        expected = good.std(ddof=1) / np.sqrt(n[p]) if n[p] > 1 else np.nan
        assert error[p] == pytest.approx(expected, rel=1e-4, abs=1e-7, nan_ok=True)


def weighted_reference(x, w):
    """ALGORITHMS in words: the mean within twice the MAD of the weighted median, else the heaviest."""
    order = np.lexsort((-w, x))
    x, w = x[order], w[order]
    middle = x[np.argmax(2 * np.cumsum(w) >= w.sum())]
    near = np.abs(x - middle) <= 2 * np.median(np.abs(x - middle))
    return np.average(x[near], weights=w[near]) if near.sum() >= 2 else x[np.argmax(w)]


@quick
@given(stacks(12, 8), st.integers(0, 99))
def test_weighted_mean_by_definition(x, seed):
    w = np.random.default_rng(seed).integers(1, 9, x.shape).astype(np.float32)
    value, _ = weighted(x, w)
    for p in range(x.shape[1]):
        good = np.isfinite(x[:, p])
        expected = weighted_reference((x[good, p] + np.float32(0)).astype(float), w[good, p]) if good.any() else np.nan
        # an observation on the edge of the window may fall on either side of the rounding
        slack = [weighted(x[:, p : p + 1], w[:, p : p + 1], 2 + d)[0][0] for d in (-1e-5, 0, 1e-5)]
        assert np.isnan(expected) == np.isnan(value[p])
        assert np.isnan(expected) or np.isclose(slack, expected, rtol=1e-5, atol=1e-6).any()


@quick
@given(st.integers(0, 2**32 - 1), st.integers(0, 12), st.integers(1, 70))
def test_summary_by_counting(seed, times, pixels):
    rng = np.random.default_rng(seed)
    used = rng.random((times, pixels)) < 0.5
    qa = rng.integers(0, 2**16, (times, pixels)).astype(np.uint16)
    source = (1 << rng.integers(0, 16, times)).astype(np.uint16)
    day = np.sort(rng.integers(0, 300, times)).astype(np.int16)
    count, sources, middle, flags = summarize(used.view(np.uint8), qa, source, day)
    for p in range(pixels):
        some = used[:, p]
        assert count[p] == some.sum()
        assert sources[p] == np.bitwise_or.reduce(source[some], initial=0)
        assert middle[p] == (day[some][(some.sum() - 1) // 2] if some.any() else -1)
        votes = [(qa[some, p] >> bit & 1).sum() * 2 > some.sum() for bit in range(16)]
        assert flags[p] == (sum(1 << bit for bit in range(16) if votes[bit]) if some.any() else 1)


spectra = hnp.arrays(
    np.float32, st.tuples(st.integers(1, 4), st.integers(1, 12), st.integers(1, 20)), elements=st.floats(0, 1, width=32)
)


@quick
@given(spectra, st.randoms(use_true_random=False), st.floats(0, 0.4))
def test_geomedian_is_the_same_bits_for_every_order_and_neighbourhood(x, random, missing):
    x = np.where(np.random.default_rng(0).random(x.shape) < missing, np.nan, x).astype(np.float32)
    whole = geomedian(x)
    order = list(range(x.shape[1]))
    random.shuffle(order)
    np.testing.assert_array_equal(whole, geomedian(x[:, order]))
    for p in range(x.shape[2]):
        np.testing.assert_array_equal(whole[:, p : p + 1], geomedian(x[:, :, p : p + 1]))
    nothing = ~np.isfinite(x).all(0).any(0)
    np.testing.assert_array_equal(np.isnan(whole), np.broadcast_to(nothing, whole.shape))


@quick
@given(spectra)
def test_geomedian_is_no_worse_than_any_observation_or_the_median(x):
    """A minimum of a convex function: no candidate may have a smaller sum of distances."""

    def cost(y):
        return np.sqrt(((x.astype(np.float64) - y[:, None]) ** 2).sum(0)).sum(0)

    best = cost(geomedian(x, 1e-7, 2000).astype(np.float64))
    candidates = [x[:, t] for t in range(x.shape[1])] + [np.median(x, axis=1)]
    for candidate in candidates:
        assert (best <= cost(candidate.astype(np.float64)) + 1e-5 * x.shape[1]).all()


@quick
@given(spectra)
def test_distances_to_itself_are_zero(x):
    one = x[:, :1] + np.float32(0.1)
    emad, smad, bcmad = distances(one, one[:, 0])
    assert (emad == 0).all()
    assert (bcmad == 0).all()
    np.testing.assert_allclose(smad, 0, atol=1e-6)


@quick
@given(
    hnp.arrays(bool, st.tuples(st.integers(1, 25), st.integers(1, 25)), elements=st.booleans()),
    st.sampled_from([0.0, 30.0, 45.0, 90.0, 300.0]),
    st.sampled_from([(30.0, 30.0), (30.0, 20.0), (926.625, 926.625)]),
)
def test_distance_is_the_euclidean_transform(mask, reach, size):
    expected = distance_transform_edt(~mask, sampling=size) if mask.any() else np.full(mask.shape, np.inf)
    got = distance(mask, size[0], np.full(mask.shape[0], size[1], np.float32), reach)
    inside = expected <= reach * (1 + 1e-6)
    np.testing.assert_array_equal(np.isfinite(got), inside)
    np.testing.assert_allclose(got[inside], expected[inside], rtol=1e-6)

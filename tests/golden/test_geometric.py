"""Registration against displacements that are known because the images were made with them."""

import dataclasses

import numpy as np
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox
from scipy import ndimage

from musyq_cube.normalize.geometric import find_tie_points, fit

SIZE = 600
BOX = GeoBox((SIZE, SIZE), Affine(30, 0, 600000, 0, -30, 4500000), "EPSG:32650")
NODES = np.meshgrid(*[np.linspace(0, SIZE, 7)] * 2, indexing="ij")


def image(seed=1):
    """Structures of several sizes, standard deviation about 0.5."""
    rng = np.random.default_rng(seed)
    return sum(ndimage.gaussian_filter(rng.standard_normal((SIZE, SIZE)), s) * s for s in (1.5, 3, 6))


def warp(base, truth):
    """What a scanner sees whose pixel (r, c) + truth(r, c) is the base's (r, c): fixed point, quintic splines."""
    rows, cols = np.indices(base.shape) + 0.5
    r, c = rows, cols
    for _ in range(12):
        dr, dc = truth(r, c)
        r, c = rows - dr, cols - dc
    return ndimage.map_coordinates(base, [r - 0.5, c - 0.5], order=5, mode="mirror")


def cloud(share, seed, blobs=40):
    field = ndimage.gaussian_filter(np.random.default_rng(seed).standard_normal((SIZE, SIZE)), SIZE / blobs)
    return field > np.quantile(field, 1 - share)


def spoil(points, share=0.3, seed=3):
    """Replace a share of the displacements by gross errors of up to ten pixels."""
    rng = np.random.default_rng(seed)
    bad = rng.random(len(points)) < share
    wrong = rng.uniform(-10, 10, (2, len(points)))
    return dataclasses.replace(
        points, drow=np.where(bad, wrong[0], points.drow), dcol=np.where(bad, wrong[1], points.dcol)
    )


def errors(found, truth):
    """Distance (pixels) between the correction and the truth at 7 x 7 nodes from corner to corner."""
    rows, cols = NODES
    dx, dy = found.displacement(BOX.affine.c + 30 * cols, BOX.affine.f - 30 * rows)
    dr, dc = truth(rows, cols)
    return np.hypot(-dy / 30 - dr, dx / 30 - dc)


def turn(degrees, row=0.0, col=0.0):
    """A rotation about the middle, and a shift."""
    cos, sin = np.cos(np.radians(degrees)) - 1, np.sin(np.radians(degrees))
    m = SIZE / 2
    return lambda r, c: (row + cos * (r - m) + sin * (c - m), col - sin * (r - m) + cos * (c - m))


def bend(r, c):
    m = SIZE / 2
    u, v = (c - m) / m, (r - m) / m
    return 3 + 0.7 * u + 1.2 * v**2 - 0.6 * u * v, -4 + 0.8 * v - 1.1 * u**2 + 0.5 * u * v


@pytest.mark.parametrize("seed", [0, 1])
def test_fourier_shifted_noise(seed):
    """ALGORITHMS N1 (i): smoothed noise shifted in Fourier space by (3.37, -5.62), recovered to 0.02 px."""
    base = ndimage.gaussian_filter(np.random.default_rng(seed).standard_normal((256, 256)), 2)
    moved = np.fft.ifft2(ndimage.fourier_shift(np.fft.fft2(base), (3.37, -5.62))).real
    points = find_tie_points(moved.astype("f4"), base.astype("f4"), cell=64)
    assert len(points) == 16
    assert points.score.min() > 0.95
    box = GeoBox((256, 256), Affine(30, 0, 0, 0, -30, 0), "EPSG:32650")
    found = fit(points, box, "shift")
    assert found.applied
    assert found.dx[0] / 30 == pytest.approx(-5.62, abs=0.02)
    assert -found.dy[0] / 30 == pytest.approx(3.37, abs=0.02)


@pytest.mark.parametrize("noise", [0.0, 0.05])
@pytest.mark.parametrize(
    ("model", "truth"),
    [
        ("shift", lambda r, c: (3.4 + 0 * r, -5.7 + 0 * c)),
        ("affine", turn(0.6, 1.3, -2.4)),
        ("affine", lambda r, c: (4 + 0.004 * (c - 300) - 0.002 * (r - 300), -6 - 0.003 * (r - 300) + 0.001 * c)),
        ("polynomial2", bend),
    ],
    ids=["shift", "rotation", "affine", "polynomial2"],
)
def test_outliers_and_clouds(model, truth, noise):
    """N1 (ii): 40 % cloud, 30 % gross outliers, noise: RMSE of the correction <= 0.1 px and every corner too."""
    base = image()
    target = warp(base, truth) + noise * np.random.default_rng(9).standard_normal(base.shape)
    points = find_tie_points(
        np.where(cloud(0.4, 6), np.nan, target).astype("f4"),
        np.where(cloud(0.15, 5), np.nan, base).astype("f4"),
        cell=40,
        method="phase",
    )
    found = fit(spoil(points), BOX, model)
    assert found.applied, found.reason
    wrong = errors(found, truth)
    assert np.sqrt((wrong**2).mean()) <= 0.1
    assert wrong[::6, ::6].max() < 0.1
    assert found.residual.after < 0.1 < found.residual.before
    assert found.residual.count >= 0.6 * len(points)


def test_cloud_that_nobody_masked():
    """Bright cloud in the pixels of the target alone is left out by the score."""
    truth = turn(0.3, 2.0, 3.0)
    base = image()
    target = np.where(cloud(0.4, 6, blobs=10), 40 + image(7), warp(base, truth))
    points = find_tie_points(target.astype("f4"), base.astype("f4"), cell=40, method="phase")
    assert errors(fit(points, BOX, "affine"), truth).max() < 0.1


@pytest.mark.parametrize(
    ("sensor", "row", "col", "radius"),
    [
        ("N17-AVHRR", 5.0, 3.22, 10), ("FY3A-VIRR", -3.1, 2.75, 10), ("FY3A-MERSI", 1.2, -2.26, 10),
        ("FY2E-VISSR", 11.2, -11.72, 25), ("FY2E-VISSR", 16.21, 0.0, 25), ("MTSAT2", -3.9, -2.26, 10),
        ("MSG2", 1.0, 1.31, 10), ("GOES", -1.5, 0.52, 10),
    ],
)  # fmt: skip
def test_displacements_of_the_table(sensor, row, col, radius):
    """N1 (iii), table 2.2: displacements as large as measured leave less than half a pixel."""
    base = image(4)[:400, :400]
    box = BOX[:400, :400]
    noise = 0.1 * np.random.default_rng(2).standard_normal(base.shape)
    target = warp(base, lambda r, c: (row + 0 * r, col + 0 * c)) + noise
    points = find_tie_points(target.astype("f4"), base.astype("f4"), cell=64, radius=radius)
    found = fit(points, box, "shift")
    assert found.applied, (sensor, found.reason)
    left = np.hypot(found.dx[0] / 30 - col, -found.dy[0] / 30 - row)
    assert left < 0.05
    assert found.residual.after < 0.5


def test_features_find_what_is_turned():
    """Scale-invariant features of images turned by three degrees and moved lead to the same displacements."""
    truth = turn(3.0, -6.0, 5.0)
    part = np.s_[230:370, 230:370]
    base, target = image(3)[part], warp(image(3), truth)[part]
    points = find_tie_points(target.astype("f4"), base.astype("f4"), cell=46, window=32, radius=14, method="sift")
    assert len(points) == 9
    dr, dc = truth(points.rows + 230, points.cols + 230)
    assert np.hypot(points.drow - dr, points.dcol - dc).max() < 0.5

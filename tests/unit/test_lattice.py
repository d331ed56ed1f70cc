"""Nodes of a lattice to pixels: bilinear, the same bit for bit in every block."""

import numpy as np
import pytest

from musyq_cube.kernels.lattice import expand

NODES = np.random.default_rng(1).normal(size=(7, 9)) * 50


def test_it_is_numpys_bilinear_interpolation_rounded_once():
    step, shape = 8, (48, 64)
    j, i = (np.arange(n) for n in shape)
    down, right = (j % step / step)[:, None], i % step / step
    lines = NODES[j // step] * (1 - down) + NODES[j // step + 1] * down
    expected = lines[:, i // step] * (1 - right) + lines[:, i // step + 1] * right
    np.testing.assert_array_equal(expand(NODES, (0, 0), shape, step), expected.astype(np.float32))


@pytest.mark.parametrize("place", [(0, 0), (3, 5), (7, 1)])
def test_a_part_is_the_same_as_in_the_whole(place):
    whole = expand(NODES, (0, 0), (48, 64), 8)
    part = expand(NODES, place, (20, 30), 8)
    np.testing.assert_array_equal(part, whole[place[0] : place[0] + 20, place[1] : place[1] + 30])


def test_an_unknown_node_spoils_only_the_cells_around_it():
    nodes = NODES.copy()
    nodes[2, 3] = np.nan
    lost = np.isnan(expand(nodes, (0, 0), (48, 64), 8))
    assert lost[8:24, 16:32].all()
    lost[8:24, 16:32] = False
    assert not lost[:, :16].any()
    assert not lost[:, 32:].any()


def test_single_precision_nodes_are_taken_as_they_are():
    np.testing.assert_array_equal(
        expand(NODES.astype(np.float32), (0, 0), (8, 8), 8),
        expand(NODES.astype(np.float32).astype(np.float64), (0, 0), (8, 8), 8),
    )

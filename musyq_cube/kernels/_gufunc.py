"""How every kernel is made and run: compiled on first use, lanes of pixels, strips of the image."""

from __future__ import annotations

import itertools
import threading
from functools import cache
from typing import TYPE_CHECKING, Any, TypeAlias

import numba
import numpy as np
import numpy.typing as npt

from musyq_cube.kernels._compile import compiling

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Executor

Array: TypeAlias = npt.NDArray[Any]
"""Any array."""

F32: TypeAlias = npt.NDArray[np.float32]
"""A float32 array, NaN where missing."""

LANES = 64
"""Pixels that a kernel treats side by side, so that the compiler turns its inner loops into vector instructions."""

STRIP_BYTES = 1 << 20
"""Scratch that one strip of pixels may take: stays in the cache, whatever the number of dates."""

helper = numba.njit(nogil=True, error_model="numpy")
"""Decorator of the parts of kernels; compiled with the kernel that uses them."""


class Gufunc:
    """A numba gufunc that is compiled when it is first called, so that importing the package stays quick."""

    def __init__(self, function: Callable[..., None], signature: str, layout: str) -> None:
        self._recipe = (function, signature, layout)
        self._lock = threading.Lock()
        self._compiled: Callable[..., Any] | None = None
        self.__doc__ = function.__doc__
        self.__name__ = function.__name__

    def __call__(self, *arrays: Any) -> Any:
        """Apply to arrays with NumPy's broadcasting over leading dimensions."""
        with self._lock:
            if self._compiled is None:
                function, signature, layout = self._recipe
                with compiling() as keep:
                    wrap = numba.guvectorize([signature], layout, nopython=True, target="cpu", cache=keep)  # type: ignore[no-untyped-call]
                    self._compiled = wrap(function)
        with np.errstate(all="ignore"):  # NaN is the normal way to say missing
            return self._compiled(*arrays)


def gufunc(signature: str, layout: str) -> Callable[[Callable[..., None]], Gufunc]:
    """
    Decorate a loop over arrays as a gufunc.

    It releases the GIL; it is not parallel, because that breaks inside Dask workers: threads over strips and blocks
    supply the parallelism.
    """
    return lambda function: Gufunc(function, signature, layout)


@cache
def network(n: int) -> npt.NDArray[np.int64]:
    """
    Return the comparators of Batcher's odd-even merge sort for `n` values.

    Returns
    -------
    int64 (comparators, 2)
        Pairs ``i < j``; exchanging each pair in turn where out of order sorts any input.

    Notes
    -----
    Knuth, The Art of Computer Programming 3, algorithm 5.2.2M (any n, not only powers of two).

    Examples
    --------
    >>> network(3).tolist()
    [[0, 2], [0, 1], [1, 2]]
    """
    pairs: list[tuple[int, int]] = []
    top = p = 1 << max(n - 1, 1).bit_length() - 1
    while p > 0:
        q, r, d = top, 0, p
        while d > 0:
            pairs += [(i, i + d) for i in range(n - d) if i & p == r]
            q, r, d = q // 2, p, q - p if q != p else 0
        p //= 2
    return np.array(pairs, np.int64).reshape(-1, 2)


def over_pixels(
    kernel: Callable[..., Sequence[Array]],
    stacks: Sequence[Array],
    outputs: Sequence[Array],
    order: npt.NDArray[np.intp] | None = None,
    pool: Executor | None = None,
) -> None:
    """
    Run a kernel over all pixels in strips, with scratch that does not grow with the image.

    Parameters
    ----------
    kernel
        Called with one contiguous ``(time, pixels)`` copy of a strip of each stack; returns one array per output with
        the pixels last.
    stacks
        Arrays ``(time, y, x)`` of any dtype and strides.
    outputs
        Arrays ``(..., y, x)``, written in place.
    order
        Order in which the observations are given to the kernel. Default: as they are.
    pool
        Threads to share the strips. A strip depends on nothing but its own pixels, so the result is the same.
    """

    def flat(*views: Array) -> Sequence[Array]:
        return kernel(*(flatten(view, order) for view in views))

    over_strips(flat, stacks, outputs, pool)


def over_strips(
    kernel: Callable[..., Sequence[Array]],
    stacks: Sequence[Array],
    outputs: Sequence[Array],
    pool: Executor | None = None,
) -> None:
    """Run a kernel over all pixels as `over_pixels` does, on ``(time, y, x)`` views: it copies what it needs."""
    parts = _strips(stacks[0].shape[1:], stacks[0].shape[0] * sum(s.dtype.itemsize for s in stacks))

    def strip(part: tuple[slice, slice]) -> None:
        shape = (part[0].stop - part[0].start, part[1].stop - part[1].start)
        results = kernel(*(s[:, part[0], part[1]] for s in stacks))
        for out, result in zip(outputs, results, strict=True):
            out[..., part[0], part[1]] = result.reshape(*out.shape[:-2], *shape)

    for _ in pool.map(strip, parts) if pool else map(strip, parts):
        pass


def flatten(view: Array, steps: npt.NDArray[np.intp] | None = None) -> Array:
    """Return a contiguous ``(time, pixels)`` copy of some dates of a ``(time, y, x)`` view; default: all of them."""
    chosen: Array = view.copy() if steps is None else view[steps]
    return chosen.reshape(len(chosen), view.shape[1] * view.shape[2])


def _strips(shape: tuple[int, ...], pixel_bytes: int) -> list[tuple[slice, slice]]:
    """Divide an image into whole rows, or parts of one row where a row alone is too much."""
    height, width = shape
    pixels = max(LANES, STRIP_BYTES // max(1, pixel_bytes) // LANES * LANES)
    columns = width if width <= 2 * pixels else pixels
    rows = max(1, pixels // max(1, columns))
    edges = [[slice(i, min(i + step, size)) for i in range(0, size, step or 1)] for size, step in
             ((height, rows), (width, columns))]  # fmt: skip
    return list(itertools.product(*edges))

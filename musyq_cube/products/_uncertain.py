"""Uncertainty of products whose own error grows with them, which a single number for the algorithm cannot say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def spread(
    function: Callable[..., Any],
    given: Mapping[str, Any],
    sigma: float,
    *,
    relative: float = 0.0,
    absolute: float = 0.0,
) -> tuple[Any, Any]:
    """
    Return the value of a function and its standard deviation.

    Parameters
    ----------
    function
        Of DataArrays by name.
    given
        Its inputs.
    sigma
        Standard deviation of each.
    relative, absolute
        Of the algorithm itself: as a part of the value, and in its units.

    Notes
    -----
    Half differences of one standard deviation each way, added in squares (JCGM 100:2008, 5.1.3); where one way leaves
    the domain the other counts whole.
    """
    value = function(**given)
    variance = (relative * value) ** 2 + absolute**2
    for name, x in given.items():
        up = function(**{**given, name: x + sigma}) - value
        down = value - function(**{**given, name: x - sigma})
        variance = variance + ((up.fillna(down) + down.fillna(up)) / 2) ** 2
    return value, variance**0.5

"""The picture of a product: true colour where it has the bands, else its first layer in colours."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np

from musyq_cube.store import access
from musyq_cube.store import zarr as store
from musyq_cube.store.bands import display_range, ramp
from musyq_cube.store.packing import unpack

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from musyq_cube.variable import Variable

_VISIBLE = ("red", "green", "blue")
_STRETCH = (2.0, 98.0)
_SMALLEST_PICTURE = 512
"""Pixels along the longer side below which whole multiples of the product's pixels are drawn."""
_SMALLEST_SPAN = 0.02
"""Least reflectance between black and white: a uniform scene must not become noise."""


def thumbnail(url: str, size: int = 1024) -> bytes:
    """
    Draw a product from the pyramid level that is just large enough.

    True colour is stretched between the 2nd and 98th percentile of the three bands together, so hues are kept; seen
    through the air (top of atmosphere) each band first loses its own 2nd percentile, which is mostly blue haze. Nodata
    is transparent. A small product is drawn with larger pixels.

    Parameters
    ----------
    url
        A store with its pyramid.
    size
        Longest side of the picture in pixels.

    Returns
    -------
    bytes
        A PNG.
    """
    layers = {variable.name: variable for variable in store.variables(url)}
    level = _level(url, size)
    if all(name in layers for name in _VISIBLE):
        hazy = (layers["blue"].standard_name or "").startswith("toa")
        picture = _true_colour(np.stack([_read(url, level, layers[name]) for name in _VISIBLE]), hazy=hazy)
    else:
        first = next(iter(layers.values()))
        picture = _coloured(_read(url, level, first), first)
    return _png(picture, size)


def write_thumbnail(url: str, href: str, size: int = 1024) -> bytes:
    """Draw a product and write the PNG beside it; returns its bytes."""
    png = thumbnail(url, size)
    access.write_bytes(href, png)
    return png


def _level(url: str, size: int) -> str:
    """Return the coarsest level whose longer side still fills the picture, or the finest."""
    layout = store.read_node(url)["attributes"]["multiscales"]["layout"]
    large = [entry["asset"] for entry in layout if max(entry["spatial:shape"]) >= size]
    return str(large[-1] if large else layout[0]["asset"])


def _read(url: str, level: str, variable: Variable) -> NDArray[Any]:
    stored = store.open_array(url, f"{level}/{variable.name}")[...]
    return unpack(stored, variable).astype(np.float32)


def _true_colour(values: NDArray[Any], *, hazy: bool) -> NDArray[np.uint8]:
    """Turn (3, y, x) reflectance into (y, x, 4) bytes."""
    valid = np.isfinite(values).all(axis=0)
    if hazy and valid.any():
        values = values - np.percentile(values[:, valid], _STRETCH[0], axis=1)[:, None, None]
    low, high = np.percentile(values[:, valid], _STRETCH) if valid.any() else (0.0, 1.0)
    span = max(float(high - low), _SMALLEST_SPAN)
    scaled = np.nan_to_num(np.clip((values - low) / span, 0, 1)) * 255
    alpha = np.where(valid, 255, 0)
    return np.concatenate([np.rint(scaled), alpha[np.newaxis]]).astype(np.uint8).transpose(1, 2, 0)


def _coloured(values: NDArray[Any], variable: Variable) -> NDArray[np.uint8]:
    """Turn (y, x) values into (y, x, 4) bytes through the colour ramp."""
    low, high = display_range(variable)
    position = np.nan_to_num(np.clip((values - low) / (high - low), 0, 1)) * 255
    table = np.array(list(ramp().values()), dtype=np.uint8)
    picture: NDArray[np.uint8] = table[np.rint(position).astype(np.uint8)]
    picture[..., 3] = np.where(np.isfinite(values), 255, 0)
    return picture


def _png(picture: NDArray[np.uint8], size: int) -> bytes:
    from PIL import Image

    image = Image.fromarray(picture, "RGBA")
    if max(image.size) > size:
        image.thumbnail((size, size), Image.Resampling.BOX)
    elif (times := _SMALLEST_PICTURE // max(image.size)) > 1:
        image = image.resize((image.width * times, image.height * times), Image.Resampling.NEAREST)
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()

"""Normalize a cube: every time step on its own, lazily, block by block."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import xarray as xr

from musyq_cube.errors import NormalizeError
from musyq_cube.normalize.chain import WITHOUT_RELIEF, Observation, check_bands, normalize_bands
from musyq_cube.normalize.rules import CHAIN, PIXEL_STEPS, Rules, choose_reference, quantity_after
from musyq_cube.read.attributes import ANGLES, FIELDS, RELIEF, band_names
from musyq_cube.types import METRES_PER_DEGREE

if TYPE_CHECKING:
    from collections.abc import Sequence

Array: TypeAlias = np.ndarray[Any, Any]

LABELS = ("sensor", "quantity", "aerosol", "topography")


def normalize(
    cube: xr.Dataset,
    steps: Sequence[str] = PIXEL_STEPS,
    *,
    reference: str | None = None,
    sun: float | None = None,
) -> xr.Dataset:
    """
    Make the scenes of a cube the same in atmosphere, direction and spectrum.

    Position and calibration are corrected while the scenes are read (see :func:`musyq_cube.cube`). In this order:
    ``atmosphere`` makes surface reflectance of top-of-atmosphere reflectance, by tables of 6S with the aerosol that
    :func:`musyq_cube.characterize` found; ``topography``, where it is asked for, makes reflectance of slopes as of
    level ground (SCS+C); ``direction`` brings it to the nadir view (c-factor of RossThick–LiSparse-R with the
    coefficients of Roy et al. 2016); ``spectral`` brings every band to the reference sensor's.

    Parameters
    ----------
    cube
        From :func:`musyq_cube.cube`, masked or not: bands float32 (time, y, x), reflectance 0…1, NaN where missing;
        sza, vza, raa in degrees; aod, tcwv, ozone, elevation where there is top-of-atmosphere reflectance to correct;
        saa, slope, aspect for the topographic correction (``corrections=(…, "topography")``).
    steps
        Any of ``"atmosphere"``, ``"topography"``, ``"direction"``, ``"spectral"``; all but topography by default.
    reference
        Id of the sensor whose bands are the reference. Default: ``landsat8-oli`` for pixels below 250 m,
        ``modis-terra`` above.
    sun
        Solar zenith in degrees to bring directions to. Default: the one observed.

    Returns
    -------
    xarray.Dataset
        As `cube`, lazy where it was: bands normalized, NaN where the angles are beyond what the models hold for (solar
        zenith 75°, view zenith 60°, incidence on a slope 85°); bits added to `qa`; coordinate `quantity` says what each
        time step has become. Pixels depend on nothing but themselves, so they are the same whatever the chunks.

    Raises
    ------
    NormalizeError
        For unknown steps; for angles or air that the cube lacks; for bands more than 40 nm from the reference's.

    Examples
    --------
    >>> clean = normalize(mask(cube))  # doctest: +SKIP
    """
    rules = Rules(tuple(steps), reference or choose_reference(_resolution(cube)), sun)
    _check(cube, rules)
    names = band_names(cube)
    used = (*FIELDS, *(RELIEF if "topography" in rules.steps else ()))
    layers = [name for name in ("qa", *ANGLES, *used) if name in cube]
    labels = _labels(cube)
    kinds = sorted(set(labels))
    kind = xr.DataArray(np.array([kinds.index(label) for label in labels], np.int16), dims="time")
    made = xr.apply_ufunc(
        partial(_block, names=tuple(names), layers=tuple(layers), kinds=tuple(kinds), rules=rules),
        *(cube[name] for name in names),
        *(cube[name] for name in layers),
        kind,
        output_core_dims=[()] * (len(names) + 1),
        dask="parallelized",
        output_dtypes=[np.float32] * len(names) + [np.uint16],
        keep_attrs=False,
    )
    out = cube.assign({n: v.assign_attrs(_attrs(cube[n], rules)) for n, v in zip(names, made[:-1], strict=True)})
    out["qa"] = made[-1].assign_attrs(cube["qa"].attrs)
    after = np.array([quantity_after(label[1], rules.steps) for label in labels], str)
    out = out.assign_coords(quantity=("time", after)).drop_vars([name for name in used if name in out])
    if "topography" in rules.steps:
        out = out.drop_vars("topography")  # lest it is applied twice: nothing else says that it was
    done = " ".join([*str(cube.attrs.get("normalized", "")).split(), *rules.steps])
    return out.assign_attrs(
        {"normalized": done} | ({"reference": rules.reference} if "spectral" in rules.steps else {})
    )


def observations(block: xr.Dataset) -> list[Observation]:
    """Return what the steps must know of each time step of a block (numpy) that `read_block` made."""
    layers = [name for name in (*ANGLES, *FIELDS, *RELIEF) if name in block]
    return [
        _observation(label, {name: block[name].values[t] for name in layers}) for t, label in enumerate(_labels(block))
    ]


def _observation(label: tuple[str, ...], layers: dict[str, Array]) -> Observation:
    facts: dict[str, Any] = {**dict(zip(LABELS, label, strict=True)), **layers}
    return Observation(**facts)


def _labels(cube: xr.Dataset) -> list[tuple[str, ...]]:
    """Return what every time step is, in the order of `LABELS`; empty for what the cube does not say."""
    nothing = [""] * cube.sizes["time"]
    columns = (cube[name].values.tolist() if name in cube.coords else nothing for name in LABELS)
    return list(zip(*columns, strict=True))


def _block(
    *arrays: Array, names: tuple[str, ...], layers: tuple[str, ...], kinds: Any, rules: Rules
) -> tuple[Array, ...]:
    """Normalize one block, time step by time step; arrays (time, y, x), the last one (time, 1, 1)."""
    bands = dict(zip(names, arrays, strict=False))
    others = dict(zip(layers, arrays[len(names) :], strict=False))
    out = {name: np.empty(array.shape, np.float32) for name, array in bands.items()}
    qa = others.pop("qa").copy()
    for t, kind in enumerate(arrays[-1].ravel()):
        seen = _observation(kinds[kind], {name: layer[t] for name, layer in others.items()})
        made, bits = normalize_bands({name: array[t] for name, array in bands.items()}, seen, rules)
        for name, array in made.items():
            out[name][t] = array
        qa[t] |= bits
    return (*out.values(), qa)


def _check_steps(cube: xr.Dataset, rules: Rules) -> None:
    if elsewhere := [step for step in rules.steps if step not in CHAIN]:
        raise NormalizeError(
            f"steps={', '.join(elsewhere)}: here are {', '.join(CHAIN)}; position and calibration are corrected by "
            "musyq_cube.cube(corrections=…)"
        )
    if again := sorted(set(rules.steps) & set(str(cube.attrs.get("normalized", "")).split())):
        raise NormalizeError(
            f"steps={', '.join(again)}: the cube has been through them; normalize the cube it was made of"
        )


def _check(cube: xr.Dataset, rules: Rules) -> None:
    """Say at once what would only be noticed when the first block is computed."""
    _check_steps(cube, rules)
    lacking = [name for name in ("qa", *ANGLES) if name not in cube]
    if lacking:
        raise NormalizeError(f"the cube has no {', '.join(lacking)}: make it with angles=True")
    if "topography" in rules.steps and "topography" not in cube.coords:
        raise NormalizeError(f"no time step can be corrected for its terrain: {WITHOUT_RELIEF}")
    if "spectral" in rules.steps:
        names = band_names(cube)
        for sensor in sorted(set(cube["sensor"].values.tolist())):
            check_bands(sensor, names, rules.reference)
    if "atmosphere" not in rules.steps:
        if rules.steps and (toa := int((cube["quantity"].values == "toa").sum())):
            raise NormalizeError(
                f"{toa} of {cube.sizes['time']} time steps are top-of-atmosphere reflectance, which cannot be brought "
                "to level ground, another direction or spectrum: add the step 'atmosphere'"
            )
        return
    bare = (cube["quantity"].values == "toa") & (cube["aerosol"].values == "")
    if bare.any():
        scenes = ", ".join(str(s) for s in cube["scene"].values[bare][:3])
        raise NormalizeError(
            f"{int(bare.sum())} of {bare.size} time steps are top-of-atmosphere reflectance and were not characterized "
            f"({scenes}{' …' if bare.sum() > 3 else ''}): run musyq_cube.characterize on the scenes, or leave the step "
            "'atmosphere' out"
        )
    if (cube["quantity"].values == "toa").any() and (lacking := [name for name in FIELDS if name not in cube]):
        raise NormalizeError(f"the cube has no {', '.join(lacking)}: make it of characterized scenes, with angles=True")


def _attrs(band: xr.DataArray, rules: Rules) -> dict[str, Any]:
    if str(band.name).startswith("lwir"):
        return dict(band.attrs)
    if not rules.steps:
        return dict(band.attrs)
    word = "nadir BRDF-adjusted surface reflectance" if "direction" in rules.steps else "surface reflectance"
    target = f"; bands of {rules.reference}" if "spectral" in rules.steps else ""
    return band.attrs | {
        "long_name": f"{band.name} {word}",
        "standard_name": "surface_bidirectional_reflectance",
        "comment": f"normalized: {', '.join(rules.steps)}{target}",
    }


def _resolution(cube: xr.Dataset) -> float:
    """Pixel size in metres."""
    x = cube["x"].values
    step = abs(float(x[-1] - x[0])) / (x.size - 1) if x.size > 1 else 0.0
    return step * METRES_PER_DEGREE if cube["x"].attrs.get("units", "").startswith("degree") else step

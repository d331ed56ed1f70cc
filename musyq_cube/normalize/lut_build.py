"""Make the shipped spectral table of the atmosphere from runs of 6S: once for all sensors."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from musyq_cube.errors import NormalizeError
from musyq_cube.normalize import _sixs
from musyq_cube.normalize import _sixs_runs as plan
from musyq_cube.normalize._lut_bands import MAX_VZA, pairs, pressure
from musyq_cube.normalize._sixs_fit import Optics, Polarization, Shape, Smooth, air

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import numpy.typing as npt

    from musyq_cube.normalize._sixs import F64, Run

AZIMUTHS = np.linspace(0.0, 180.0, 13)
COUNTS = {False: 90, True: 360}
"""Runs of 6S with aerosol for a model: as shipped, and fine."""
_NOISE = 4e-5
"""Of what 6S prints with four decimals."""
_ATTENUATION = 0.2
"""How aerosol above and within hides the polarization of air: a first guess, the fit corrects it."""
_SCALES = {"path": 1e-5, "transmit": 1.6e-5, "albedo": 1e-5, "dry": 1.6e-5, "water": 1.6e-5}


def build(
    out: Path | str,
    *,
    models: Sequence[str] = tuple(_sixs.AEROSOLS),
    fine: bool = False,
    processes: int | None = None,
    progress: bool = True,
    cache: Path | str | None = None,
) -> Path:
    """
    Run 6S, fit, and write the table that `musyq_cube.normalize.lut` reads.

    Parameters
    ----------
    out
        File to write (Zarr v3 in a zip, name ending in ``.zip``), replaced at the end in one step; or a folder for it.
        The setting ``luts.path`` makes `musyq_cube.normalize.lut` read it instead of the shipped one.
    models
        Aerosol models: some of continental, maritime, urban, desert.
    fine
        Four times as many runs.
    processes
        Of 6S at the same time. Default: one for each processor.
    progress
        Show a progress bar.
    cache
        Folder that remembers runs, so that a stopped build goes on. Default: `out` with the ending ``.runs``.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    NormalizeError
        Where 6S is not installed or cannot start, or a model is unknown.

    Notes
    -----
    For each of twelve wavelengths, reflectance over a black surface = adding-doubling (phase function, albedo and
    extinction as 6S prints them) + what polarization adds in clear air + a smooth residual; the last two fitted to runs
    of 6S. Transmittance and spherical albedo are fitted relative to their values in clear air.
    """
    if unknown := [m for m in models if m not in _sixs.AEROSOLS]:
        raise NormalizeError(f"no aerosol model {', '.join(unknown)} in 6S: choose of {', '.join(_sixs.AEROSOLS)}")
    _sixs.executable()
    path = Path(out) if Path(out).suffix == ".zip" else Path(out) / "atmosphere.zarr.zip"
    folder = Path(cache) if cache is not None else path.with_suffix(".runs")
    todo = sum(len(runs) for _, runs, _ in _stages(models, COUNTS[fine]))
    with _bar(todo, show=progress) as tick:
        answers = {
            name: plan.collect(name, runs, read, folder, processes=processes or os.cpu_count() or 1, tick=tick)
            for name, runs, read in _stages(models, COUNTS[fine])
        }
    tables = _common(answers, models[0])
    clear = _optics(answers, models[0])
    polarization = Polarization(plan.rayleigh(), _split(answers["rayleigh"])[:, 0], clear)
    for model in models:
        tables |= _model(model, answers, polarization, COUNTS[fine])
    _write(path, tables)
    return path


def _stages(models: Sequence[str], count: int) -> list[tuple[str, list[Run], Callable[[str], list[float]]]]:
    """Name, runs and reader of all that 6S is asked."""
    stages: list[tuple[str, list[Run], Callable[[str], list[float]]]] = [
        ("rayleigh", plan.rayleigh(), plan.at_wavelengths),
        ("irradiance", [_sixs.Run(0, 0, 0)], plan.solar_irradiance),
    ]
    stages += [(name, runs, plan.gas_transmittance) for name, runs in plan.gases().items()]
    for model in models:
        stages.append((f"extinction-{model}", plan.extinction(model), plan.depth_and_albedo))
        stages.append((f"phase-{model}", plan.phase(model), plan.phase_and_albedo))
        stages.append((f"mixed-{model}", plan.mixed(model, count), plan.at_wavelengths))
    return stages


def _split(answers: F64) -> F64:
    """(run, quantity, wavelength): path reflectance, transmittance down and up, spherical albedo."""
    return answers.reshape(len(answers), 4, len(plan.WAVELENGTHS))


def _optics(answers: dict[str, F64], model: str) -> Optics:
    rayleigh, extinction, albedo = answers[f"extinction-{model}"].T
    phase = answers[f"phase-{model}"][:, 0].reshape(len(plan.PHASE_WAVELENGTHS), len(plan.PHASE_ANGLES))
    return Optics(rayleigh, extinction, albedo, phase)


def _common(answers: dict[str, F64], model: str) -> dict[str, F64]:
    """Tables that no aerosol model changes."""
    steps = answers["other"].shape[-1]
    dry = answers["other"].reshape(len(plan.ELEVATIONS), len(plan.AIR_MASSES), steps)
    ratio = answers["ozone"] / dry[0, 0]
    # the smaller of two amounts where both are well above what four decimals resolve
    weak, strong = -np.log(np.maximum(ratio, 1e-4)) / np.array([[0.6], [3.0]])
    return {
        "wavelengths": np.array(plan.WAVELENGTHS),
        "angles": np.array(plan.ANGLES),
        "aods": np.array(plan.AODS),
        "pressures": pressure(np.array(plan.ELEVATIONS))[::-1],
        "rayleigh": answers[f"extinction-{model}"][:, 0],
        "gas_wavelengths": 0.39 + _sixs.STEP * np.arange(steps),
        "irradiance": answers["irradiance"][0],
        "masses": np.array(plan.AIR_MASSES),
        "dry": dry[::-1],
        "waters": np.array(plan.WATER),
        "water": np.clip(answers["water"] / np.maximum(dry[0, 0], 1e-4), 0.0, 1.0),
        "ozone": np.where(ratio[1] > 0.02, strong, weak).clip(0.0),
    }


def _model(model: str, answers: dict[str, F64], polarization: Polarization, count: int) -> dict[str, F64]:
    """Scattering tables of an aerosol model, by their names in the store."""
    optics = _optics(answers, model)
    runs = plan.mixed(model, count)
    given = _split(answers[f"mixed-{model}"])
    shape = (len(plan.WAVELENGTHS), len(plan.ELEVATIONS), len(plan.AODS))
    return {
        f"{model}/extinction": optics.extinction,
        f"{model}/path": _path(optics, runs, given[:, 0], polarization).reshape(*shape, -1, len(AZIMUTHS)),
        f"{model}/transmit": _transmit(optics, runs, given[:, 1:3]).reshape(*shape, -1),
        f"{model}/albedo": _albedo(optics, runs, given[:, 3], _split(answers["rayleigh"])[0, 3]).reshape(shape),
    }


def _states() -> tuple[F64, F64]:
    """Aerosol optical depth and elevation of all states of the tables, pressure increasing, aod fastest."""
    elevation, aod = np.meshgrid(plan.ELEVATIONS[::-1], plan.AODS, indexing="ij")
    return aod.ravel(), elevation.ravel()


def _path(optics: Optics, runs: Sequence[Run], given: F64, polarization: Polarization) -> F64:
    """Path reflectance × cosines of the zenith angles (wavelength, state, pair, azimuth)."""
    aods, elevations = _states()
    state = {key: i for i, key in enumerate(zip(aods.tolist(), elevations.tolist(), strict=True))}
    mu = np.cos(np.radians(plan.ANGLES))
    seen = _Geometry(
        np.array([plan.ANGLES.index(r.sza) for r in runs]), np.array([plan.ANGLES.index(r.vza) for r in runs]),
        np.array([r.raa for r in runs]), np.array([state[r.aod, r.elevation] for r in runs]),
    )  # fmt: skip
    first, second = pairs(len(mu), MAX_VZA // (plan.ANGLES[1] - plan.ANGLES[0]))
    s, pair, azimuth = np.meshgrid(np.arange(len(aods)), np.arange(len(first)), np.arange(len(AZIMUTHS)), indexing="ij")
    wanted = _Geometry(first[pair].ravel(), second[pair].ravel(), AZIMUTHS[azimuth].ravel(), s.ravel())
    at_runs: list[F64] = []
    at_nodes: list[F64] = []
    shares: list[F64] = []
    for k in range(len(plan.WAVELENGTHS)):
        shape = Shape(optics, k, aods, elevations)
        for geometry, found in ((seen, at_runs), (wanted, at_nodes)):
            sun, view, where = mu[geometry.sun], mu[geometry.view], geometry.state
            extra = polarization.at(sun, view, geometry.azimuth, optics.rayleigh[k] * air(elevations[where]))
            hidden = np.exp(-_ATTENUATION * aods[where] * optics.extinction[k] * (1 / sun + 1 / view))
            found.append(shape.at(geometry.sun, geometry.view, geometry.azimuth, where) + extra * hidden)
        thick = aods * optics.extinction[k]
        shares.append(thick / (thick + optics.rayleigh[k] * air(elevations)))
    # the residual is relative to the part of the reflectance that comes from aerosol: none without it
    share = np.stack(shares, 1)
    base, nodes = np.stack(at_runs, 1), np.stack(at_nodes, 1)
    there, here = (g.coordinates(mu, aods, elevations) for g in (wanted, seen))
    scale = base * share[seen.state]
    rest = Smooth(here, (given - base) / scale, _NOISE / scale).at(there) * share[wanted.state]
    cosines = (mu[wanted.sun] * mu[wanted.view])[:, None]
    full: F64 = np.maximum(nodes * (1.0 + rest), 0.0) * cosines
    return full.T.reshape(len(plan.WAVELENGTHS), len(aods), len(first), len(AZIMUTHS))


class _Geometry:
    """Indices of the zenith angles, azimuths in degrees, indices of the state."""

    def __init__(self, sun: Any, view: Any, azimuth: F64, state: Any) -> None:
        self.sun, self.view, self.azimuth, self.state = sun, view, azimuth, state

    def coordinates(self, mu: F64, aods: F64, elevations: F64) -> F64:
        """Return what the residual depends on smoothly, the same for sun and view exchanged."""
        sun, view = mu[self.sun], mu[self.view]
        side = np.sqrt((1 - sun**2) * (1 - view**2)) * np.cos(np.radians(self.azimuth))
        thick = np.log(aods[self.state] + 0.02)
        return np.stack([sun + view, sun * view, side, thick, air(elevations[self.state])], 1)


def _transmit(optics: Optics, runs: Sequence[Run], given: F64) -> F64:
    """Transmittance one way (wavelength, state, angle)."""
    mu = np.cos(np.radians([[r.sza for r in runs], [r.vza for r in runs]])).ravel()
    aod = np.tile([r.aod for r in runs], 2)
    column = np.tile(air(np.array([r.elevation for r in runs])), 2)
    found = given.transpose(1, 0, 2).reshape(len(mu), -1)
    rest = -np.log(found / _two_stream(optics, mu, aod, column)) * (mu / aod)[:, None]
    noise = _NOISE / found * (mu / aod)[:, None]
    fit = Smooth(np.stack([mu, np.sqrt(aod), column], 1), rest, noise)
    aods, elevations = _states()
    cosines = np.cos(np.radians(plan.ANGLES))
    s, a = (v.ravel() for v in np.meshgrid(np.arange(len(aods)), np.arange(len(cosines)), indexing="ij"))
    aod, mu, column = aods[s], cosines[a], air(elevations[s])
    more = fit.at(np.stack([mu, np.sqrt(aod), column], 1)) * (aod / mu)[:, None]
    return np.asarray((_two_stream(optics, mu, aod, column) * np.exp(-more)).T)


def _two_stream(optics: Optics, mu: F64, aod: F64, column: F64) -> F64:
    """
    Transmittance (point, wavelength), direct and diffuse: exact for 6S in clear air, a good guess with aerosol.

    Aerosol counts as air by what it scatters sideways and back, ω (1 − g), and absorbs what it absorbs.
    """
    forward = np.array([optics.aerosol(k, np.zeros(1)).asymmetry() for k in range(len(plan.WAVELENGTHS))])
    aerosol = aod[:, None] * optics.extinction
    depth = optics.rayleigh * column[:, None] + aerosol * optics.albedo * (1.0 - forward)
    mu = mu[:, None]
    scattered = ((2 / 3 + mu) + (2 / 3 - mu) * np.exp(-depth / mu)) / (4 / 3 + depth)
    return np.asarray(scattered * np.exp(-(1.0 - optics.albedo) * aerosol / mu))


def _albedo(optics: Optics, runs: Sequence[Run], given: F64, clear: F64) -> F64:
    """Spherical albedo (wavelength, state); `clear` is that of air at sea level at the table's wavelengths."""
    order = np.argsort(optics.rayleigh)
    known = np.concatenate([[0.0], optics.rayleigh[order]]), np.concatenate([[0.0], clear[order]])

    def clear_air(column: F64) -> F64:
        return np.asarray(np.interp(np.sqrt(optics.rayleigh * column[:, None]), np.sqrt(known[0]), known[1]))

    aod = np.array([r.aod for r in runs])
    column = air(np.array([r.elevation for r in runs]))
    fit = Smooth(
        np.stack([np.sqrt(aod), column], 1),
        (given - clear_air(column)) / aod[:, None],
        _NOISE / aod[:, None] + 0 * given,
    )
    aods, elevations = _states()
    column = air(elevations)
    return np.asarray((clear_air(column) + fit.at(np.stack([np.sqrt(aods), column], 1)) * aods[:, None]).T)


def _write(path: Path, tables: dict[str, F64]) -> None:
    """Write all tables, packed where they are large, and put the file in its place."""
    import zarr
    from zarr.codecs import BloscCodec
    from zarr.storage import ZipStore

    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.unlink(missing_ok=True)
    store = ZipStore(part, mode="w")
    root = zarr.create_group(store)
    for name, values in tables.items():
        scale = _SCALES.get(name.rsplit("/", 1)[-1])
        kept = values if scale is None else _packed(name, values, scale)
        array = root.create_array(
            name, shape=kept.shape, dtype=kept.dtype, chunks=kept.shape,
            attributes={} if scale is None else {"scale_factor": scale},
            compressors=BloscCodec(cname="zstd", clevel=9, shuffle="bitshuffle"),
        )  # fmt: skip
        array[...] = kept
    store.close()
    part.replace(path)


def _packed(name: str, values: F64, scale: float) -> npt.NDArray[np.uint16]:
    whole: F64 = np.rint(values / scale)
    if np.max(whole) > np.iinfo(np.uint16).max:
        raise NormalizeError(f"{name} reaches {np.max(values)}, which does not fit its packing")
    return whole.astype(np.uint16)


@contextmanager
def _bar(total: int, *, show: bool) -> Iterator[Callable[[int], None]]:
    """Show a progress bar while inside; yields what counts runs."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = TextColumn("6S"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, disable=not show) as progress:
        task = progress.add_task("6S", total=total)
        yield lambda n: progress.advance(task, n)

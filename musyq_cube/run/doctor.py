"""Doctor: is this machine able to do the work, and if not, what has to be done."""

from __future__ import annotations

import importlib
import os
import sys
import tempfile
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

PACKAGES = ("numpy", "numba", "xarray", "dask", "distributed", "zarr", "rasterio", "odc-geo", "pystac", "obstore")
DRIVERS = {
    "COG": ("cloud-optimized GeoTIFF, written by the demo and the tests", "reinstall rasterio from its wheel"),
    "GTiff": ("GeoTIFF, most scenes", "reinstall rasterio from its wheel"),
    "JP2OpenJPEG": ("JPEG 2000, Sentinel-2 SAFE", "reinstall rasterio from its wheel"),
    "HDF5": ("HDF5 through GDAL; not needed by the sensors defined here", "conda install libgdal-hdf5"),
}
LEAST_MEMORY = 2 * 2**30
OPTIONAL = frozenset({"HDF5"})


@dataclass(frozen=True)
class Finding:
    """One question, its answer, and what to do where the answer is bad."""

    name: str
    ok: bool
    value: str
    fix: str = ""
    needed: bool = True
    """False where the work goes on without it."""

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)


def examine(out: str = ".") -> list[Finding]:
    """
    Look at versions, drivers, threads, memory and write access.

    Parameters
    ----------
    out
        Folder or bucket that products would be written to.
    """
    checks: list[Callable[[], list[Finding]]] = [
        _python,
        _packages,
        _drivers,
        _hdf4,
        _numba,
        _memory,
        _sensors,
        lambda: _write(out),
    ]
    return [finding for check in checks for finding in check()]


def _python() -> list[Finding]:
    good = sys.version_info >= (3, 11)
    return [Finding("python", good, sys.version.split()[0], "install Python 3.11 or newer")]


def _packages() -> list[Finding]:
    out = []
    for name in ("musyq-cube", *PACKAGES):
        try:
            out.append(Finding(name, ok=True, value=version(name)))
        except PackageNotFoundError:
            out.append(Finding(name, ok=False, value="missing", fix=f"pip install {name}"))
    return out


def _drivers() -> list[Finding]:
    try:
        env = importlib.import_module("rasterio.env")
        with env.Env() as gdal:
            have = set(gdal.drivers())
    except ImportError as error:
        return [Finding("GDAL", ok=False, value=str(error), fix="pip install rasterio")]
    findings = []
    for name, (use, fix) in DRIVERS.items():
        there = name in have
        value = use if there else f"missing: {use}"
        findings.append(Finding(f"GDAL {name}", there, value, fix, needed=name not in OPTIONAL))
    return findings


def _hdf4() -> list[Finding]:
    try:
        importlib.import_module("pyhdf.SD")
    except ImportError as error:
        return [Finding("HDF4 (pyhdf)", ok=False, value=str(error), fix="pip install pyhdf: MODIS HDF files need it")]
    return [Finding("HDF4 (pyhdf)", ok=True, value=version("pyhdf"))]


def _numba() -> list[Finding]:
    from musyq_cube.plan.estimate import cores

    try:
        threads = importlib.import_module("numba").config.NUMBA_NUM_THREADS
    except ImportError as error:
        return [Finding("numba", ok=False, value=str(error), fix="pip install numba")]
    return [Finding("threads", ok=True, value=f"{cores()} cores, numba {threads} threads (one each is used)")]


def _memory() -> list[Finding]:
    from musyq_cube.plan.estimate import memory_limit
    from musyq_cube.plan.explain import size

    limit = memory_limit()
    fix = "give the container more memory, or set MUSYQ_RUN__MEMORY (bytes) if this is wrong"
    return [Finding("memory", limit >= LEAST_MEMORY, f"{size(limit)} may be used by one run", fix)]


def _sensors() -> list[Finding]:
    from musyq_cube.errors import SensorError
    from musyq_cube.sensor import sensors

    try:
        return [Finding("sensors", ok=True, value=f"{len(sensors())} defined")]
    except SensorError as error:
        return [Finding("sensors", ok=False, value=str(error), fix="correct the file that is named, or reinstall")]


def _write(out: str) -> list[Finding]:
    from musyq_cube.errors import StoreError
    from musyq_cube.store import access

    probe = access.join(out, f".musyq-doctor-{os.getpid()}")
    fix = "choose another folder with --out, or get the right to write there (s3: AWS_… variables)"
    try:
        access.write_bytes(probe, b"x")
        access.delete(probe)
    except (StoreError, OSError) as error:
        return [Finding(f"write to {out}", ok=False, value=str(error), fix=fix)]
    free = ""
    if access.is_local(out):
        stat = os.statvfs(Path(out)) if Path(out).exists() else os.statvfs(tempfile.gettempdir())
        free = f", {stat.f_bavail * stat.f_frsize / 2**30:.0f} GiB free"
    return [Finding(f"write to {out}", ok=True, value=f"yes{free}")]

"""Compiled once per machine: kernels are kept on disk, safely for many processes at once."""

from __future__ import annotations

import hashlib
import os
import threading
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numba

if TYPE_CHECKING:
    from collections.abc import Iterator

_THREADS = threading.RLock()


@contextmanager
def compiling() -> Iterator[bool]:
    """
    Compile inside this context; yields whether numba may keep the machine code (``cache=``) for the next process.

    Numba's own cache breaks where several processes write it, and does not notice a change in a helper of another
    file. So one process at a time holds a lock on a folder that belongs to exactly this version of the kernels. Where
    no such folder can be made, kernels are compiled in each process.

    Examples
    --------
    >>> with compiling() as keep:
    ...     double = numba.njit("float64(float64)", cache=False)(lambda x: 2 * x)
    >>> double(2.0)
    4.0
    """
    with _THREADS:
        folder = _folder()
        if folder is None:
            yield False
            return
        import fcntl

        config: Any = numba.config
        before = config.CACHE_DIR
        with (folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            config.CACHE_DIR = str(folder)
            try:
                yield True
            finally:
                config.CACHE_DIR = before


@cache
def _folder() -> Path | None:
    """Return the folder of this version of the kernels, or None where it cannot be written or locked."""
    base = os.environ.get("NUMBA_CACHE_DIR") or os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    digest = hashlib.sha256(numba.__version__.encode())
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    folder = Path(base) / "musyq" / f"kernels-{digest.hexdigest()[:16]}"
    try:
        import fcntl  # noqa: F401  (not on Windows)

        folder.mkdir(parents=True, exist_ok=True)
        (folder / "lock").touch()
    except (ImportError, OSError):
        return None
    return folder

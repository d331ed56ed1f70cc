"""One run of one tool in a process of its own: wall, CPU and peak memory of it and all its children."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil

ROOT = Path(__file__).parents[1]
EVERY = 0.05
"""Seconds between two looks at the memory of the process tree."""


@dataclass(frozen=True)
class Run:
    """What one run cost."""

    wall: float
    """Seconds from start of the process to its end, imports and compilation included."""
    cpu: float
    """Seconds of user and system time of the process and its children."""
    peak: float
    """Megabytes (10⁶) of resident memory, the highest sum over the process tree."""
    tasks: int
    versions: dict[str, str]

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)


def measure(python: str, arguments: list[str], manifest: Path, task: str) -> tuple[Run, np.ndarray]:
    """
    Run a tool once.

    Raises
    ------
    RuntimeError
        The tool failed; with the end of what it said.
    """
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "pixels.npy"
        command = [python, "-W", "ignore", "-m", *arguments, str(manifest), task, str(out)]
        with (Path(folder) / "stdout").open("w+") as stdout, (Path(folder) / "stderr").open("w+") as stderr:
            began = time.perf_counter()
            process = subprocess.Popen(command, cwd=ROOT, stdout=stdout, stderr=stderr, env=_environment())
            peak = _Peak(process.pid)
            _, status, usage = os.wait4(process.pid, 0)
            wall = time.perf_counter() - began
            process.returncode = os.waitstatus_to_exitcode(status)
            tree = peak.stop()
            stdout.seek(0)
            stderr.seek(0)
            if process.returncode:
                raise RuntimeError(
                    f"{' '.join(arguments)} {task} ended with {process.returncode}: {stderr.read()[-2000:]}"
                )
            said = json.loads(stdout.read().splitlines()[-1])
        pixels = np.load(out)
    own = usage.ru_maxrss * 1024
    run = Run(wall, usage.ru_utime + usage.ru_stime, max(own, tree) / 1e6, said["tasks"], said["versions"])
    return run, pixels


def _environment() -> dict[str, str]:
    """Let every tool keep its byte code: compiling thousands of modules anew takes longer than some of the work."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


class _Peak(threading.Thread):
    """Looks at the resident memory of a process tree until it is stopped."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._pid, self._end, self._highest = pid, threading.Event(), 0
        self.start()

    def run(self) -> None:
        """Look again and again."""
        while not self._end.wait(EVERY):
            self._highest = max(self._highest, _tree(self._pid))

    def stop(self) -> int:
        """Return the highest sum seen, bytes."""
        self._end.set()
        self.join()
        return self._highest


def _tree(pid: int) -> int:
    total = 0
    try:
        parent = psutil.Process(pid)
        family = [parent, *parent.children(recursive=True)]
    except psutil.Error:
        return 0
    for process in family:
        try:
            total += process.memory_info().rss
        except psutil.Error:
            continue
    return total

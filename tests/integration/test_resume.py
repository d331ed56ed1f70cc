"""A run killed at any moment and resumed gives the bytes of an undisturbed one."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from musyq_cube.run.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Callable

    from musyq_cube.plan import Plan

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")]

CODE = """
import os, sys
from musyq_cube.plan import Plan
from musyq_cube.read.layer import POOL
# kernels are compiled once, here; every attempt is a fork of this process
Plan.load(sys.argv[1]).run(quiet=True, workers=1)
POOL.clear()  # forks must not share open files
for line in sys.stdin:
    child = os.fork()
    if child == 0:
        Plan.load(line.strip()).run(quiet=True, workers=2)
        os._exit(0)
    print(child, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


def chunks(out: str) -> dict[str, str]:
    return {
        str(path.relative_to(out)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(Path(out).rglob("*/data.zarr/**/*"))
        if path.is_file() and "/c/" in str(path)
    }


def test_five_kills_and_the_same_bytes(order: Callable[..., Any], tmp_path: Path) -> None:
    undisturbed = order(["MuSQ.TOA", "MuSQ.NDVI"], block=64, out=tmp_path / "undisturbed")
    killed = order(["MuSQ.TOA", "MuSQ.NDVI"], block=64, out=tmp_path / "killed")
    assert killed.key == undisturbed.key
    first = undisturbed.save(tmp_path / "undisturbed.json")
    second = killed.save(tmp_path / "killed.json")
    random_ = random.Random(20)  # noqa: S311
    done: list[int] = []
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", CODE, str(first)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        for attempt in range(6):
            server.stdin.write(f"{second}\n")
            server.stdin.flush()
            child = int(server.stdout.readline())
            if attempt < 5:
                _wait_for_progress(killed, len(Ledger(killed.run_folder).done()) if attempt else 0, random_)
                os.kill(child, signal.SIGKILL)
            code = int(server.stdout.readline())
            done.append(len(Ledger(killed.run_folder).done()))
        server.stdin.close()
    assert code == 0
    assert done == sorted(done)
    assert 0 < done[0] < killed.task_count
    assert chunks(killed.request.out) == chunks(undisturbed.request.out)
    assert all(Path(output.href).exists() for output in killed.outputs)


def _wait_for_progress(plan: Plan, before: int, random_: random.Random) -> None:
    """Wait until one or two more blocks are done, then a random moment more; or until the run has ended by itself."""
    ledger, wanted = Ledger(plan.run_folder), before + random_.randint(1, 2)
    limit = time.monotonic() + 60
    while len(ledger.done()) < min(wanted, plan.task_count) and time.monotonic() < limit:
        time.sleep(0.002)
    time.sleep(random_.uniform(0, 0.05))

from __future__ import annotations

import signal
import subprocess
import sys
from typing import Any

import pytest

from musyq_cube.errors import RunError
from musyq_cube.run.executors import Threads, _deaf, executor
from musyq_cube.run.progress import Lines, following
from musyq_cube.run.publish import public
from musyq_cube.run.report import BlockReport


class Task:
    def __init__(self, name: str) -> None:
        self.id = name


def work(task: Any) -> BlockReport:
    return BlockReport(task.id, "done")


@pytest.mark.parametrize("workers", [1, 3])
def test_threads_make_every_block_once(workers: int) -> None:
    place, seen = Threads(workers), []
    place.blocks(work, [Task(f"b{n}") for n in range(20)], lambda report: seen.append(report.block))
    assert sorted(seen) == sorted(f"b{n}" for n in range(20))
    assert list(place.map(lambda a, b: a + b, [1, 2], [3, 4])) == [4, 6]
    place.close()


def test_what_done_raises_stops_the_rest() -> None:
    made: list[str] = []

    def note(task: Any) -> BlockReport:
        made.append(task.id)
        return work(task)

    def stop(_: BlockReport) -> None:
        raise RuntimeError("enough")

    place = Threads(1)
    with pytest.raises(RuntimeError, match="enough"):
        place.blocks(note, [Task(f"b{n}") for n in range(50)], stop)
    place.close()
    assert len(made) < 5


@pytest.mark.slow
def test_nobody_at_the_address_is_said() -> None:
    settings: dict[str, Any] = {"processes": False, "memory": 2**30, "prefix": "x"}
    with pytest.raises(RunError, match="no Dask scheduler answers"), executor("tcp://127.0.0.1:1", 1, **settings):
        pass


def test_a_word_that_is_no_address_is_said() -> None:
    settings: dict[str, Any] = {"processes": False, "memory": 2**30, "prefix": "x"}
    with pytest.raises(RunError, match=r"at 'dask'.*tcp://host:8786"), executor("dask", 1, **settings):
        pass


def test_reasons_in_published_items_are_short_and_know_no_folders() -> None:
    assert public("cloud cover 90 % is not below 80 %") == "cloud cover 90 % is not below 80 %"
    assert public("same as b; c is used") == "same as b"
    assert public("cannot read /home/me/scenes/a.tif: gone") == "cannot read a.tif: gone"
    assert public("cannot read https://example.com/x/a.tif") == "cannot read https://example.com/x/a.tif"
    assert len(public("x" * 500)) == 120


def test_processes_begun_inside_ignore_ctrl_c_and_this_one_does_not() -> None:
    code = "import signal; print(signal.getsignal(signal.SIGINT) == signal.SIG_IGN)"
    before = signal.getsignal(signal.SIGINT)
    with _deaf():
        said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.strip() == "True"
    assert signal.getsignal(signal.SIGINT) is before


def test_a_log_gets_one_line_per_ten_percent(capsys: pytest.CaptureFixture[str]) -> None:
    lines = Lines("run", 200)
    for _ in range(200):
        lines.advance()
    text = capsys.readouterr().err.splitlines()
    assert len(text) == 10
    assert text[-1] == "run: 100 % (200/200)"


def test_progress_by_callback(capsys: pytest.CaptureFixture[str]) -> None:
    with following("register") as step:
        for n in range(1, 3):
            step(n, 2, "scene")
    assert "100 %" in capsys.readouterr().err

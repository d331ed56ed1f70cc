from __future__ import annotations

from typing import Any

import pytest

from musyq_cube.errors import RunError
from musyq_cube.run.executors import Threads, executor
from musyq_cube.run.progress import Lines, following
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

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING

from musyq_cube.run.ledger import Ledger
from musyq_cube.run.report import BlockError, BlockReport

if TYPE_CHECKING:
    from pathlib import Path


def test_a_success_takes_the_place_of_a_failure(tmp_path: Path) -> None:
    ledger = Ledger(str(tmp_path))
    ledger.write(BlockReport("b1", "failed", error={"step": "read", "message": "no", "fatal": False}))
    ledger.write(BlockReport("b2", "done"))
    assert (ledger.done(), ledger.failed()) == ({"b2"}, {"b1"})
    assert ledger.reports({"b1"}, failed=True)[0].error == {"step": "read", "message": "no", "fatal": False}
    report = BlockReport("b1", "done", 64, 128, (9, 64), 3, {"p": {"red": "ab"}}, ({"scene": "s"},), {"read": 1.5}, 12)
    ledger.write(report)
    assert (ledger.done(), ledger.failed()) == ({"b1", "b2"}, set())
    assert ledger.reports({"b1"}) == [report]


def test_a_block_taken_back_is_made_again(tmp_path: Path) -> None:
    ledger = Ledger(str(tmp_path))
    report = BlockReport("b1", "done", failures=({"scene": "s", "band": "red", "step": "read", "error": "no"},))
    ledger.write(report)
    ledger.reject(report, "s could not be read")
    assert (ledger.done(), ledger.failed()) == (set(), {"b1"})
    (taken,) = ledger.reports({"b1"}, failed=True)
    assert taken.error == {"step": "read", "message": "s could not be read", "fatal": False}
    assert taken.failures == report.failures
    ledger.write(report)
    assert (ledger.done(), ledger.failed()) == ({"b1"}, set())


def test_cancel_and_resume(tmp_path: Path) -> None:
    ledger = Ledger(str(tmp_path))
    assert not ledger.is_cancelled()
    ledger.cancel()
    assert ledger.is_cancelled()
    ledger.resume()
    assert not ledger.is_cancelled()


def test_a_block_error_survives_the_way_between_processes() -> None:
    error = BlockError("r000c001", "read", ValueError("bad tile"))
    assert str(error) == "block r000c001, read: ValueError: bad tile"
    assert pickle.loads(pickle.dumps(error)).step == "read"  # noqa: S301

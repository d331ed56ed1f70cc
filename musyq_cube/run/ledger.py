"""Ledger: one small object per finished block, written by whoever finished it; the truth about a run."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from musyq_cube.run.report import BlockReport
from musyq_cube.store import access

if TYPE_CHECKING:
    from collections.abc import Iterable

READERS = 16
"""Entries read at a time."""


@dataclass(frozen=True)
class Ledger:
    """The finished and the failed blocks of one run, in a folder or bucket."""

    folder: str

    def write(self, report: BlockReport) -> None:
        """Record a block; a later success takes the place of a failure."""
        done, failed = self._url("ledger", report.block), self._url("failed", report.block)
        data = json.dumps(report.to_dict(), sort_keys=True).encode()
        if report.status == "done":
            access.write_bytes(done, data)
            access.delete(failed)
        else:
            access.write_bytes(failed, data)

    def reject(self, report: BlockReport, message: str) -> None:
        """Take a finished block back, so that the next run makes it again; the failure is written first."""
        error = {"step": "read", "message": message, "fatal": False}
        rejected = replace(report, status="failed", error=error)
        access.write_bytes(self._url("failed", report.block), json.dumps(rejected.to_dict(), sort_keys=True).encode())
        access.delete(self._url("ledger", report.block))

    def done(self) -> set[str]:
        """Return the ids of the finished blocks: one listing, nothing is read."""
        return self._names("ledger")

    def failed(self) -> set[str]:
        """Return the ids of the blocks that failed and were not finished since."""
        return self._names("failed") - self.done()

    def reports(self, blocks: Iterable[str], *, failed: bool = False) -> list[BlockReport]:
        """Read the entries of some blocks."""
        kind = "failed" if failed else "ledger"
        with ThreadPoolExecutor(READERS) as pool:
            return list(pool.map(lambda block: self._read(self._url(kind, block)), sorted(blocks)))

    def cancel(self) -> None:
        """Ask whoever drives the run to stop after the blocks that are being made."""
        access.write_bytes(f"{self.folder}/cancel", b"cancelled\n")

    def is_cancelled(self) -> bool:
        """Whether somebody asked for an end."""
        return access.exists(f"{self.folder}/cancel")

    def resume(self) -> None:
        """Take back a cancellation."""
        access.delete(f"{self.folder}/cancel")

    def _names(self, kind: str) -> set[str]:
        keys = access.list_keys(f"{self.folder}/{kind}")
        return {key.removesuffix(".json") for key in keys if key.endswith(".json")}

    def _url(self, kind: str, block: str) -> str:
        return f"{self.folder}/{kind}/{block}.json"

    def _read(self, url: str) -> BlockReport:
        return BlockReport.from_dict(json.loads(access.read_bytes(url)))

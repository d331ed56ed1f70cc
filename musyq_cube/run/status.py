"""Status: how far a run is, from its folder alone; and how to stop it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from musyq_cube.errors import RunError
from musyq_cube.plan import Plan
from musyq_cube.run import publish
from musyq_cube.run.ledger import Ledger
from musyq_cube.store import access

if TYPE_CHECKING:
    import pystac


def status(folder: str) -> dict[str, Any]:
    """
    Return the state of a run from its folder (``<out>/runs/<key>``), whoever drives it.

    Returns
    -------
    dict
        ``state`` (planned, running, cancelled, failed, degraded, done), blocks ``done``, ``failed`` and in all, Items
        that exist of what was ordered, and the errors of the failed blocks. Of an order of several stages: of them all.
    """
    folder = _checked(folder)
    plan = Plan.load(f"{folder}/plan.json")
    found = [item for output in plan.delivered() if (item := publish.existing(plan, output)) is not None]
    ledgers = [*(Ledger(stage.run_folder) for stage in plan.before), Ledger(folder)]
    done = sum(len(ledger.done()) for ledger in ledgers)
    failed = [report.error for ledger in ledgers for report in ledger.reports(ledger.failed(), failed=True)]
    complete = len(found) == len(plan.delivered())
    return {
        "key": plan.key,
        "state": _finished(found) if complete else _unfinished(ledgers, done, len(failed)),
        "done": done,
        "failed": len(failed),
        "blocks": sum(stage.task_count for stage in plan.stages),
        "items": [item.get_self_href() for item in found],
        "outputs": len(plan.delivered()),
        "errors": failed,
    }


def cancel(folder: str) -> None:
    """Ask a run to stop after the blocks that are being made; running it again resumes it."""
    Ledger(_checked(folder)).cancel()


def _checked(folder: str) -> str:
    folder = folder.rstrip("/").removesuffix("/plan.json")
    if not access.exists(f"{folder}/plan.json"):
        raise RunError(f"no run in {folder}: plan.json is missing")
    return folder


def _finished(items: list[pystac.Item]) -> str:
    return "degraded" if any(item.properties.get("musyq:quality") == "degraded" for item in items) else "done"


def _unfinished(ledgers: list[Ledger], done: int, failed: int) -> str:
    if any(ledger.is_cancelled() for ledger in ledgers):
        return "cancelled"
    if failed:
        return "failed"
    return "running" if done else "planned"

"""Run: template, blocks, pyramid, Item; resumable at any moment, and nothing exists before it is complete."""

from __future__ import annotations

import functools
import logging
import operator
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pystac

from musyq_cube.config import config
from musyq_cube.errors import RunError, StoreError
from musyq_cube.normalize.certificate import Certificate, Sums
from musyq_cube.plan.ancillary import during
from musyq_cube.plan.estimate import cores
from musyq_cube.plan.remaining import needed, tasks_left
from musyq_cube.read.fuse import group_scenes
from musyq_cube.run import provenance, publish
from musyq_cube.run.block import attempt
from musyq_cube.run.executors import Executor, executor
from musyq_cube.run.ledger import Ledger
from musyq_cube.run.progress import Progress, progress
from musyq_cube.run.report import BlockReport, BlockTask

if TYPE_CHECKING:
    from collections.abc import Iterator

    from musyq_cube.plan import Part, Plan, PlanBlock
    from musyq_cube.read.fuse import Group

_LOG = logging.getLogger(__name__)


def run(
    plan: Plan, on: str = "local", *, workers: int | None = None, processes: bool = False, quiet: bool = False
) -> pystac.Item | pystac.ItemCollection:
    """
    Make the products of a plan, or what is left of them.

    What is published already is not made again; blocks that the ledger has are not made again. May be interrupted at
    any moment and run again.

    Parameters
    ----------
    plan
        From :func:`musyq_cube.plan.plan`.
    on
        ``"local"`` or the address of a Dask scheduler.
    workers
        Blocks at a time on this machine; default: the cores, fewer where the memory limit asks for it.
    processes
        A process for each instead of a thread.
    quiet
        No progress on standard error.

    Returns
    -------
    pystac.Item or pystac.ItemCollection
        The Item where the plan has one output, else all, in the order of the plan. ``musyq:quality`` says
        ``degraded`` where scenes could not be read.

    Raises
    ------
    RunError
        When blocks failed, too many scenes were unreadable, or somebody stopped the run: nothing incomplete is
        published, and the same order run again goes on where this one ended.
    StoreError
        When the output folder cannot be written.
    """
    items: dict[str, pystac.Item] = {}
    if plan.before and tasks_left(plan):
        provenance.write_order(plan)  # whoever asks for the state of the order finds it before its last stage begins
        Ledger(plan.run_folder).resume()
    settings: dict[str, Any] = {"order": plan.run_folder, "workers": workers, "processes": processes, "quiet": quiet}
    for stage, parts in needed(plan):
        items |= _run_stage(stage, on, parts, **settings)
    made = [items[output.key] for output in plan.delivered()]
    return made[0] if len(made) == 1 else pystac.ItemCollection(made)


def _run_stage(
    plan: Plan, on: str, parts: frozenset[int], *, order: str, workers: int | None, processes: bool, quiet: bool
) -> dict[str, pystac.Item]:
    """Make the outputs of one stage that are not there yet; returns all of them by key."""
    items = {o.key: item for o in plan.outputs if (item := publish.existing(plan, o)) is not None}
    for item in items.values():
        publish.announce(plan, item)
    if not parts:
        return items
    count = _workers(plan, on, workers)
    run_ = _Run(plan, Ledger(plan.run_folder), order, provenance.write(plan), parts, items)
    run_.ledger.resume()
    run_.prepare()
    settings: dict[str, Any] = {"processes": processes, "memory": plan.memory, "prefix": plan.run_id[:8]}
    try:
        with executor(on, count, **settings) as place:
            _check_memory(plan, place)
            run_.execute(place, quiet=quiet)
    except KeyboardInterrupt:
        raise RunError(run_.stopped("stopped")) from None
    except _CancelledError:
        raise RunError(run_.stopped("cancelled")) from None
    return items


@dataclass
class _Run:
    """One run of a plan: which blocks are left in which part, and what has been published."""

    plan: Plan
    ledger: Ledger
    order: str
    """Folder of the run of the whole order."""
    provenance: tuple[bytes, bytes]
    parts: frozenset[int]
    """Positions of the parts that have to be made."""
    items: dict[str, pystac.Item]
    blocks: dict[int, list[str]] = field(default_factory=dict)
    left: dict[int, set[str]] = field(default_factory=dict)
    failed: list[BlockReport] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    tasks: list[BlockTask] = field(default_factory=list)
    began: float = field(default_factory=time.time)

    def prepare(self) -> None:
        """Make the templates, and find out what is left to do."""
        done = self.ledger.done()
        numbers, fresh = sorted(self.parts), set()
        for number in numbers:
            part = self.plan.parts[number]
            for output in part.outputs:
                if output.key not in self.items and publish.create(self.plan, part, output):
                    fresh.add(number)  # whatever the ledger says: somebody removed the store
            self.blocks[number], self.left[number] = [], set()
        made: dict[int, list[BlockTask]] = {number: [] for number in numbers}
        for block, task in tasks(self.plan, set(numbers), set(self.items)):
            self.blocks[block.part].append(block.id)
            if block.id in done and block.part not in fresh:
                made[block.part].append(task)
            else:
                self.left[block.part].add(block.id)
                self.tasks.append(task)
        for number in numbers:
            if not self.left[number]:
                self.again(number, made[number])

    def again(self, number: int, made: list[BlockTask]) -> None:
        """Give unreadable scenes another turn where a part is complete but not published: refused, or Item deleted."""
        lacking = self.take_back(self.ledger.reports(self.blocks[number]))
        self.left[number] |= lacking
        self.tasks += [task for task in made if task.id in lacking]

    def take_back(self, reports: list[BlockReport]) -> set[str]:
        """Take back the blocks for which scenes could not be read; returns their ids."""
        lacking = [report for report in reports if report.failures]
        for report in lacking:
            first = report.failures[0]
            message = f"block {report.block}: {first['scene']} could not be read: {first['error']}"
            self.ledger.reject(report, message)
        return {report.block for report in lacking}

    def execute(self, place: Executor, *, quiet: bool) -> None:
        """Make the blocks that are left, publishing each part as it becomes complete."""
        total = sum(len(ids) for ids in self.blocks.values())
        part_of = {block: number for number, ids in self.left.items() for block in ids}
        with progress(f"run {self.plan.run_id[:8]}", total, total - len(self.tasks), quiet=quiet) as bar:
            for number in [n for n, ids in self.left.items() if not ids]:
                self.finish(number, place, bar)

            def done(report: BlockReport) -> None:
                number = part_of[report.block]
                self.note(report, number)
                bar.advance()
                if not self.left[number]:
                    self.finish(number, place, bar)
                if self.ledger.is_cancelled() or Ledger(self.order).is_cancelled():
                    raise _CancelledError

            place.blocks(attempt, self.tasks, done)
        publish.sweep(self.plan.run_folder, self.began)
        if self.failed or self.refused:
            raise RunError("; ".join([*self.refused, *self.failures()]))

    def note(self, report: BlockReport, number: int) -> None:
        """Take in the report of one block; a hopeless failure ends the run."""
        if report.status == "done":
            self.left[number].discard(report.block)
            return
        self.failed.append(report)
        if report.error and report.error.get("fatal"):
            raise StoreError(f"{report.error['message']}; {self.resume_hint()}")

    def finish(self, number: int, place: Executor, bar: Progress) -> None:
        """Publish the outputs of a part whose blocks are all made."""
        part = self.plan.parts[number]
        try:
            failures = self.unreadable(number)
        except RunError as error:
            self.refused.append(str(error))
            return
        certificate = self.certificate(number)
        for output in part.outputs:
            if output.key not in self.items:
                bar.say(f"publishing {output.item_id}")
                settings: dict[str, Any] = {"failures": failures, "provenance": self.provenance, "submit": place.map}
                settings |= {"began": self.began, "certificate": certificate}
                self.items[output.key] = publish.finish(self.plan, part, output, **settings)
        bar.say("")

    def certificate(self, number: int) -> Certificate | None:
        """Return how the sensors of a part agree; None where nothing was normalized or there is one sensor."""
        made = (report.certificate for report in self.ledger.reports(self.blocks[number]))
        sums = (Sums.from_dict(found) for found in made if found is not None)
        total = next(sums, None)
        return None if total is None else Certificate(functools.reduce(operator.add, sums, total))

    def unreadable(self, number: int) -> list[dict[str, Any]]:
        """
        Return what could not be read for a part, once each.

        Raises
        ------
        RunError
            Where it is more than the failure budget allows.
        """
        found: dict[tuple[Any, ...], dict[str, Any]] = {}
        reports = self.ledger.reports(self.blocks[number])
        for report in reports:
            for failure in report.failures:
                found.setdefault((failure["scene"], failure["band"], failure["step"]), failure)
        scenes = sorted({scene for scene, _, _ in found})
        part = self.plan.parts[number]
        share, budget = len(scenes) / max(len(part.scenes), 1), float(config.get("run.failure_budget"))
        if share > budget:
            first = next(iter(found.values()))
            taken = self.take_back(reports)
            raise RunError(
                f"{part.name}: {len(scenes)} of {len(part.scenes)} scenes could not be read, more than "
                f"run.failure_budget = {budget:g} allows; the first is {first['scene']}: {first['error']}. "
                f"Nothing was published; {len(taken)} blocks are made again, with all scenes, by "
                f"`musyq run {self.order}/plan.json`"
            )
        return [found[key] for key in sorted(found, key=str)]

    def stopped(self, how: str) -> str:
        """Say how far the run came and how to go on."""
        mine = {block for ids in self.blocks.values() for block in ids}
        return f"{how} after {len(mine & self.ledger.done())} of {len(mine)} blocks; {self.resume_hint()}"

    def resume_hint(self) -> str:
        """Say how to go on."""
        return f"nothing is lost: `musyq run {self.order}/plan.json` goes on from here"

    def failures(self) -> list[str]:
        """Say which blocks failed, and why."""
        if not self.failed:
            return []
        first = (self.failed[0].error or {}).get("message")
        return [f"{len(self.failed)} blocks failed, the first: {first}; {self.resume_hint()}"]


class _CancelledError(Exception):
    """Somebody put a cancel marker beside the ledger."""


def tasks(plan: Plan, parts: set[int], published: set[str]) -> Iterator[tuple[PlanBlock, BlockTask]]:
    """Iterate over the blocks of some parts with their tasks; outputs that are published already are not written."""
    groups: dict[int, tuple[Group, ...]] = {}
    for block in plan.blocks():
        if block.part not in parts:
            continue
        part = plan.parts[block.part]
        if block.part not in groups:
            scenes = [plan.scenes[i] for i in part.scenes]
            groups[block.part] = group_scenes(scenes, plan.request.by)  # type: ignore[arg-type]
        outputs = tuple((o.product, o.item_id, o.store) for o in part.outputs if o.key not in published)
        yield block, block_task(plan, block, groups[block.part], outputs)


def block_task(
    plan: Plan, block: PlanBlock, groups: tuple[Group, ...], outputs: tuple[tuple[str, str, str], ...]
) -> BlockTask:
    """
    Return what one block has to do.

    Groups are given whole where any of their scenes reaches the block: the time of an observation, which is that of the
    group, then does not depend on how the output is cut.
    """
    mine = {plan.scenes[i] for i in block.scenes}
    request, part = plan.request, plan.parts[block.part]
    return BlockTask(
        id=block.id,
        geobox=block.geobox,
        y=block.y,
        x=block.x,
        groups=tuple(group for group in groups if not mine.isdisjoint(group)),
        period=part.period,
        bands=plan.bands,
        steps=plan.steps,
        sensors=plan.sensors(part),
        method=request.method,
        options=request.options,
        dilate=request.dilate,
        halo=plan.halo,
        resampling=request.resampling,
        rules=request.rules,
        on_error=request.on_error,
        outputs=outputs,
        ledger=plan.run_folder,
        over=plan.over,
        given=part.given,
        overpasses=part.overpasses,
        available=() if plan.over == "composite" else _bands(plan, part),
        ancillary=during(plan.ancillary, part.period),
    )


def _bands(plan: Plan, part: Part) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return the bands of each sensor among the scenes of a part."""
    found: dict[str, set[str]] = {}
    for i in part.scenes:
        found.setdefault(plan.scenes[i].sensor, set()).update(plan.scenes[i].sources)
    return tuple((sensor, tuple(sorted(names))) for sensor, names in sorted(found.items()))


def _workers(plan: Plan, on: str, asked: int | None) -> int:
    """Return the blocks at a time: what was asked for or the cores, as far as memory goes."""
    if asked is not None and asked < 1:
        raise RunError(f"workers={asked}: must be at least 1")
    wanted = asked or cores()
    fits = max(plan.memory // max(plan.estimate.memory_block, 1), 1)
    if on == "local" and fits < wanted:
        _LOG.warning("memory allows %d blocks at a time, not %d", fits, wanted)
    return int(min(wanted, fits))


def _check_memory(plan: Plan, place: Executor) -> None:
    """Compare the projected peak with the limit before anything is submitted."""
    e = plan.estimate
    if e.memory_block * place.workers > plan.memory * max(place.processes, 1) and e.memory_block > plan.memory:
        raise RunError(
            f"one block of {plan.block} pixels needs {e.memory_block / 2**20:.0f} MiB, the limit is "
            f"{plan.memory / 2**20:.0f} MiB; plan with a smaller block or more memory"
        )

"""Explain: a plan as tables for people, in a terminal or a notebook."""

from __future__ import annotations

import datetime as dt
import html as escape
from collections import Counter
from typing import TYPE_CHECKING

from musyq_cube.plan.estimate import largest_block, total
from musyq_cube.plan.remaining import blocks_left, needed, published, tasks_left
from musyq_cube.plan.tree import tree
from musyq_cube.store.access import list_keys

if TYPE_CHECKING:
    from rich.console import Console

    from musyq_cube.plan.value import Plan

    Rows = list[tuple[str, ...]]

KEEP = 'style="white-space: pre-wrap"'
"""The tree is indented by blanks."""
SHOWN = 12
"""Rows of a list before it is cut."""


def sections(plan: Plan) -> list[tuple[str, Rows]]:
    """
    Return titled tables (rows of text) that say all about a plan.

    Looks at the output folder to tell what is new, what exists and what can be resumed.
    """
    states = output_states(plan)
    made = plan.delivered()
    outputs: Rows = [(o.item_id, states[o.key]) for o in made[:SHOWN]]
    if len(made) > SHOWN:
        outputs.append((f"… {len(made)} in all", ", ".join(f"{n} {s}" for s, n in Counter(states.values()).items())))
    out = [("order", _order(plan))]
    if any(step.inputs for stage in plan.stages for step in stage.steps):
        out += [("how it is made", list(tree(plan))), ("stages", _stages(plan))]
    out += [("work", _work(plan)), ("outputs", outputs), ("scenes used", _used(plan))]
    if rows := _left_out(plan):
        out.append(("scenes left out", rows))
    return out


def show(plan: Plan, console: Console | None = None) -> None:
    """Print a plan as tables."""
    from rich.console import Console
    from rich.table import Table

    console = console or Console()
    console.print(f"[bold]Plan {plan.key[:16]}[/bold]")
    for title, rows in sections(plan):
        table = Table(title=title, title_justify="left", show_header=False, title_style="bold", expand=False)
        for row in rows:
            table.add_row(*row)
        console.print(table, markup=False)


def html(plan: Plan) -> str:
    """Return a plan as HTML tables."""
    parts = [f"<h4>Plan {plan.key[:16]}</h4>"]
    for title, rows in sections(plan):
        cells = "".join(f"<tr>{''.join(f'<td {KEEP}>{escape.escape(c)}</td>' for c in row)}</tr>" for row in rows)
        opened = "" if title == "scenes left out" else " open"
        parts.append(f"<details{opened}><summary><b>{title}</b></summary><table>{cells}</table></details>")
    return "\n".join(parts)


def output_states(plan: Plan) -> dict[str, str]:
    """Return, by key of what was ordered: ``skip`` (exists), ``resume`` (some blocks are done) or ``new``."""
    begun = {stage.run_folder: bool(list_keys(f"{stage.run_folder}/ledger")) for stage in plan.stages}
    home = {output.key: stage.run_folder for stage in plan.stages for output in stage.outputs}
    return {
        output.key: "skip" if published(output) else "resume" if begun[home[output.key]] else "new"
        for output in plan.delivered()
    }


def size(count: float) -> str:
    """
    Return bytes for people.

    Examples
    --------
    >>> size(1536 * 1024**2)
    '1.5 GiB'
    """
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.3g} {unit}" if count < 100 else f"{count:.0f} {unit}"
        count /= 1024
    return f"{count:.3g} TiB"


def duration(seconds: float) -> str:
    """
    Return a time span for people.

    Examples
    --------
    >>> duration(90)
    '0:01:30'
    """
    return str(dt.timedelta(seconds=round(max(seconds, 1))))


def _stages(plan: Plan) -> Rows:
    """Say which products are made together, and what is left of each stage."""
    rows: Rows = []
    running = {id(stage): parts for stage, parts in needed(plan)}
    for number, stage in enumerate(plan.stages, 1):
        there = sum(published(output) for output in stage.outputs)
        left = blocks_left(stage, running.get(id(stage), frozenset()))
        names = ", ".join(dict.fromkeys(step.recipe.name.removeprefix("MuSQ.") for step in stage.steps))
        over = {"products": "of products"}.get(stage.over, f"{stage.over} of {len(stage.scenes)} scenes")
        tasks = f"{left} of {stage.task_count} tasks left, {there} of {len(stage.outputs)} outputs exist"
        rows.append((f"{number} {names}", over, tasks))
    return rows


def _order(plan: Plan) -> Rows:
    request = plan.request
    extents = list(dict.fromkeys(part.extent for part in plan.parts))
    periods = list(dict.fromkeys(part.period.label for part in plan.parts))
    shape = plan.parts[0].grid.shape
    single = not plan.before and plan.over == "composite"
    rows: Rows = [
        ("products", ", ".join(plan.ordered)),
        ("grid", f"{request.grid}, {_few(extents)} ({shape[1]} × {shape[0]} pixels{' each' if request.tiles else ''})"),
        ("periods", _few(periods)),
        *((("method", request.method + "".join(f", {k}={v}" for k, v in request.options)),) if single else ()),
        *((("made from", f"{plan.quantity}: {', '.join(plan.bands)}"),) if single else ()),
        ("written to", request.out),
    ]
    return [*rows, *(("note", note) for note in plan.notes)]


def _work(plan: Plan) -> Rows:
    e = total(plan)
    left = tasks_left(plan)
    rows, cols = largest_block(plan, plan.block)
    fits = "fits in" if e.memory <= e.limit else "EXCEEDS"
    return [
        (
            "tasks",
            f"{left} of {e.tasks} blocks left, up to {cols} × {rows} pixels, up to {e.observations} observations",
        ),
        ("to read", f"{size(e.bytes_read)} decoded"),
        ("to write", f"at most {size(e.bytes_written)}"),
        (
            "memory",
            f"{size(e.memory_block)} a block, {size(e.memory)} for {e.workers} at a time; {fits} {size(e.limit)}",
        ),
        ("time", f"about {duration(e.seconds)} on {e.workers} cores ({e.rates})"),
    ]


def _used(plan: Plan) -> Rows:
    scenes = {scene.id: scene for stage in plan.stages for scene in stage.scenes}.values()
    by_sensor = Counter(scene.sensor for scene in scenes)
    rows: Rows = []
    for name, count in sorted(by_sensor.items()):
        days = sorted(scene.datetime[:10] for scene in scenes if scene.sensor == name)
        rows.append((name, f"{count} scenes, {days[0]} … {days[-1]}"))
    return rows


def _left_out(plan: Plan) -> Rows:
    used = {scene.id for stage in plan.stages for scene in stage.scenes}
    left = {item.scene: item.reason for stage in plan.stages for item in stage.left_out if item.scene not in used}
    rows: Rows = []
    rows += list(left.items())[:SHOWN]
    if len(left) > SHOWN:
        rows.append((f"… {len(left)} in all", ""))
    return rows


def _few(names: list[str]) -> str:
    return ", ".join(names) if len(names) <= 4 else f"{names[0]} … {names[-1]} ({len(names)})"

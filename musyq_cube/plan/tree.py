"""Tree: the products of an order down to bands and ancillary data, as rows for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from musyq_cube.plan.parts import Step
    from musyq_cube.plan.value import Plan

    Row = tuple[str, str, str]


def tree(plan: Plan) -> list[Row]:
    """Return (indented product or input, algorithm, reason or what plays the part) of everything in an order."""
    rows: list[Row] = []
    shown: set[str] = set()
    for product in plan.ordered:
        rows += _branch(plan, product, plan.request.every, "", "", shown)
    return rows


def _branch(plan: Plan, product: str, every: str | None, lead: str, below: str, shown: set[str]) -> Iterator[Row]:
    """Yield the row of a product and, the first time, those of its inputs."""
    found = _find(plan, product, every)
    if found is None:
        yield f"{lead}{product}", "", "there already"
        return
    number, step = found
    length = "" if every in {None, plan.request.every} else f" every {every}"
    again = f"{product}{length}" in shown
    yield f"{lead}{product}{length}", step.algorithm, "see above" if again else f"{step.reason}; stage {number + 1}"
    if again:
        return
    shown.add(f"{product}{length}")
    products = {name: (of, length) for name, of, length in step.needs}
    lines = [pair for pair in step.inputs or step.roles if pair[0] != "sensor"]
    for name, what in lines:
        last = name == lines[-1][0]
        branch, under = ("└─ ", "   ") if last else ("├─ ", "│  ")
        if name in products:
            of, length_of = products[name]
            yield from _branch(plan, of, length_of, f"{below}{branch}", f"{below}{under}", shown)
        else:
            yield f"{below}{branch}{name}", "", what


def _find(plan: Plan, product: str, every: str | None) -> tuple[int, Step] | None:
    for number, stage in enumerate(plan.stages):
        if stage.request.every != (every or plan.request.every):
            continue
        for step in stage.steps:
            if step.product == product:
                return number, step
    return None

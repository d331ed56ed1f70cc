"""Remaining: what of an order is still to be made, by what is published and what the ledgers have."""

from __future__ import annotations

from typing import TYPE_CHECKING

from musyq_cube.store import access

if TYPE_CHECKING:
    from musyq_cube.plan.parts import Output
    from musyq_cube.plan.value import Plan


def published(output: Output) -> bool:
    """Whether a product exists."""
    return access.exists(output.href)


def needed(plan: Plan) -> tuple[Plan, ...]:
    """
    Return the stages that have to be run, in order: those that make what is ordered and not there, and what that needs.

    A stage whose products are all published is among them only as the place of what was ordered.
    """
    stages = plan.stages
    wanted = {output.key for output in plan.delivered()}
    keep: list[Plan] = []
    for stage in reversed(stages):
        mine = [output for output in stage.outputs if output.key in wanted]
        if not mine:
            continue
        keep.append(stage)
        if not all(published(output) for output in stage.outputs):
            wanted |= {given.key for part in stage.parts for given in part.given}
    return tuple(reversed(keep))


def tasks_left(plan: Plan) -> int:
    """Return the blocks that would be made if the order were run now: none of products that are published."""
    return sum(blocks_left(stage) for stage in needed(plan))


def blocks_left(stage: Plan) -> int:
    """Return the blocks of the parts of a stage that are not all published."""
    new = [part for part in stage.parts if not all(published(output) for output in part.outputs)]
    size = stage.block
    return sum(-(-part.grid.shape[0] // size) * -(-part.grid.shape[1] // size) for part in new)

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


def needed(plan: Plan) -> tuple[tuple[Plan, frozenset[int]], ...]:
    """
    Return the stages that matter, in order, each with the positions of the parts that have to be made.

    These are the parts that lack something of what was ordered, or of what another such part is made of.
    """
    wanted = {output.key for output in plan.delivered()}
    keep: list[tuple[Plan, frozenset[int]]] = []
    for stage in reversed(plan.stages):
        mine = [part for part in stage.parts if any(output.key in wanted for output in part.outputs)]
        if not mine:
            continue
        new = [p for p in mine if not all(published(output) for output in p.outputs if output.key in wanted)]
        keep.append((stage, frozenset(stage.parts.index(part) for part in new)))
        wanted |= {given.key for part in new for given in part.given}
    return tuple(reversed(keep))


def tasks_left(plan: Plan) -> int:
    """Return the blocks that would be made if the order were run now: none of products that are published."""
    return sum(blocks_left(stage, parts) for stage, parts in needed(plan))


def blocks_left(stage: Plan, parts: frozenset[int]) -> int:
    """Return the blocks of some parts of a stage."""
    return sum(stage.parts[number].block_count(stage.block) for number in parts)

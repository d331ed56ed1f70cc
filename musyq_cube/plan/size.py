"""Size: how large the blocks of a stage are, so that they fit in memory and keep every worker busy."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from musyq_cube.errors import PlanError
from musyq_cube.plan.estimate import count_observations, peak

if TYPE_CHECKING:
    from musyq_cube.plan.value import Plan

LARGEST_BLOCK = 2
"""Chunks along the largest block that is chosen by itself: beyond it, fewer tasks gain nothing."""


def block_size(draft: Plan, asked: int | None) -> int:
    """Return the block size: the largest whose projected peak fits and which leaves every worker something to do."""
    chunk = draft.request.chunk
    if asked is not None:
        if asked < 1 or asked % chunk:
            raise PlanError(f"block={asked}: must be a multiple of the chunk ({chunk})")
        return asked
    fits = [chunk * n for n in range(LARGEST_BLOCK, 0, -1) if _peak(draft, chunk * n) * draft.workers <= draft.memory]
    if not fits:
        need = _peak(draft, chunk)
        if need <= draft.memory:
            return chunk
        raise PlanError(
            f"one block of {chunk} pixels needs {need / 2**30:.1f} GiB, the limit is {draft.memory / 2**30:.1f} GiB; "
            "order a shorter period (every), a method that goes band by band (median), a smaller chunk, or give memory"
        )
    busy = [size for size in fits if dataclasses.replace(draft, block=size).task_count >= 2 * draft.workers]
    return busy[0] if busy else min(fits)


def _peak(draft: Plan, size: int) -> int:
    """Return the projected peak of the fullest block of a size, all scenes of a part taken to reach it."""
    most = max(count_observations([draft.scenes[i] for i in part.scenes], draft.request.by) for part in draft.parts)
    return peak(draft, size, most)

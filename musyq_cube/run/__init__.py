"""Runs: plans become products."""

from __future__ import annotations

from musyq_cube.run.driver import run
from musyq_cube.run.status import cancel, status

__all__ = ["cancel", "run", "status"]

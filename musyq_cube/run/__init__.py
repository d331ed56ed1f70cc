"""Runs: plans become products."""

from __future__ import annotations

from musyq_cube.run.driver import cancel, run, status

__all__ = ["cancel", "run", "status"]

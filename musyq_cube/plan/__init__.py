"""Plans: orders as values. Nothing here reads a pixel."""

from __future__ import annotations

from musyq_cube.plan.estimate import Estimate
from musyq_cube.plan.make import plan
from musyq_cube.plan.parts import Output, Part, PlanBlock
from musyq_cube.plan.request import Request
from musyq_cube.plan.select import LeftOut
from musyq_cube.plan.value import Plan

__all__ = ["Estimate", "LeftOut", "Output", "Part", "Plan", "PlanBlock", "Request", "plan"]

"""Stages: which products of an order are made together, block by block, and which wait for others."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from musyq_cube.plan.select import takes_scenes

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from musyq_cube.plan.resolve import Key, Node


@dataclass
class Stage:
    """Products that one block task makes together: of the same scenes, or of products that are there already."""

    over: str
    """``composite``, ``observations`` or ``series`` of scenes; ``products``: of products and ancillary data only."""
    quantity: str
    every: str | None
    nodes: list[Node] = field(default_factory=list)


def divide(nodes: Iterable[Node]) -> list[Stage]:
    """
    Divide the products of an order into stages, in the order in which they have to be made.

    Parameters
    ----------
    nodes
        Each after all that it needs.

    Notes
    -----
    Fused into the stage of their inputs: composited products of the same scenes and period, and what is made of them
    pixel by pixel. Products over observations or series, and those that look at the pixels around, have a stage of
    their own, so that their identity does not depend on what else is ordered.
    """
    stages: list[Stage] = []
    place: dict[Key, int] = {}
    for node in nodes:
        number = _join(node, stages, place)
        if number is None:
            stages.append(Stage(over_of(node), node.quantity, node.every))
            number = len(stages) - 1
        stages[number].nodes.append(node)
        place[node.key] = number
    return stages


def over_of(node: Node) -> str:
    """Return what the stage of a node goes over."""
    return node.way.over if takes_scenes(node.way) else "products"


def _join(node: Node, stages: list[Stage], place: Mapping[Key, int]) -> int | None:
    """Return the stage that a node can join, or None."""
    over = over_of(node)
    if over in {"observations", "series"} or node.way.reach or node.way.over == "series":
        return None
    latest = max((place[key] for _, key in node.needs), default=-1)
    series = any(key[1] != node.every for _, key in node.needs)
    if series:
        return None
    if over == "products":
        if latest >= 0 and _fuses(stages[latest], node):
            return latest
        return next((i for i in range(latest + 1, len(stages)) if _same(stages[i], node, "products")), None)
    return next((i for i in range(max(latest, 0), len(stages)) if _same(stages[i], node, "composite")), None)


def _same(stage: Stage, node: Node, over: str) -> bool:
    alike = stage.over == over and stage.every == node.every
    return alike and (over == "products" or stage.quantity == node.quantity) and not _apart(stage)


def _fuses(stage: Stage, node: Node) -> bool:
    """Whether a node of products can be made in the stage that makes the last of them."""
    return stage.over in {"composite", "products"} and stage.every == node.every and not _apart(stage)


def _apart(stage: Stage) -> bool:
    """Whether a stage is that of one product which looks around or along time."""
    return any(node.way.reach or node.way.over == "series" for node in stage.nodes)

"""Build: the stages of an order as plans: what each reads, makes and takes."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import shapely

from musyq_cube.errors import PlanError
from musyq_cube.grid import as_region
from musyq_cube.normalize.rules import KEEPS_TOA
from musyq_cube.period import parse_period, split
from musyq_cube.plan.ancillary import during, providing
from musyq_cube.plan.extents import crs_text, extents, outside, parts, unused
from musyq_cube.plan.footprints import Footprints
from musyq_cube.plan.identity import output_key
from musyq_cube.plan.parts import Given, Output, Part, Step
from musyq_cube.plan.resolve import Node, Resolver
from musyq_cube.plan.select import LeftOut, Selection, select, select_observed, takes_scenes, unwanted
from musyq_cube.plan.size import block_size
from musyq_cube.plan.stages import Stage, divide
from musyq_cube.plan.value import Plan
from musyq_cube.products.registry import get_recipe, recipes
from musyq_cube.scene import SourceGrid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from odc.geo.geobox import GeoBox

    from musyq_cube.grid import Grid, Region
    from musyq_cube.period import Period
    from musyq_cube.plan.request import Request
    from musyq_cube.products.recipe import Recipe
    from musyq_cube.scene import Scene

MOST_INSTEAD = 8
"""Products that a refusal names as possible instead."""
STAGED_METHOD = "median"
"""Method of orders of several stages: band by band, so that a band does not depend on the others."""


@dataclass(frozen=True)
class Order:
    """A request, and all that was found for it."""

    request: Request
    when: Period
    where: Region | None
    target: Grid
    scenes: list[Scene]
    ancillary: list[Scene]
    dropped: list[LeftOut]
    sizing: tuple[int | None, int, int]
    """Block asked for, workers, bytes."""
    forced: dict[str, str] = field(default_factory=dict)
    has_method: bool = False
    """Whether somebody asked for the method."""

    @property
    def label(self) -> str:
        """Resolution as product ids have it."""
        return self.request.products[0].rpartition(".")[2]


def build(order: Order) -> Plan:
    """
    Return the plan of an order: its last stage, with those before it.

    Raises
    ------
    PlanError
        When it cannot be fulfilled, with the reason and what could be ordered instead.
    """
    stages = divide(_nodes(order))
    if len(stages) > 1 or stages[0].over != "composite":
        method = order.request.method if order.has_method else STAGED_METHOD
        order = dataclasses.replace(order, request=dataclasses.replace(order.request, method=method))
    requests = [_request(order, stage) for stage in stages]
    chosen = [_select(order, stage, request) for stage, request in zip(stages, requests, strict=True)]
    used = [scene for selection in chosen for scene in selection.scenes]
    where = order.where or _union(used or order.scenes)  # one for all stages, so that their pixels are the same
    made: list[Plan] = []
    for stage, request, selection in zip(stages, requests, chosen, strict=True):
        made.append(_stage(order, stage, request, selection, region=where, made=made))
    ordered = tuple(dict.fromkeys(order.request.products))
    return dataclasses.replace(made[-1], before=tuple(made[:-1]), ordered=ordered)


def _nodes(order: Order) -> list[Node]:
    """Return the products of an order, each after those it is made of."""
    wanted = [get_recipe(product) for product in order.request.products]
    if all(is_plain(recipe) for recipe in wanted) and not order.forced:
        return [Node(r.name, None, r.algorithm.name, "first choice") for r in wanted]
    from musyq_cube.read.prepare import with_air  # heavy, and most orders do not need it

    have = _quantities(order)
    resolver = Resolver([with_air(scene) for scene in order.scenes], have, order.request, order.forced)
    for recipe in wanted:
        try:
            resolver.resolve(recipe.name)
        except PlanError as error:
            raise PlanError(f"{error}. {_instead(order, have, recipe)}") from None
    return list(resolver.nodes.values())


def _instead(order: Order, have: set[str], wanted: Recipe) -> str:
    """Say what could be ordered of the same scenes instead: of the same family first."""
    found = []
    for other in recipes().values():
        try:
            Resolver(order.scenes, have, order.request).resolve(other.name)
        except PlanError:
            continue
        found.append(other)
    found.sort(key=lambda other: other.family != wanted.family)
    names = ", ".join(other.name for other in found[:MOST_INSTEAD])
    return f"What can be made of these scenes: {names}" if names else "Nothing can be made of these scenes"


def is_plain(recipe: Recipe) -> bool:
    """Whether there is nothing to resolve: one algorithm, of bands of the composite."""
    ways = recipe.algorithms
    bands_only = all(wanted.kind == "band" for wanted in ways[0].inputs)
    return len(ways) == 1 and bands_only and ways[0].over == "composite" and takes_scenes(ways[0])


def _quantities(order: Order) -> set[str]:
    from musyq_cube.read.ancillary import available  # heavy, and most orders do not need it

    return available(order.ancillary, order.when) if order.ancillary else set()


def _stage(
    order: Order, stage: Stage, request: Request, selection: Selection, *, region: Region, made: list[Plan]
) -> Plan:
    """Return the plan of one stage; `made` are those before it."""
    boxes = extents(order.target, region, tiles=request.tiles)
    periods = split(parse_period(request.period), request.every, request.anchor)
    steps = tuple(_step(order, node, selection) for node in stage.nodes)
    found, used, notes = _parts(selection, boxes, periods, over=stage.over)
    found = [_with_given(part, steps, made) for part in found]
    if stage.over in {"products", "composite"} and any(step.at_observation for step in steps):
        found = [_with_overpasses(order, part) for part in found]
    names = tuple(name for step in steps for name in step.quantities)
    lacking = [part for part in found if _lacks(part, steps) or _unknown(order, part, names)]
    found = [part for part in found if part not in lacking]
    if lacking:
        notes = [*notes, f"not made for want of inputs: {', '.join(part.name for part in lacking[:6])}"]
    _check_series(found, steps)
    if not found:
        raise PlanError(outside(selection.scenes, region) if selection.scenes else notes[-1] if notes else "no period")
    away = [scene for i, scene in enumerate(selection.scenes) if i not in used]
    number = {old: new for new, old in enumerate(sorted(used))}
    draft = Plan(
        request=request,
        scenes=tuple(selection.scenes[i] for i in sorted(used)),
        quantity=selection.quantity,
        bands=selection.bands,
        roles=selection.parts,
        parts=tuple(dataclasses.replace(p, scenes=tuple(number[i] for i in p.scenes)) for p in found),
        block=request.chunk,
        memory=order.sizing[2],
        workers=order.sizing[1],
        left_out=unused((*order.dropped, *selection.left_out), away, region),
        notes=tuple(notes),
        steps=steps,
        over=stage.over,
        ancillary=during(providing(order.ancillary, names), order.when) if names else (),
        ordered=tuple(p for p in request.products if p in order.request.products),
    )
    named = dataclasses.replace(draft, parts=tuple(_with_outputs(draft, part) for part in draft.parts))
    return dataclasses.replace(named, block=block_size(named, order.sizing[0]))


def _request(order: Order, stage: Stage) -> Request:
    """Return what is asked of one stage."""
    base = order.request
    products = tuple(f"{node.product}.{order.label}" for node in stage.nodes)
    changes: dict[str, object] = {"products": products}
    if stage.every is not None:
        changes["every"] = stage.every
    ways = tuple(sorted((n.product, n.algorithm) for n in stage.nodes if len(get_recipe(n.product).algorithms) > 1))
    changes["algorithms"] = ways
    if stage.over != "composite":
        changes |= {"method": stage.over, "options": (), "bands": None}
        steps = base.normalize
        if stage.quantity not in {"sr", "nbar"}:
            steps = tuple(step for step in steps if step in KEEPS_TOA)
        elif any(node.way.inputs_of("angle") for node in stage.nodes):
            steps = tuple(step for step in steps if step != "direction")  # it is what they look at
        changes |= {"normalize": steps, "reference": base.reference if "spectral" in steps else None}
    return dataclasses.replace(base, **changes)  # type: ignore[arg-type]


def _select(order: Order, stage: Stage, request: Request) -> Selection:
    if stage.over == "products":
        return Selection((), "", (), (), ())
    if stage.over == "composite":
        return select(order.scenes, request, order.when)
    return select_observed(order.scenes, request, order.when, stage.nodes[0].way, stage.quantity)


def _step(order: Order, node: Node, selection: Selection) -> Step:
    roles = dict(selection.parts)
    return Step(
        product=f"{node.product}.{order.label}",
        algorithm=node.algorithm,
        reason=node.reason,
        roles=tuple((w.name, roles[f"{node.product}/{w.name}"]) for w in node.way.inputs_of("band")
                    if f"{node.product}/{w.name}" in roles),
        needs=tuple((name, f"{key[0]}.{order.label}", key[1]) for name, key in node.needs),
        ancillary=tuple(w.name for w in node.way.inputs_of("ancillary") if w.name in node.names),
        inputs=node.inputs,
        rejected=node.rejected,
    )  # fmt: skip


def _parts(
    selection: Selection, boxes: list[tuple[str, GeoBox]], periods: list[Period], *, over: str
) -> tuple[list[Part], set[int], list[str]]:
    if over != "products":
        return parts(selection.scenes, boxes, periods)
    grids = [
        (name, SourceGrid(crs_text(box), tuple(box.affine[:6]), (box.shape[0], box.shape[1]))) for name, box in boxes
    ]
    return [Part(name, grid, period, (), ()) for name, grid in grids for period in periods], set(), []


def _with_given(part: Part, steps: tuple[Step, ...], made: list[Plan]) -> Part:
    """Return a part with the products of earlier stages that it is made of: of its period, or within it."""
    wanted = dict.fromkeys((of, every) for step in steps for _, of, every in step.needs)
    given = [
        Given(output.product, every, output.key, output.href, other.period, plan.sensors(other, output.product))
        for of, every in wanted
        for plan in made
        for other in plan.parts
        if other.extent == part.extent and other.grid == part.grid and _falls(other.period, part.period, plan, every)
        for output in other.outputs
        if output.product == of
    ]
    return dataclasses.replace(part, given=tuple(given))


def _check_series(found: list[Part], steps: tuple[Step, ...]) -> None:
    """Refuse a series of products that is too short for the algorithm."""
    for step in steps:
        way = step.recipe.algorithm
        wanted = {w.name for w in way.inputs_of("product") if w.every is not None and w.required}
        for name, of, every in [need for need in step.needs if need[0] in wanted]:
            for part in found:
                count = sum(g.product == of and g.every == every for g in part.given)
                if count < way.least:
                    raise PlanError(
                        f"{step.product} needs {of} of at least {way.least} periods of {every} ({name}); "
                        f"{part.name} has {count} with scenes: order a longer period"
                    )


def _with_overpasses(order: Order, part: Part) -> Part:
    """Return a part with the times at which scenes of the order saw it, where its products do not know their own."""
    taken = [scene for scene in order.scenes if unwanted(scene, order.request) is None]
    inside = [scene for scene in taken if part.period.contains(scene.time)]
    if not inside:
        return part
    reached = Footprints(inside, part.grid.crs, 0.0).touching(part.geobox)
    minutes = {inside[i].time.replace(second=0, microsecond=0) for i in reached}
    return dataclasses.replace(part, overpasses=tuple(time.isoformat() for time in sorted(minutes)))


def _falls(period: Period, whole: Period, plan: Plan, every: str | None) -> bool:
    """Whether a product of a period is taken: that of the very period, or one within it of a series."""
    if every is None:
        return period == whole
    return plan.request.every == every and (period == whole or whole.contains(period.start))


def _lacks(part: Part, steps: tuple[Step, ...]) -> bool:
    """Whether a product that a part has to have is not made for its period."""
    own, have = {step.product for step in steps}, {given.product for given in part.given}
    required = {of for step in steps for name, of, _ in step.needs if step.input(name).required}
    return not required - own <= have


def _unknown(order: Order, part: Part, names: tuple[str, ...]) -> bool:
    """Whether ancillary data that a part takes do not reach its period."""
    if not names:
        return False
    from musyq_cube.read.ancillary import available  # heavy, and most orders do not need it

    return not set(names) <= available(order.ancillary, part.period)


def _with_outputs(draft: Plan, part: Part) -> Part:
    outputs = []
    for product in draft.request.products:
        key = output_key(draft, part, product)
        item = f"{product}_{part.name}_{key[:8]}"
        href = f"{draft.request.out.rstrip('/')}/{product}/{item}/{item}.json"
        outputs.append(Output(product, key, item, href))
    return dataclasses.replace(part, outputs=tuple(outputs))


def _union(scenes: Sequence[Scene]) -> Region:
    if not scenes:
        raise PlanError("without scenes nothing says where: give a region")
    return as_region(shapely.union_all([scene.geometry for scene in scenes]), "all")

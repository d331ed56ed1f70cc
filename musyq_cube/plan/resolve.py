"""Resolve: from a product to the products, bands and ancillary data it is made of, with an algorithm for each."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from musyq_cube.errors import PlanError
from musyq_cube.plan.select import QUANTITIES, becomes, fits, lacking, part_of, takes_scenes
from musyq_cube.products.registry import get_recipe
from musyq_cube.quantities import quantity as known_quantity

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from musyq_cube.plan.request import Request
    from musyq_cube.products.recipe import Algorithm, Recipe
    from musyq_cube.scene import Scene

Key: TypeAlias = "tuple[str, str | None]"
"""A product without resolution, and the length of its periods (None: that of the order)."""


FEW = 4
"""Sensors that a reason names."""


@dataclass(frozen=True)
class Node:
    """One product of the tree of an order: the algorithm that makes it, and why."""

    product: str
    every: str | None
    algorithm: str
    reason: str
    quantity: str = ""
    """Of the scenes it is made of; empty: none, only products and ancillary data."""
    needs: tuple[tuple[str, Key], ...] = ()
    """(input, product) of those it takes."""
    inputs: tuple[tuple[str, str], ...] = ()
    """(input, what plays the part) in words."""
    rejected: tuple[tuple[str, str], ...] = ()
    """Algorithms of higher preference, and why they cannot be used."""

    @property
    def key(self) -> Key:
        """What it is known by in the tree."""
        return self.product, self.every

    @property
    def recipe(self) -> Recipe:
        """Its recipe, with the chosen algorithm only."""
        return get_recipe(self.product).using(self.algorithm)

    @property
    def way(self) -> Algorithm:
        """The chosen algorithm."""
        return self.recipe.algorithm

    @property
    def names(self) -> frozenset[str]:
        """The inputs that there are: all but optional ones that nothing provides."""
        return frozenset(name for name, _ in self.inputs)


@dataclass
class Resolver:
    """What an order can be made of, and the nodes found so far."""

    scenes: Sequence[Scene]
    quantities: Collection[str]
    """Ancillary quantities that the catalogue has for the period."""
    request: Request
    forced: dict[str, str] = field(default_factory=dict)
    """Algorithms somebody asked for, by product."""
    nodes: dict[Key, Node] = field(default_factory=dict)
    """In the order in which they have to be made."""
    refused: set[str] = field(default_factory=set)
    """Products that cannot be made, of which it was said why."""

    def resolve(self, product: str, every: str | None = None, above: tuple[Key, ...] = ()) -> Node:
        """
        Return the node of a product, all that it needs being in `nodes` before it.

        Raises
        ------
        PlanError
            When no algorithm can be used: with the reason for each.
        """
        key = (product, every)
        if key in self.nodes:
            return self.nodes[key]
        if key in above:
            raise PlanError(f"{product} would be made of itself ({' of '.join(name for name, _ in (*above, key))})")
        recipe = get_recipe(product)
        rejected: list[tuple[str, str]] = []
        for way in self._ways(recipe):
            before = dict(self.nodes)
            made = self._try(way, every, (*above, key))
            if isinstance(made, str):
                self.nodes = before
                rejected.append((way.name, made))
                continue
            quantity, needs, inputs = made
            reason = f"not {rejected[0][0]}: {rejected[0][1]}" if rejected else "first choice"
            if product in self.forced:
                reason = "asked for"
            node = Node(product, every, way.name, reason, quantity, needs, inputs, tuple(rejected))
            self.nodes[key] = node
            return node
        ways = "; ".join(f"{name}: {why}" for name, why in rejected)
        raise PlanError(f"{recipe.id} cannot be made by {ways}")

    def _ways(self, recipe: Recipe) -> tuple[Algorithm, ...]:
        forced = self.forced.get(recipe.name)
        return recipe.using(forced).algorithms if forced else recipe.algorithms

    def _try(
        self, way: Algorithm, every: str | None, above: tuple[Key, ...]
    ) -> tuple[str, tuple[tuple[str, Key], ...], tuple[tuple[str, str], ...]] | str:
        """Return quantity, products and inputs of an algorithm, or why it cannot be used."""
        quantity = ""
        found: dict[str, str] = {}
        if takes_scenes(way):
            reading = self._reading(way)
            if isinstance(reading, str):
                return reading
            quantity, found = reading
        needs: list[tuple[str, Key]] = []
        for wanted in way.inputs:
            if wanted.kind == "product":
                try:
                    node = self.resolve(wanted.of[0], wanted.every or every, above)
                except PlanError as error:
                    if wanted.required:
                        return self._without(wanted.of[0], error)
                    continue
                needs.append((wanted.name, node.key))
                found[wanted.name] = node.product
            elif wanted.kind == "ancillary":
                if wanted.of[0] in self.quantities:
                    found[wanted.name] = f"{wanted.of[0]} ({wanted.at})"
                elif wanted.required:
                    return _no_ancillary(wanted.of[0])
        return quantity, tuple(needs), tuple(found.items())

    def _without(self, product: str, error: PlanError) -> str:
        """Say that a product is missing: why, the first time."""
        if product in self.refused:
            return f"there is no {product} (above)"
        self.refused.add(product)
        return str(error)

    def _reading(self, way: Algorithm) -> tuple[str, dict[str, str]] | str:
        """Return the quantity of the scenes an algorithm would be made of and what plays each part, or why not."""
        able = [scene for scene in self.scenes if fits(scene.sensor, way)]
        if not able:
            have = ", ".join(sorted({scene.sensor for scene in self.scenes})) or "no scene"
            known = ", ".join(way.sensors[:FEW]) + (
                f" and {len(way.sensors) - FEW} more" if len(way.sensors) > FEW else ""
            )
            return f"has coefficients for {known}; there is {have}" if self.scenes else "no scene"
        there = Counter(self.quantity_of(scene, way) for scene in able)
        if not any(there[q] for q in way.accepts):
            have = ", ".join(f"{n} of {QUANTITIES.get(q, q)}" for q, n in there.items())
            wish = " or ".join(QUANTITIES.get(q, q) for q in way.accepts)
            hint = "; or characterize them (`musyq normalize`) and order with normalize=True (--normalize)"
            return f"needs scenes of {wish}; there are {have}{hint if there['toa'] and 'sr' in way.accepts else ''}"
        for quantity in way.accepts:
            mine = [scene for scene in able if self.quantity_of(scene, way) == quantity]
            usable = [scene for scene in mine if not lacking(scene, way)]
            if usable:
                days = {(scene.sensor, scene.solar_day) for scene in usable}
                if len(days) < way.least:
                    return f"needs {way.least} observations; there are {len(days)}"
                return quantity, _parts(way, usable, quantity)
        absent = Counter(lacking(scene, way) for scene in able if self.quantity_of(scene, way) in way.accepts)
        return f"{'no sensor has' if len(absent) == 1 else 'no scene has all of'} the band {_most(absent)}"

    def quantity_of(self, scene: Scene, way: Algorithm) -> str:
        """Return what a scene is for an algorithm: after normalization where it takes that, else as measured."""
        after = becomes(scene, self.request)
        return after if after in way.accepts else scene.quantity


def _no_ancillary(name: str) -> str:
    """Say that an ancillary quantity is missing, and how to register it."""
    what = known_quantity(name)
    how = f"FILE.tif --quantity {name}" if what.static else "era5.nc --ancillary era5"
    return f"no ancillary {name} ({what.long_name}) for the period; register data that have it (`musyq register {how}`)"


def _parts(way: Algorithm, scenes: Sequence[Scene], quantity: str) -> dict[str, str]:
    sensors = sorted({scene.sensor for scene in scenes})
    among = sensors[0] if len(sensors) == 1 else f"{len(sensors)} sensors"
    out = {}
    for wanted in way.inputs_of("band"):
        names = {part_of(wanted, scene) for scene in scenes} - {""}
        if names:
            out[wanted.name] = f"{' or '.join(sorted(names))} of {among} ({quantity})"
    return (
        out
        | {wanted.name: "of the scenes" for wanted in way.inputs_of("angle")}
        | ({"sensor": among} if way.inputs_of("sensor") else {})
    )


def _most(counts: Counter[str]) -> str:
    return " / ".join(name for name, _ in counts.most_common(3))

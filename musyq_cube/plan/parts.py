"""Parts: the pieces of a plan, as frozen values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from musyq_cube.period import Period
from musyq_cube.products.registry import get_recipe
from musyq_cube.scene import SourceGrid

if TYPE_CHECKING:
    from odc.geo.geobox import GeoBox

    from musyq_cube.products.recipe import Input, Recipe
    from musyq_cube.types import JSON


@dataclass(frozen=True)
class Output:
    """One product of one extent and period: one store, one Item."""

    product: str
    key: str
    """sha256 of everything that decides the pixels."""
    item_id: str
    href: str
    """Where the Item will be."""

    @property
    def collection(self) -> str:
        """Id of the collection it belongs to."""
        return self.product

    @property
    def folder(self) -> str:
        """Folder of the Item, the store and the thumbnail."""
        return self.href.rpartition("/")[0]

    @property
    def store(self) -> str:
        """The Zarr store."""
        return f"{self.folder}/data.zarr"


@dataclass(frozen=True)
class Given:
    """A product that another is made of, of one period: published before the stage that needs it begins."""

    product: str
    every: str | None
    key: str
    href: str
    """Where its Item will be."""
    period: Period
    sensors: tuple[str, ...]
    """In the order of their bits in its ``source``."""


@dataclass(frozen=True)
class Step:
    """One product of a stage: its algorithm and why, and what plays the parts of its inputs."""

    product: str
    algorithm: str
    reason: str = "first choice"
    roles: tuple[tuple[str, str], ...] = ()
    """(input, band) of what is composited."""
    needs: tuple[tuple[str, str, str | None], ...] = ()
    """(input, product, every) of the products it is made of."""
    ancillary: tuple[str, ...] = ()
    """Inputs that ancillary data provide."""
    inputs: tuple[tuple[str, str], ...] = ()
    """(input, what plays the part) in words."""
    rejected: tuple[tuple[str, str], ...] = ()
    """Algorithms of higher preference, and why they cannot be used."""

    @property
    def recipe(self) -> Recipe:
        """The recipe with the chosen algorithm only."""
        return get_recipe(self.product).using(self.algorithm)

    def input(self, name: str) -> Input:
        """Return what the algorithm says of one of its inputs."""
        return next(wanted for wanted in self.recipe.algorithm.inputs if wanted.name == name)

    def need(self, name: str) -> tuple[str, str | None]:
        """Return the product that plays the part of an input, and the length of its periods."""
        return next((of, every) for wanted, of, every in self.needs if wanted == name)

    @property
    def quantities(self) -> tuple[str, ...]:
        """The ancillary quantities that it takes."""
        return tuple(self.input(name).of[0] for name in self.ancillary)

    @property
    def at_observation(self) -> bool:
        """Whether it takes ancillary data at the time of observation."""
        return any(self.input(name).at == "observation" for name in self.ancillary)


@dataclass(frozen=True)
class Part:
    """Outputs that share extent and period, and so are made together, block by block, from the same scenes."""

    extent: str
    grid: SourceGrid
    """The output pixels."""
    period: Period
    scenes: tuple[int, ...]
    """Positions of the scenes in `Plan.scenes`."""
    outputs: tuple[Output, ...]
    given: tuple[Given, ...] = ()
    """Products that it is made of."""
    overpasses: tuple[str, ...] = ()
    """When satellites passed, to the minute, RFC 3339: where ancillary data are taken at the time of observation."""

    @property
    def name(self) -> str:
        """Extent and period."""
        return f"{self.extent}_{self.period.label}"

    @property
    def geobox(self) -> GeoBox:
        """The output pixels as a GeoBox."""
        return self.grid.geobox

    def block_count(self, size: int) -> int:
        """Return the number of blocks of `size` pixels."""
        rows, cols = self.grid.shape
        return -(-rows // size) * -(-cols // size)


def closure(steps: tuple[Step, ...], product: str) -> tuple[Step, ...]:
    """Return the steps of a stage that a product is made by, its own last."""
    wanted, found = {product}, []
    for step in reversed(steps):
        if step.product in wanted:
            found.append(step)
            wanted |= {of for _, of, _ in step.needs}
    return tuple(reversed(found))


def sensors_of(steps: tuple[Step, ...], given: tuple[Given, ...], product: str) -> tuple[str, ...]:
    """Return the sensors behind a product that is made of products, whatever else is made in the stage."""
    needs = {(of, every) for step in closure(steps, product) for _, of, every in step.needs}
    return tuple(sorted({sensor for g in given if (g.product, g.every) in needs for sensor in g.sensors}))


@dataclass(frozen=True)
class PlanBlock:
    """The unit of work: one rectangle of one part, whole in time."""

    id: str
    """Unique in the plan, and readable."""
    part: int
    """Position of the part in `Plan.parts`."""
    y: int
    """First pixel row in the part."""
    x: int
    """First pixel column in the part."""
    geobox: GeoBox
    scenes: tuple[int, ...]
    """Positions of the scenes that reach the block (and its halo)."""


def part_to_dict(part: Part) -> JSON:
    """Return plain JSON values."""
    return {
        "extent": part.extent,
        "crs": part.grid.crs,
        "transform": list(part.grid.transform),
        "shape": list(part.grid.shape),
        "period": part.period.to_dict(),
        "scenes": list(part.scenes),
        "outputs": [[o.product, o.key, o.item_id, o.href] for o in part.outputs],
        "overpasses": list(part.overpasses),
        "given": [[g.product, g.every, g.key, g.href, g.period.to_dict(), list(g.sensors)] for g in part.given],
    }


def part_from_dict(data: JSON) -> Part:
    """Rebuild what `part_to_dict` wrote."""
    return Part(
        data["extent"],
        SourceGrid(data["crs"], tuple(data["transform"]), tuple(data["shape"])),
        Period.from_dict(data["period"]),
        tuple(data["scenes"]),
        tuple(Output(*row) for row in data["outputs"]),
        tuple(
            Given(product, every, key, href, Period.from_dict(period), tuple(sensors))
            for product, every, key, href, period, sensors in data["given"]
        ),
        tuple(data["overpasses"]),
    )


def step_from_dict(data: JSON) -> Step:
    """Rebuild a step from the JSON of its fields."""
    pairs = {name: tuple(tuple(row) for row in data[name]) for name in ("roles", "needs", "inputs", "rejected")}
    return Step(**(data | pairs | {"ancillary": tuple(data["ancillary"])}))

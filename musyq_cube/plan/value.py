"""Plan: an order as a value that can be printed, saved, compared, estimated and hashed without running."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from musyq_cube import __version__
from musyq_cube.config import config
from musyq_cube.errors import MusyqError, PlanError
from musyq_cube.grid import blocks as cut
from musyq_cube.methods import get_method
from musyq_cube.normalize.rules import VERSION as NORMALIZATION
from musyq_cube.period import Period
from musyq_cube.plan.estimate import Estimate, estimate
from musyq_cube.plan.footprints import Footprints
from musyq_cube.plan.request import Request
from musyq_cube.plan.select import LeftOut, to_rows
from musyq_cube.products.registry import get_recipe
from musyq_cube.scene import Scene, SourceGrid
from musyq_cube.store import access
from musyq_cube.types import METRES_PER_DEGREE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from odc.geo.geobox import GeoBox

    from musyq_cube.types import JSON

Place = TypeVar("Place", bound="str | Path")
ALGORITHM = ".".join(__version__.split(".")[:2])
"""What of the package version is a part of identity: patch releases do not change numbers."""
FORMAT = 1
"""Version of the saved plan."""


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
class Part:
    """Outputs that share extent and period, and so are made together, block by block, from the same scenes."""

    extent: str
    grid: SourceGrid
    """The output pixels."""
    period: Period
    scenes: tuple[int, ...]
    """Positions of the scenes in `Plan.scenes`."""
    outputs: tuple[Output, ...]

    @property
    def name(self) -> str:
        """Extent and period."""
        return f"{self.extent}_{self.period.label}"

    @property
    def geobox(self) -> GeoBox:
        """The output pixels as a GeoBox."""
        return self.grid.geobox


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


@dataclass(frozen=True)
class Plan:
    """
    A frozen order: what will be made, of which scenes, in which blocks.

    Made by :func:`musyq_cube.plan.plan`. `key` is its identity: where it is written, the size of the blocks and the
    workers do not take part.
    """

    request: Request
    scenes: tuple[Scene, ...]
    quantity: str
    bands: tuple[str, ...]
    roles: tuple[tuple[str, str], ...]
    """(role, band) of the formulas."""
    parts: tuple[Part, ...]
    block: int
    """Pixels along a block, a multiple of the chunk."""
    memory: int
    """Bytes that the run may use."""
    workers: int
    """Blocks at a time that the block size was chosen for."""
    left_out: tuple[LeftOut, ...] = ()
    notes: tuple[str, ...] = field(default=(), compare=False)
    """What was decided on the way and why."""

    @cached_property
    def key(self) -> str:
        """Identity of the order: sha256 over the identities of its outputs."""
        return digest(sorted(output.key for output in self.outputs))

    @property
    def outputs(self) -> tuple[Output, ...]:
        """Every product of every extent and period."""
        return tuple(output for part in self.parts for output in part.outputs)

    def sensors(self, part: Part) -> tuple[str, ...]:
        """Return the sensors that may contribute to a part, in the order of their bits in ``source``."""
        return tuple(sorted({self.scenes[i].sensor for i in part.scenes}))

    @property
    def halo(self) -> int:
        """Pixels of QA that a block reads beyond its edge, to know the distance to clouds."""
        reach = get_method(self.request.method).reach
        if reach:
            reach = float(dict(self.request.options).get("reach", reach))
        return max(halo(max(self.request.dilate, reach), part.grid) for part in self.parts)

    @property
    def run_id(self) -> str:
        """Name of the folder of the run: the beginning of the key."""
        return self.key[:16]

    @property
    def run_folder(self) -> str:
        """Folder of the ledger and the frozen inputs."""
        return f"{self.request.out.rstrip('/')}/runs/{self.run_id}"

    @property
    def task_count(self) -> int:
        """Blocks of all the parts."""
        return sum(_ceil(n.grid.shape[0], self.block) * _ceil(n.grid.shape[1], self.block) for n in self.parts)

    def blocks(self) -> Iterator[PlanBlock]:
        """Iterate over the blocks, part by part and row by row, each with the scenes that it needs."""
        trees: dict[str, Footprints] = {}
        for number, part in enumerate(self.parts):
            crs = part.grid.crs
            if crs not in trees:
                trees[crs] = Footprints(self.scenes, crs, 2 * abs(part.grid.transform[0]))
            mine = set(part.scenes)
            rows, cols = part.grid.shape
            for block in cut(part.geobox, self.block):
                y, x = block.y, block.x
                geobox = part.geobox[y : min(y + self.block, rows), x : min(x + self.block, cols)]
                touching = tuple(i for i in trees[crs].touching(geobox, self.halo) if i in mine)
                yield PlanBlock(f"{part.name}_b{self.block}-{block.id}", number, y, x, geobox, touching)

    @cached_property
    def estimate(self) -> Estimate:
        """Tasks, bytes, memory and time, projected."""
        return estimate(self)

    def explain(self, console: Any = None) -> None:
        """Print what will be done, of what, and what it will take, on a rich Console (default: standard output)."""
        from musyq_cube.plan.explain import show

        show(self, console)

    def run(self, on: str = "local", **options: Any) -> Any:
        """
        Run the plan, or what is left of it; see :func:`musyq_cube.run.run`.

        Returns
        -------
        pystac.Item or pystac.ItemCollection
            The Item where the plan has one output, else all of them.
        """
        import importlib

        return importlib.import_module("musyq_cube.run").run(self, on=on, **options)

    def to_dict(self) -> JSON:
        """Return plain JSON values."""
        return {
            "format": FORMAT,
            "key": self.key,
            "algorithm": ALGORITHM,
            "request": self.request.to_dict(),
            "quantity": self.quantity,
            "bands": list(self.bands),
            "roles": dict(self.roles),
            "block": self.block,
            "memory": self.memory,
            "workers": self.workers,
            "parts": [_part_to_dict(part) for part in self.parts],
            "scenes": [scene.to_dict() for scene in self.scenes],
            "left_out": to_rows(self.left_out),
            "notes": list(self.notes),
        }

    @classmethod
    def from_dict(cls, data: JSON) -> Plan:
        """
        Rebuild what `to_dict` wrote.

        Raises
        ------
        PlanError
            If it is no plan, was changed by hand, or was made by a version that would compute other numbers.
        """
        if data.get("format") != FORMAT:
            raise PlanError(f"not a plan of this version (format {data.get('format')!r}, not {FORMAT}); plan again")
        if data.get("algorithm") != ALGORITHM:
            raise PlanError(f"planned by musyq_cube {data.get('algorithm')}, this is {ALGORITHM}; plan again")
        plan = cls(
            request=Request.from_dict(data["request"]),
            scenes=tuple(Scene.from_dict(scene) for scene in data["scenes"]),
            quantity=data["quantity"],
            bands=tuple(data["bands"]),
            roles=tuple(data["roles"].items()),
            parts=tuple(_part_from_dict(part) for part in data["parts"]),
            block=data["block"],
            memory=data["memory"],
            workers=data["workers"],
            left_out=tuple(LeftOut(*row) for row in data["left_out"]),
            notes=tuple(data["notes"]),
        )
        for part in plan.parts:
            for output in part.outputs:
                if output.key != output_key(plan, part, output.product):
                    raise PlanError(f"{output.item_id}: the plan was changed since it was made; plan again")
        return plan

    def save(self, path: Place) -> Place:
        """Write the plan as JSON into a file or object (``s3://…``), all or nothing; returns `path`."""
        access.write_bytes(str(path), json.dumps(self.to_dict(), indent=1).encode())
        return path

    @classmethod
    def load(cls, path: str | Path) -> Plan:
        """
        Read a plan that `save` wrote, from a file or object.

        Raises
        ------
        PlanError
            Where there is none, or what is wrong with it.
        StoreError
            Where it cannot be read.
        """
        try:
            return cls.from_dict(json.loads(access.read_bytes(str(path))))
        except FileNotFoundError:
            raise PlanError(f"{path}: there is no such plan; save one with `musyq plan … --save`") from None
        except MusyqError:
            raise
        except (KeyError, TypeError, AttributeError, IndexError, ValueError) as error:
            raise PlanError(f"{path}: cannot be read as a plan ({type(error).__name__}: {error})") from error

    def diff(self, other: Plan) -> dict[str, tuple[Any, Any]]:
        """
        Return what differs: name → (here, there). Empty where both plans make the same products the same way.

        Scenes and outputs are listed by id, only those that one of the two lacks.
        """
        mine, theirs = self.request.to_dict(), other.request.to_dict()
        out = {k: (mine.get(k), theirs.get(k)) for k in sorted({*mine, *theirs}) if mine.get(k) != theirs.get(k)}
        for name in ("quantity", "bands", "block"):
            if getattr(self, name) != getattr(other, name):
                out[name] = (getattr(self, name), getattr(other, name))
        here, there = {s.key: s.id for s in self.scenes}, {s.key: s.id for s in other.scenes}
        if here.keys() != there.keys():
            out["scenes"] = _unshared(here, there)
        outputs, others = {o.key: o.item_id for o in self.outputs}, {o.key: o.item_id for o in other.outputs}
        if outputs.keys() != others.keys():
            out["outputs"] = _unshared(outputs, others)
        return out

    def __repr__(self) -> str:
        first = self.outputs[0].item_id
        more = f" and {len(self.outputs) - 1} more" if len(self.outputs) > 1 else ""
        return f"Plan({self.key[:8]}: {first}{more}; {len(self.scenes)} scenes, {self.task_count} blocks)"

    def _repr_html_(self) -> str:
        from musyq_cube.plan.explain import html

        return html(self)


def output_key(plan: Plan, part: Part, product: str) -> str:
    """Return the identity of one output: everything that decides its pixels, and nothing else."""
    request = plan.request
    recipe = get_recipe(product)
    return digest(
        {
            "algorithm": ALGORITHM,
            "product": product,
            "recipe": recipe.version,
            "grid": [part.grid.crs, part.grid.transform, part.grid.shape],
            "chunk": request.chunk,
            "period": str(part.period),
            "method": request.method,
            "options": request.options,
            "bands": plan.bands,
            "roles": plan.roles,
            "dilate": request.dilate,
            "resampling": request.resampling,
            "by": request.by,
            "normalize": _normalization(request),
            "scenes": sorted(plan.scenes[i].key for i in part.scenes),
        }
    )


def _normalization(request: Request) -> list[Any]:
    """Return what of the normalization decides the pixels; tables of the user's own are known by their place."""
    if not request.normalize:
        return []
    return [NORMALIZATION, *request.normalize, request.reference, request.sun, config.get("luts.path")]


def digest(content: Any) -> str:
    """Return the sha256 of JSON values in canonical form."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def halo(reach: float, grid: SourceGrid) -> int:
    """Return the pixels of margin that a block needs to see `reach` metres around it (at the narrowest pixel)."""
    if reach == 0:
        return 0
    return math.ceil(reach / narrowest(grid)) + 1


def narrowest(grid: SourceGrid) -> float:
    """Return the smallest side of a pixel in metres: in degrees, the width at the latitude nearest to a pole."""
    from musyq_cube.plan.footprints import geographic

    width, height = abs(grid.transform[0]), abs(grid.transform[4])
    if not geographic(grid.crs):
        return min(width, height)
    top, bottom = grid.transform[5], grid.transform[5] + grid.shape[0] * grid.transform[4]
    shrink = max(math.cos(math.radians(min(max(abs(top), abs(bottom)), 90.0))), 0.01)
    return min(width * shrink, height) * METRES_PER_DEGREE


def _ceil(length: int, size: int) -> int:
    return -(-length // size)


def _unshared(here: dict[str, str], there: dict[str, str]) -> tuple[list[str], list[str]]:
    return sorted(here[k] for k in here.keys() - there), sorted(there[k] for k in there.keys() - here)


def _part_to_dict(part: Part) -> JSON:
    return {
        "extent": part.extent,
        "crs": part.grid.crs,
        "transform": list(part.grid.transform),
        "shape": list(part.grid.shape),
        "period": part.period.to_dict(),
        "scenes": list(part.scenes),
        "outputs": [[o.product, o.key, o.item_id, o.href] for o in part.outputs],
    }


def _part_from_dict(data: JSON) -> Part:
    return Part(
        data["extent"],
        SourceGrid(data["crs"], tuple(data["transform"]), tuple(data["shape"])),
        Period.from_dict(data["period"]),
        tuple(data["scenes"]),
        tuple(Output(*row) for row in data["outputs"]),
    )

"""Plan: an order as a value that can be printed, saved, compared, estimated and hashed without running."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from musyq_cube.errors import MusyqError, PlanError
from musyq_cube.grid import blocks as cut
from musyq_cube.methods import get_method
from musyq_cube.plan.ancillary import during, providing
from musyq_cube.plan.estimate import Estimate, estimate
from musyq_cube.plan.footprints import Footprints
from musyq_cube.plan.identity import ALGORITHM, digest, output_key
from musyq_cube.plan.parts import (
    Output,
    Part,
    PlanBlock,
    Step,
    part_from_dict,
    part_to_dict,
    sensors_of,
    step_from_dict,
)
from musyq_cube.plan.request import Request
from musyq_cube.plan.select import LeftOut, to_rows
from musyq_cube.scene import Scene, SourceGrid
from musyq_cube.store import access
from musyq_cube.types import METRES_PER_DEGREE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from musyq_cube.types import JSON

Place = TypeVar("Place", bound="str | Path")
FORMAT = 2
"""Version of the saved plan."""


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
    steps: tuple[Step, ...]
    """The products of the stage, each after those it is made of."""
    over: str = "composite"
    """What the stage goes over: ``composite``, ``observations`` or ``series`` of scenes, or ``products``."""
    ancillary: tuple[Scene, ...] = ()
    """Ancillary data that its products take."""
    before: tuple[Plan, ...] = ()
    """The stages that have to be run before, in order."""
    ordered: tuple[str, ...] = ()
    """What was asked for; other products are intermediates."""
    left_out: tuple[LeftOut, ...] = ()
    notes: tuple[str, ...] = field(default=(), compare=False)
    """What was decided on the way and why."""

    @cached_property
    def key(self) -> str:
        """Identity of the order: sha256 over the identities of its outputs, and of what earlier stages deliver."""
        keys = [output.key for output in self.outputs]
        return digest(sorted({*keys, *(o.key for o in self.delivered())}) if self.before else sorted(keys))

    @property
    def outputs(self) -> tuple[Output, ...]:
        """Every product of every extent and period that this stage makes."""
        return tuple(output for part in self.parts for output in part.outputs)

    @property
    def stages(self) -> tuple[Plan, ...]:
        """All stages of the order, in the order in which they run: the last is the plan itself."""
        return (*self.before, self)

    def delivered(self) -> tuple[Output, ...]:
        """Return the outputs that were ordered, of all the stages."""
        return tuple(o for stage in self.stages for o in stage.outputs if o.product in self.ordered)

    def ancillary_of(self, steps: Iterable[Step], part: Part) -> tuple[Scene, ...]:
        """Return the ancillary data that some steps take for a part."""
        names = [name for step in steps for name in step.quantities]
        return during(providing(self.ancillary, names), part.period) if names else ()

    def step(self, product: str) -> Step:
        """Return how a product of this stage is made."""
        return next(step for step in self.steps if step.product == product)

    def sensors(self, part: Part, product: str | None = None) -> tuple[str, ...]:
        """Return the sensors that may contribute to a part, in the order of their bits in ``source`` of a product."""
        if self.over == "products" and product is not None:
            return sensors_of(self.steps, part.given, product)
        mine = {self.scenes[i].sensor for i in part.scenes}
        return tuple(sorted(mine or {sensor for given in part.given for sensor in given.sensors}))

    @property
    def halo(self) -> int:
        """Pixels of QA that a block reads beyond its edge, to know the distance to clouds."""
        reach = get_method(self.request.method).reach
        if reach:
            reach = float(dict(self.request.options).get("reach", reach))
        around = max((step.recipe.algorithm.reach for step in self.steps), default=0)
        return max(around, *(halo(max(self.request.dilate, reach), part.grid) for part in self.parts))

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
        return sum(part.block_count(self.block) for part in self.parts)

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
            "parts": [part_to_dict(part) for part in self.parts],
            "scenes": [scene.to_dict() for scene in self.scenes],
            "left_out": to_rows(self.left_out),
            "notes": list(self.notes),
            "steps": [asdict(step) for step in self.steps],
            "over": self.over,
            "ancillary": [scene.to_dict() for scene in self.ancillary],
            "before": [plan.to_dict() for plan in self.before],
            "ordered": list(self.ordered),
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
            parts=tuple(part_from_dict(part) for part in data["parts"]),
            block=data["block"],
            memory=data["memory"],
            workers=data["workers"],
            left_out=tuple(LeftOut(*row) for row in data["left_out"]),
            notes=tuple(data["notes"]),
            steps=tuple(step_from_dict(step) for step in data["steps"]),
            over=data["over"],
            ancillary=tuple(Scene.from_dict(scene) for scene in data["ancillary"]),
            before=tuple(cls.from_dict(stage) for stage in data["before"]),
            ordered=tuple(data["ordered"]),
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


def _unshared(here: dict[str, str], there: dict[str, str]) -> tuple[list[str], list[str]]:
    return sorted(here[k] for k in here.keys() - there), sorted(there[k] for k in there.keys() - here)

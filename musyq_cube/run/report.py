"""What one block is asked to do and what it answers: plain values that travel between processes."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from musyq_cube.errors import RunError

if TYPE_CHECKING:
    from odc.geo.geobox import GeoBox

    from musyq_cube.normalize.rules import Rules
    from musyq_cube.period import Period
    from musyq_cube.plan.parts import Given, Step
    from musyq_cube.scene import Scene
    from musyq_cube.types import JSON, OnError


@dataclass(frozen=True)
class BlockTask:
    """All that one block needs: no catalogue, no plan, no global state."""

    id: str
    """Unique in the plan, and readable: the Dask key and the name in the ledger."""
    geobox: GeoBox
    y: int
    """First pixel row in the product."""
    x: int
    """First pixel column in the product."""
    groups: tuple[tuple[Scene, ...], ...]
    """Scenes fused by day, in time; empty where no scene reaches the block."""
    period: Period
    bands: tuple[str, ...]
    steps: tuple[Step, ...]
    """The products that are made, each after those it is made of."""
    sensors: tuple[str, ...]
    """Sensors in the order of their bits in ``source``."""
    method: str
    options: tuple[tuple[str, Any], ...]
    dilate: float
    halo: int
    resampling: str
    rules: Rules | None
    """Of normalization; None: pixels are taken as they are."""
    on_error: OnError
    outputs: tuple[tuple[str, str, str], ...]
    """(product id, Item id, store) of everything that is written."""
    ledger: str
    """Folder of the ledger."""
    over: str = "composite"
    """``composite``, ``observations`` or ``series`` of scenes, or ``products``."""
    given: tuple[Given, ...] = ()
    """Published products that others are made of."""
    ancillary: tuple[Scene, ...] = ()
    """Ancillary data that hold in the period."""

    available: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """(sensor, bands) of all the scenes of the part: the same for every block."""
    overpasses: tuple[str, ...] = ()
    """When satellites passed in the period."""

    @property
    def cloudy(self) -> bool:
        """Whether observations under cloud are taken too."""
        return any(step.recipe.algorithm.cloudy for step in self.steps)


@dataclass(frozen=True)
class BlockReport:
    """What became of one block; the ledger holds these."""

    block: str
    status: str
    """``done`` or ``failed``."""
    row: int = 0
    """First pixel row in the product."""
    col: int = 0
    """First pixel column in the product."""
    shape: tuple[int, int] = (0, 0)
    """Pixels."""
    observations: int = 0
    checksums: dict[str, dict[str, str]] = field(default_factory=dict)
    """SHA-256 of the packed bytes by Item id and layer."""
    failures: tuple[JSON, ...] = ()
    """Scenes that could not be read: scene, band, step, error."""
    certificate: JSON | None = None
    """Sums of how the sensors agree in this block (:class:`musyq_cube.normalize.certificate.Sums`)."""
    seconds: dict[str, float] = field(default_factory=dict)
    """Wall time by step."""
    peak_memory: int = 0
    """High-water mark of the process, in bytes."""
    error: JSON | None = None
    """Of a failed block: step, message, and whether trying other blocks makes sense."""

    def to_dict(self) -> JSON:
        """Return plain JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: JSON) -> BlockReport:
        """Rebuild what `to_dict` wrote."""
        rows, cols = data.get("shape", (0, 0))
        return cls(**(data | {"failures": tuple(data.get("failures", ())), "shape": (rows, cols)}))


class BlockError(RunError):
    """A block that failed, with the step and what was being done."""

    def __init__(self, block: str, step: str, cause: BaseException) -> None:
        super().__init__(f"block {block}, {step}: {type(cause).__name__}: {cause}")
        self.block, self.step, self.cause = block, step, cause

    def __reduce__(self) -> tuple[Any, ...]:
        """Survive the way between processes."""
        return BlockError, (self.block, self.step, RuntimeError(str(self.cause)))

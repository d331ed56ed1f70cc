"""Select: which scenes and bands an order is made of, and why the others are not."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from dataclasses import dataclass
from fnmatch import fnmatch
from typing import TYPE_CHECKING

from musyq_cube.errors import MusyqError, PlanError, ReadError
from musyq_cube.methods import get_method
from musyq_cube.normalize.rules import quantity_after
from musyq_cube.products.recipe import NOT_SURFACE, ROLES, Recipe, band
from musyq_cube.sensor import sensors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from musyq_cube.period import Period
    from musyq_cube.plan.request import Request
    from musyq_cube.products.recipe import Algorithm, Input
    from musyq_cube.scene import Scene

LONGEST_REFLECTED = 3.0
"""Micrometres; beyond it a band sees heat, which no reflectance product takes."""

QUANTITIES = {
    "toa": "top-of-atmosphere reflectance",
    "sr": "surface reflectance",
    "nbar": "nadir BRDF-adjusted reflectance",
    "index": "an index",
    "lst": "land surface temperature",
}


@dataclass(frozen=True)
class LeftOut:
    """A scene that an order does not use, and the reason."""

    scene: str
    reason: str


@dataclass(frozen=True)
class Selection:
    """The scenes of an order and what is read of them."""

    scenes: tuple[Scene, ...]
    quantity: str
    bands: tuple[str, ...]
    parts: tuple[tuple[str, str], ...]
    """(role, band): which band plays which part in the formulas."""
    left_out: tuple[LeftOut, ...]

    @property
    def sensors(self) -> tuple[str, ...]:
        """Sensors that may contribute, in the order of their bits in ``source``."""
        return tuple(sorted({scene.sensor for scene in self.scenes}))


def select(scenes: Sequence[Scene], request: Request, period: Period) -> Selection:
    """
    Choose scenes and bands for the products of a request.

    Never mixes quantities: all scenes of a product are TOA, or all surface reflectance, or all NBAR. A scene without
    a band that is read is left out.

    Raises
    ------
    PlanError
        When nothing is left, with the reason and the nearest that could be ordered.
    """
    left: list[LeftOut] = []
    kept = _keep(scenes, left, lambda s: unwanted(s, request))
    inside = _keep(kept, left, lambda s: None if period.contains(s.time) else f"outside the period {period.label}")
    if not inside:
        raise PlanError(_nothing(kept, scenes, period, left))
    inside = _prepared(inside, request, left)
    recipes = [recipe for recipe in request.recipes if takes_scenes(recipe.algorithm)]
    quantity = choose_quantity([becomes(scene, request) for scene in inside], recipes)
    _check_steps(quantity, request, inside)
    taken = _keep(inside, left, lambda s: _wrong_quantity(becomes(s, request), quantity))
    taken = _once(taken, request, left)
    parts = _parts(taken, request, recipes)
    lent = (*parts.values(), *(request.bands or _near_infrared(taken, request)))
    taken = [scene.lend(lent) for scene in taken]
    bands = request.bands or _bands(taken, request, parts)
    missing = {band for band in bands if not any(band in s.sources for s in taken)}
    if missing:
        raise PlanError(f"no scene has the band {', '.join(sorted(missing))}; there are {', '.join(_all_bands(taken))}")
    usable = _keep(taken, left, lambda s: _lacks(s, bands))
    if not usable:
        raise PlanError(f"no scene has all of the bands {', '.join(bands)}; {_by_sensor(taken)}")
    _check_spectral(usable, bands, request)
    ordered = tuple(sorted(usable, key=lambda s: (s.datetime, s.id)))
    return Selection(ordered, quantity, bands, tuple(parts.items()), tuple(left))


def select_observed(
    scenes: Sequence[Scene], request: Request, period: Period, way: Algorithm, quantity: str
) -> Selection:
    """
    Choose the scenes for an algorithm that goes over observations, and the bands that any of them has for it.

    Raises
    ------
    PlanError
        When nothing is left, with the reason.
    """
    left: list[LeftOut] = []
    kept = _keep(scenes, left, lambda s: unwanted(s, request))
    inside = _keep(kept, left, lambda s: None if period.contains(s.time) else f"outside the period {period.label}")
    if not inside:
        raise PlanError(_nothing(kept, scenes, period, left))
    ready = _once(_prepared(inside, request, left), request, left)
    if any("aod" in wanted.of for wanted in way.inputs_of("band")):
        from musyq_cube.read.prepare import with_air  # heavy, and most orders do not need it

        found_air = {scene.id: with_air(scene).sources.get("aod") for scene in inside}
        ready = [s.replace(bands=(*s.bands, ("aod", air))) if (air := found_air[s.id]) else s for s in ready]
    taken = _keep(ready, left, lambda s: _wrong_quantity(becomes(s, request), quantity))
    fitting = _keep(taken, left, lambda s: None if fits(s.sensor, way) else f"{way.name} has no coefficients for it")
    usable = _keep(fitting, left, lambda s: f"has no band {lacking(s, way)}" if lacking(s, way) else None)
    if not usable:
        raise PlanError(f"no scene is left for {request.products[0]}: {left[-1].reason}")
    if way.over == "series" and way.inputs_of("sensor"):
        most, _ = Counter(scene.sensor for scene in usable).most_common(1)[0]
        usable = _keep(usable, left, lambda s: None if s.sensor == most else f"{way.name} takes one sensor: {most}")
    found = {part_of(wanted, scene) for scene in usable for wanted in way.inputs_of("band")} - {""}
    bands = tuple(name for name in _all_bands(usable) if name in found)
    ordered = tuple(sorted(usable, key=lambda s: (s.datetime, s.id)))
    return Selection(ordered, quantity, bands, (), tuple(left))


def _prepared(scenes: Sequence[Scene], request: Request, left: list[LeftOut]) -> list[Scene]:
    """Return scenes with their corrections in their sources; those that cannot be corrected are left out."""
    if not request.normalize and all(scene.normalization is None for scene in scenes):
        return list(scenes)
    from musyq_cube.read.prepare import prepare  # heavy, and most orders do not need it

    ready, before = [], len(left)
    for scene in scenes:
        try:
            made = prepare(scene, request.normalize)
        except ReadError as error:
            left.append(LeftOut(scene.id, f"cannot be corrected: {error}"))
            continue
        if "atmosphere" in request.normalize and made.quantity == "toa" and made.air is None:
            left.append(LeftOut(scene.id, _no_air(scene)))
        else:
            ready.append(made)
    if not ready:
        reasons = Counter(item.reason for item in left[before:]).most_common(2)
        found = "; ".join(f"{n} because: {reason}" for reason, n in reasons)
        raise PlanError(
            f"none of the {len(scenes)} scenes can be normalized, {found}. Run `musyq normalize` on the catalogue "
            "(--redo after mending), or order without the step 'atmosphere'"
        )
    return ready


def _once(scenes: Sequence[Scene], request: Request, left: list[LeftOut]) -> list[Scene]:
    """Take an acquisition once where it is there both as it was measured and corrected by its producer: as measured."""
    if not request.normalize:
        return list(scenes)

    def look(scene: Scene) -> tuple[str, str, str]:
        return scene.platform or scene.sensor, scene.tile or scene.id, scene.datetime[:19]

    measured = {look(scene) for scene in scenes if scene.quantity == "toa"}
    reason = "is the producer's correction of a scene that is normalized here"
    return _keep(scenes, left, lambda s: reason if s.quantity != "toa" and look(s) in measured else None)


def _no_air(scene: Scene) -> str:
    found = scene.normalization and scene.normalization.atmosphere
    if not found:
        return "is top-of-atmosphere reflectance and was not characterized"
    return f"is top-of-atmosphere reflectance and its air is not known: {found.reason}"


def takes_scenes(way: Algorithm) -> bool:
    """Whether an algorithm reads scenes, and not only products and ancillary data."""
    if way.function is None or way.inputs_of("band") or way.inputs_of("angle"):
        return True
    return way.over == "observations" or not way.inputs


def lacking(scene: Scene, way: Algorithm) -> str:
    """Return the first band that an algorithm needs and a scene lacks; empty where it lacks none."""
    for wanted in way.inputs_of("band"):
        if wanted.required and not part_of(wanted, scene):
            return " or ".join(wanted.of)
    return ""


def fits(sensor: str, way: Algorithm) -> bool:
    """Whether an algorithm has coefficients for a sensor."""
    return not way.sensors or any(fnmatch(sensor, pattern) for pattern in way.sensors)


def part_of(wanted: Input, scene: Scene) -> str:
    """Return the band of a scene that plays a part; empty where none does."""
    return next((name for name in wanted.of if name in scene.sources), "")


def becomes(scene: Scene, request: Request) -> str:
    """Return the quantity that a prepared scene has after the normalization of an order."""
    return quantity_after(scene.quantity, request.normalize)


def _check_steps(quantity: str, request: Request, scenes: Sequence[Scene]) -> None:
    """Refuse steps that would do nothing."""
    idle = [step for step in ("topography", "direction", "spectral") if step in request.normalize]
    if quantity == "toa" and idle:
        raise PlanError(
            f"normalize={', '.join(idle)}: top-of-atmosphere reflectance cannot be brought to level ground, another "
            "direction or spectrum; add 'atmosphere', or leave these steps out"
        )
    if "topography" in request.normalize and not any(scene.relief for scene in scenes):
        raise PlanError(
            f"normalize=topography: none of the {len(scenes)} scenes can be corrected for its terrain; run "
            "`musyq normalize --dem`, or leave the step out"
        )


def choose_quantity(quantities: Sequence[str], recipes: Sequence[Recipe]) -> str:
    """
    Return the quantity to make all the products from: the best that all accept and some scene has.

    Raises
    ------
    PlanError
        If there is none.
    """
    accepted = [q for q in recipes[0].algorithm.accepts if all(q in r.algorithm.accepts for r in recipes)]
    names = ", ".join(recipe.id for recipe in recipes)
    if not accepted:
        raise PlanError(
            f"{names} cannot be made of the same scenes (TOA and surface reflectance never mix); order apart"
        )
    there = Counter(quantities)
    for quantity in accepted:
        if there[quantity]:
            return quantity
    have = ", ".join(f"{n} of {QUANTITIES.get(q, q)}" for q, n in there.items())
    other = "MuSQ.TOA" if "toa" in there else "MuSQ.SR"
    raise PlanError(
        f"{names} needs scenes of {' or '.join(QUANTITIES[q] for q in accepted)}; the {len(quantities)} scenes found "
        f"are {have}. {other} could be made of them{_hint(there, accepted)}"
    )


def _check_spectral(scenes: Sequence[Scene], bands: Iterable[str], request: Request) -> None:
    if "spectral" not in request.normalize or request.reference is None:
        return
    from musyq_cube.normalize.chain import check_bands  # heavy, and most orders do not need it

    try:
        for name in sorted({scene.sensor for scene in scenes}):
            check_bands(name, bands, request.reference)
    except MusyqError as error:
        raise PlanError(str(error)) from error


def _hint(there: Counter[str], accepted: Sequence[str]) -> str:
    if not there["toa"] or "sr" not in accepted:
        return ""
    return "; or characterize them (`musyq normalize`) and order with normalize=True (--normalize)"


def reflective(scene: Scene) -> tuple[str, ...]:
    """
    Return the bands of a scene that see reflected light from the surface, in the order of its sensor's file.

    A layer that the sensor's file gives no wavelength (a temperature, an index) is none of them.
    """
    known = sensors().get(scene.sensor)
    center = {band.key: band.center_wavelength or math.inf for band in known.bands} if known else {}
    # a name that the file does not have is a lent near infrared, or the scene one of our own products
    return tuple(
        name for name, _ in scene.bands if name not in NOT_SURFACE and center.get(name, 0.0) < LONGEST_REFLECTED
    )


def wavelengths(sensor_ids: Iterable[str], bands: Iterable[str]) -> dict[str, float]:
    """Return the centre of each band in micrometres, where all the sensors have the same or there is one sensor."""
    known = sensors()
    out: dict[str, float] = {}
    for name in bands:
        centers = {b.center_wavelength for s in sensor_ids if s in known for b in known[s].bands if b.key == name}
        if len(centers) == 1 and (center := centers.pop()) is not None:
            out[name] = center
    return out


def _keep(scenes: Iterable[Scene], left: list[LeftOut], reason: Callable[[Scene], str | None]) -> list[Scene]:
    kept = []
    for scene in scenes:
        why = reason(scene)
        if why is None:
            kept.append(scene)
        else:
            left.append(LeftOut(scene.id, why))
    return kept


def unwanted(scene: Scene, request: Request) -> str | None:
    """Return why an order leaves a scene out from the beginning; None where it does not."""
    if request.sensors is not None and scene.sensor not in request.sensors:
        return f"sensor {scene.sensor} was not asked for"
    if scene.cloud_cover is not None and request.max_cloud < 100 and scene.cloud_cover >= request.max_cloud:
        return f"cloud cover {scene.cloud_cover:g} % is not below {request.max_cloud:g} %"
    return None


def _wrong_quantity(has: str, wanted: str) -> str | None:
    if has == wanted:
        return None
    return f"is {QUANTITIES.get(has, has)}, the others are {QUANTITIES[wanted]}"


def _parts(scenes: Sequence[Scene], request: Request, recipes: Sequence[Recipe]) -> dict[str, str]:
    """
    Return the band for each ``product/input``: the one most scenes have, the preferred one among equals.

    An input that a product can do without has a band only where all scenes have it. Where all are brought to the bands
    of a reference, it is the reference's own.
    """
    aim = {band.key for band in sensors()[request.reference].bands} if request.reference else set()
    have = Counter(band for scene in scenes for band in scene.sources)
    method = get_method(request.method)
    out = {}
    for recipe in recipes:
        for wanted in (*recipe.algorithm.inputs_of("band"), *(band(role) for role in method.bands)):
            choices = [name for name in wanted.of if have[name]]
            best = max(choices, key=lambda name: (name in aim, have[name]), default=None)
            if wanted.required:
                out[f"{recipe.name}/{wanted.name}"] = best or recipe.part(wanted, _all_bands(scenes))
            elif best and have[best] == len(scenes):
                out[f"{recipe.name}/{wanted.name}"] = best
    return out


def _bands(scenes: Sequence[Scene], request: Request, parts: dict[str, str]) -> tuple[str, ...]:
    """Return what is composited: the parts of the formulas, all common reflective bands for a mosaic, the method's."""
    wanted = set(parts.values())
    if any(recipe.is_mosaic for recipe in request.recipes):
        by_sensor: dict[str, set[str]] = {}
        for scene in scenes:
            by_sensor.setdefault(scene.sensor, set()).update(reflective(scene))
        common = set.intersection(*by_sensor.values())
        if not common:
            raise PlanError(
                f"the sensors have no reflective band in common; {_by_sensor(scenes)}. Name sensors or bands"
            )
        wanted |= common
    order = _all_bands(scenes)
    return tuple(sorted(wanted, key=lambda band: order.index(band) if band in order else len(order)))


def _near_infrared(scenes: Sequence[Scene], request: Request) -> tuple[str, ...]:
    """Return the near infrared of the reference, where all scenes have one and are brought to the reference's bands."""
    have = all(not {"nir", "nir08"}.isdisjoint(scene.sources) for scene in scenes)
    if not (have and request.reference and any(recipe.is_mosaic for recipe in request.recipes)):
        return ()
    own = {band.key for band in sensors()[request.reference].bands}
    return tuple(name for name in ROLES["nir"] if name in own)[:1]


def _all_bands(scenes: Sequence[Scene]) -> list[str]:
    return list(dict.fromkeys(band for scene in scenes for band in scene.sources))


def _lacks(scene: Scene, bands: tuple[str, ...]) -> str | None:
    absent = [band for band in bands if band not in scene.sources]
    return f"has no band {', '.join(absent)}" if absent else None


def _by_sensor(scenes: Sequence[Scene]) -> str:
    have = {scene.sensor: reflective(scene) for scene in scenes}
    return "; ".join(f"{name} has {', '.join(bands) or 'none'}" for name, bands in sorted(have.items()))


def _nothing(kept: Sequence[Scene], scenes: Sequence[Scene], period: Period, left: Sequence[LeftOut]) -> str:
    if not scenes:
        return f"no scene at all for the period {period.label}: the catalogue has none there"
    if not kept:
        reasons = Counter(item.reason for item in left).most_common(2)
        return "no scene is left: " + "; ".join(f"{n} because {reason}" for reason, n in reasons)
    nearest = min(kept, key=lambda s: abs(s.time - period.middle))
    days = sorted(s.time.date() for s in kept)
    return (
        f"no scene in the period {period.label}; the nearest is {nearest.id} of {nearest.time:%Y-%m-%d} "
        f"({len(kept)} scenes from {days[0]} to {days[-1]})"
    )


def relabel(left: Iterable[LeftOut], scenes: Iterable[Scene], reason: str) -> tuple[LeftOut, ...]:
    """Return `left` with more scenes left out for one reason."""
    return (*left, *(LeftOut(scene.id, reason) for scene in scenes))


def to_rows(left: Iterable[LeftOut]) -> list[list[str]]:
    """Return plain JSON rows."""
    return [list(dataclasses.astuple(item)) for item in left]

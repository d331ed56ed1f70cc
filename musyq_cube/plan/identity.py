"""Identity: what decides the pixels of a product, as one hash; two orders with the same make it once."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from musyq_cube import __version__
from musyq_cube.config import config
from musyq_cube.methods import get_method
from musyq_cube.normalize.rules import VERSION as NORMALIZATION
from musyq_cube.plan.select import takes_scenes

if TYPE_CHECKING:
    from musyq_cube.plan.parts import Part, Step
    from musyq_cube.plan.request import Request
    from musyq_cube.plan.value import Plan
    from musyq_cube.types import JSON

ALGORITHM = ".".join(__version__.split(".")[:2])
"""What of the package version is a part of identity: patch releases do not change numbers."""


def output_key(plan: Plan, part: Part, product: str) -> str:
    """
    Return the identity of one output: everything that decides its pixels, and nothing else.

    What it is made of counts by its own identity, whether it is made in the same stage or before: so a product has the
    same identity whatever else is ordered with it.
    """
    step = plan.step(product)
    recipe = step.recipe
    content = {
        "algorithm": ALGORITHM,
        "product": product,
        "way": [step.algorithm, recipe.version, step.ancillary],
        "needs": [[name, of, every, _keys(plan, part, of, every)] for name, of, every in step.needs],
        "ancillary": sorted(scene.key for scene in plan.ancillary_of((step,), part)),
        "overpasses": part.overpasses if step.at_observation else (),
        "grid": [part.grid.crs, part.grid.transform, part.grid.shape],
        "chunk": plan.request.chunk,
        "period": str(part.period),
    }
    reads = plan.over != "products" and takes_scenes(recipe.algorithm)
    return digest(content | (_reading(plan, part, step) if reads else {}))


def _keys(plan: Plan, part: Part, of: str, every: str | None) -> list[str]:
    """Return the identities of a product that is taken: of those made before, else of that of the same stage."""
    given = sorted(g.key for g in part.given if (g.product, g.every) == (of, every))
    made = any(step.product == of for step in plan.steps)
    return given if given or not made else [output_key(plan, part, of)]


def _reading(plan: Plan, part: Part, step: Step) -> JSON:
    """Return what decides the pixels of what is read of scenes."""
    request = plan.request
    bands = plan.bands
    if plan.over == "composite" and not get_method(request.method).joint and not step.recipe.is_mosaic:
        used = {name for _, name in step.roles}
        bands = tuple(name for name in plan.bands if name in used)
    return {
        "over": plan.over,
        "roles": step.roles,
        "bands": bands,
        "method": request.method,
        "options": request.options,
        "dilate": request.dilate,
        "resampling": request.resampling,
        "by": request.by,
        "normalize": _normalization(request),
        "scenes": sorted(plan.scenes[i].key for i in part.scenes),
    }


def _normalization(request: Request) -> list[Any]:
    """Return what of the normalization decides the pixels; tables of the user's own are known by their place."""
    if not request.normalize:
        return []
    return [NORMALIZATION, *request.normalize, request.reference, request.sun, config.get("luts.path")]


def digest(content: Any) -> str:
    """Return the sha256 of JSON values in canonical form."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()

"""Command `products`: the list, and one product explained."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import click

from musyq_cube.cli.options import json_option
from musyq_cube.cli.output import print_json, print_table

if TYPE_CHECKING:
    from musyq_cube.plan.resolve import Node
    from musyq_cube.products import Algorithm, Input, Recipe


LONGEST = 110
"""Characters of a reason; the refusal of an order has the whole text."""


@click.command()
@click.argument("product", required=False)
@json_option
def products(product: str | None, *, as_json: bool) -> None:
    r"""
    List the products, or explain one: its algorithms, what they take, and which sensors can make it.

    \b
    Example: musyq products MuSQ.LST.1km
    """
    from musyq_cube.products.registry import get_recipe, recipes

    if product is None:
        known = list(recipes().values())
        if as_json:
            print_json([_facts(recipe) for recipe in known])
            return
        rows = [(r.id, r.title, _units(r), r.family, " > ".join(a.name for a in r.algorithms)) for r in known]
        print_table("products", ("id", "title", "unit", "family", "algorithms, best first"), rows)
        return
    from musyq_cube.plan.able import able

    recipe = get_recipe(product)
    makers = able(product)
    if as_json:
        chosen = {name: node if isinstance(node, str) else node.algorithm for name, node in makers.items()}
        print_json(_facts(recipe) | {"sensors": chosen})
        return
    _explain(recipe, makers)


def _explain(recipe: Recipe, makers: dict[str, Node | str]) -> None:
    click.echo(f"{recipe.id}: {recipe.title}\n{recipe.description}")
    layers = [
        (v.name, v.units, f"{v.valid[0]:g} … {v.valid[1]:g}" if v.valid else "", v.long_name) for v in recipe.layers
    ]
    if layers:
        print_table("layers", ("name", "unit", "valid", "what it is"), layers)
    ways = [
        (f"{number} {way.name}", way.title, _formula(way), ", ".join(_taken(i) for i in way.inputs), way.citation)
        for number, way in enumerate(recipe.algorithms, 1)
    ]
    print_table("algorithms, best first", ("name", "title", "formula", "takes", "citation"), ways)
    rows = [(name, node.algorithm, _short(node.reason)) for name, node in makers.items() if not isinstance(node, str)]
    print_table("sensors that can make it, and the algorithm that is chosen", ("sensor", "algorithm", "why"), rows)
    if unable := [name for name, node in makers.items() if isinstance(node, str)]:
        click.echo(f"cannot make it: {', '.join(unable)}")


def _short(reason: str) -> str:
    return reason if len(reason) <= LONGEST else f"{reason[: LONGEST - 2]} …"


def _formula(way: Algorithm) -> str:
    """Return the formula of an algorithm, else what the documentation of its function says first."""
    if way.formula or way.function is None:
        return way.formula
    text = inspect.getdoc(getattr(way.function, "func", way.function)) or ""
    return " ".join(text.partition("\n\n")[0].split())


def _taken(wanted: Input) -> str:
    words = {"band": " or ".join(wanted.of), "product": f"{wanted.of[0] if wanted.of else ''}"}
    what = words.get(wanted.kind, f"{wanted.kind} {' '.join(wanted.of)}".strip())
    every = f" every {wanted.every}" if wanted.every else ""
    return f"{what}{every}" if wanted.required else f"[{what}{every}]"


def _units(recipe: Recipe) -> str:
    return recipe.layers[0].units if recipe.layers else "1"


def _facts(recipe: Recipe) -> dict[str, Any]:
    ways = [
        {"name": w.name, "title": w.title, "over": w.over, "accepts": w.accepts, "citation": w.citation,
         "inputs": [{"name": i.name, "kind": i.kind, "of": i.of, "required": i.required} for i in w.inputs]}
        for w in recipe.algorithms
    ]  # fmt: skip
    names = ("id", "title", "description", "quantity", "family", "version", "grid")
    layers = [{"name": v.name, "units": v.units, "valid": v.valid} for v in recipe.layers]
    return {name: getattr(recipe, name) for name in names} | {"layers": layers, "algorithms": ways}

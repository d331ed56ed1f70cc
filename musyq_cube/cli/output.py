"""How commands answer: tables for people, JSON for scripts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Iterable


def print_json(value: Any) -> None:
    """Print a value as JSON."""
    click.echo(json.dumps(value, indent=1, default=str))


def print_table(title: str, header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> None:
    """Print a table."""
    from rich.console import Console
    from rich.table import Table

    table = Table(*header, title=title, title_justify="left", title_style="bold")
    for row in rows:
        table.add_row(*row)
    Console().print(table, markup=False)

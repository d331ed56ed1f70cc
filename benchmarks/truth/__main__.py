"""Print the table of products against truth, of all families or those named."""

from __future__ import annotations

import importlib
import pkgutil
import sys
from typing import TYPE_CHECKING

import benchmarks.truth as package

if TYPE_CHECKING:
    from benchmarks.truth import Row

HEAD = (
    "product",
    "algorithm",
    "against",
    "n",
    "bias",
    "RMSE",
    "r²",
    "reference",
    "its bias",
    "its RMSE",
    "its r²",
    "note",
)


def main(names: list[str]) -> None:
    """Print Markdown."""
    families = names or [m.name for m in pkgutil.iter_modules(package.__path__) if not m.name.startswith("_")]
    print("| " + " | ".join(HEAD) + " |")
    print("|" + "---|" * len(HEAD))
    for family in families:
        for row in importlib.import_module(f"benchmarks.truth.{family}").rows():
            print("| " + " | ".join(_cells(row)) + " |", flush=True)


def _cells(row: Row) -> list[str]:
    number = lambda v: "" if v is None else f"{v:.3g}" if abs(v) < 100 else f"{v:.0f}"  # noqa: E731
    theirs = [number(v) for v in (row.reference_bias, row.reference_rmse, row.reference_r2)]
    ours = [str(row.n), number(row.bias), f"{number(row.rmse)} {row.unit}", number(row.r2)]
    return [row.product, row.algorithm, row.against, *ours, row.reference, *theirs, row.note]


if __name__ == "__main__":
    main(sys.argv[1:])

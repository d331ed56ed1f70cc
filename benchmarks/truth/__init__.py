"""Products against independent truth: towers, radiometers, other processors. ``python -m benchmarks.truth``."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Row:
    """One comparison; the reference columns are another model's score on the same rows, where there is one."""

    product: str
    algorithm: str
    against: str
    unit: str
    n: int
    bias: float
    rmse: float
    r2: float
    reference: str = ""
    reference_bias: float | None = None
    reference_rmse: float | None = None
    reference_r2: float | None = None
    note: str = ""


def folder(name: str) -> Path:
    """Return a folder of the real data (``MUSYQ_TEST_DATA``)."""
    path = Path(os.environ.get("MUSYQ_TEST_DATA", ROOT.parent / "shared" / "data")) / name
    if not path.exists():
        raise FileNotFoundError(f"{path}: set MUSYQ_TEST_DATA to the folder that holds the real data")
    return path


def score(ours: Any, truth: Any) -> dict[str, Any]:
    """Return n, bias, rmse and r2 of what is finite in both."""
    a, b = np.asarray(ours, float).ravel(), np.asarray(truth, float).ravel()
    good = np.isfinite(a) & np.isfinite(b)
    a, b = a[good], b[good]
    n = int(good.sum())
    r2 = float(np.corrcoef(a, b)[0, 1] ** 2) if n > 2 and a.std() > 0 and b.std() > 0 else float("nan")
    return {"n": n, "bias": float((a - b).mean()), "rmse": float(np.sqrt(((a - b) ** 2).mean())), "r2": r2}


def reference(model: str, values: Any, truth: Any, ours: Any) -> dict[str, Any]:
    """Return the reference columns of a model on the rows where ours has a value too."""
    found = score(np.where(np.isfinite(np.asarray(ours, float)), np.asarray(values, float), np.nan), truth)
    return {"reference": model} | {f"reference_{name}": found[name] for name in ("bias", "rmse", "r2")}

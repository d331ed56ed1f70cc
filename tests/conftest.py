"""Fixtures every test may use."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def data() -> Callable[[str], Path]:
    """Return a folder of the real test data (``MUSYQ_TEST_DATA``), or skip where it is absent."""
    root = Path(os.environ.get("MUSYQ_TEST_DATA", ROOT.parent / "shared" / "data"))

    def folder(name: str) -> Path:
        path = root / name
        if not path.exists():
            pytest.skip(f"real data not on this machine: {name} (set MUSYQ_TEST_DATA to the folder that holds it)")
        return path

    return folder

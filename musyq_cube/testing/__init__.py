"""
The twin-sensor simulator, and small helpers for tests.

`simulate` writes scenes of a known surface as each sensor's own files and returns the `Truth` behind them; it is the
project's demo, its first notebook and its test bench.
"""

from musyq_cube.testing.files import make_scene, outline, source_grid, write_cog
from musyq_cube.testing.server import FileServer, serve
from musyq_cube.testing.simulator import simulate
from musyq_cube.testing.truth import Truth, load_truth

__all__ = [
    "FileServer",
    "Truth",
    "load_truth",
    "make_scene",
    "outline",
    "serve",
    "simulate",
    "source_grid",
    "write_cog",
]

"""Defaults that a user may set: ``~/.config/musyq``, ``MUSYQ_…`` variables or ``config.set(...)``; only read here."""

from __future__ import annotations

from typing import Any

from donfig import Config

DEFAULTS: dict[str, Any] = {
    "read": {
        "retries": 3,  # attempts after the first, for transient errors only
        "backoff": 0.5,  # seconds before the first retry; doubles, with jitter
        "threads": None,  # decoding threads of one block; None: the cores this process may use
    },
    "luts": {
        "path": None,  # tables of the atmosphere made by `musyq luts build`; None: those that come with the package
    },
    "run": {
        "memory": None,  # bytes one process may use; None: 80 % of the cgroup or machine limit
        "failure_budget": 0.1,  # share of scenes that may be unreadable before the product counts as failed
        "intermediate_days": 30,  # how long products made only on the way are meant to be kept
    },
}

config = Config("musyq", defaults=[DEFAULTS])

"""Progress: a live bar in a terminal or notebook, one line per ten percent elsewhere."""

from __future__ import annotations

import sys
import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Progress(Protocol):
    """What a run tells about itself."""

    def advance(self, count: int = 1) -> None:
        """Say that `count` more steps are done."""

    def say(self, text: str) -> None:
        """Say what is being done."""


class Silent:
    """Tells nothing."""

    def advance(self, count: int = 1) -> None:
        """Say nothing."""

    def say(self, text: str) -> None:
        """Say nothing."""


class Lines:
    """One line on standard error per ten percent, for logs."""

    def __init__(self, title: str, total: int, done: int = 0) -> None:
        """Begin at `done` of `total` steps."""
        self._title, self._total, self._done = title, max(total, 1), done
        self._first, self._began, self._shown = done, time.monotonic(), 10 * done // max(total, 1)

    def advance(self, count: int = 1) -> None:
        """Write a line where a further tenth is full."""
        self._done += count
        tenth = 10 * self._done // self._total
        if tenth > self._shown:
            self._shown = tenth
            left = self._left()
            sys.stderr.write(f"{self._title}: {10 * tenth} % ({self._done}/{self._total}){left}\n")
            sys.stderr.flush()

    def say(self, text: str) -> None:
        """Write nothing: logs need no chatter."""

    def _left(self) -> str:
        fresh = self._done - self._first
        if fresh <= 0 or self._done >= self._total:
            return ""
        seconds = (time.monotonic() - self._began) / fresh * (self._total - self._done)
        return f", about {seconds:.0f} s left"


class Bar:
    """A live bar with the time left."""

    def __init__(self, title: str, total: int, done: int = 0) -> None:
        """Begin at `done` of `total` steps."""
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("elapsed"))
        more = (TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn(), TextColumn("{task.fields[doing]}"))
        self._bar = RichProgress(*columns, *more, console=Console(stderr=True))
        self._task = self._bar.add_task(title, total=total, completed=done, doing="")
        self._bar.start()

    def advance(self, count: int = 1) -> None:
        """Move on."""
        self._bar.advance(self._task, count)

    def say(self, text: str) -> None:
        """Show what is being done."""
        self._bar.update(self._task, doing=text)

    def stop(self) -> None:
        """Leave the bar as it is."""
        self._bar.stop()


@contextmanager
def progress(title: str, total: int, done: int = 0, *, quiet: bool = False) -> Iterator[Progress]:
    """
    Show how far a piece of work is.

    Parameters
    ----------
    title
        What is being done.
    total, done
        Steps in all, and already done at the beginning (a resumed run).
    quiet
        Show nothing.
    """
    if quiet:
        yield Silent()
    elif sys.stderr.isatty():
        bar = Bar(title, total, done)
        try:
            yield bar
        finally:
            bar.stop()
    else:
        yield Lines(title, total, done)


@contextmanager
def following(title: str, *, quiet: bool = False) -> Iterator[Callable[[int, int, str], None]]:
    """
    Show the progress of work that calls back with (done, total, name).

    Parameters
    ----------
    title
        What is being done.
    quiet
        Show nothing.
    """
    with ExitStack() as stack:
        shown: list[Progress] = []

        def step(done: int, total: int, name: str) -> None:
            if not shown:
                shown.append(stack.enter_context(progress(title, total, quiet=quiet)))
            shown[0].advance()
            shown[0].say(name if done < total else "")

        yield step

"""Executors: where blocks are made. Threads of this process, processes of this machine, or a running scheduler."""

from __future__ import annotations

import logging
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from musyq_cube.errors import RunError
from musyq_cube.run.report import BlockReport

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from musyq_cube.run.report import BlockTask

    Work = Callable[[BlockTask], BlockReport]
    Done = Callable[[BlockReport], None]

T = TypeVar("T")
R = TypeVar("R")

AHEAD = 2
"""Tasks per worker thread that a scheduler holds: enough to keep it busy, few enough to stop soon."""
_LOG = logging.getLogger(__name__)


class Executor(Protocol):
    """What a run needs of a place to work."""

    workers: int
    """Blocks at a time."""
    processes: int
    """Processes they are spread over; each may use its own memory limit."""

    def blocks(self, work: Work, tasks: Iterable[BlockTask], done: Done) -> None:
        """Make blocks; `done` is called in this thread, as they finish. What it raises stops everything cleanly."""

    def map(self, function: Callable[[T], R], *items: Iterable[T]) -> Iterator[R]:
        """Apply a function to items, results in order."""


class Threads:
    """Dask's threaded scheduler in this process: decoding and kernels release the GIL."""

    processes = 1

    def __init__(self, workers: int) -> None:
        """Use `workers` threads."""
        self.workers = workers
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="musyq")

    def blocks(self, work: Work, tasks: Iterable[BlockTask], done: Done) -> None:
        """Make blocks as :class:`Executor` says."""
        from dask.callbacks import Callback
        from dask.threaded import get

        graph = {task.id: (_unwrap, work, _Opaque(task)) for task in tasks}
        if not graph:
            return
        with Callback(posttask=lambda _key, report, *_: done(report)):  # type: ignore[no-untyped-call]
            get(graph, list(graph), pool=self._pool)

    def map(self, function: Callable[..., R], *items: Iterable[Any]) -> Iterator[R]:
        """Apply a function to items, results in order."""
        return self._pool.map(function, *items)

    def close(self) -> None:
        """Wait for what runs, drop the rest."""
        self._pool.shutdown(wait=True, cancel_futures=True)


class Cluster:
    """Workers of a Dask scheduler: a LocalCluster of ours or any address."""

    def __init__(self, client: Any, prefix: str) -> None:
        """Use a `distributed.Client`; `prefix` makes task names unique on a shared scheduler."""
        self._client = client
        self._prefix = prefix
        threads = client.nthreads()
        if not threads:
            raise RunError(f"the scheduler at {client.scheduler.address} has no workers; start some, then run again")
        self.workers = sum(threads.values())
        self.processes = len(threads)

    def blocks(self, work: Work, tasks: Iterable[BlockTask], done: Done) -> None:
        """Make blocks as :class:`Executor` says; a block whose worker died is tried once more."""
        from distributed import as_completed

        queue = iter(tasks)
        waiting: dict[str, tuple[BlockTask, int]] = {}
        running = as_completed()  # type: ignore[no-untyped-call]

        def submit(task: BlockTask, attempt: int = 1) -> None:
            key = f"{self._prefix}/{task.id}" + (f"/try-{attempt}" if attempt > 1 else "")
            waiting[key] = task, attempt
            running.add(self._client.submit(work, task, key=key, pure=False))  # type: ignore[no-untyped-call]

        for _, task in zip(range(AHEAD * self.workers), queue, strict=False):
            submit(task)
        try:
            for future in running:
                task, attempt = waiting.pop(future.key)
                if future.status == "finished":
                    done(future.result())
                elif attempt == 1:
                    _LOG.warning("block %s: %s; trying once more", task.id, future.exception())
                    submit(task, attempt=2)
                    continue
                else:
                    error = {"step": "worker", "message": str(future.exception()), "fatal": False}
                    done(BlockReport(task.id, "failed", error=error))
                if (following := next(queue, None)) is not None:
                    submit(following)
        finally:
            self._client.cancel(list(running.futures))

    def map(self, function: Callable[..., R], *items: Iterable[Any]) -> Iterator[R]:
        """Apply a function to items, results in order."""
        futures = self._client.map(function, *(list(sequence) for sequence in items), pure=False)
        return iter(self._client.gather(futures))


class _Opaque:
    """Hides a task from Dask, which would look for keys inside it."""

    def __init__(self, task: BlockTask) -> None:
        self.task = task


def _unwrap(work: Work, hidden: _Opaque) -> BlockReport:
    return work(hidden.task)


@contextmanager
def _deaf() -> Iterator[None]:
    """Let processes begun here ignore Ctrl-C, which a terminal sends to all: the run stops them, without tracebacks."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _hushed(name: str) -> Iterator[None]:
    """Keep a logger quiet: interrupted, Distributed's own callbacks may stumble, and its event loop prints how."""
    logger = logging.getLogger(name)
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(before)


@contextmanager
def executor(on: str, workers: int, *, processes: bool, memory: int, prefix: str) -> Iterator[Executor]:
    """
    Open a place to work and close it at the end.

    Parameters
    ----------
    on
        ``"local"`` or the address of a Dask scheduler (``tcp://host:8786``).
    workers
        Blocks at a time (local only; a scheduler has the workers it has).
    processes
        A process per block instead of a thread (local only).
    memory
        Bytes of all local processes together.
    prefix
        Prefix of the task names.
    """
    if on == "local" and not processes:
        threads = Threads(workers)
        try:
            yield threads
        finally:
            threads.close()
        return
    import distributed

    make_client: Any = distributed.Client
    make_cluster: Any = distributed.LocalCluster
    if on == "local":
        options = {"threads_per_worker": 1, "dashboard_address": "127.0.0.1:0", "silence_logs": logging.CRITICAL}
        with _deaf():
            cluster = make_cluster(n_workers=workers, memory_limit=memory // workers, **options)
        with _hushed("tornado.application"), cluster, make_client(cluster) as client:
            yield Cluster(client, prefix)
        return
    try:
        client = make_client(on, timeout="10s")
    except (OSError, ValueError) as error:
        raise RunError(
            f"no Dask scheduler answers at {on!r} ({error}); say 'local', or the address of a running scheduler, "
            "such as tcp://host:8786"
        ) from error
    with client:
        yield Cluster(client, prefix)

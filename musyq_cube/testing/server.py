"""A local HTTP server that counts requests and can fail on purpose."""

from __future__ import annotations

import re
import threading
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator

Fault = Literal["503", "500", "429", "404", "403", "html", "truncate", "reset"]
_PAGE = b"<!DOCTYPE html><html><body>Please sign in</body></html>"
_RANGE = re.compile(r"bytes=(\d*)-(\d*)$")


@dataclass
class FileServer:
    """A running server; `url` is its root, `requests` the (method, path) pairs it answered, in order."""

    folder: Path
    url: str = ""
    requests: list[tuple[str, str]] = field(default_factory=list)
    _faults: dict[str, list[Fault]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def counts(self) -> Counter[str]:
        """Number of requests by path."""
        return Counter(path for _, path in self.requests)

    def fail(self, path: str, kind: Fault, times: int = 1) -> None:
        """
        Let the next `times` requests for `path` (``"*"``: for any path) fail.

        `kind` is a status code, ``html`` (a sign-in page with status 200), ``truncate`` (half of the promised bytes) or
        ``reset`` (the connection is closed without an answer).
        """
        with self._lock:
            self._faults.setdefault(path.lstrip("/"), []).extend([kind] * times)

    def _take(self, method: str, path: str) -> Fault | None:
        with self._lock:
            self.requests.append((method, path))
            for key in (path, "*"):
                if self._faults.get(key):
                    return self._faults[key].pop(0)
        return None


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    files: FileServer

    def log_message(self, *_: object) -> None:
        """Keep quiet: the requests are recorded instead."""

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, *, body: bool) -> None:
        path = self.path.split("?")[0].lstrip("/")
        fault = self.files._take(self.command, path)  # noqa: SLF001  one object in two halves
        if fault == "reset":
            self.close_connection = True
            self.connection.close()
        elif fault == "html":
            self._send(HTTPStatus.OK, _PAGE, body=body, kind="text/html")
        elif fault not in (None, "truncate"):
            self._send(HTTPStatus(int(fault)), b"", body=body)
        else:
            self._file(self.files.folder / path, body=body, truncate=fault == "truncate")

    def _file(self, path: Path, *, body: bool, truncate: bool) -> None:
        if not path.resolve().is_relative_to(self.files.folder.resolve()) or not path.is_file():
            self._send(HTTPStatus.NOT_FOUND, b"", body=body)
            return
        data = path.read_bytes()
        size, match = len(data), _RANGE.match(self.headers.get("Range") or "")
        if match is None:
            self._send(HTTPStatus.OK, data, body=body, truncate=truncate)
            return
        first, last = match.groups()
        start = int(first) if first else max(size - int(last), 0)
        stop = min(int(last) + 1, size) if first and last else size
        if start >= size:
            self._send(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, b"", body=body, span=f"bytes */{size}")
            return
        span = f"bytes {start}-{stop - 1}/{size}"
        self._send(HTTPStatus.PARTIAL_CONTENT, data[start:stop], body=body, span=span, truncate=truncate)

    def _send(
        self,
        status: HTTPStatus,
        data: bytes,
        *,
        body: bool,
        kind: str = "application/octet-stream",
        span: str | None = None,
        truncate: bool = False,
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Content-Type", kind)
        self.send_header("Accept-Ranges", "bytes")
        if span:
            self.send_header("Content-Range", span)
        self.end_headers()
        if body:
            self.wfile.write(data[: len(data) // 2] if truncate else data)
        if truncate:
            self.close_connection = True


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Stay silent: a client that hangs up is part of the tests, not news."""


@contextmanager
def serve(folder: str | Path) -> Iterator[FileServer]:
    """
    Serve a folder over HTTP on a free local port, with byte ranges, while the context lasts.

    Examples
    --------
    >>> import tempfile, urllib.request
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder, serve(folder) as server:
    ...     _ = Path(folder, "a.txt").write_text("hello")
    ...     with urllib.request.urlopen(f"{server.url}/a.txt") as answer:
    ...         answer.read().decode(), server.counts["a.txt"]
    ('hello', 1)
    """
    files = FileServer(Path(folder))
    http = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"files": files}))
    files.url = f"http://127.0.0.1:{http.server_port}"
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield files
    finally:
        http.shutdown()
        http.server_close()
        thread.join()

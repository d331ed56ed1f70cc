"""Retry what fails for a moment: exponential backoff with jitter, for transient errors only."""

from __future__ import annotations

import logging
import random
import re
import time
from typing import TYPE_CHECKING, TypeVar

from musyq_cube.config import config
from musyq_cube.errors import ReadError

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
log = logging.getLogger(__name__)

TRANSIENT = re.compile(
    r"timed? ?out|connection|temporar|reset by peer|broken pipe|could not resolve|network|ssl|curl error|partial file"
    r"|\b(408|425|429|500|502|503|504)\b|slow ?down|service unavailable|throttl|too many requests|internal error"
    r"|input/output error|stale file handle|resource temporarily",
    re.IGNORECASE,
)
"""Messages that a second attempt may cure, wherever the file lies."""
REMOTE = re.compile(
    r"not recognized as|TIFFReadEncodedTile|TIFFReadEncodedStrip|TIFFFillTile|IReadBlock failed|Read(Block)? failed"
    r"|read error|does not exist in the file system|bad range|unexpected end",
    re.IGNORECASE,
)
"""Messages that are final for a local file, but that object stores also cause when they drop or throttle a request."""
LONGEST = 30.0
"""Seconds; no single wait is longer."""


def messages(error: BaseException) -> str:
    """Return the messages of an error and its causes, the innermost last."""
    found: list[str] = []
    link: BaseException | None = error
    while link is not None and len(found) < 8:
        if (text := str(link).strip()) and text not in found:
            found.append(text)
        link = link.__cause__ or link.__context__
    return "; ".join(found)


def is_transient(error: BaseException, *, remote: bool) -> bool:
    """Return whether another attempt may succeed, judged by the messages of the error and its causes."""
    if isinstance(error, MemoryError | KeyboardInterrupt):
        return False
    text = messages(error)
    return bool(TRANSIENT.search(text) or (remote and REMOTE.search(text)))


def retrying(
    action: Callable[[], T],
    *,
    remote: bool,
    retries: int | None = None,
    backoff: float | None = None,
    sleep: Callable[[float], object] = time.sleep,
) -> T:
    """
    Run `action`, again after transient errors.

    Waits `backoff` seconds before the second attempt, twice as long before each next, times a random 0.5…1.5 so that
    many readers do not come back together.

    Parameters
    ----------
    action
        What to run; must be safe to run again.
    remote
        Whether the file is reached over a network: more messages count as transient then.
    retries, backoff, sleep
        Attempts after the first and seconds before the second (default: configuration ``read``); how to wait.
    """
    retries = config.get("read.retries") if retries is None else retries
    wait = config.get("read.backoff") if backoff is None else backoff
    for attempt in range(retries + 1):
        try:
            return action()
        except (OSError, RuntimeError, ValueError) as error:
            if attempt == retries or not is_transient(error, remote=remote):
                raise
            log.info("attempt %d failed (%s), again in about %.1f s", attempt + 1, error, wait)
            sleep(min(wait, LONGEST) * random.uniform(0.5, 1.5))  # noqa: S311  (not a secret)
            wait *= 2
    raise ReadError(f"retries {retries}: must be 0 or more")

"""Folders, ``s3://`` and any other fsspec URL through the same few functions."""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from musyq_cube.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from obstore.store import S3Store
    from zarr.abc.store import Store

_READS = ("read", "look for")
_UPDATES = 100
"""Attempts of :func:`update` against other writers before it gives up."""


def is_local(url: str) -> bool:
    """Return whether a URL is a path on this machine."""
    return "://" not in url or url.startswith("file://")


def local_path(url: str) -> Path:
    """Return the path of a local URL."""
    return Path(url.removeprefix("file://")).expanduser()


def join(url: str, *parts: str) -> str:
    """
    Append parts to a URL or path.

    Examples
    --------
    >>> join("s3://bucket/products/", "a", "b.json")
    's3://bucket/products/a/b.json'
    """
    return "/".join([url.rstrip("/"), *(part.strip("/") for part in parts)])


def resolve(home: str, href: str) -> str:
    """
    Return where a relative href of the document at `home` points, whatever the protocol (urljoin knows few).

    Examples
    --------
    >>> resolve("s3://bucket/products/a/b/b.json", "../../runs/key/plan.json")
    's3://bucket/products/runs/key/plan.json'
    """
    if "://" in href or href.startswith("/"):
        return href
    if is_local(home):
        return os.path.normpath(local_path(home).parent / href)
    folder = home.rpartition("/")[0]
    while href.startswith("../"):
        folder, href = folder.rpartition("/")[0], href.removeprefix("../")
    return join(folder, href.removeprefix("./"))


def zarr_store(url: str, *, read_only: bool = False) -> Store:
    """
    Return the Zarr store of a URL.

    Parameters
    ----------
    url
        Folder, ``s3://bucket/prefix`` (endpoint, keys and region from the ``AWS_*`` environment), ``https://…`` (read
        only) or any fsspec URL.
    read_only
        Refuse writes.
    """
    from zarr.storage import FsspecStore, LocalStore, ObjectStore

    if is_local(url):
        return LocalStore(local_path(url), read_only=read_only)
    if url.startswith("s3://"):
        bucket, key = _bucket_key(url)
        return ObjectStore(_s3(bucket, key), read_only=read_only)
    if url.startswith(("http://", "https://")):
        from obstore.store import HTTPStore

        options: Any = {"allow_http": True}
        return ObjectStore(HTTPStore.from_url(url, client_options=options), read_only=True)
    return FsspecStore.from_url(url, read_only=read_only)


def read_bytes(url: str) -> bytes:
    """Return a whole object; `FileNotFoundError` where there is none."""
    with named("read", url):
        if is_local(url):
            return local_path(url).read_bytes()
        if url.startswith("s3://"):
            bucket, key = _bucket_key(url)
            return bytes(_s3(bucket).get(key).bytes())
        fs, path = _fsspec(url)
        return bytes(fs.cat_file(path))


def write_bytes(url: str, data: bytes) -> None:
    """Write an object so that a reader sees the old one or the new one, never a part."""
    with named("write", url):
        if is_local(url):
            with _temporary(local_path(url), data) as temporary:
                temporary.replace(local_path(url))
        elif url.startswith("s3://"):
            bucket, key = _bucket_key(url)
            _s3(bucket).put(key, data)
        else:
            fs, path = _fsspec(url)
            fs.pipe_file(path, data)


def write_if_absent(url: str, data: bytes) -> bool:
    """
    Write an object only if there is none, atomically against every other writer.

    Returns
    -------
    bool
        True where the object now holds `data` (also when an earlier attempt of ours was committed but its answer was
        lost), False where another object was there first.
    """
    with named("write", url):
        if _create(url, data):
            return True
    return read_bytes(url) == data


def update(url: str, change: Callable[[bytes | None], bytes]) -> None:
    """
    Read, change and write an object without losing what others write at the same time.

    Folders are locked; S3 compares and swaps on the ETag. `change` may be called more than once.
    """
    with named("update", url):
        if is_local(url):
            path = local_path(url)
            path.parent.mkdir(parents=True, exist_ok=True)
            with _locked(path.parent):
                old = path.read_bytes() if path.exists() else None
                if (new := change(old)) != old:
                    write_bytes(url, new)
        elif url.startswith("s3://"):
            _compare_and_swap(url, change)
        else:
            write_bytes(url, change(read_bytes(url) if exists(url) else None))


def exists(url: str) -> bool:
    """Return whether there is an object at exactly this URL (S3 prefixes are not objects)."""
    with named("look for", url):
        if is_local(url):
            return local_path(url).exists()
        if url.startswith("s3://"):
            bucket, key = _bucket_key(url)
            try:
                _s3(bucket).head(key)
            except FileNotFoundError:
                return False
            return True
        fs, path = _fsspec(url)
        return bool(fs.exists(path))


def list_keys(url: str) -> list[str]:
    """Return the objects below a URL, relative to it, sorted; empty where there is nothing."""
    with named("list", url):
        if is_local(url):
            root = local_path(url)
            return sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())
        if url.startswith("s3://"):
            bucket, key = _bucket_key(url)
            prefix = key.rstrip("/") + "/"
            entries = [entry for page in _s3(bucket).list(prefix) for entry in page]
            return sorted(entry["path"].removeprefix(prefix) for entry in entries)
        fs, path = _fsspec(url)
        return sorted(found.removeprefix(path).lstrip("/") for found in fs.find(path)) if fs.exists(path) else []


def delete(url: str) -> None:
    """Delete one object; nothing happens where there is none."""
    with named("delete", url):
        if is_local(url):
            local_path(url).unlink(missing_ok=True)
        elif url.startswith("s3://"):
            bucket, key = _bucket_key(url)
            _s3(bucket).delete(key)
        else:
            fs, path = _fsspec(url)
            if fs.exists(path):
                fs.rm_file(path)


def _bucket_key(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    if not parts.netloc:
        raise StoreError(f"{url!r} names no bucket: write s3://bucket/key")
    return parts.netloc, parts.path.lstrip("/")


def _s3(bucket: str, prefix: str = "") -> S3Store:
    environment = tuple(sorted((k, v) for k, v in os.environ.items() if k.startswith("AWS_")))
    return _s3_client(bucket, prefix, environment)


@lru_cache(maxsize=64)
def _s3_client(bucket: str, prefix: str, environment: tuple[tuple[str, str], ...]) -> S3Store:
    """Keep one connection pool for each bucket and credential; obstore reads the ``AWS_*`` variables itself."""
    from obstore.store import S3Store

    env = dict(environment)
    config: dict[str, Any] = {}
    if env.get("AWS_NO_SIGN_REQUEST", "").lower() in {"1", "true", "yes"}:
        config["skip_signature"] = True
    if not env.get("AWS_REGION") and not env.get("AWS_DEFAULT_REGION"):
        config["region"] = "us-east-1"
    if env.get("AWS_ENDPOINT_URL_S3"):
        config["endpoint"] = env["AWS_ENDPOINT_URL_S3"]
    return S3Store(bucket, prefix=prefix or None, client_options={"allow_http": True}, **config)


def _fsspec(url: str) -> tuple[Any, str]:
    import fsspec

    fs, path = fsspec.core.url_to_fs(url)
    return fs, path


def _create(url: str, data: bytes) -> bool:
    if is_local(url):
        path = local_path(url)
        with _temporary(path, data) as temporary:
            return _link(temporary, path)
    from obstore.exceptions import AlreadyExistsError, PreconditionError

    try:
        if url.startswith("s3://"):
            bucket, key = _bucket_key(url)
            _s3(bucket).put(key, data, mode="create")
        else:
            fs, path_ = _fsspec(url)
            fs.pipe_file(path_, data, mode="create")
    except (FileExistsError, AlreadyExistsError, PreconditionError):
        return False
    return True


def _link(temporary: Path, path: Path) -> bool:
    """Give a complete temporary file its name, unless the name is taken."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        return False
    except OSError:
        if path.exists():
            return False
        # A file system without hard links: the name is taken first, so that one writer wins, then filled.
        try:
            path.touch(exist_ok=False)
        except FileExistsError:
            return False
        temporary.replace(path)
    return True


@contextlib.contextmanager
def _temporary(path: Path, data: bytes) -> Iterator[Path]:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name[:40]}.", suffix=".part", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o666 & ~_umask())
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


@lru_cache(maxsize=1)
def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the folder's advisory lock; the system frees it if the process dies."""
    try:
        import fcntl
    except ImportError:  # pragma: no cover  (no advisory locks on this platform)
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # network file systems without locks
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _compare_and_swap(url: str, change: Callable[[bytes | None], bytes]) -> None:
    from obstore.exceptions import AlreadyExistsError, PreconditionError

    bucket, key = _bucket_key(url)
    store = _s3(bucket)
    for attempt in range(_UPDATES):
        mode: Any = "create"
        try:
            answer = store.get(key)
            old: bytes | None = bytes(answer.bytes())
            mode = {"e_tag": answer.meta["e_tag"]}
        except FileNotFoundError:
            old = None
        new = change(old)
        if new == old:
            return
        try:
            store.put(key, new, mode=mode)
        except (AlreadyExistsError, PreconditionError):
            time.sleep(min(0.01 * 2 ** min(attempt, 6), 0.5))
        else:
            return
    raise StoreError(f"{url} was changed by others {_UPDATES} times in a row; try again")


@contextlib.contextmanager
def named(verb: str, url: str) -> Iterator[None]:
    """Turn every failure into one error that names the URL; an object missing on reading is a `FileNotFoundError`."""
    try:
        yield
    except StoreError:
        raise
    except FileNotFoundError as error:
        if verb in _READS:
            raise
        home = f"bucket {urlsplit(url).netloc}" if "://" in url else f"folder {local_path(url).parent}"
        raise StoreError(f"cannot {verb} {url}: there is no {home}; make it, or choose another output") from error
    except Exception as error:
        said = (str(error).splitlines() or [""])[0][:400]  # clients of object stores write pages
        raise StoreError(f"cannot {verb} {url}: {type(error).__name__}: {said}") from error

"""Files of folders and fsspec URLs: atomic, exclusive, without traces."""

from __future__ import annotations

import os
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from musyq_cube.errors import StoreError
from musyq_cube.store import access

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(params=["folder", "memory"])
def base(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path / "new") if request.param == "folder" else f"memory://{uuid.uuid4().hex}"


def test_what_is_written_is_read_listed_and_deleted(base: str) -> None:
    access.write_bytes(access.join(base, "b/two"), b"2")
    access.write_bytes(access.join(base, "a"), b"1")
    access.write_bytes(access.join(base, "a"), b"one")
    assert access.read_bytes(access.join(base, "a")) == b"one"
    assert access.list_keys(base) == ["a", "b/two"]
    assert access.exists(access.join(base, "a"))
    access.delete(access.join(base, "a"))
    access.delete(access.join(base, "a"))
    assert access.list_keys(base) == ["b/two"]
    with pytest.raises(FileNotFoundError):
        access.read_bytes(access.join(base, "a"))


def test_nothing_is_an_empty_list(base: str) -> None:
    assert access.list_keys(base) == []


def test_write_if_absent_has_one_winner_and_own_bytes_count_as_success(base: str) -> None:
    url = access.join(base, "item.json")
    assert access.write_if_absent(url, b"first")
    assert access.write_if_absent(url, b"first")
    assert not access.write_if_absent(url, b"second")
    assert access.read_bytes(url) == b"first"


def test_sixteen_racers_one_winner(tmp_path: Path) -> None:
    url, gate = str(tmp_path / "item.json"), threading.Barrier(16)

    def race(number: int) -> bool:
        gate.wait()
        return access.write_if_absent(url, b"%02d" % number)

    with ThreadPoolExecutor(16) as pool:
        won = list(pool.map(race, range(16)))
    assert sum(won) == 1
    assert int(access.read_bytes(url)) == won.index(True)
    assert [path.name for path in tmp_path.iterdir()] == ["item.json"]


def test_write_if_absent_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(95, "not supported")

    monkeypatch.setattr(os, "link", refuse)
    url = str(tmp_path / "a")
    assert access.write_if_absent(url, b"1")
    assert not access.write_if_absent(url, b"2")
    assert access.read_bytes(url) == b"1"


def test_updates_of_many_writers_are_all_kept(tmp_path: Path) -> None:
    url = str(tmp_path / "links")

    def add(number: int) -> None:
        access.update(url, lambda old: (old or b"") + b"%d " % number)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add, range(40)))
    assert sorted(map(int, access.read_bytes(url).split())) == list(range(40))


def test_a_failed_write_leaves_the_old_file_and_no_traces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = str(tmp_path / "a")
    access.write_bytes(url, b"old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match="No space left on device"):
        access.write_bytes(url, b"new")
    assert access.read_bytes(url) == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_errors_name_the_place(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreError, match="file/below"):
        access.write_bytes(str(tmp_path / "file" / "below"), b"")
    with pytest.raises(StoreError, match="names no bucket"):
        access.read_bytes("s3:///key")


def test_a_bucket_that_is_not_there_is_named_on_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object) -> None:
        raise FileNotFoundError("NoSuchBucket")

    monkeypatch.setattr(access, "_s3", missing)
    url = "s3://gone/products/a.json"
    writes = (lambda: access.write_bytes(url, b""), lambda: access.write_if_absent(url, b""))
    for act in (*writes, lambda: access.delete(url), lambda: access.list_keys(url)):
        with pytest.raises(StoreError, match="there is no bucket gone"):
            act()
    with pytest.raises(FileNotFoundError):
        access.read_bytes(url)


def test_an_update_that_changes_nothing_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = str(tmp_path / "a")
    access.write_bytes(url, b"same")
    monkeypatch.setattr(access, "write_bytes", None)
    access.update(url, lambda old: old or b"")


def test_mode_follows_the_umask(tmp_path: Path) -> None:
    access.write_bytes(str(tmp_path / "a"), b"")
    (tmp_path / "b").write_bytes(b"")
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "b").stat().st_mode


@pytest.mark.parametrize(
    ("home", "href", "expected"),
    [
        ("/out/c/i/i.json", "./data.zarr", "/out/c/i/data.zarr"),
        ("/out/c/i/i.json", "../../runs/k/plan.json", "/out/runs/k/plan.json"),
        ("c/i.json", "../catalog.json", "catalog.json"),
        ("s3://b/c/i/i.json", "../collection.json", "s3://b/c/collection.json"),
        ("https://h/c/i/i.json", "data.zarr", "https://h/c/i/data.zarr"),
        ("/out/i.json", "s3://b/data.zarr", "s3://b/data.zarr"),
    ],
)
def test_relative_hrefs(home: str, href: str, expected: str) -> None:
    assert access.resolve(home, href) == expected

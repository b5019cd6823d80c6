"""A store at a URL: two machines that share no folder, their caches, and what is wrong with what is there."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.util import find_spec
from itertools import count
from pathlib import Path

import fsspec
import pytest

from port_worker.store.errors import ModelDamaged, StoreUnavailable, UnknownVersion
from port_worker.store.manifest import Manifest
from port_worker.store.mirror import Mirror
from port_worker.store.models import ModelStore
from port_worker.store.remote import RemoteStore, shown

Publish = Callable[[ModelStore], Manifest]


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    """An S3 of the test's own on loopback."""
    server = import_module("moto.server").ThreadedMotoServer(port=0)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "test")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        fsspec.filesystem("s3").mkdir("models")
        yield "s3://models"
    server.stop()


S3 = ["s3"] if find_spec("s3fs") and find_spec("moto") else []
"""No lock has them: what they need and what LibRecommender needs exclude each other."""


@pytest.fixture(params=["memory", "file", *S3])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "s3":
        return f"{request.getfixturevalue('bucket')}/{uuid.uuid4()}"
    return f"memory://{uuid.uuid4()}/models" if request.param == "memory" else f"file://{tmp_path}/shared/models"


class Machine:
    """A cache of its own and its mirror."""

    def __init__(self, folder: Path, url: str, clock: Callable[[], float], keep: int = 5) -> None:
        self.store = ModelStore(folder, clock=clock)
        self.remote = RemoteStore(url, self.store)
        self.mirror = Mirror(self.remote, keep)

    def activate(self, version: str) -> None:
        self.mirror.publish(self.store.pointers.after(version))
        self.store.activate(version)


@pytest.fixture
def clock() -> Callable[[], float]:
    """Each version a second younger than the one before."""
    seconds = count(1_700_000_000)
    return lambda: next(seconds)


@pytest.fixture
def one(tmp_path: Path, url: str, clock: Callable[[], float]) -> Machine:
    return Machine(tmp_path / "one", url, clock)


@pytest.fixture
def other(tmp_path: Path, url: str, clock: Callable[[], float]) -> Machine:
    return Machine(tmp_path / "other", url, clock)


@pytest.fixture
def two(one: Machine, publish: Publish) -> list[str]:
    """Two versions that one machine has made, the second active."""
    versions = [publish(one.store).version for _ in range(2)]
    for version in versions:
        one.activate(version)
    return versions


def contents(store: ModelStore, version: str) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in store.folder(version).iterdir()}


def test_what_one_machine_activates_the_other_gets_with_the_one_before(
    one: Machine, other: Machine, two: list[str]
) -> None:
    assert other.mirror.look() == two[1]
    assert other.store.active() == two[1]
    for version in two:
        list(other.store.verify(version))
        assert contents(other.store, version) == contents(one.store, version)
    assert other.store.previous() == two[0]
    assert other.mirror.look() is None
    assert not list(other.store.root.glob(".staging-*"))


def test_a_roll_back_reaches_the_other_machine_and_back(one: Machine, other: Machine, two: list[str]) -> None:
    other.mirror.look()
    other.mirror.publish(other.store.pointers.before(two[0]))
    other.store.roll_back()
    assert other.remote.active() == two[0]
    assert other.remote.history() == [two[0]]
    assert one.mirror.look() == two[0]
    assert (one.store.active(), one.store.pointers.history()) == (two[0], [two[0]])


def test_a_version_is_downloaded_once(
    one: Machine, other: Machine, two: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert other.remote.pull(two[0])
    monkeypatch.setattr(other.remote, "_get", None)
    assert not other.remote.pull(two[0])


def test_a_damaged_cache_is_mended(other: Machine, two: list[str]) -> None:
    other.remote.pull(two[0])
    (other.store.folder(two[0]) / "item_ids.npy").unlink()
    assert other.remote.pull(two[0])
    list(other.store.verify(two[0]))
    assert not list(other.store.root.glob(".staging-*"))


def test_an_upload_that_was_cut_off_is_no_version(one: Machine, other: Machine, two: list[str], url: str) -> None:
    files, root = fsspec.core.url_to_fs(url)
    files.rm_file(f"{root}/{two[0]}/manifest.json")
    assert other.remote.versions() == [two[1]]
    with pytest.raises(UnknownVersion):
        other.remote.pull(two[0])
    assert one.remote.push(two[0])
    assert not one.remote.push(two[0])
    assert other.remote.pull(two[0])


@pytest.mark.parametrize("damage", [b"other bytes", None])
def test_what_is_damaged_there_does_not_become_visible_here(
    other: Machine, two: list[str], url: str, damage: bytes | None
) -> None:
    files, root = fsspec.core.url_to_fs(url)
    path = f"{root}/{two[1]}/item_ids.npy"
    files.rm_file(path) if damage is None else files.pipe_file(path, damage)
    with pytest.raises(ModelDamaged, match=r"item_ids\.npy"):
        other.mirror.look()
    assert other.store.versions() == []
    assert other.store.active() is None
    assert not list(other.store.root.glob(".staging-*"))


@pytest.mark.parametrize("manifest", [b"{", b"x" * 2_000_000])
def test_a_manifest_that_is_none_is_damage(other: Machine, two: list[str], url: str, manifest: bytes) -> None:
    files, root = fsspec.core.url_to_fs(url)
    files.pipe_file(f"{root}/{two[1]}/manifest.json", manifest)
    with pytest.raises(ModelDamaged, match=r"manifest\.json"):
        other.remote.pull(two[1])


@pytest.mark.parametrize("name", ["", "../one", "ACTIVE", "20240101T000000Z-als-000000"])
def test_a_name_that_is_none_is_not_looked_up(other: Machine, two: list[str], name: str) -> None:
    with pytest.raises(UnknownVersion):
        other.remote.pull(name)


def test_a_pointer_that_is_none_counts_for_nothing(other: Machine, two: list[str], url: str) -> None:
    files, root = fsspec.core.url_to_fs(url)
    files.pipe_file(f"{root}/ACTIVE", b"../../etc")
    assert other.mirror.look() is None


def test_an_empty_store_gets_what_its_first_user_has(one: Machine, other: Machine, publish: Publish) -> None:
    version = publish(one.store).version
    one.store.activate(version)
    assert one.mirror.look() is None
    assert other.mirror.look() == version


def unreachable(*_arguments: object, **_options: object) -> Iterator[None]:
    raise ConnectionError("no route to host")


def test_what_cannot_be_told_is_told_later(
    one: Machine, other: Machine, two: list[str], publish: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    other.mirror.look()
    third = publish(one.store).version
    with monkeypatch.context() as patch:
        for call in ("cat_file", "put_file", "pipe_file"):
            patch.setattr(one.remote._files, call, unreachable)
        with pytest.raises(StoreUnavailable, match="ConnectionError: no route to host"):
            one.activate(third)
        one.store.activate(third)
        with pytest.raises(StoreUnavailable):
            one.mirror.look()
    assert other.mirror.look() is None
    assert one.mirror.look() is None
    assert other.mirror.look() == third
    assert one.store.active() == third


def test_what_was_not_told_yields_to_what_others_have_activated(
    one: Machine, other: Machine, two: list[str], publish: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    other.mirror.look()
    third = publish(one.store).version
    with monkeypatch.context() as patch:
        patch.setattr(one.remote._files, "cat_file", unreachable)
        with pytest.raises(StoreUnavailable):
            one.mirror.publish(one.store.pointers.after(third))
    one.store.activate(third)
    other.activate(two[0])
    assert one.mirror.look() == two[0]
    assert one.store.active() == two[0]
    assert one.mirror.look() is None


def test_old_versions_go_from_the_remote_store_too(
    tmp_path: Path, url: str, clock: Callable[[], float], publish: Publish
) -> None:
    machine = Machine(tmp_path / "third", url, clock, keep=2)
    versions = [publish(machine.store).version for _ in range(5)]
    for version in versions:
        machine.activate(version)
    assert machine.remote.versions() == [versions[4], versions[3]]
    machine.mirror.publish(machine.store.pointers.after(versions[0]))
    assert machine.remote.versions() == [versions[4], versions[3], versions[0]]


def test_a_url_that_nobody_can_open_is_said(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="nonsense://x/y: expected a store that can be reached"):
        RemoteStore("nonsense://x/y", ModelStore(tmp_path))


def test_what_a_killed_writer_left_in_a_shared_folder_is_swept(tmp_path: Path, publish: Publish) -> None:
    shared = tmp_path / "shared"
    (shared / ".staging-1-abc").mkdir(parents=True)
    (shared / ".staging-1-abc" / "object").write_bytes(b"half")
    store = ModelStore(tmp_path / "models")
    version = publish(store).version
    remote = RemoteStore(f"file://{shared}", store)
    remote.push(version)
    remote.point([version])
    assert {path.name for path in shared.iterdir()} == {version, "ACTIVE", "HISTORY"}


def test_a_password_is_not_shown() -> None:
    assert shown("s3://key:secret@bucket/prefix") == "s3://bucket/prefix"
    assert shown("file:///mnt/models") == "file:///mnt/models"


def test_a_version_that_another_takes_for_a_remainder_while_it_is_uploaded_is_uploaded_again(
    one: Machine, other: Machine, publish: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = publish(one.store).version
    later = publish(other.store).version
    put = one.remote._files.put_file
    pruned: list[str] = []

    def put_file(*arguments: object) -> None:
        put(*arguments)
        if not pruned:
            monkeypatch.setattr(one.remote._files, "put_file", put)  # which both may have
            other.activate(later)
            pruned.extend({version, later} - {*other.remote._folders()})

    monkeypatch.setattr(one.remote._files, "put_file", put_file)
    one.activate(version)
    assert pruned == [version]
    assert other.mirror.look() == version
    assert list(other.store.verify(version))


def test_what_is_removed_whenever_it_is_uploaded_is_an_error(
    one: Machine, publish: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = publish(one.store).version
    monkeypatch.setattr(one.remote, "_is_whole", lambda _described: False)
    with pytest.raises(StoreUnavailable, match="files of it that others have removed"):
        one.remote.push(version)


def test_two_that_prune_at_once_do_not_disturb_each_other(
    one: Machine, other: Machine, publish: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    versions = [publish(one.store).version for _ in range(4)]
    for version in versions:
        one.activate(version)
    has = one.remote._has

    def another_is_faster(version: str) -> bool:
        found = has(version)
        monkeypatch.setattr(one.remote, "_has", has)
        other.remote.prune(1)
        return found

    kept = one.remote.versions()
    monkeypatch.setattr(one.remote, "versions", lambda: kept)
    monkeypatch.setattr(one.remote, "_has", another_is_faster)
    assert one.remote.prune(1) == [versions[1], versions[0]]
    monkeypatch.undo()
    assert one.remote.versions() == [versions[3], versions[2]]

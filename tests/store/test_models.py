from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from port_worker.store.catalogue import CatalogueArrays
from port_worker.store.embedding import EmbeddingArrays
from port_worker.store.errors import ModelDamaged, UnknownVersion
from port_worker.store.manifest import Manifest
from port_worker.store.models import SLICE_BYTES, ModelStore

FILES = (*CatalogueArrays.files(), *EmbeddingArrays.files())

Publish = Callable[[ModelStore], Manifest]


def _publish_file(store: ModelStore, data: bytes, *, algorithm: str = "ALS", name: str = "a.npy") -> Manifest:
    with store.stage() as staging:
        (staging.path / name).write_bytes(data)
        return staging.publish(
            algorithm=algorithm, kind="embedding", params={}, users=1, items=1, rows=1, source="", libraries={}
        )


def _overwrite(path: Path, data: bytes) -> None:
    path.unlink()
    path.write_bytes(data)


def test_a_store_that_is_not_there_is_empty(store: ModelStore) -> None:
    assert store.versions() == []
    assert store.active() is None
    assert store.sweep_staging() == []
    assert not store.root.exists()


def test_a_published_version_is_whole_and_not_yet_active(store: ModelStore, publish: Publish) -> None:
    made = publish(store)
    assert made.version.startswith("20231114T221320Z-als-")
    assert store.read(made.version) == made
    assert sorted(made.files) == sorted(FILES)
    list(store.verify(made.version))
    assert store.active() is None
    [stored] = store.versions()
    assert (stored.version, stored.manifest, stored.damaged) == (made.version, made, None)
    assert [path.name for path in store.root.iterdir()] == [made.version]


def test_activation_moves_back_and_forth(store: ModelStore, publish: Publish) -> None:
    first, second = publish(store), publish(store)
    for made in (first, second, first):
        store.activate(made.version)
        assert store.active() == made.version
    assert {path.name for path in store.root.iterdir()} == {first.version, second.version, "ACTIVE", "HISTORY"}


def test_versions_are_listed_newest_first(tmp_path: Path, publish: Publish) -> None:
    moments = iter([1_700_000_000, 1_700_000_002, 1_700_000_001])
    store = ModelStore(tmp_path, clock=lambda: next(moments))
    a, b, c = publish(store), publish(store), publish(store)
    assert [stored.version for stored in store.versions()] == [b.version, c.version, a.version]


def test_what_is_not_published_is_removed(store: ModelStore) -> None:
    def fail() -> None:
        with store.stage() as staging:
            (staging.path / "a.npy").write_bytes(b"x")
            raise RuntimeError("training failed")

    with pytest.raises(RuntimeError):
        fail()
    assert list(store.root.iterdir()) == []


@pytest.mark.parametrize("algorithm", ["", "../als", "a b", "\u00e9", "x" * 41])
def test_an_algorithm_that_cannot_name_a_version_is_refused(store: ModelStore, algorithm: str) -> None:
    with pytest.raises(ValueError, match="algorithm: expected"):
        _publish_file(store, b"x", algorithm=algorithm)
    assert store.versions() == []


@pytest.mark.parametrize("name", ["manifest.json", ".hidden"])
def test_a_file_name_that_cannot_be_in_a_version_is_refused(store: ModelStore, name: str) -> None:
    with pytest.raises(ValueError, match="plain files with plain names"):
        _publish_file(store, b"x", name=name)


def test_a_link_is_no_file_of_a_version(store: ModelStore, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_bytes(b"x")
    with store.stage() as staging:
        (staging.path / "a.npy").symlink_to(tmp_path / "elsewhere")
        with pytest.raises(ValueError, match="plain files"):
            staging.publish(
                algorithm="ALS", kind="embedding", params={}, users=1, items=1, rows=1, source="", libraries={}
            )


def test_a_full_disk_is_an_os_error_and_leaves_nothing(
    store: ModelStore, publish: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = publish(store)
    store.activate(made.version)

    def fail(_fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space left"):
        publish(store)
    with pytest.raises(OSError, match="No space left"):
        store.activate(made.version)
    assert {path.name for path in store.root.iterdir()} == {made.version, "ACTIVE", "HISTORY"}


def test_everything_reaches_the_disk_before_its_name_is_shown(
    store: ModelStore, publish: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[int | str] = []
    sync, rename = os.fsync, Path.rename

    def record_sync(fd: int) -> None:
        events.append(os.fstat(fd).st_ino)
        sync(fd)

    def record_rename(source: Path, target: Path) -> Path:
        events.append("shown")
        return rename(source, target)

    monkeypatch.setattr(os, "fsync", record_sync)
    monkeypatch.setattr(Path, "rename", record_rename)
    folder = store.folder(publish(store).version)
    shown = events.index("shown")
    files = {path.stat().st_ino for path in folder.iterdir()}
    assert len(files) == len(FILES) + 1
    assert files < set(events[:shown])
    assert events[shown - 1] == folder.stat().st_ino
    assert events[shown + 1 :] == [store.root.stat().st_ino]


def test_several_may_publish_at_once(store: ModelStore, publish: Publish) -> None:
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda _: publish(store).version, range(12)))
    assert len(set(made)) == 12
    assert {stored.version for stored in store.versions() if stored.damaged is None} == set(made)


def test_verifying_is_sliced(store: ModelStore) -> None:
    made = _publish_file(store, b"x" * (2 * SLICE_BYTES + 1))
    assert len(list(store.verify(made.version))) == 3


def test_a_changed_byte_is_found(store: ModelStore, publish: Publish) -> None:
    made = publish(store)
    path = store.folder(made.version) / "item_vectors.npy"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    _overwrite(path, bytes(data))
    assert store.versions()[0].damaged is None
    with pytest.raises(ModelDamaged, match=r"item_vectors\.npy: expected SHA-256") as damaged:
        list(store.verify(made.version))
    assert damaged.value.code == "model_damaged"
    assert damaged.value.details["version"] == made.version
    assert damaged.value.details["expected"] == f"SHA-256 {made.files['item_vectors.npy'].sha256}"


@pytest.mark.parametrize(
    ("file", "data", "message"),
    [
        ("item_ids.npy", b"short", r"item_ids\.npy: expected \d+ bytes, found 5 bytes"),
        ("item_ids.npy", None, r"item_ids\.npy: expected \d+ bytes, found no such file"),
        ("manifest.json", None, r"manifest\.json: expected a readable file"),
        ("manifest.json", b"{", r"manifest\.json: expected JSON"),
        ("manifest.json", b'{"format": 1}', r"manifest\.json: expected format 2, found 1"),
    ],
)
def test_damage_is_told_and_hides_no_other_version(
    store: ModelStore, publish: Publish, file: str, data: bytes | None, message: str
) -> None:
    whole, broken = publish(store), publish(store)
    path = store.folder(broken.version) / file
    path.unlink()
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(ModelDamaged, match=message):
        list(store.verify(broken.version))
    listed = {stored.version: stored for stored in store.versions()}
    assert listed[whole.version].damaged is None
    assert listed[broken.version].manifest is None
    assert file in (listed[broken.version].damaged or "")


def test_a_pipe_in_place_of_a_file_does_not_block(store: ModelStore, publish: Publish) -> None:
    made = publish(store)
    path = store.folder(made.version) / "item_ids.npy"
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(ModelDamaged, match="found no such file"):
        list(store.verify(made.version))


def test_a_folder_that_was_renamed_is_not_the_version_it_says(store: ModelStore, publish: Publish) -> None:
    made = publish(store)
    other = "20240101T000000Z-bpr-000000"
    store.folder(made.version).rename(store.root / other)
    with pytest.raises(ModelDamaged, match=f"expected version {other}"):
        store.read(other)


def test_other_things_in_the_folder_are_left_alone(store: ModelStore, publish: Publish) -> None:
    made = publish(store)
    (store.root / "notes.txt").write_text("mine")
    (store.root / "20240101T000000Z-bpr-000000").write_text("no folder")
    assert [(stored.version, stored.damaged is None) for stored in store.versions()] == [
        ("20240101T000000Z-bpr-000000", False),
        (made.version, True),
    ]
    assert store.sweep_staging() == []
    assert (store.root / "notes.txt").exists()


@pytest.mark.parametrize(
    "version", ["", ".", "..", "../x", "ACTIVE", "20240101T000000Z-als-000000", "a\0b", "x" * 9999]
)
def test_an_unknown_version_is_not_touched(store: ModelStore, publish: Publish, version: str) -> None:
    made = publish(store)
    store.activate(made.version)
    for act in (store.folder, store.read, store.activate, lambda name: list(store.verify(name))):
        with pytest.raises(UnknownVersion) as unknown:
            act(version)
        assert unknown.value.code == "unknown_version"
    assert store.active() == made.version


@pytest.mark.parametrize("text", [b"", b"../..", b"20240101T000000Z-als-000000", b"\xff\xfe", b"x" * 9999])
def test_an_active_version_that_is_not_there_is_damage(store: ModelStore, publish: Publish, text: bytes) -> None:
    made = publish(store)
    (store.root / "ACTIVE").write_bytes(text)
    with pytest.raises(ModelDamaged, match="ACTIVE: expected the name of a stored version"):
        store.active()
    store.activate(made.version)
    assert store.active() == made.version


def test_a_version_whose_manifest_is_damaged_is_not_activated(store: ModelStore, publish: Publish) -> None:
    whole, broken = publish(store), publish(store)
    store.activate(whole.version)
    _overwrite(store.folder(broken.version) / "manifest.json", b"{}")
    with pytest.raises(ModelDamaged):
        store.activate(broken.version)
    assert store.active() == whole.version

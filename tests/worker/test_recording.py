"""Recordings written and read again, whole and cut short, and what a recorder does where it cannot write."""

from __future__ import annotations

import errno
import io
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from port_worker.recording import Header, Record, Recorder, RecordingError, read_recording
from protocol import etf
from protocol.atoms import Atom
from protocol.framing import frame
from protocol.limits import MAX_FRAME_BYTES
from protocol.messages import Call, Ok, to_payload

PING, PONG = to_payload(Call(1, "ping")), to_payload(Ok(1, Atom("pong")))


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Pieces:
    """A stream that gives what it is told to, read by read."""

    def __init__(self, *pieces: bytes) -> None:
        self.pieces = list(pieces)

    def read1(self, size: int, /) -> bytes:
        return self.pieces.pop(0) if self.pieces else b""


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "recorded"


@pytest.fixture
def recorder(path: Path, clock: Clock) -> Iterator[Recorder]:
    opened = Recorder(path, "etf", clock, lambda: 1_767_225_600.25)
    yield opened
    opened.close()


def _read(data: bytes) -> tuple[Header | None, list[Record]]:
    recording = read_recording(io.BytesIO(data))
    return recording.header, list(recording)


def test_what_was_recorded_is_read_again(recorder: Recorder, path: Path, clock: Clock) -> None:
    recorder.incoming(PING)
    clock.now += 0.0015
    recorder.outgoing(PONG)
    recorder.close()
    assert _read(path.read_bytes()) == (
        Header("etf", 1_767_225_600_250),
        [Record(PING, "in", 0), Record(PONG, "out", 1500)],
    )


def test_any_bytes_are_recorded_up_to_the_largest_frame(recorder: Recorder, path: Path) -> None:
    for payload in (b"", b"no term", bytes(MAX_FRAME_BYTES)):
        recorder.incoming(payload)
    recorder.close()
    assert [record.payload for record in _read(path.read_bytes())[1]] == [b"", b"no term", bytes(MAX_FRAME_BYTES)]


def test_the_header_is_written_at_once_and_frames_when_flushed(recorder: Recorder, path: Path) -> None:
    header, records = _read(path.read_bytes())
    assert header is not None
    assert records == []
    recorder.incoming(PING)
    assert _read(path.read_bytes())[1] == []
    recorder.flush()
    assert _read(path.read_bytes())[1] == [Record(PING, "in", 0)]


def test_the_codec_is_named(path: Path) -> None:
    Recorder(path, "msgpack").close()
    header, _records = _read(path.read_bytes())
    assert header is not None
    assert header.codec == "msgpack"


def test_the_file_is_private(recorder: Recorder, path: Path) -> None:
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_recording_before_this_one_is_kept(path: Path) -> None:
    for payload in (b"first", b"second", b"third"):
        recorder = Recorder(path, "etf", Clock())
        recorder.incoming(payload)
        recorder.close()
    kept = path.with_name("recorded.previous")
    assert [record.payload for one in (path, kept) for record in _read(one.read_bytes())[1]] == [b"third", b"second"]
    assert sorted(each.name for each in path.parent.iterdir()) == ["recorded", "recorded.previous"]


@pytest.mark.parametrize("name", ["recorded", "recorded.previous"])
def test_a_file_that_is_no_recording_is_left_alone(path: Path, name: str) -> None:
    Recorder(path, "etf").close()
    (path.parent / name).write_text("my thesis")
    with pytest.raises(FileExistsError, match=f"{name}: is not a recording"):
        Recorder(path, "etf")
    assert (path.parent / name).read_text() == "my thesis"


def test_an_empty_file_is_taken(path: Path) -> None:
    path.touch()
    Recorder(path, "etf").close()
    assert _read(path.read_bytes())[0] is not None
    assert not path.with_name("recorded.previous").exists()


def test_what_is_no_file_is_refused_and_not_waited_for(path: Path) -> None:
    os.mkfifo(path)
    with pytest.raises(FileExistsError, match="expected a file"):
        Recorder(path, "etf")
    with pytest.raises(FileExistsError, match="expected a file"):
        Recorder(path.parent, "etf")


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        Recorder(tmp_path / "nowhere" / "recorded", "etf")


def test_a_full_disk_ends_the_recording_and_nothing_else(
    recorder: Recorder, path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    recorder.incoming(PING)
    recorder.flush()
    before = path.read_bytes()

    def full(_fd: int, _data: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr("port_worker.recording.os.write", full)
        recorder.outgoing(PONG)
        recorder.flush()
    assert capsys.readouterr().err == f"port_worker: {path}: recording ends here: {os.strerror(errno.ENOSPC)}\n"
    recorder.outgoing(PONG)
    recorder.flush()
    recorder.close()
    assert path.read_bytes() == before
    assert capsys.readouterr().err == ""


def test_a_disk_that_is_full_from_the_start_is_an_error(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_fd: int, _data: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr("port_worker.recording.os.write", full)
        with pytest.raises(OSError, match="No space"):
            Recorder(path, "etf")
    Recorder(path, "etf").close()


def test_what_waits_for_the_disk_is_bounded(recorder: Recorder, path: Path) -> None:
    for _ in range(17):
        recorder.incoming(bytes(64 * 1024))
    assert path.stat().st_size > 1024 * 1024


def test_a_last_record_that_is_cut_short_is_told_and_costs_no_other(recorder: Recorder, path: Path) -> None:
    recorder.incoming(PING)
    recorder.close()
    whole = path.read_bytes()
    recorder_bytes = whole + frame(etf.encode((Atom("out"), 7, PONG), any_atom=True))
    for cut in range(len(whole) + 1, len(recorder_bytes)):
        recording = read_recording(io.BytesIO(recorder_bytes[:cut]))
        assert list(recording) == [Record(PING, "in", 0)]
        assert recording.missing_end == cut - len(whole)


def test_bare_frames_are_read_too() -> None:
    assert _read(frame(PING) + frame(b"") + frame(PONG)) == (None, [Record(PING), Record(b""), Record(PONG)])


def test_each_frame_is_given_when_it_is_whole() -> None:
    data = frame(PING)
    stream = Pieces(data[:3], data[3:], data[:5])
    records = iter(read_recording(stream))
    assert next(records) == Record(PING)
    assert stream.pieces == [data[:5]]
    stream.pieces.append(data[5:])
    assert next(records) == Record(PING)
    assert next(records, None) is None


def test_nothing_is_no_frame_and_no_error() -> None:
    assert _read(b"") == (None, [])


def test_a_text_is_no_frames() -> None:
    with pytest.raises(RecordingError, match=r"byte 0: frame: expected at most 16777280 bytes .* got a length of"):
        read_recording(io.BytesIO(b"Once upon a time"))


def test_where_frames_end_is_told_after_what_was_there() -> None:
    records = iter(read_recording(io.BytesIO(frame(PING) + b"\xff\xff\xff\xff")))
    assert next(records) == Record(PING)
    with pytest.raises(RecordingError, match=f"byte {len(frame(PING))}: .* length of 4294967295"):
        next(records)


@pytest.mark.parametrize(
    ("term", "expected"),
    [
        ((Atom("recording"), 2, Atom("etf"), 0), "expected a recording of version 1, got 2"),
        ((Atom("recording"), 1, Atom("smoke"), 0), "byte 0: the recording's header is damaged"),
        ((Atom("recording"), 1), "byte 0: the recording's header is damaged"),
    ],
)
def test_a_header_that_is_not_understood_is_refused(term: tuple[object, ...], expected: str) -> None:
    with pytest.raises(RecordingError, match=expected):
        read_recording(io.BytesIO(frame(etf.encode(term, any_atom=True))))


@pytest.mark.parametrize("payload", [b"", PING, etf.encode((Atom("in"), "soon", b""), any_atom=True)])
def test_a_recording_holds_records_only(path: Path, payload: bytes) -> None:
    Recorder(path, "etf").close()
    header = path.read_bytes()
    with pytest.raises(RecordingError, match=f"byte {len(header)}: "):
        _read(header + frame(payload))

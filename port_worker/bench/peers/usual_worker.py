"""The baseline: a worker behind a Port as one would write it in an hour, `python -m ...usual_worker FOLDER`.

This is no part of port_worker's worker. It is what `bench peers` measures it beside: {packet, 4} frames on stdin and
stdout, as with ErlPort; erlang-py for the terms; one request at a time, answered by LibRecommender's `recommend_user`,
written and flushed. No deadlines, no batches, no limits, no errors: what goes wrong ends it.

{recommend, Id, User, N} is a request, {ok, Id, [Item]} its answer; users and items are binaries. FOLDER is that of a
version, whose vectors the model has.
"""

from __future__ import annotations

import os
import struct
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO, TypeAlias

Recommend: TypeAlias = Callable[[str, int], Iterable[str]]
"""The best items of a user."""


def serve(recommend: Recommend, incoming: IO[bytes], outgoing: IO[bytes]) -> None:
    """Answer what comes until nothing more does."""
    import erlang

    while (payload := _read_frame(incoming)) is not None:
        _recommend, request_id, user, n = erlang.binary_to_term(payload)
        items = [erlang.OtpErlangBinary(item.encode()) for item in recommend(user.value.decode(), n)]
        _write_frame(outgoing, erlang.term_to_binary((erlang.OtpErlangAtom(b"ok"), request_id, items)))


def _read_frame(incoming: IO[bytes]) -> bytes | None:
    header = incoming.read(4)
    if len(header) < 4:
        return None
    return incoming.read(struct.unpack(">I", header)[0])


def _write_frame(outgoing: IO[bytes], payload: bytes) -> None:
    outgoing.write(struct.pack(">I", len(payload)) + payload)
    outgoing.flush()


def main(folder: Path) -> None:
    """Load the model, then serve it on the standard streams."""
    outgoing = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # libraries print
    from port_worker.bench.serving.librecommender_model import model_of
    from port_worker.training.fit import load_libraries

    load_libraries()
    model = model_of(folder)
    serve(lambda user, n: model.recommend_user(user, n)[user], sys.stdin.buffer, outgoing)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

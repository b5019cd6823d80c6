from __future__ import annotations

from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document

from port_worker.repl.completion import CommandCompleter
from port_worker.repl.execute import execute
from port_worker.repl.session import Session
from port_worker.repl.world import World
from tests.repl.conftest import ADA, Bench, FakeHost


def _offered(session: Session, typed: str) -> list[str]:
    """The lines that accepting an offer would make."""
    offers = CommandCompleter(session).get_completions(Document(typed), CompleteEvent())
    return [typed[: len(typed) + offer.start_position] + offer.text for offer in offers]


def test_commands_users_algorithms_and_keys_are_offered(world: World) -> None:
    session = Bench(world).session
    assert _offered(session, "re") == ["recommend", "retrain"]
    assert _offered(session, "recommend ad") == ["recommend 'Ada Reyes'"]
    assert _offered(session, "recommend 'Ada R") == ["recommend 'Ada Reyes'"]
    assert _offered(session, f"user {ADA[:5]}") == [f"user {ADA}"]
    assert _offered(session, "retrain b") == ["retrain BPR"]
    assert _offered(session, "retrain bpr n_ep") == ["retrain bpr n_epochs="]
    assert _offered(session, "help pi") == ["help ping"]


def test_items_are_offered_once_they_were_shown(world: World) -> None:
    session = Bench(world, FakeHost()).session
    assert _offered(session, "similar Ne") == []
    execute(session, "recommend ada_reyes")
    assert _offered(session, "similar Ne") == ["similar 'Neon Fox'"]

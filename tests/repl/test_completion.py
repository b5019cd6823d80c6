from __future__ import annotations

from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document

from port_worker.repl.completion import CommandCompleter
from port_worker.repl.execute import execute
from port_worker.repl.session import Session
from port_worker.repl.world import World
from tests.repl.conftest import ADA, CAVE, FOX, Bench, FakeHost


def _offered(session: Session, typed: str) -> list[str]:
    """The lines that accepting an offer would make."""
    offers = CommandCompleter(session).get_completions(Document(typed), CompleteEvent())
    return [typed[: len(typed) + offer.start_position] + offer.text for offer in offers]


def test_commands_users_algorithms_and_keys_are_offered(world: World) -> None:
    session = Bench(world).session
    assert _offered(session, "re") == ["recommend", "retrain"]
    assert _offered(session, "dance ") == []
    assert _offered(session, "recommend ad") == ["recommend 'Ada Reyes'"]
    assert _offered(session, "recommend 'Ada R") == ["recommend 'Ada Reyes'"]
    assert _offered(session, f"user {ADA[:5]}") == [f"user {ADA}"]
    assert _offered(session, "retrain b") == ["retrain BPR"]
    assert _offered(session, "retrain bpr n_ep") == ["retrain bpr n_epochs="]
    assert _offered(session, "retrain als+dee") == ["retrain als+DeepFM"]
    assert _offered(session, "retrain als+bp") == []
    assert _offered(session, "retrain als+deepfm cand") == ["retrain als+deepfm candidates="]
    assert _offered(session, "retrain als+deepfm retriever.al") == ["retrain als+deepfm retriever.alpha="]
    assert _offered(session, "algorithms deepf") == ["algorithms DeepFM"]
    assert _offered(session, "help pi") == ["help ping"]


def test_items_are_offered_once_they_were_shown(world: World) -> None:
    session = Bench(world, FakeHost()).session
    assert _offered(session, "similar Ne") == []
    execute(session, "recommend ada_reyes")
    assert _offered(session, "similar Ne") == ["similar 'Neon Fox'"]


def test_versions_are_offered_once_they_were_listed(world: World) -> None:
    session = Bench(world, FakeHost()).session
    assert _offered(session, "activate v") == []
    execute(session, "models")
    assert _offered(session, "activate v") == ["activate v2", "activate v1"]


def test_a_name_with_spaces_is_found_without_quotes(world: World) -> None:
    session = Bench(world, FakeHost()).session
    assert _offered(session, "recommend Ada R") == ["recommend 'Ada Reyes'", "recommend Ada recent="]
    assert _offered(session, "score Ada R") == ["score 'Ada Reyes'"]
    execute(session, "recommend ada_reyes")
    assert _offered(session, "similar Neon F") == ["similar 'Neon Fox'"]


def test_every_word_is_completed_as_what_it_is(world: World) -> None:
    session = Bench(world, FakeHost()).session
    execute(session, "recommend ada_reyes")
    assert _offered(session, "score 'Ada Reyes' we") == ["score 'Ada Reyes' 'Wet Cave'"]
    assert _offered(session, "score bo fox 'Wet C") == ["score bo fox 'Wet Cave'"]
    assert _offered(session, "explain bo Neo") == ["explain bo 'Neon Fox'"]
    assert _offered(session, "explain bo fox Neo") == []
    assert _offered(session, "hide 'Neon Fox' we") == ["hide 'Neon Fox' 'Wet Cave'"]
    assert _offered(session, "many bo 'Ada") == ["many bo 'Ada Reyes'"]


def test_options_and_their_values_are_offered(world: World) -> None:
    session = Bench(world, FakeHost()).session
    execute(session, "recommend ada_reyes")
    assert _offered(session, "recommend bo d") == ["recommend bo diversity="]
    assert _offered(session, "recommend bo 5 kinds=map f") == [
        "recommend bo 5 kinds=map features=",
        "recommend bo 5 kinds=map filter_consumed=",
    ]
    assert _offered(session, "recommend bo kinds=map k") == []
    assert _offered(session, "recommend bo filter_consumed=f") == ["recommend bo filter_consumed=false"]
    assert _offered(session, "recommend bo kinds=map,av") == ["recommend bo kinds=map,avatar"]
    assert _offered(session, f"recommend bo recent={FOX},Wet") == [f"recommend bo recent={FOX},{CAVE}"]
    assert _offered(session, "similar fox metric=") == ["similar fox metric=cosine", "similar fox metric=dot"]
    assert _offered(session, "many sam") == ["many sample="]

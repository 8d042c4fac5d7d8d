"""What is done commit is done for each, and one who cannot be served holds up nobody else."""

import threading
from collections.abc import Sequence

import pytest
from starlette.testclient import TestClient

from subscribers import store
from subscribers.links import Purpose
from subscribers.pages.one_click_batch import MOST, GroupCommit
from tests.support.site import Site
from tests.unit.subscribers.pages.test_no_telling import at_once

ONE_CLICK = {"List-Unsubscribe": "One-Click"}


def test_who_waits_while_somebody_writes_is_written_for_at_once() -> None:
    first_is_in, go_on = threading.Event(), threading.Event()
    batches: list[list[str]] = []

    def act(refs: Sequence[str], _alone: bool) -> dict[str, str]:
        batches.append(list(refs))
        if len(batches) == 1:
            first_is_in.set()
            assert go_on.wait(30)
        return {ref: ref.upper() for ref in refs}

    commit = GroupCommit(act)
    results: dict[str, str | None] = {}

    def want(ref: str) -> None:
        results[ref] = commit.do(ref)

    first = threading.Thread(target=want, args=("first",))
    first.start()
    assert first_is_in.wait(30)
    others = [threading.Thread(target=want, args=(f"r{number % 5}",)) for number in range(10)]
    for thread in others:
        thread.start()
    while len(commit._waiting) < 10:
        pass
    go_on.set()
    for thread in [first, *others]:
        thread.join(30)
    assert batches == [["first"], ["r0", "r1", "r2", "r3", "r4"]]
    assert results == {ref: ref.upper() for ref in ("first", "r0", "r1", "r2", "r3", "r4")}


def test_a_batch_that_fails_is_tried_singly_and_one_fails() -> None:
    def act(refs: Sequence[str], alone: bool) -> dict[str, bool]:
        if "bad" in refs:
            raise ValueError("bad")
        return dict.fromkeys(refs, alone)

    commit = GroupCommit(act)
    commit._turn.acquire()  # so that all of them come to wait
    results: list[object] = []
    wanted = ["a", "bad", "b", "c"]
    done = threading.Thread(target=lambda: results.extend(at_once(4, lambda number: commit.do(wanted[number]))))
    done.start()
    while len(commit._waiting) < 4:
        pass
    commit._turn.release()
    done.join(30)
    assert [results[0], results[2], results[3]] == [True, True, True]
    assert isinstance(results[1], ValueError)


def test_a_crowd_is_taken_in_parts() -> None:
    sizes: list[int] = []

    def act(refs: Sequence[str], _alone: bool) -> dict[str, bool]:
        sizes.append(len(refs))
        return dict.fromkeys(refs, True)

    commit = GroupCommit(act)
    assert all(at_once(MOST + 50, lambda number: commit.do(str(number))))
    assert sum(sizes) == MOST + 50
    assert max(sizes) <= MOST


def test_many_who_leave_at_once_are_each_unsubscribed_with_proof(site: Site, client: TestClient) -> None:
    people = [site.add(f"reader{number}@example.org") for number in range(20)]
    paths = [site.path(Purpose.UNSUBSCRIBE, person.ref) for person in people]
    answers = at_once(40, lambda number: client.post(paths[number % 20], data=ONE_CLICK).status_code)
    assert answers == [200] * 40
    for person in people:
        assert site.person(person.address).state == "unsubscribed"
        assert site.suppressed(person.address) == "unsubscribed"
        assert site.events(person) == ["unsubscribed"]
    assert sorted(one.ref for one in site.left) == sorted(person.ref for person in people)


def test_one_row_that_somebody_holds_keeps_nobody_from_leaving(site: Site, client: TestClient) -> None:
    if site.engine.dialect.name == "sqlite":
        pytest.skip("SQLite locks the whole database")
    people = [site.add(f"reader{number}@example.org") for number in range(6)]
    paths = [site.path(Purpose.UNSUBSCRIBE, person.ref) for person in people]
    answers: list[object] = []
    with site.write() as session:
        store.lock(session, people[0])
        held = threading.Thread(
            target=lambda: answers.append(client.post(paths[0], data=ONE_CLICK).status_code), daemon=True
        )
        held.start()
        assert at_once(5, lambda number: client.post(paths[number + 1], data=ONE_CLICK).status_code) == [200] * 5
        assert answers == []
    held.join(60)
    assert answers == [200]
    assert site.person(people[0].address).state == "unsubscribed"

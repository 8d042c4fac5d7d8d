"""Several worker processes: how many, what each may use, and what becomes of all together."""

import os
import signal
import sys
import threading
from typing import Any

import pytest

from digest.delivery.configured_pace import divided
from digest.delivery.worker.progress import DeliveryProgress
from digest.runtime.errors import ConfigError, UsageError
from digest.send.processes import MOST, ProcessCount, WorkerProcesses, choose
from digest.settings.delivery import Family, Relay
from digest.settings.root import Settings

RESULT = """print('{"outcomes": {"accepted": 2, "deferred": 1}, "next_due": null, "uncertain": 1}')"""
REPORT = """print('\\x1e{"states": {"accepted": 2}, "skipped": 1}', flush=True)"""


def relays(*connections: int) -> list[Relay]:
    return [Relay.model_validate({"host": f"mx{n}", "limits": {"connections": n}}) for n in connections]


@pytest.fixture
def settings() -> Settings:
    return Settings(
        publication={"name": "P", "sender_address": "p@example.org"},
        secrets={"link_keys": ["k"], "suppression_key": "s", "message_key": "m"},
    )


@pytest.mark.parametrize(("cores", "connections", "count"), [(2, [10], 2), (8, [10], 2), (8, [40, 20], 5), (4, [3], 1)])
def test_auto_leaves_each_process_four_connections(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, cores: int, connections: list[int], count: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)), raising=False)
    assert choose("auto", settings, relays(*connections), is_sqlite=False).count == count


def test_auto_is_one_with_sqlite_or_a_maildir(settings: Settings) -> None:
    assert choose("auto", settings, relays(10), is_sqlite=True).count == 1
    assert choose("auto", settings, [], is_sqlite=False).count == 1


def test_a_number_is_taken_as_it_is_if_connections_suffice(settings: Settings) -> None:
    assert choose("3", settings, relays(10, 3), is_sqlite=True) == ProcessCount(3, "as requested")
    with pytest.raises(ConfigError, match="4 processes cannot share 3 connections"):
        choose("4", settings, relays(10, 3), is_sqlite=False)


@pytest.mark.parametrize("asked", ["", "0", "-1", "two", "1.5", str(MOST + 1), "٣", "AUTO"])
def test_what_is_no_number_of_processes_is_refused(settings: Settings, asked: str) -> None:
    with pytest.raises(UsageError, match="not valid"):
        choose(asked, settings, relays(500), is_sqlite=False)


@pytest.mark.parametrize(("count", "limit"), [(1, 10), (2, 10), (3, 10), (3, 3), (7, 500)])
def test_shares_add_up_to_what_is_configured(settings: Settings, count: int, limit: int) -> None:
    rules = settings.delivery.model_copy(update={"families": {"g": Family(connections=limit)}})
    whole = settings.model_copy(update={"delivery": rules})
    parts = [divided(whole, relays(limit), place, count) for place in range(count)]
    for shares in (
        [part.relay[0].limits.connections for part in parts],
        [part.delivery.families["g"].connections or 0 for part in parts],
    ):
        assert sum(shares) == limit
        assert min(shares) >= 1


class Processes:
    def __init__(self) -> None:
        self.said: list[str] = []
        self.progress: list[DeliveryProgress] = []
        self.running = WorkerProcesses(self.said.append, self.progress.append, (sys.executable, "-c"))

    def run(self, *programs: str) -> Any:
        return self.running.run([[program] for program in programs])


def test_results_and_progress_of_all_add_up() -> None:
    all_of_them = Processes()
    ended = all_of_them.run(f"{REPORT}; {RESULT}", f"{REPORT}; {RESULT}; raise SystemExit(1)")
    assert ended.outcomes == {"accepted": 4, "deferred": 2}
    assert (ended.worst, ended.uncertain, ended.died, ended.stopped) == (1, 1, False, False)
    assert max(one.states["accepted"] for one in all_of_them.progress) == 4
    assert all_of_them.said == []


def test_one_that_dies_is_told_and_stops_no_other() -> None:
    all_of_them = Processes()
    ended = all_of_them.run("import os; os.kill(os.getpid(), 9)", f"import time; time.sleep(0.2); {RESULT}")
    assert ended.outcomes == {"accepted": 2, "deferred": 1}
    assert (ended.worst, ended.died) == (1, True)
    (line,) = all_of_them.said
    assert line.endswith("ended with SIGKILL; the others continue.")


def test_the_worst_exit_code_is_that_of_all() -> None:
    all_of_them = Processes()
    assert all_of_them.run("raise SystemExit(4)", RESULT).worst == 4
    assert all_of_them.said[0].endswith("ended with exit code 4; the others continue.")


def test_a_signal_reaches_all_of_them() -> None:
    all_of_them = Processes()
    waiting = f"import signal, time; signal.signal(15, lambda *_: exit({RESULT[:-1]}) or 0)); {REPORT}; time.sleep(60)"

    def when_both_run() -> None:
        while len(all_of_them.progress) < 2:
            threading.Event().wait(0.01)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=when_both_run).start()
    ended = all_of_them.run(waiting, waiting)
    assert (ended.stopped, ended.died, ended.worst) == (True, False, 0)
    assert ended.outcomes == {"accepted": 4, "deferred": 2}


def test_a_process_ends_with_the_one_that_started_it() -> None:
    program = (
        "import signal, time; from digest.send.processes import end_with_parent;"
        f"signal.signal(15, lambda *_: exit({RESULT[:-1]}) or 0)); end_with_parent(); time.sleep(60)"
    )
    all_of_them = Processes()
    started: list[Any] = []

    def close() -> None:
        while not all_of_them.running._children:
            threading.Event().wait(0.01)
        started.extend(all_of_them.running._children)
        all_of_them.running._children[0].process.stdin.close()  # type: ignore[union-attr]

    threading.Thread(target=close).start()
    assert all_of_them.run(program).outcomes == {"accepted": 2, "deferred": 1}
    assert started

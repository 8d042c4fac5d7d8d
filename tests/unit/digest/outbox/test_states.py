"""The table of states: the sets beside it agree with it, every statement goes by it, and no way leads out of an end."""

import ast
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy.dialects import sqlite

import digest
from digest.outbox.settle import Settlement, not_sent
from digest.outbox.states import DUE, MOVES, TERMINAL, UNFINISHED, DeliveryMoveError, Outcome, State, may_move, moves_to
from digest.outbox.tables import DELIVERY, Promised, move

NOW = datetime(2026, 11, 30, 9, tzinfo=UTC)


def test_every_state_has_its_row() -> None:
    assert set(MOVES) == set(State)


def test_only_what_is_due_can_be_started() -> None:
    assert {state for state in State if may_move(state, State.STARTED)} == DUE
    assert DUE < UNFINISHED


def test_what_ended_stays_and_doubt_is_never_resolved_by_a_start() -> None:
    assert {State.REJECTED, State.EXPIRED, State.SKIPPED, State.CANCELLED} == TERMINAL
    assert not may_move(State.UNCERTAIN, State.STARTED)
    assert not may_move(State.ACCEPTED, State.PENDING)


@pytest.mark.parametrize("new", State)
@pytest.mark.parametrize("old", State)
def test_a_statement_is_made_for_moves_of_the_table_only(old: State, new: State) -> None:
    if may_move(old, new) or old is new is State.UNCERTAIN:
        assert moves_to(new, old) == (old.value,)
        text = str(move(DELIVERY, new, {old}).compile(dialect=sqlite.dialect(), compile_kwargs={"literal_binds": True}))
        assert text.endswith(f"SET state='{new}' WHERE delivery.state = '{old}'")
    else:
        with pytest.raises(DeliveryMoveError):
            move(DELIVERY, new, {old})


def test_a_restore_alone_may_doubt_what_was_not_started() -> None:
    assert moves_to(State.UNCERTAIN, *UNFINISHED, restored=True) == ("pending", "started", "deferred")
    with pytest.raises(DeliveryMoveError):
        moves_to(State.UNCERTAIN, *UNFINISHED)
    with pytest.raises(DeliveryMoveError):
        moves_to(State.UNCERTAIN, State.ACCEPTED, restored=True)


@pytest.mark.parametrize("state", sorted(set(State) - MOVES[State.STARTED]))
def test_no_attempt_ends_in_a_state_that_is_no_end_of_one(state: State) -> None:
    with pytest.raises(DeliveryMoveError):
        _ = Settlement(Promised.DELIVERY, 1, "a", state, Outcome.ACCEPTED, NOW).settles


def test_what_was_not_sent_is_believed_of_what_is_started_only() -> None:
    assert not_sent(Promised.DELIVERY, 1, "a", "stopped", NOW).settles == ("started",)
    assert Settlement(Promised.DELIVERY, 1, "a", State.ACCEPTED, Outcome.ACCEPTED, NOW).settles == (
        "started",
        "uncertain",
    )


def test_every_function_that_writes_a_state_asks_the_table() -> None:
    """Writes are `.values(state=...)`; those of an issue's state have their own table."""
    silent = []
    for path in Path(digest.__file__).parent.rglob("*.py"):
        for function in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(function, ast.FunctionDef):
                continue
            text = ast.unparse(function)
            if ".values(state=State." in text and "moves_to(" not in text and "move(" not in text:
                silent.append(f"{path.name}:{function.name}")
    assert silent == []

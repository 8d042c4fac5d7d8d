"""The table of states: the sets beside it agree with it, and no automatic way leads out of doubt or of an end."""

from digest.outbox.states import DUE, MOVES, TERMINAL, UNFINISHED, State, may_move


def test_every_state_has_its_row() -> None:
    assert set(MOVES) == set(State)


def test_only_what_is_due_can_be_started() -> None:
    assert {state for state in State if may_move(state, State.STARTED)} == DUE
    assert DUE < UNFINISHED


def test_what_ended_stays_and_doubt_is_never_resolved_by_a_start() -> None:
    assert {State.REJECTED, State.EXPIRED, State.SKIPPED, State.CANCELLED} == TERMINAL
    assert not may_move(State.UNCERTAIN, State.STARTED)
    assert not may_move(State.ACCEPTED, State.PENDING)

"""Accounts: one for all spellings of a login, opened by password and code together, closed for good when disabled."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest
from sqlalchemy import Engine

from digest.accounts import credentials, sessions, store, totp
from digest.accounts.credentials import SecretsChangedError
from digest.accounts.models import Account
from digest.accounts.store import AccountTakenError, NewAccount, NoApproverError
from digest.runtime.db import session_scope
from digest.runtime.errors import NotFoundError, UsageError

SECRET = b"a secret of the workspace"
DAY = timedelta(days=1)


@dataclass
class Desk:
    engine: Engine
    now: datetime

    def add(self, login: str = "kim", roles: str = "editor", **more: object) -> NewAccount:
        with session_scope(self.engine) as session:
            return store.add(session, login, store.roles_of(roles), now=self.now, secret=SECRET, **more)  # type: ignore[arg-type]

    def signs_in(self, made: NewAccount, *, login: str = "", password: str = "", code: str = "") -> bool:
        code = code or totp.code(made.totp_secret, int(self.now.timestamp() // 30))
        with session_scope(self.engine) as session:
            found = store.with_password(session, login or made.account.login, password or made.password)
            return bool(found and store.use_code(session, found, code, now=self.now, secret=SECRET))

    def begin(self, account: Account | None) -> str:
        with session_scope(self.engine) as session:
            return sessions.begin(session, account, now=self.now, lasting=DAY, secret=SECRET)

    def is_open(
        self, token: str, *, at: timedelta = timedelta(), idle: timedelta = DAY, secret: bytes = SECRET
    ) -> bool:
        with session_scope(self.engine, read_only=True) as session:
            return sessions.find(session, token, now=self.now + at, idle=idle, secret=secret) is not None


@pytest.fixture
def desk(engine: Engine, now: datetime) -> Desk:
    return Desk(engine, now)


def test_password_and_code_open_an_account_together(desk: Desk) -> None:
    made = desk.add()
    assert not desk.signs_in(made, password="another password")
    assert not desk.signs_in(made, code="000000")
    assert not desk.signs_in(made, login="lee")
    assert desk.signs_in(made, login=" KIM ")
    assert not desk.signs_in(made), "a code is good once"
    desk.now += timedelta(seconds=30)
    assert desk.signs_in(made)
    assert made.password not in made.account.password_hash
    assert totp.text_of(made.totp_secret) not in made.account.totp_secret, "encrypted, as a backup has it"


@pytest.mark.parametrize("again", ["kim", "KIM", "  Kim", "ki\u200bm"])
def test_a_login_is_one_for_all_its_spellings(desk: Desk, again: str) -> None:
    desk.add("kim")
    with pytest.raises(AccountTakenError):
        desk.add(again)
    desk.add("Jos\u00e9")
    with pytest.raises(AccountTakenError):
        desk.add("jose\u0301")


def test_renewing_ends_sessions_and_the_old_password(desk: Desk) -> None:
    old = desk.add(name="Kim Minji")
    token = desk.begin(old.account)
    new = desk.add("KIM", "approver", renew=True)
    assert (new.account.name, new.account.roles) == ("Kim Minji", ["approver"])
    assert not desk.is_open(token)
    assert not desk.signs_in(new, password=old.password)
    assert not desk.signs_in(old)
    assert desk.signs_in(new)
    with pytest.raises(NotFoundError):
        desk.add("lee", renew=True)


def test_a_disabled_account_opens_nothing(desk: Desk) -> None:
    made = desk.add(roles="approver")
    token = desk.begin(made.account)
    with session_scope(desk.engine) as session:
        store.disable(session, "Kim", desk.now)
    assert not desk.signs_in(made)
    assert not desk.is_open(token)
    with session_scope(desk.engine) as session:
        assert store.any_exists(session), "approvals stay bound to accounts"
        with pytest.raises(NoApproverError):
            store.approver(session, "kim")
        with pytest.raises(NotFoundError):
            store.disable(session, "lee", desk.now)


def test_a_session_ends_by_time_by_hand_and_elsewhere(desk: Desk) -> None:
    token = desk.begin(desk.add().account)
    hour = timedelta(hours=1)
    assert desk.is_open(token, at=hour, idle=hour)
    assert not desk.is_open(token, at=hour + timedelta(seconds=1), idle=hour)
    assert not desk.is_open(token, at=DAY)
    assert not desk.is_open(token, secret=b"those of another workspace")
    assert not desk.is_open("")
    assert not desk.is_open("\udcff")
    other = desk.begin(None)
    with session_scope(desk.engine) as session:
        sessions.revoke(session, token, now=desk.now, secret=SECRET)
    assert not desk.is_open(token)
    assert desk.is_open(other)


def test_sessions_that_are_over_are_deleted(desk: Desk) -> None:
    desk.begin(None)
    desk.now += 2 * DAY
    desk.begin(None)
    with desk.engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM desk_session").scalar() == 1


def test_an_approver_is_named_by_login_or_a_name_of_one(desk: Desk) -> None:
    desk.add("kim", "editor,approver", name="Kim Minji")
    desk.add("kim2", "approver", name="KIM  minji")
    desk.add("lee", "approver", name="Lee")
    desk.add("park", "editor,operator,reader")
    with session_scope(desk.engine) as session:
        assert store.approver(session, "Kim").login == "kim"
        assert store.approver(session, " lee").name == "Lee"
        for name in ("Kim Minji", "park", "nobody", ""):
            with pytest.raises(NoApproverError):
                store.approver(session, name)


@pytest.mark.parametrize("login", ["", " ", "a b", "a;b", "a/b", "x" * 61, "a\nb"])
def test_what_is_no_login_is_refused(desk: Desk, login: str) -> None:
    with pytest.raises(UsageError):
        desk.add(login)


@pytest.mark.parametrize("roles", ["", ",", "admin", "editor,chief"])
def test_unknown_roles_are_refused(roles: str) -> None:
    with pytest.raises(UsageError):
        store.roles_of(roles)


@pytest.mark.parametrize("password", ["short", "x" * 257])
def test_short_and_endless_passwords_are_refused(desk: Desk, password: str) -> None:
    with pytest.raises(UsageError):
        desk.add(password=password)


def test_secrets_of_another_workspace_are_told() -> None:
    with pytest.raises(SecretsChangedError):
        credentials.opened(credentials.sealed(b"x", b"one"), b"other")

"""Making, finding and disabling accounts, and the check of a password with a one-time password."""

import secrets
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NoReturn

from sqlalchemy import exists
from sqlmodel import Session, col, select

from digest.accounts import credentials, review_links, sessions, totp
from digest.accounts.models import Account, Role
from digest.runtime.errors import NotFoundError, RefusedError, UsageError
from digest.runtime.text import one_person

MAX_LOGIN = 60
MAX_NAME = 120


class AccountTakenError(RefusedError):
    """There is an account with this login."""

    default_hint = "Choose another login; --renew gives the account new roles, a new password and a new secret."


class NoApproverError(RefusedError):
    """Nobody of this name may approve."""

    default_hint = "Name an active account with the role approver, by its login; `digest user list` shows them."


@dataclass(frozen=True, slots=True)
class NewAccount:
    """An account with what is shown once: its password, and the secret of its one-time passwords."""

    account: Account
    password: str
    totp_secret: bytes


def login_of(text: str) -> str:
    """Return a login, the same for all its spellings. Raises UsageError."""
    login = one_person(text)
    if not login or len(login) > MAX_LOGIN or not all(letter.isalnum() or letter in "._-@" for letter in login):
        raise UsageError(f"{text[:60]!r} is not a login", hint=f"At most {MAX_LOGIN} letters and digits, and . _ - @")
    return login


def roles_of(text: str) -> list[str]:
    """Return roles named in a text with commas. Raises UsageError."""
    named = [part.strip() for part in text.split(",") if part.strip()]
    unknown = [name for name in named if name not in list(Role)]
    if unknown or not named:
        message = f"There is no role {unknown[0]!r}" if unknown else "An account needs a role"
        raise UsageError(message, hint=f"--role {','.join(Role)}: one or more of these")
    return [role.value for role in Role if role in named]


def add(
    session: Session,
    login: str,
    roles: Collection[str],
    *,
    now: datetime,
    secret: bytes,
    name: str = "",
    password: str = "",
    renew: bool = False,
) -> NewAccount:
    """Make an account, with a password of ours unless one is given; `renew` does so again for one that exists.

    Renewing ends the account's sessions and lets a disabled person in again.
    """
    login, name = login_of(login), " ".join(name.replace(";", ",").split())[:MAX_NAME]
    account = by_login(session, login)
    if account is not None and not renew:
        raise AccountTakenError(f"There is an account {login}{'' if account.active else ', which is disabled'}")
    if account is None and renew:
        _not_found(login)
    password, totp_secret = password or credentials.new_password(), secrets.token_bytes(credentials.TOTP_BYTES)
    hashed, sealed = credentials.password_hash(password), credentials.sealed(totp_secret, secret)
    if account is None:
        account = Account(
            login=login, name=name or login, roles=list(roles), password_hash=hashed, totp_secret=sealed, created_at=now
        )
    else:
        account.name, account.roles = name or account.name, list(roles)
        account.password_hash, account.totp_secret, account.totp_step, account.disabled_at = hashed, sealed, 0, None
        sessions.revoke_all(session, account, now)
    session.add(account)
    session.flush()
    return NewAccount(account, password, totp_secret)


def disable(session: Session, login: str, now: datetime) -> Account:
    """Let nobody in by this account any more, and end its sessions and review links. Its name stays taken."""
    account = by_login(session, login_of(login))
    if account is None:
        _not_found(login)
    account.disabled_at = account.disabled_at or now
    session.add(account)
    sessions.revoke_all(session, account, now)
    review_links.revoke_all(session, account, now)
    return account


def listed(session: Session) -> Sequence[Account]:
    """Return all accounts, by login."""
    return session.exec(select(Account).order_by(col(Account.login))).all()


def any_exists(session: Session) -> bool:
    """Return whether there is any account, also a disabled one: approvals are persons' from then on."""
    return bool(session.exec(select(exists().where(col(Account.id).is_not(None)))).one())


def by_login(session: Session, login: str) -> Account | None:
    """Return the account of a login as `login_of` returns it, locked: two sign-ins must not use one code."""
    return session.exec(select(Account).where(Account.login == login).with_for_update()).first()


def approver(session: Session, name: str) -> Account:
    """Return the active approver of this login or name. Raises NoApproverError, also if several have the name."""
    wanted = one_person(name)
    active = [one for one in listed(session) if one.active and one.has(Role.APPROVER)]
    found = [one for one in active if one.login == wanted] or [one for one in active if one_person(one.name) == wanted]
    if len(found) > 1:
        raise NoApproverError(f"Several approvers are called {name}: {_logins(found)}", hint="Name one by the login.")
    if not found:
        raise NoApproverError(f"{name} is not an active approver")
    return found[0]


def with_password(session: Session, login: str, password: str) -> Account | None:
    """Return the active account that a password opens. It takes its time, and therefore needs no write lock."""
    account = session.exec(select(Account).where(Account.login == one_person(login)[:MAX_LOGIN])).first()
    right = credentials.is_password(password, account.password_hash if account else credentials.NO_PASSWORD)
    return account if account is not None and account.active and right else None


def use_code(session: Session, verified: Account, code: str, *, now: datetime, secret: bytes) -> Account | None:
    """Return the account, whose password was verified, if the one-time password is right too, and use that up."""
    account = by_login(session, verified.login)
    if account is None or not account.active or account.password_hash != verified.password_hash:
        return None
    totp_secret = credentials.opened(account.totp_secret, secret)
    step = totp.matching_step(totp_secret, code, now.timestamp(), account.totp_step)
    if step is None:
        return None
    account.totp_step = step
    session.add(account)
    return account


def _logins(accounts: Iterable[Account]) -> str:
    return ", ".join(one.login for one in accounts)


def _not_found(login: str) -> NoReturn:
    raise NotFoundError(f"There is no account {login}", hint="`digest user list` shows them.")

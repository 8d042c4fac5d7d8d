"""Looks at a workspace as a whole and says what is wrong, each with its remedy. Sends nothing, changes nothing."""

import shutil
import smtplib
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import func
from sqlalchemy.exc import DBAPIError
from sqlmodel import col, select

from digest import bootstrap, runs
from digest.delivery import dkim_setup
from digest.issues.models import Issue
from digest.outbox.models import Delivery
from digest.outbox.states import State
from digest.render.checks import Severity
from digest.runtime import db
from digest.runtime.errors import DigestError
from digest.runtime.settings import PLACEHOLDER_ADDRESS, SECRETS_NAME, Settings, load_settings
from digest.schedule import MONTHLY, occurrences

LOW_DISK_BYTES = 500 * 1024 * 1024
HANDSHAKE_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Ailment:
    """One thing that is wrong."""

    id: str
    severity: Severity
    message: str
    remedy: str


def examine(workspace: Path) -> list[Ailment]:
    """Return everything that is wrong with the workspace; an empty list for a healthy one."""
    try:
        settings = load_settings(workspace)
    except DigestError as error:
        return [Ailment("configuration", Severity.BLOCK, error.message, error.hint)]
    checks: tuple[Callable[[Settings], Iterator[Ailment]], ...] = (
        _secrets,
        _identity,
        _database,
        _relays,
        _signature,
        _calendar,
        _outbox,
        _disk,
    )
    return [ailment for check in checks for ailment in _survived(check, settings)]


def _survived(check: Callable[[Settings], Iterator[Ailment]], settings: Settings) -> list[Ailment]:
    """A check that cannot be made is itself a finding."""
    try:
        return list(check(settings))
    except DigestError as error:
        return [Ailment("configuration", Severity.BLOCK, error.message, error.hint)]


def _secrets(settings: Settings) -> Iterator[Ailment]:
    path = settings.workspace / SECRETS_NAME
    if path.exists() and path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        yield Ailment("secrets-readable", Severity.BLOCK, f"Others can read {SECRETS_NAME}", f"chmod 600 {path}")
    keys = [key.get_secret_value() for key in settings.secrets.link_keys]
    if any(len(key) < 16 for key in [*keys, settings.secrets.suppression_key.get_secret_value()]):
        yield Ailment(
            "secrets-short",
            Severity.BLOCK,
            "A secret is shorter than 16 characters",
            "Put a new key first in link_keys.",
        )


def _identity(settings: Settings) -> Iterator[Ailment]:
    publication = settings.publication
    if any(PLACEHOLDER_ADDRESS in text for text in publication.postal_address.values()):
        yield Ailment(
            "postal-address",
            Severity.BLOCK,
            "The postal address is still the placeholder",
            "Set [publication] postal_address.",
        )
    if publication.base_url.startswith("http://") and settings.delivery.allow_send:
        yield Ailment(
            "base-url",
            Severity.BLOCK,
            f"Links in the mail would start with {publication.base_url}",
            "Set [publication] base_url to the https address of `digest serve`.",
        )


def _database(settings: Settings) -> Iterator[Ailment]:
    engine = db.make_engine(settings.database_url)
    try:
        db.check_revision(engine)
    except DigestError as error:
        yield Ailment("database", Severity.BLOCK, error.message, error.hint)
    else:
        queue = db.queue_of(engine)
        if queue.remedy:
            message = f"The queue that wakes workers is {queue}; they look for themselves"
            yield Ailment("queue", Severity.ADVISE, message, queue.remedy)
    finally:
        engine.dispose()


def _relays(settings: Settings) -> Iterator[Ailment]:
    if settings.delivery.transport == "maildir":
        return
    if not settings.relay:
        yield Ailment("relay-missing", Severity.BLOCK, 'transport = "smtp" without a [[relay]]', "Add a [[relay]].")
    for relay in settings.relay:
        if not relay.on_loopback and not settings.delivery.allow_send:
            yield Ailment(
                "allow-send",
                Severity.BLOCK,
                f"{relay.host} would be refused: allow_send is false",
                "Set [delivery] allow_send = true.",
            )
            continue
        client = smtplib.SMTP_SSL if relay.tls == "implicit" else smtplib.SMTP
        try:
            with client(relay.host, relay.port, timeout=HANDSHAKE_SECONDS) as connection:
                connection.ehlo()
        except (OSError, smtplib.SMTPException) as error:
            yield Ailment(
                "relay-unreachable",
                Severity.BLOCK,
                f"{relay.host}:{relay.port} does not answer: {error}",
                "Check host, port and firewall.",
            )


def _signature(settings: Settings) -> Iterator[Ailment]:
    try:
        signer = dkim_setup.signer_of(settings)
    except DigestError as error:
        yield Ailment("dkim-key", Severity.BLOCK, error.message, error.hint)
        return
    if signer and not dkim_setup.is_aligned(settings):
        yield Ailment(
            "dkim-domain",
            Severity.ADVISE,
            f"Mail from {settings.publication.sender_domain} is signed by {signer.domain}: DMARC may not count that",
            "Leave [dkim] domain out, or set it to the sender's domain or one above it.",
        )


def _calendar(settings: Settings) -> Iterator[Ailment]:
    now = bootstrap.open_clock().now()
    try:
        next(occurrences(settings, now))
    except DigestError as error:
        yield Ailment("schedule", Severity.BLOCK, error.message, error.hint)
    engine = db.make_engine(settings.database_url)
    try:
        with db.session_scope(engine, read_only=True) as session:
            for run in runs.history(session):
                if run.schedule == MONTHLY and run.state in {runs.RunState.MISSED, runs.RunState.FAILED}:
                    yield Ailment(
                        f"run-{run.state}",
                        Severity.ADVISE,
                        f"The run for {run.period} was {run.state}: {run.detail.get('why', '')}",
                        f"If it is still wanted: digest issue assemble --period {run.period}, approve, send.",
                    )
    except DBAPIError:
        return  # _database has told it
    finally:
        engine.dispose()


def _outbox(settings: Settings) -> Iterator[Ailment]:
    engine = db.make_engine(settings.database_url)
    query = (
        select(Issue.number, Delivery.state, func.count())
        .join(Issue, col(Issue.id) == col(Delivery.issue_id))
        .where(col(Delivery.state).in_([State.UNCERTAIN.value, State.REJECTED.value, State.EXPIRED.value]))
        .group_by(col(Issue.number), col(Delivery.state))
        .order_by(col(Issue.number))
    )
    try:
        with db.session_scope(engine, read_only=True) as session:
            for number, state, count in session.exec(query):
                severity = Severity.BLOCK if state == State.UNCERTAIN else Severity.ADVISE
                remedy = f"digest outbox list {number} --state {state}"
                yield Ailment(f"deliveries-{state}", severity, f"Issue {number}: {count} {state}", remedy)
    except DBAPIError:
        return  # _database has told it
    finally:
        engine.dispose()


def _disk(settings: Settings) -> Iterator[Ailment]:
    free = shutil.disk_usage(settings.workspace).free
    if free < LOW_DISK_BYTES:
        yield Ailment(
            "disk", Severity.ADVISE, f"Only {free // 1024**2} MB are free", "Make room: a full disk stops the run."
        )

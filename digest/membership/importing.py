"""Import of a file of subscribers with the workspace's settings."""

import io
from collections.abc import Callable
from functools import partial
from pathlib import Path

from sqlalchemy import Engine

from digest.membership.context import MembershipContext, new_ref
from digest.membership.notices import confirmation_due
from digest.runtime import db
from digest.runtime.db import session_scope
from digest.runtime.errors import RefusedError, UsageError
from digest.settings.opened import OpenWorkspace
from subscribers import signup, store
from subscribers.address import EmailAddress
from subscribers.consent import ConsentMethod
from subscribers.models import SubscriberState
from subscribers.names import parse_name
from subscribers.signup import SignupForm
from subscribers.transfer.exporter import as_csv
from subscribers.transfer.importer import Importer
from subscribers.transfer.mapping import parse_mapping, read_mapping
from subscribers.transfer.reading import ImportOptions
from subscribers.transfer.report import SubscriberImportReport
from subscribers.transfer.rows import COLUMNS, STATUSES, RowRules, as_cells


def import_subscribers(
    context: OpenWorkspace,
    path: Path,
    *,
    dry_run: bool = False,
    asked: ImportOptions | None = None,
    add_interests: bool = False,
    progress: Callable[[int], None] = lambda _lines: None,
) -> SubscriberImportReport:
    """Import a file of subscribers, each chunk in a transaction."""
    try:
        with path.open("rb") as stream, db.for_bulk(context.engine) as engine:
            return importer(context, engine).run(
                stream,
                context.clock.now(),
                dry_run=dry_run,
                asked=asked or asked_of(context, path),
                add_interests=add_interests,
                progress=progress,
            )
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error


def asked_of(
    context: OpenWorkspace,
    path: Path,
    *,
    mapping: str = "",
    interests: str = "",
    confirmed_by: str = "",
    status: str = "",
    encoding: str = "",
) -> ImportOptions:
    """Return the options of an import; `mapping` is a mapping or the name of a TOML file with one."""
    if status and status not in STATUSES:
        raise UsageError(f"Unknown status {status!r}", hint=f"Use one of: {', '.join(STATUSES)}.")
    columns = None
    if mapping.endswith(".toml"):
        try:
            columns = read_mapping(Path(mapping).read_bytes())
        except OSError as error:
            raise UsageError(f"{mapping} cannot be read: {error.strerror}") from error
    elif mapping:
        columns = parse_mapping(mapping)
    catalogue = context.settings.catalogue
    wanted = catalogue.canonical(catalogue.choose(interests)) if interests else ""
    titles = {
        title.strip().lower(): interest.slug
        for interest in context.settings.interest
        for title in interest.title.values()
    }
    return ImportOptions(path.name, columns, wanted, confirmed_by, status, encoding, titles)


def importer(context: OpenWorkspace, engine: Engine | None = None) -> Importer:
    """Return the importer, on the workspace's engine or another one of its database."""
    publication = context.settings.publication
    return Importer(
        transaction=partial(db.session_scope, engine or context.engine),
        rules=RowRules(context.settings.catalogue, publication.language, publication.zone),
        secret=context.settings.suppression_key,
        new_ref=new_ref,
    )


def add_subscriber(
    context: MembershipContext, address: str, *, name: str, interests: str, language: str, confirmed_by: str
) -> SubscriberState:
    """Add one reader; return their state. With `confirmed_by` consent is on record elsewhere, else they are asked."""
    email = EmailAddress.parse(address)
    wanted = context.settings.catalogue.canonical(context.settings.catalogue.choose(interests))
    language = context.settings.require_language(language or context.settings.publication.language)
    if confirmed_by:
        _import_one(context, email, name=name, interests=wanted, language=language, source=confirmed_by)
    else:
        form = SignupForm(email, language, wanted, parse_name(name))
        ask = partial(confirmation_due, context.dispatcher)
        with session_scope(context.engine) as session:
            signup.request(
                session,
                form,
                method=ConsentMethod.COMMAND,
                now=context.clock.now(),
                new_ref=new_ref,
                secret=context.settings.suppression_key,
                confirmation_due=ask,
            )
    with session_scope(context.engine, read_only=True) as session:
        person = store.by_key(session, email.key)
    if person is None:
        raise RefusedError(f"{address} is on the never-send list", hint="To see why: digest suppress lookup ADDRESS")
    return SubscriberState(person.state)


def _import_one(
    context: MembershipContext, email: EmailAddress, *, name: str, interests: str, language: str, source: str
) -> None:
    """An import of one line: what holds for a file (never overrule the person) holds here too."""
    cells = {
        "email": email.address,
        "name": parse_name(name),
        "interests": interests or ";",
        "language": language,
        "status": "confirmed",
        "confirmed_at": context.clock.now().isoformat(),
        "consent_source": source,
    }
    line = {column: cells.get(column, "") for column in COLUMNS}
    file = io.BytesIO((as_csv(COLUMNS) + as_csv(as_cells(line))).encode())
    report = importer(context).run(file, context.clock.now())
    for refusal in [problem.message for problem in report.problems] + [kept.reason for kept in report.kept]:
        raise RefusedError(f"{email.address} was not added: {refusal}")

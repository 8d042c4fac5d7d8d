"""Import of a file of subscribers, with the workspace's rules."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from sqlalchemy import Engine

from digest.membership.context import new_ref
from digest.runtime import db
from digest.runtime.errors import UsageError
from digest.settings.opened import OpenWorkspace
from subscribers.transfer.importer import Importer
from subscribers.transfer.mapping import parse_mapping, read_mapping
from subscribers.transfer.reading import ImportOptions
from subscribers.transfer.report import SubscriberImportReport
from subscribers.transfer.rows import STATUSES, RowRules


def import_subscribers(
    context: OpenWorkspace,
    path: Path,
    *,
    dry_run: bool = False,
    asked: ImportOptions | None = None,
    add_interests: bool = False,
    progress: Callable[[int], None] = lambda _lines: None,
) -> SubscriberImportReport:
    """Import a file of readers, each chunk in a transaction of its own."""
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
) -> ImportOptions:
    """Return what a person says about a file of readers; `mapping` is one, or the name of a TOML file with one."""

    if status and status not in STATUSES:
        raise UsageError(f"There is no status {status!r}", hint=f"There are: {', '.join(STATUSES)}.")
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
    return ImportOptions(path.name, columns, wanted, confirmed_by, status, titles)


def importer(context: OpenWorkspace, engine: Engine | None = None) -> Importer:
    """Return what brings readers in, by the workspace's engine or another one of its database."""

    publication = context.settings.publication
    return Importer(
        transaction=partial(db.session_scope, engine or context.engine),
        rules=RowRules(context.settings.catalogue, publication.language, publication.zone),
        secret=context.settings.suppression_key,
        new_ref=new_ref,
    )

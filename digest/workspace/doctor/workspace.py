"""Checks of the workspace's files and settings: secrets, sender identity, operators, disk space."""

import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from digest.notify.webhook import read_secret
from digest.render.checks import Severity
from digest.runtime.errors import ConfigError
from digest.settings.part import LOOPBACK_HOSTS
from digest.settings.publication import PLACEHOLDER_ADDRESS
from digest.settings.root import SECRETS_NAME, Settings
from digest.workspace.backup.files import SUFFIX
from digest.workspace.backup.record import BackupRecord
from digest.workspace.doctor.diagnosis import Diagnosis, DoctorContext

LOW_DISK_BYTES = 500 * 1024 * 1024
MIN_SECRET_CHARACTERS = 16


def secrets(context: DoctorContext) -> Iterator[Diagnosis]:
    """Every file of secrets exists and is readable by its owner only; every secret is long enough."""
    settings = context.settings
    for path, what in _secret_files(settings):
        if not path.exists():
            if what:
                remedy = f"Write the secret to {path}, with mode 0600."
                yield Diagnosis("secrets-missing", Severity.BLOCK, f"{what} names a file that does not exist", remedy)
        elif path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            yield Diagnosis(
                "secrets-readable", Severity.BLOCK, f"Other users can read {path.name}", f"chmod 600 {path}"
            )
        elif not os.access(path, os.R_OK) or not path.is_file():
            remedy = f"chown or replace {path}"
            yield Diagnosis("secrets-unreadable", Severity.BLOCK, f"{path.name} cannot be read", remedy)
    keys = [key.get_secret_value() for key in settings.secrets.link_keys]
    keys += [key.get_secret_value() for key in (settings.secrets.suppression_key, settings.secrets.message_key)]
    if any(len(key) < MIN_SECRET_CHARACTERS for key in keys):
        message = f"A secret is shorter than {MIN_SECRET_CHARACTERS} characters"
        yield Diagnosis("secrets-short", Severity.BLOCK, message, "Add a new key at the start of link_keys.")


def personal_data(context: DoctorContext) -> Iterator[Diagnosis]:
    """Files and folders with readers' data are closed to others; a group may be let in on purpose."""
    if found := [str(path) for path in dict.fromkeys(_personal_paths(context)) if _open_to_others(path)]:
        message = f"Other users can read files with readers' data: {', '.join(found)}"
        yield Diagnosis("data-readable", Severity.ADVISE, message, f"chmod -R o= {' '.join(found)}")


def _personal_paths(context: DoctorContext) -> Iterator[Path]:
    workspace = context.settings.workspace
    if context.trouble is None and context.engine.dialect.name == "sqlite":
        database = Path(str(context.engine.url.database)).resolve()
        if database.parent == workspace.resolve() or _open_to_others(database.parent):
            yield from sorted(database.parent.glob(f"{database.name}*"))  # its log, and what a restore has replaced
    if _open_to_others(workspace):
        yield workspace / ".state"
    yield from (workspace / context.settings.delivery.maildir, workspace / "sink")
    yield from sorted(workspace.glob(f"*{SUFFIX}"))
    if file := BackupRecord.read(workspace).file:
        yield Path(file)


def _open_to_others(path: Path) -> bool:
    return path.exists() and bool(path.stat().st_mode & stat.S_IRWXO)


def _secret_files(settings: Settings) -> Iterator[tuple[Path, str]]:
    """Yield each file, and the setting that names it (empty: it may be missing)."""
    yield settings.workspace / SECRETS_NAME, ""
    yield settings.workspace / ".env", ""
    for number, relay in enumerate(settings.relay, start=1):
        for name, path in relay.secret_files.items():
            yield settings.workspace / path, f"[[relay]] {number} {name}"
    others = (
        (settings.operators.webhook_secret_file, "[operators] webhook_secret_file"),
        (settings.metrics.token_file, "[metrics] token_file"),
        (settings.feedback.postmark_secret_file, "[feedback] postmark_secret_file"),
        *((mailbox.password_file, "[[feedback.mailbox]] password_file") for mailbox in settings.feedback.mailbox),
    )
    yield from ((settings.workspace / named, setting) for named, setting in others if named)


def identity(context: DoctorContext) -> Iterator[Diagnosis]:
    """Mail has a real postal address, and links that readers can follow."""
    settings = context.settings
    publication = settings.publication
    if any(PLACEHOLDER_ADDRESS in text for text in publication.postal_address.values()):
        message = "The postal address is still the placeholder"
        yield Diagnosis("postal-address", Severity.BLOCK, message, "Set [publication] postal_address.")
    if publication.base_url.startswith("http://") and settings.delivery.allow_send:
        message = f"Links in mails would start with {publication.base_url}"
        remedy = "Set [publication] base_url to the https address of `digest serve`."
        yield Diagnosis("base-url", Severity.BLOCK, message, remedy)


def operators(context: DoctorContext) -> Iterator[Diagnosis]:
    """Operators are notified of problems."""
    settings = context.settings
    operators = settings.operators
    leaves = settings.delivery.allow_send or any(relay.host not in LOOPBACK_HOSTS for relay in settings.relay)
    if leaves and not operators.addresses and not operators.webhook:
        message = "Nobody is notified when a run is missed or halted"
        remedy = "Set [operators] addresses or webhook, then run `digest tell --test`."
        yield Diagnosis("operators-none", Severity.ADVISE, message, remedy)
    if operators.webhook_secret_file and (settings.workspace / operators.webhook_secret_file).exists():
        try:
            read_secret(settings.workspace / operators.webhook_secret_file)
        except ConfigError as error:
            yield Diagnosis("webhook-secret", Severity.BLOCK, error.message, error.hint)


def disk(context: DoctorContext) -> Iterator[Diagnosis]:
    """There is space, and the folders are writable."""
    folders = {context.settings.workspace}
    if not isinstance(context.trouble, ConfigError) and context.engine.dialect.name == "sqlite":
        folders.add(Path(str(context.engine.url.database)).resolve().parent)
    for folder in sorted(folders):
        if not folder.is_dir():
            continue  # reported by the database's check
        free = shutil.disk_usage(folder).free
        if free < LOW_DISK_BYTES:
            message = f"Only {free // 1024**2} MB are free in {folder}"
            yield Diagnosis("disk-full", Severity.BLOCK, message, "Free some space: a full disk stops the run.")
        if not os.access(folder, os.W_OK):
            message = f"{folder} cannot be written"
            yield Diagnosis(
                "disk-readonly", Severity.BLOCK, message, f"Run as its owner, or change its owner: chown {folder}."
            )

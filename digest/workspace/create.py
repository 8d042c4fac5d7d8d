"""`digest init`: configuration, secrets, folders and an empty database; nothing that exists is overwritten."""

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from typing import Protocol

from digest.articles.placeholders import STARTER_ARTICLE
from digest.membership.importing import import_subscribers
from digest.publish.import_articles import import_articles
from digest.publish.publisher import Publisher
from digest.runtime import db
from digest.runtime.atomic_file import private_folder, write_private
from digest.runtime.errors import EnvironmentFailedError, RefusedError
from digest.runtime.text import count_of
from digest.settings.opened import OpenWorkspace, open_engine
from digest.settings.root import CONFIG_NAME, SECRETS_NAME

STARTER_CONFIG = """\
# The configuration of your digest. `digest config describe` lists every setting.
[publication]
name = "My digest"
tagline = "What happened this month"
sender_address = "digest@example.org"
# Printed in every mail's footer; no relay off this machine is used before you fill it in.
postal_address = "Your postal address"
# Where readers reach `digest serve`; links in the mail point here.
base_url = "http://127.0.0.1:8025"
timezone = "UTC"
language = "en"

[[section]]
slug = "news"
title = { en = "News", ko = "소식" }

[[interest]]
slug = "mobility"
title = { en = "Mobility", ko = "모빌리티" }

[delivery]
transport = "maildir"   # or "smtp", with a [[relay]] below
allow_send = false      # a relay off this machine is refused until this is true

[schedule]
rule = "last day"
time = "09:00"
"""


@dataclass(frozen=True, slots=True)
class Made:
    """What `init` made, a line each, and the command to run next."""

    lines: tuple[str, ...]
    next_command: str


def create(directory: Path, *, sample: bool) -> Made:
    """Make a workspace in `directory`, which must not hold one already; `import_sample` completes a sample."""
    if (directory / CONFIG_NAME).exists():
        raise RefusedError(f"{directory} already contains a workspace", hint="Choose another folder.")
    with _reporting_errors(directory):
        private_folder(directory)
        for folder in ("articles", "templates"):
            (directory / folder).mkdir(exist_ok=True)
        if sample:
            _copy_sample(directory)
        else:
            (directory / CONFIG_NAME).write_text(STARTER_CONFIG, encoding="utf-8")
            (directory / "articles" / "first.md").write_text(STARTER_ARTICLE, encoding="utf-8")
        _write_secrets(directory / SECRETS_NAME)
    lines = (CONFIG_NAME, f"{SECRETS_NAME} (mode 0600)", "articles/first.md", "templates/ for overrides")
    return Made((*lines, _make_database(directory)), "digest articles import articles")


def _make_database(directory: Path) -> str:
    """Make the tables; return in words where they are."""
    engine = open_engine(directory)
    is_file = engine.dialect.name == "sqlite"
    db.upgrade(engine)
    engine.dispose()
    return f"{Path(str(engine.url.database)).name} (mode 0600)" if is_file else "the tables, in PostgreSQL"


@contextmanager
def _reporting_errors(directory: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        message = f"A workspace cannot be created in {directory}: {error.strerror}"
        raise EnvironmentFailedError(message, hint="Check free space and permissions.") from error


def _copy_sample(directory: Path) -> None:
    with as_file(files("digest.workspace") / "sample") as source:
        shutil.copytree(source / "articles", directory / "articles", dirs_exist_ok=True)
        shutil.copyfile(source / CONFIG_NAME, directory / CONFIG_NAME)
        write_private(directory / "readers.csv", (source / "readers.csv").read_bytes())


def _write_secrets(path: Path) -> None:
    text = (
        "# Made by `digest init`. Keep it secret and back it up: without it no link in an old mail works.\n"
        "[secrets]\n"
        f'link_keys = ["{secrets.token_urlsafe(32)}"]  # newest first; every key in the list verifies\n'
        f'suppression_key = "{secrets.token_urlsafe(32)}"  # never change it: the never-send list depends on it\n'
        f'message_key = "{secrets.token_urlsafe(32)}"\n'
    )
    # Created with its mode, not changed afterwards: it is never readable by others.
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)


class SampleContext(OpenWorkspace, Protocol):
    """A new workspace, opened, into which the sample is imported."""

    @property
    def publisher(self) -> Publisher: ...


def import_sample(made: Made, context: SampleContext) -> Made:
    """Import the sample's articles and readers, which `create` has copied; return all that was made."""
    folder = context.settings.workspace
    articles = import_articles(context.publisher, [folder / "articles"], now=context.clock.now())
    readers = import_subscribers(context, folder / "readers.csv")
    imported = (
        f"articles/: {count_of(len(articles.created), 'file')} (articles and their translations), imported",
        f"readers.csv: {count_of(readers.created, 'fictitious reader')}, imported",
    )
    lines = (*made.lines[:2], *imported, *made.lines[-2:])
    return Made(lines, "digest issue assemble --period 2021-09 --number 21")

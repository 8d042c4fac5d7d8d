"""`digest links`: rotation of the keys that sign the links in mails."""

from typing import Annotated, Any

import typer

from digest.cli.options import Yes
from digest.cli.shell import shell_of
from digest.outbox.statistics import mails_sent
from digest.settings import link_keys
from digest.settings.root import load_settings


def list_(context: typer.Context) -> None:
    """List the keys, newest first: the first one signs, all verify. Names are hashes; no key is shown."""
    shell = shell_of(context)
    keys = load_settings(shell.workspace).secrets.link_keys
    _emit(context, [link_keys.name_of(key.get_secret_value()) for key in keys], "")


def rotate(context: typer.Context) -> None:
    """Make a new key that signs from now on. The others still verify: no link in any mail stops working."""
    shell = shell_of(context)
    new, names = link_keys.rotate(shell.workspace)
    line = (
        f"{new} signs from now on. Restart `digest serve` first, on every machine and with the same secrets.toml, "
        "then the workers."
    )
    _emit(context, names, line)


def retire(
    context: typer.Context,
    key: Annotated[str, typer.Argument(metavar="KEY", help="Its name, as `digest links list` shows it.")],
    yes: Yes = False,
) -> None:
    """Take a key out for good. Every link that it signed stops working, those to unsubscribe too. Only after a leak."""
    shell = shell_of(context)
    with shell.session(read_only=True) as session:
        sent = mails_sent(session)
    shell.confirm(
        f"Retire {key}? Links in all mails that it signed stop working, also those by which readers leave "
        f"({sent:,} mails have gone out so far). This cannot be undone.",
        yes=yes,
    )
    _emit(context, link_keys.retire(shell.workspace, key), f"{key} is retired. Restart `digest serve` and the workers.")


def _emit(context: typer.Context, names: list[str], line: str) -> None:
    shell = shell_of(context)
    keys: list[dict[str, Any]] = [{"key": name, "signs": place == 0} for place, name in enumerate(names)]

    def show() -> None:
        shell.out.table(["key", "use"], [[one["key"], "signs" if one["signs"] else "verifies"] for one in keys])
        if line:
            shell.out.line(f"\n{line}")

    shell.out.emit({"keys": keys}, show)

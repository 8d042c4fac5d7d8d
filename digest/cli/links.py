"""`digest links`: rotation of the keys that sign the links in mails."""

from typing import Annotated, Any

import typer

from digest.cli.options import Yes
from digest.cli.shell import shell_of
from digest.outbox.statistics import mails_sent
from digest.runtime.text import count_of
from digest.settings import link_keys
from digest.settings.root import load_settings


def list_(context: typer.Context) -> None:
    """List the keys, newest first.

    The first key signs; all keys verify. Names are hashes, and no key is shown.
    """
    shell = shell_of(context)
    keys = load_settings(shell.workspace).secrets.link_keys
    _emit(context, [link_keys.name_of(key.get_secret_value()) for key in keys], "")


def rotate(context: typer.Context) -> None:
    """Create a new key for signing links from now on.

    The other keys still verify, so every link that has been sent keeps working.
    """
    shell = shell_of(context)
    new, names = link_keys.rotate(shell.workspace)
    line = (
        f"{new} signs from now on. First restart `digest serve` on every machine with the same secrets.toml, then "
        "restart the workers."
    )
    _emit(context, names, line)


def retire(
    context: typer.Context,
    key: Annotated[str, typer.Argument(metavar="KEY", help="The key's name, as listed by `digest links list`.")],
    yes: Yes = False,
) -> None:
    """Permanently remove a key.

    Every link that it signed stops working, including unsubscribe links. Use it only after a leak.
    """
    shell = shell_of(context)
    with shell.session(read_only=True) as session:
        sent = mails_sent(session)
    shell.confirm(
        f"Retire {key}? All links that it signed stop working, including unsubscribe links "
        f"({count_of(sent, 'email')} sent so far). This cannot be undone.",
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

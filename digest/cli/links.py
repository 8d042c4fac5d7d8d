"""`digest links`: the keys that sign the links in mails."""

from typing import Annotated, Any

import typer

from digest.cli.shell import shell_of

app = typer.Typer(name="links", help="Keys of the signed links in mails: list, rotate, retire.", no_args_is_help=True)


@app.command("list")
def list_(context: typer.Context) -> None:
    """List the keys, newest first: the first one signs, all verify. Names are hashes; no key is shown."""
    from digest.settings.link_keys import name_of  # noqa: PLC0415
    from digest.settings.root import load_settings  # noqa: PLC0415

    shell = shell_of(context)
    keys = load_settings(shell.workspace).secrets.link_keys
    _emit(context, [name_of(key.get_secret_value()) for key in keys], "")


@app.command("rotate")
def rotate(context: typer.Context) -> None:
    """Make a new key that signs from now on. The others still verify: no link in any mail stops working."""
    from digest.settings.link_keys import rotate as put_in_front  # noqa: PLC0415

    shell = shell_of(context)
    new, names = put_in_front(shell.workspace)
    told = (
        f"{new} signs from now on. Restart `digest serve` first, on every machine and with the same secrets.toml, "
        "then the workers."
    )
    _emit(context, names, told)


@app.command("retire")
def retire(
    context: typer.Context,
    key: Annotated[str, typer.Argument(metavar="KEY", help="Its name, as `digest links list` shows it.")],
    yes: Annotated[bool, typer.Option("--yes", help="Answer the confirmation.")] = False,
) -> None:
    """Take a key out for good. Every link that it signed stops working, those to unsubscribe too. Only after a leak."""
    from digest.outbox.figures import mails_sent  # noqa: PLC0415
    from digest.settings.link_keys import retire as take_out  # noqa: PLC0415

    shell = shell_of(context)
    with shell.session(read_only=True) as session:
        sent = mails_sent(session)
    shell.confirm(
        f"Retire {key}? Links in all mails that it signed stop working, also those by which readers leave "
        f"({sent:,} mails have gone out so far). This cannot be undone.",
        yes=yes,
    )
    _emit(context, take_out(shell.workspace, key), f"{key} is retired. Restart `digest serve` and the workers.")


def _emit(context: typer.Context, names: list[str], told: str) -> None:
    shell = shell_of(context)
    keys: list[dict[str, Any]] = [{"key": name, "signs": place == 0} for place, name in enumerate(names)]

    def show() -> None:
        shell.out.table(["key", "use"], [[one["key"], "signs" if one["signs"] else "verifies"] for one in keys])
        if told:
            shell.out.line(f"\n{told}")

    shell.out.emit({"keys": keys}, show)

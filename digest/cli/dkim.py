"""`digest dkim`: DKIM keys and their DNS records."""

from typing import Annotated

import typer

from digest.cli.shell import Shell, shell_of
from digest.delivery.dkim import setup
from digest.runtime.clock import open_clock
from digest.settings.root import load_settings


def generate(
    context: typer.Context,
    selector: Annotated[
        str,
        typer.Option(help="Name of the key in DNS. Default: the configured name if its key is missing, else dpYYYYMM."),
    ] = "",
    bits: Annotated[int, typer.Option(min=2048, max=4096, help="Size of the RSA key.")] = 2048,
) -> None:
    """Create a DKIM key and print its DNS record.

    Also prints the lines for digest.toml. An existing key is never overwritten.
    """
    shell = shell_of(context)
    settings = load_settings(shell.workspace)
    today = open_clock().now().astimezone(settings.publication.zone).date()
    made = setup.make(settings, selector, bits, today)
    shell.out.line(f"Created {made.key_file}: RSA, {made.bits} bits, mode 0600. Keep it secret and back it up.\n")
    _print(shell, made)


def show(
    context: typer.Context,
    selector: Annotated[str, typer.Option(help="Another key of this workspace. Default: the configured one.")] = "",
) -> None:
    """Print the DNS record of a DKIM key."""
    shell = shell_of(context)
    _print(shell, setup.show(load_settings(shell.workspace), selector))


def _print(shell: Shell, key: setup.Published) -> None:
    def lines() -> None:
        shell.out.line(f"DNS record, type TXT:\n\n  name:  {key.record.name}\n  value: {key.record.value}\n")
        shell.out.line(f"The same record for a zone file:\n\n{key.record.zone_line}\n")
        if key.is_configured:
            shell.out.line("digest.toml names this key, so it signs email.")
        else:
            shell.out.line(f"When the record is visible in DNS, add this to digest.toml:\n\n{key.config}")

    shell.out.emit(key.as_json(), lines)

"""`digest subscribers form`: the sign-up form for other sites."""

from typing import Annotated

import typer

from digest.cli.shell import shell_of
from digest.web.public.audience import sign_up_form


def form(
    context: typer.Context, language: Annotated[str, typer.Option(help="Default: the publication's.")] = ""
) -> None:
    """Print the sign-up form as HTML for other websites."""
    shell = shell_of(context)
    html = sign_up_form(shell.reader, language)
    shell.out.emit({"html": html}, lambda: shell.out.line(html.rstrip()))

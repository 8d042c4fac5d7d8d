"""`digest init` and `digest demo`."""

import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from digest.app import open_app
from digest.cli.editions import edition_rows, show_editions
from digest.cli.preview import preview_anywhere
from digest.cli.shell import Shell, shell_of
from digest.runtime.text import count_of
from digest.workspace import demo as demonstration
from digest.workspace.create import Made, create, import_sample


def init(
    context: typer.Context,
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="The folder of the new workspace.")],
    sample: Annotated[
        bool, typer.Option("--sample", help="Include issue 21's articles and fictitious readers.")
    ] = False,
) -> None:
    """Create a workspace. Creates digest.toml, secrets, articles/, templates/ for overrides, and digest.db."""
    shell = shell_of(context)
    made = _create(directory, sample=sample)

    def tell() -> None:
        shell.out.line(f"Created a workspace in {directory}:")
        for line in made.lines:
            shell.out.line(f"  {line}")
        shell.out.line(f"\nNext: cd {directory} && {made.next_command}")

    shell.out.emit({"workspace": str(directory), "made": made.lines}, tell)


def _create(directory: Path, *, sample: bool) -> Made:
    made = create(directory, sample=sample)
    if not sample:
        return made
    with open_app(directory) as app:
        return import_sample(made, app)


def demo(
    context: typer.Context,
    keep: Annotated[Path | None, typer.Option(metavar="DIR", help="Keep the workspace in this folder.")] = None,
    look: Annotated[
        bool, typer.Option("--look", help="Then show every edition in the browser, on this machine.")
    ] = False,
) -> None:
    """Publish a sample issue into a local Maildir. Imports, assembles, approves and delivers issue 21."""
    shell = shell_of(context)
    shell.out.line("Publishing sample issue 21 into a Maildir ...\n")
    directory = keep or Path(tempfile.mkdtemp(prefix="digest-demo-"))
    made = _create(directory, sample=True)
    with open_app(directory) as app:
        done = demonstration.run(app)
    editions = edition_rows(done.made)
    data: dict[str, Any] = {
        **done.result.as_json(),
        "editions": editions,
        "second_send": {"sent": done.sent_again},
        "workspace": str(directory),
        "maildir": str(done.maildir),
    }
    shell.out.emit(data, lambda: _show(shell, made, done, data))
    if look:
        made_one = Shell(workspace=str(directory), as_json=shell.out.as_json, verbose=shell.verbose)
        preview_anywhere(made_one, demonstration.NUMBER)


def _show(shell: Shell, made: Made, done: demonstration.Demonstrated, data: Mapping[str, Any]) -> None:
    line, table, editions = shell.out.line, shell.out.table, data["editions"]
    for text in made.lines:
        line(f"  {text}")
    line(
        f"\nIssue {data['issue']}: {count_of(len(done.made.content.articles), 'article')}, "
        f"{count_of(len(editions), 'edition')}\n"
    )
    show_editions(shell, editions)
    line(f"\n{count_of(data['planned'], 'delivery', 'deliveries')} planned:")
    table(["outcome", "readers"], [[state, count] for state, count in data["states"].items() if count])
    line("\nExcluded:")
    table(["reason", "readers"], sorted(data["excluded"].items()))
    line(f"\nA second send sent {count_of(done.sent_again, 'email')}: each reader gets an issue once.")
    line(f"\nThe emails are in {done.maildir}, a Maildir that any mail client can open.")
    # after scripts/demo there is no `digest` on the PATH
    command = "digest" if shutil.which("digest") else sys.argv[0]
    line(f"To read them in the browser: {command} sink --maildir {data['maildir']}")
    line(f"To see every edition: {command} --workspace {data['workspace']} preview {data['issue']}")

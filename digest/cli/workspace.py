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
from digest.cli.shell import Shell, shell_of
from digest.workspace import demo as demonstration
from digest.workspace.create import Made, create, import_sample


def init(
    context: typer.Context,
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="The new workspace's folder.")],
    sample: Annotated[bool, typer.Option("--sample", help="With issue 21's articles and invented readers.")] = False,
) -> None:
    """Make a workspace: digest.toml, secrets, articles/, templates/ for overrides, digest.db."""
    shell = shell_of(context)
    made = _create(directory, sample=sample)

    def tell() -> None:
        shell.out.line(f"A workspace is in {directory}:")
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
    keep: Annotated[Path | None, typer.Option(metavar="DIR", help="Keep the workspace here.")] = None,
) -> None:
    """Do the main job on the sample: import, assemble, approve and deliver issue 21 into a Maildir."""
    shell = shell_of(context)
    shell.out.line("Publishing issue 21 of the sample into a Maildir ...\n")
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


def _show(shell: Shell, made: Made, done: demonstration.Demonstrated, data: Mapping[str, Any]) -> None:
    line, table, editions = shell.out.line, shell.out.table, data["editions"]
    for text in made.lines:
        line(f"  {text}")
    line(f"\nIssue {data['issue']}: {len(done.made.content.articles)} articles, {len(editions)} editions\n")
    show_editions(shell, editions)
    line(f"\n{data['planned']} deliveries planned:")
    table(["outcome", "readers"], [[state, count] for state, count in data["states"].items() if count])
    line("\nExcluded, and why:")
    table(["reason", "readers"], sorted(data["excluded"].items()))
    line(f"\nSending once more sent {done.sent_again} mails: an issue reaches a reader once.")
    line(f"\nThe mails are in {done.maildir}, a Maildir that any mail client opens.")
    # after scripts/demo there is no `digest` on the PATH
    command = "digest" if shutil.which("digest") else sys.argv[0]
    line(f"Next: {command} --workspace {data['workspace']} preview {data['issue']}")

"""`digest db backup` and `restore`."""

from pathlib import Path
from typing import Annotated

import typer

from digest.cli.options import Yes
from digest.cli.shell import Shell, shell_of
from digest.workspace.backup import backup as backups


def backup(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="Where to; an earlier backup of that name is replaced.")],
    keep_days: Annotated[
        int | None, typer.Option(min=1, help="Then remove backups (*.backup) beside it that are older than this.")
    ] = None,
) -> None:
    """Write the whole database into one file, readable by you only, and check it; the database may be in use."""
    shell = shell_of(context)
    saved = backups.backup(shell.workspace, file, keep_days)

    def tell() -> None:
        shell.out.line(f"{saved.file}: {saved.size:,} bytes ({saved.database}, revision {saved.revision}).")
        shell.out.line(f"It was read again and holds all {saved.rows:,} rows.")
        for path in saved.removed:
            shell.out.line(f"Removed: {path}")
        shell.out.line(f"Not in it, keep them too: {', '.join(saved.not_contained)}")

    shell.out.emit(saved.as_json(), tell)


def restore(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="What `digest db backup` wrote.")],
    yes: Yes = False,
) -> None:
    """Put a backup in the place of the database. What was being sent is held, and nobody gets a mail twice."""
    shell = shell_of(context)
    with backups.restoring(shell.workspace, file) as ready:
        if ready.loses:
            shell.confirm(f"Replace the present database ({ready.loses}) by {file}?", yes=yes)
        restored = ready.run()
    shell.out.emit({"file": str(file), **restored.as_json()}, lambda: _tell_restored(shell, restored))


def _tell_restored(shell: Shell, restored: backups.Restored) -> None:
    say, after = shell.out.line, restored.aftermath
    say(f"The database is restored, at revision {restored.revision}.")
    if restored.kept:
        say(f"What it replaced is kept as {restored.kept}; it holds personal data, delete it when you are done.")
    for line in _what_to_do(after.held, after.frozen, after.drafts, after.uncertain + after.notices):
        say(f"- {line}")
    if restored.skipped:
        say(f"- The schedule will not run {', '.join(restored.skipped)}: it may have run already.")
    known = f" (it knows of nothing sent after {after.known_until:%Y-%m-%d %H:%M} UTC)" if after.known_until else ""
    say(f"- What happened after the backup{known} is missing: sign-ups, unsubscribes, suppressions, erasures, issues.")
    say("  Before anything is sent, look for unsubscribes since then: in the database that was replaced (export it,")
    say("  import that), in the relay's log (goodbyes), in the mailbox. Enter them: digest suppress add ADDRESS")


def _what_to_do(held: tuple[int, ...], frozen: tuple[int, ...], drafts: tuple[int, ...], doubtful: int) -> list[str]:
    def named(numbers: tuple[int, ...]) -> str:
        return f"Issue {', '.join(map(str, numbers))}"

    todo = []
    if doubtful:
        todo.append(f"{doubtful:,} mails may have been sent after the backup: uncertain. Next: digest outbox reconcile")
    if held:
        todo.append(f"{named(held)} is held. When nothing is in doubt any more: digest outbox release")
    if frozen:
        todo.append(f"{named(frozen)} had not been begun; release it only if it was not sent after the backup either.")
    if drafts:
        todo.append(f"{named(drafts)} is a draft again; approve it only if it was not sent after the backup.")
    return todo

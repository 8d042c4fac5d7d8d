"""`digest db backup` and `restore`."""

from pathlib import Path
from typing import Annotated

import typer

from digest.cli.options import Yes
from digest.cli.shell import Shell, shell_of
from digest.runtime.text import count_of
from digest.workspace.backup import backup as backups


def backup(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="The file to write; an earlier backup with this name is replaced.")],
    keep_days: Annotated[
        int | None,
        typer.Option(
            min=1, help="Afterwards, remove backups (*.backup) in the same folder that are older than this many days."
        ),
    ] = None,
) -> None:
    """Back up the whole database to one file and check it.

    Only you can read the file. The database may be in use.
    """
    shell = shell_of(context)
    saved = backups.backup(shell.workspace, file, keep_days)

    def tell() -> None:
        shell.out.line(f"{saved.file}: {saved.size:,} bytes ({saved.database}, revision {saved.revision}).")
        shell.out.line(f"The file was read back and contains all {count_of(saved.rows, 'row')}.")
        for path in saved.removed:
            shell.out.line(f"Removed: {path}")
        shell.out.line(f"Not included, back these up too: {', '.join(saved.not_contained)}")

    shell.out.emit(saved.as_json(), tell)


def restore(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="A file written by `digest db backup`.")],
    yes: Yes = False,
) -> None:
    """Replace the database with a backup.

    Issues that were being sent are held, so that no reader receives an email twice.
    """
    shell = shell_of(context)
    with backups.restoring(shell.workspace, file) as ready:
        if ready.loses:
            shell.confirm(f"Replace the present database ({ready.loses}) with {file}?", yes=yes)
        restored = ready.run()
    shell.out.emit({"file": str(file), **restored.as_json()}, lambda: _tell_restored(shell, restored))


def _tell_restored(shell: Shell, restored: backups.Restored) -> None:
    say, after = shell.out.line, restored.aftermath
    say(f"The database is restored, at revision {restored.revision}.")
    if restored.kept:
        say(
            f"The previous database is kept as {restored.kept}. It contains personal data; delete it when you "
            "no longer need it."
        )
    for line in _what_to_do(after.held, after.frozen, after.drafts, after.uncertain + after.notices):
        say(f"- {line}")
    if restored.skipped:
        say(f"- The schedule will not run {', '.join(restored.skipped)}, because it may already have run.")
    known = f" (its last record of sending is from {after.known_until:%Y-%m-%d %H:%M} UTC)" if after.known_until else ""
    say(
        f"- Everything that happened after the backup{known} is missing: sign-ups, unsubscribes, suppressions, "
        "erasures, issues."
    )
    say("  Before you send anything, find unsubscribes since then: in the replaced database (export it and import")
    say("  the file here), in the relay's log (goodbye emails), in the mailbox. Add them: digest suppress add ADDRESS")


def _what_to_do(held: tuple[int, ...], frozen: tuple[int, ...], drafts: tuple[int, ...], doubtful: int) -> list[str]:
    def named(numbers: tuple[int, ...]) -> str:
        return f"Issue {', '.join(map(str, numbers))}"

    todo = []
    if doubtful:
        todo.append(
            f"{count_of(doubtful, 'email')} may have been sent after the backup (state: uncertain). Next: "
            "digest outbox reconcile"
        )
    if held:
        todo.append(f"{named(held)} is held. When no delivery is uncertain: digest outbox release")
    if frozen:
        todo.append(f"{named(frozen)} had not started; release it only if it was not sent after the backup.")
    if drafts:
        todo.append(f"{named(drafts)} is a draft again; approve it only if it was not sent after the backup.")
    return todo

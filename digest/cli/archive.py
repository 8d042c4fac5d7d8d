"""`digest archive`: export of the public archive as a static site."""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress

from digest.cli.output import Output
from digest.cli.shell import shell_of
from digest.runtime.errors import EXIT_ATTENTION
from digest.runtime.text import count_of
from digest.web.archive import exporting


@contextmanager
def progress_of(what: str) -> Iterator[Callable[[int, int], None]]:
    """Yield a callback (done, total) that shows a progress bar on stderr, if that is a terminal."""
    with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, of: bar.update(task, completed=done, total=of)


def export(
    context: typer.Context,
    directory: Annotated[
        Path, typer.Argument(metavar="DIR", help="An empty or new folder, or the folder of an earlier export.")
    ],
    base_url: Annotated[
        str, typer.Option("--base-url", help="The site's address, for its feeds. Default: [publication] base_url.")
    ] = "",
) -> None:
    """Write or update the archive as a static site.

    Writes all issues, pictures and feeds. Files that the export did not create are left alone.
    """
    shell = shell_of(context)
    with progress_of("Writing issues") as progress:
        report = exporting.export(shell.reader.publisher, directory, base_url=base_url, progress=progress)
    names = ("issues", "files", "bytes", "written", "unchanged", "removed", "left")
    data: dict[str, Any] = {"directory": str(directory), **{name: getattr(report, name) for name in names}}
    shell.out.emit(data, lambda: _show(shell.out, data))
    if report.left:
        raise typer.Exit(EXIT_ATTENTION)


def _show(out: Output, data: Mapping[str, Any]) -> None:
    counts = f"{data['written']} written, {data['unchanged']} unchanged, {data['removed']} removed"
    out.line(
        f"{count_of(data['issues'], 'issue')}, {count_of(data['files'], 'file')} in {data['directory']}: {counts}."
    )
    for path in data["left"]:
        out.line(f"Skipped because it was edited there: {path}")

"""`digest editions` and `digest preview`: who gets what, and how it looks."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from digest.cli.issue import Number, build_of
from digest.cli.shell import Shell, shell_of
from digest.publish import import_articles

if TYPE_CHECKING:
    from digest.publish.build import Build


def register(app: typer.Typer) -> None:
    """Add the commands to the app."""
    app.command("editions")(editions)
    app.command("preview")(preview)


def editions(context: typer.Context, number: Number = None) -> None:
    """Print the matrix: edition × articles × readers."""
    shell = shell_of(context)
    with shell.session(read_only=True) as session:
        made = build_of(shell, session, number)
    rows = edition_rows(made)

    def show() -> None:
        readers = sum(edition.readers for edition in made.editions)
        shell.out.line(f"Issue {made.issue.number}: {readers} readers, {len(rows)} editions")
        show_editions(shell, rows)
        shell.out.line(f"\nNext: digest preview {made.issue.number}")

    shell.out.emit({"issue": made.issue.number, "editions": rows}, show)


def edition_rows(made: "Build") -> list[dict[str, Any]]:
    """Return what `editions --json` prints, a row an edition."""
    return [
        {
            "id": place,
            "language": edition.selection.language,
            "interests": [[slug for slug in reading.interests.split(";") if slug] for reading in edition.readings],
            "frequency": edition.selection.frequency,
            "articles": edition.slugs,
            "readers": edition.readers,
            "html_bytes": len(edition.rendered.html.encode()),
        }
        for place, edition in enumerate(made.editions, start=1)
    ]


def show_editions(shell: Shell, rows: list[dict[str, Any]]) -> None:
    """Print the matrix as a table."""
    columns = ["edition", "language", "interests", "articles", "readers", "HTML bytes"]
    shell.out.table(
        columns,
        [
            [
                row["id"],
                row["language"],
                " | ".join(_interests_label(interests) for interests in row["interests"]) + _often(row["frequency"]),
                len(row["articles"]),
                row["readers"],
                row["html_bytes"],
            ]
            for row in rows
        ],
    )


def _often(frequency: str) -> str:
    return "" if frequency == "every" else f" (every {frequency} issue)"


def _interests_label(interests: list[str]) -> str:
    return "everything" if interests == ["*"] else ", ".join(interests) or "no interests"


def preview(
    context: typer.Context,
    number: Number = None,
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1; 0 takes a free one.")] = 8024,
) -> None:
    """Show every edition as each kind of reader will see it, on loopback, reloading when a file changes."""
    from digest.web.app import preview_app  # noqa: PLC0415
    from digest.web.http.server import serve_on_loopback  # noqa: PLC0415

    shell = shell_of(context)
    articles = shell.app.settings.workspace / "articles"
    app = preview_app(
        shell.app.publisher,
        number,
        shell.app.clock,
        # built anew each time: digest.toml may have a new section since
        reimport=lambda: import_articles.import_articles(shell.open().publisher, [articles], now=shell.app.clock.now()),
        reload=lambda: shell.open().publisher,
    )
    serve_on_loopback(
        app,
        "127.0.0.1",
        port,
        told=lambda address: shell.out.note(
            f"The desk is on {address}; it reloads when a file changes. Ctrl-C ends it."
        ),
    )

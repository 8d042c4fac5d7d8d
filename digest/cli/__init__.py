"""The command line: one file a noun, no logic. Builds the app, turns errors into exit codes."""

import logging
import os
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from digest import __version__
from digest.cli import (
    archive,
    articles,
    config,
    db,
    dkim,
    doctor,
    editions,
    issue,
    links,
    metrics,
    outbox,
    report,
    schedule,
    send,
    serve,
    sink,
    subscribers,
    suppress,
    tell,
    workspace,
)
from digest.cli.shell import Shell
from digest.runtime import logs
from digest.runtime.errors import EXIT_ENVIRONMENT, EXIT_REFUSED, EXIT_USAGE, DigestError
from digest.runtime.privacy import masked

# Options that belong to every command and may stand anywhere on the line; the number of values each takes.
GLOBAL_OPTIONS = {"--workspace": 1, "--json": 0, "--verbose": 0, "-v": 0, "--log-format": 1}

app = typer.Typer(
    name="digest",
    help="Publish a recurring e-mail digest: assemble the issue, see every edition, send each reader one mail.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help: drawing boxes would take longer than all the rest of `--help`
    context_settings={"help_option_names": ["-h", "--help"]},
)
for group in (articles, issue, archive, outbox, schedule, subscribers, suppress, db, config, dkim, links):
    app.add_typer(group.app)
for single in (workspace, editions, send, serve, sink, doctor, tell, metrics, schedule, report):
    single.register(app)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"digest {__version__}")
        raise typer.Exit


@app.callback()
def _globals(
    context: typer.Context,
    workspace: Annotated[str, typer.Option(help="The workspace; default: this folder or the nearest one above.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="More to read, and tracebacks of errors.")] = False,
    log_format: Annotated[
        str, typer.Option(help="Form of what goes to stderr: text or json; default: DIGEST_LOG, else text.")
    ] = "",
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version.")
    ] = False,
) -> None:
    """Options that every command understands, wherever they stand on the line."""
    del version
    form = logs.form_of(log_format)
    os.environ[logs.VARIABLE] = form  # for processes that we start
    logs.set_up(form, verbose=verbose)
    context.obj = Shell(workspace=workspace, as_json=as_json, verbose=verbose, log_json=form == "json")


def hoist(arguments: Sequence[str]) -> list[str]:
    """Return the arguments with the global options in front, so that `digest send --json` works."""
    front: list[str] = []
    rest: list[str] = []
    queue = list(arguments)
    while queue:
        argument = queue.pop(0)
        name = argument.split("=", 1)[0]
        if argument == "--":
            rest += [argument, *queue]
            break
        if name not in GLOBAL_OPTIONS:
            rest.append(argument)
            continue
        front.append(argument)
        if GLOBAL_OPTIONS[name] and "=" not in argument and queue:
            front.append(queue.pop(0))
    return front + rest


def main() -> None:
    """Run the command; every error becomes one sentence, a hint and an exit code."""
    arguments = hoist(sys.argv[1:])
    verbose = "-v" in arguments or "--verbose" in arguments
    try:
        app(args=arguments)
    except DigestError as error:
        _fail(error.message, error.hint, error.exit_code, error if verbose else None)
    except KeyboardInterrupt:
        _fail("Stopped", "Run the same command again to go on.", 130, None)
    except BrokenPipeError:  # the reader of our output went away, such as `head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except OSError as error:
        name = f" ({error.filename})" if error.filename else ""
        _fail(
            f"{error.strerror or error}{name}",
            "Check space and permissions.",
            EXIT_ENVIRONMENT,
            error if verbose else None,
        )
    except Exception as error:  # noqa: BLE001 - the last seam before the user
        _fail_unexpected(error, verbose=verbose)


def _fail_unexpected(error: Exception, *, verbose: bool) -> None:
    from sqlalchemy.exc import DBAPIError  # noqa: PLC0415 - only when something has failed already

    from subscribers.errors import ConsentRefusedError, SubscribersError  # noqa: PLC0415

    if isinstance(error, DBAPIError):
        from digest.runtime.db import explain  # noqa: PLC0415

        told = explain(error)
        _fail(told.message, told.hint, told.exit_code, error if verbose else None)
    if isinstance(error, SubscribersError):
        code = EXIT_REFUSED if isinstance(error, ConsentRefusedError) else EXIT_USAGE
        _fail(str(error), error.hint, code, error if verbose else None)
    if isinstance(error, UnicodeEncodeError) and any(map(_has_other_bytes, sys.argv)):
        hint = "Set the terminal to UTF-8 and write it again."
        _fail("What was written after `digest` is not all text in UTF-8", hint, EXIT_USAGE, error if verbose else None)
    _fail(
        f"Unexpected: {type(error).__name__}: {error}",
        "Run it again with -v and report what it prints.",
        70,
        error if verbose else None,
    )


def _has_other_bytes(argument: str) -> bool:
    """Whether an argument has bytes that were no text; the name of a file may, what is looked for may not."""
    return any("\ud800" <= character <= "\udfff" for character in argument)


def _fail(message: str, hint: str, code: int, shown: BaseException | None) -> None:
    story = ""
    if shown is not None:
        import traceback  # noqa: PLC0415

        story = masked("".join(traceback.format_exception(shown)))
    if _logs_json():
        typer.echo(logs.line(message, level="error", logger="digest", hint=hint, exception=story), err=True)
        sys.exit(code)
    if story:
        typer.echo(story, err=True, nl=False)
    typer.echo(f"{message.rstrip('.')}.", err=True)
    if hint:
        typer.echo(f"  → {hint}", err=True)
    sys.exit(code)


def _logs_json() -> bool:
    root = logging.getLogger()
    return any(isinstance(handler.formatter, logs.JsonLines) for handler in root.handlers)

"""Entry point of the command line: global options, and exit codes of errors. The commands are one module a noun."""

import atexit
import gc
import logging
import os
import sys
import traceback
from collections.abc import Sequence
from itertools import islice
from typing import Annotated, Any

import typer

from digest import __version__
from digest.cli.commands import COMMANDS
from digest.cli.groups import LazyGroup
from digest.cli.shell import Shell
from digest.runtime import logs
from digest.runtime.errors import EXIT_ENVIRONMENT, DigestError
from digest.runtime.privacy import masked
from digest.runtime.text import ended

# Options that belong to every command and may stand anywhere on the line; the number of values each takes.
GLOBAL_OPTIONS = {"--workspace": 1, "--json": 0, "--verbose": 0, "-v": 0, "--log-format": 1}


class DigestGroup(LazyGroup):
    """The root of the command tree."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(table=COMMANDS, **attributes)


app = typer.Typer(
    name="digest",
    cls=DigestGroup,
    help="Publish a recurring email digest: assemble an issue, review every edition, and send each reader one email.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help: drawing boxes would take longer than all the rest of `--help`
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"digest {__version__}")
        raise typer.Exit


@app.callback()
def _globals(
    context: typer.Context,
    workspace: Annotated[str, typer.Option(help="The workspace. Default: this folder or the nearest one above.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document to stdout.")] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Show more detail, and tracebacks of errors.")
    ] = False,
    log_format: Annotated[
        str, typer.Option(help="Format of messages on stderr: text or json. Default: DIGEST_LOG, else text.")
    ] = "",
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version and exit.")
    ] = False,
) -> None:
    """Options that every command understands, wherever they stand on the line."""
    del version
    form = logs.form_of(log_format)
    os.environ[logs.VARIABLE] = form  # for processes that we start
    logs.set_up(form, verbose=verbose)
    context.obj = shell = Shell(workspace=workspace, as_json=as_json, verbose=verbose, log_json=form == "json")
    context.call_on_close(shell.close)


def hoist(arguments: Sequence[str]) -> list[str]:
    """Return the arguments with the global options in front, so that `digest send --json` works."""
    front: list[str] = []
    rest: list[str] = []
    queue = iter(arguments)
    for argument in queue:
        name = argument.split("=", 1)[0]
        if argument == "--":
            rest += [argument, *queue]
        elif name not in GLOBAL_OPTIONS:
            rest.append(argument)
        else:
            front.append(argument)
            if "=" not in argument:
                front += islice(queue, GLOBAL_OPTIONS[name])
    return front + rest


def main() -> None:
    """Run the command; every error becomes one sentence, a hint and an exit code."""
    # Modules make no garbage: the collector would search them in vain, while they load and once more at exit.
    gc.disable()
    atexit.register(gc.freeze)
    arguments = hoist(sys.argv[1:])
    verbose = "-v" in arguments or "--verbose" in arguments
    try:
        app(args=arguments)
    except SystemExit as end:
        if not isinstance(end.__context__, BrokenPipeError):
            raise
        # The reader of our output went away, such as `head`; typer's 1 would say that something is wrong.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except DigestError as error:
        _fail(error.message, error.hint, error.exit_code, error if verbose else None)
    except KeyboardInterrupt:
        _fail("Stopped", "Run the same command again to resume.", 130, None)
    except OSError as error:
        name = f" ({error.filename})" if error.filename else ""
        message, hint = f"{error.strerror or error}{name}", "Check free space and permissions."
        _fail(message, hint, EXIT_ENVIRONMENT, error if verbose else None)
    except Exception as error:  # noqa: BLE001 - the last seam before the user
        from digest.cli.failures import explained  # noqa: PLC0415 - the database, which `--help` does not load

        failure = explained(error)
        _fail(failure.message, failure.hint, failure.exit_code, error if verbose else None)


def _fail(message: str, hint: str, code: int, shown: BaseException | None) -> None:
    story = masked("".join(traceback.format_exception(shown))) if shown is not None else ""
    if _logs_json():
        typer.echo(logs.line(message, level="error", logger="digest", hint=hint, exception=story), err=True)
        sys.exit(code)
    if story:
        typer.echo(story, err=True, nl=False)
    typer.echo(ended(message), err=True)
    if hint:
        typer.echo(f"  → {hint}", err=True)
    sys.exit(code)


def _logs_json() -> bool:
    root = logging.getLogger()
    return any(isinstance(handler.formatter, logs.JsonLines) for handler in root.handlers)

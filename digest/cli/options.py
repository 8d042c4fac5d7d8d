"""Arguments and options shared by commands."""

from typing import Annotated

import typer

from digest.runtime.keys import MAX_KEY

IssueNumber = Annotated[
    int | None,
    typer.Argument(min=1, max=MAX_KEY, help="The issue's number; default: the unfinished one, else the newest."),
]
DeliveredIssueNumber = Annotated[
    int | None, typer.Argument(min=1, max=MAX_KEY, help="The issue's number; default: the newest that is on its way.")
]
ReportedIssueNumber = Annotated[
    int | None, typer.Argument(min=1, max=MAX_KEY, help="The issue's number; default: all issues in few numbers.")
]
RequiredIssueNumber = Annotated[int, typer.Argument(min=1, max=MAX_KEY, help="The issue's number.")]
IssueOption = Annotated[
    int | None, typer.Option("--issue", min=1, max=MAX_KEY, help="The issue; default: the newest that is on its way.")
]
DeliveryId = Annotated[
    int, typer.Argument(metavar="ID", min=1, max=MAX_KEY, help="A delivery, as `outbox list` numbers them.")
]
DeliveryIds = Annotated[
    list[int] | None,
    typer.Argument(metavar="[ID]...", min=1, max=MAX_KEY, help="Deliveries, as `outbox list` numbers them."),
]
Address = Annotated[str, typer.Argument(metavar="ADDRESS")]
TextLanguage = Annotated[str, typer.Option(help="One of the publication's languages; default: all of them.")]
RelayOption = Annotated[str, typer.Option(help="smtp://host:port or maildir:PATH instead of the configured transport.")]
DryRunImport = Annotated[bool, typer.Option("--dry-run", help="Say what would happen; write nothing.")]
FileEncoding = Annotated[str, typer.Option("--encoding", help="Of files that are not UTF-8, such as cp949 or cp1252.")]
DryRunCount = Annotated[bool, typer.Option("--dry-run", help="Only count.")]
JsonLines = Annotated[bool, typer.Option("--jsonl", help="One JSON object a line.")]
Yes = Annotated[bool, typer.Option("--yes", help="Answer the confirmation.")]

"""Arguments and options shared by commands."""

from typing import Annotated

import typer

from digest.runtime.keys import MAX_KEY

IssueNumber = Annotated[
    int | None,
    typer.Argument(min=1, max=MAX_KEY, help="The issue's number. Default: the unfinished one, else the newest."),
]
DeliveredIssueNumber = Annotated[
    int | None, typer.Argument(min=1, max=MAX_KEY, help="The issue's number. Default: the newest that is being sent.")
]
ReportedIssueNumber = Annotated[
    int | None, typer.Argument(min=1, max=MAX_KEY, help="The issue's number. Default: a summary of all issues.")
]
RequiredIssueNumber = Annotated[int, typer.Argument(min=1, max=MAX_KEY, help="The issue's number.")]
IssueOption = Annotated[
    int | None, typer.Option("--issue", min=1, max=MAX_KEY, help="The issue. Default: the newest that is being sent.")
]
DeliveryId = Annotated[
    int, typer.Argument(metavar="ID", min=1, max=MAX_KEY, help="A delivery's ID, as listed by `digest outbox list`.")
]
DeliveryIds = Annotated[
    list[int] | None,
    typer.Argument(metavar="[ID]...", min=1, max=MAX_KEY, help="Delivery IDs, as listed by `digest outbox list`."),
]
Address = Annotated[str, typer.Argument(metavar="ADDRESS")]
TextLanguage = Annotated[str, typer.Option(help="One of the publication's languages. Default: all of them.")]
RelayOption = Annotated[
    str, typer.Option(help="Use smtp://host:port or maildir:PATH instead of the configured transport.")
]
DryRunImport = Annotated[bool, typer.Option("--dry-run", help="Show what would happen without writing anything.")]
FileEncoding = Annotated[
    str, typer.Option("--encoding", help="Encoding of files that are not UTF-8, such as cp949 or cp1252.")
]
DryRunCount = Annotated[bool, typer.Option("--dry-run", help="Only count; change nothing.")]
JsonLines = Annotated[bool, typer.Option("--jsonl", help="Print one JSON object per line.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")]

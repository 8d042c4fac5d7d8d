"""Tables on stdout, drawn by rich."""

import sys
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

PIPE_WIDTH = 240


def print_table(title: str, columns: Sequence[str], numeric: Sequence[bool], rows: Iterable[Sequence[str]]) -> None:
    """Print rows of plain text under their columns; `numeric` says which are right-aligned."""
    table = Table(title=title or None, title_justify="left", header_style="bold", box=None, pad_edge=False)
    for column, right in zip(columns, numeric, strict=True):
        table.add_column(column, justify="right" if right else "left", overflow="fold")
    for row in rows:
        # Text, not str: rich would read [brackets] in users' words as markup.
        table.add_row(*map(Text, row))
    # Into a file or a pipe nothing is folded: an address in two halves can be neither read nor copied.
    Console(width=None if sys.stdout.isatty() else PIPE_WIDTH).print(table)

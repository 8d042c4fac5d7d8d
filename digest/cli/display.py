"""Live progress display on a terminal, by rich."""

from collections.abc import Callable
from typing import TextIO

from rich.console import Console, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from digest.cli.progress import Picture


def show(picture: Callable[[], Picture], stream: TextIO, per_second: float) -> Callable[[], None] | None:
    """Start a live display of `picture` on a terminal; return a function to stop it, None if `stream` is none."""
    console = Console(file=stream)
    if not console.is_terminal or console.is_dumb_terminal:
        return None
    live = Live(
        get_renderable=lambda: _drawn(picture()), console=console, refresh_per_second=per_second, transient=True
    )
    live.start()
    return live.stop


def _drawn(picture: Picture) -> RenderableType:
    text = Text(picture.text, overflow="fold")
    if not picture.total:
        return text
    drawn = Table.grid()
    drawn.add_row(ProgressBar(total=picture.total, completed=picture.done, width=40))
    drawn.add_row(text)
    return drawn

"""Tables in Markdown whose rows have more cells than the head: GFM drops those cells. Pure."""

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock, table
from markdown_it.rules_block.table import escapedSplit, getLine

from digest.articles.markdown.remarks import REMARKS

_HINT = r"Write \| for a | inside a cell, also within code; or give the head a cell for each."


def install(parser: MarkdownIt) -> None:
    """Refuse rows that are longer than their head."""
    parser.block.ruler.at("table", _table, {"alt": ["paragraph", "reference"]})


def _table(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    known = len(state.tokens)
    if not table(state, start, end, silent):
        return False
    heads = sum(token.type == "th_open" for token in state.tokens[known:])
    for row in state.tokens[known:]:
        if row.type != "tr_open" or not row.map:
            continue
        line = getLine(state, row.map[0]).strip()
        cells = [cell.strip() for cell in escapedSplit(line)]
        cells = cells[1 if cells and not cells[0] else 0 :]
        cells = cells[: -1 if cells and not cells[-1] else None]
        if len(cells) > heads:
            lost = " | ".join(cells[heads:])
            message = f"The row has {len(cells)} cells, its head {heads}; this would be lost: {lost}."
            state.env[REMARKS].refuse(row.map, line, message, _HINT)
    return True

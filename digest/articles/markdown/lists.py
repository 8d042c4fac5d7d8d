"""Lists in Markdown: bullets as Word and Korean offices write them, tasks, terms with definitions. Pure."""

import re
from collections.abc import Iterable, Sequence
from itertools import groupby

from markdown_it import MarkdownIt
from markdown_it.token import Token
from mdit_py_plugins.deflist import deflist_plugin

OWN_MARK = "own"
"""Class of a list item that begins with its own mark."""

# Word's own bullets are private characters of its symbol font.
_BULLET = r"[•‣▪◦⁃∙●\uf0b7\uf0a7\uf0d8\uf076][ \t\u00a0\u3000]+|[o§][ ]*\t+"
_DASH = r"[–—·ㆍ・][ \t\u00a0\u3000]+"
_NUMBER = "①-⑳㉠-㉻❶-❿➀-➓ⓐ-ⓩ㊀-㊉"
_SIGN = "○□■◇◆▷▶►☞✓✔☐☑"
_ALWAYS = re.compile(rf"^([ ]{{0,3}})(?:{_BULLET})(?=\S)")
_AMONG_OTHERS = re.compile(rf"^([ ]{{0,3}})(?:{_DASH})(?=\S)")
_KEEPING = re.compile(rf"^([ ]{{0,3}})([{_NUMBER}]|[{_SIGN}](?=[ \t\u00a0\u3000]))[ \t\u00a0\u3000]*(?=\S)")
_FENCE = re.compile(r"^[ ]{0,3}(?:```|~~~)")
_OWN = re.compile(rf"[{_NUMBER}{_SIGN}]\s*")
_LONE = re.compile(rf"([{_NUMBER}]) +")
_BREAK = re.compile(r"(?<!\\)\\$")
_TASK = re.compile(r"\[([ xX])\]\s+")


def install(parser: MarkdownIt) -> None:
    """Read `: ` below a line as its definition."""
    parser.use(deflist_plugin)


def with_bullets(source: str) -> str:
    """Return the source with lists for lines that begin with a bullet; lines keep their number.

    A dash, a circled number or a sign makes a list only where another marked line stands beside it.
    """
    lines = source.split("\n")
    fenced, free = False, list[bool]()
    for line in lines:
        border = _FENCE.match(line) is not None
        free.append(not fenced and not border and bool(line.strip()))
        fenced ^= border
    changed: list[str] = []
    for is_free, numbers in groupby(range(len(lines)), key=free.__getitem__):
        block = [lines[number] for number in numbers]
        changed += _listed(block) if is_free else block
    return "\n".join(changed)


def _listed(block: Sequence[str]) -> Iterable[str]:
    if any(line.endswith(("\\", "  ")) for line in block[:-1]):  # an author who breaks lines means lines
        return block
    return _as_items(block)


def _as_items(block: Sequence[str]) -> Iterable[str]:
    marked = sum(any(rule.match(line) for rule in (_ALWAYS, _AMONG_OTHERS, _KEEPING)) for line in block)
    changed = [_ALWAYS.sub(r"\1- ", line) for line in block]
    if marked > 1:
        changed = [_KEEPING.sub(r"\1- \2 ", _AMONG_OTHERS.sub(r"\1- ", line)) for line in changed]
    for following, line in enumerate(changed, start=1):
        # a hard break before the next item would be a backslash that readers see
        ends_item = following < len(block) and changed[following] != block[following]
        yield _BREAK.sub("", line) if ends_item else line


def bound(text: str) -> str:
    """Return a text whose circled numbers do not end a line alone."""
    return _LONE.sub("\\1\u00a0", text)


def mark_items(tokens: Sequence[Token]) -> None:
    """Turn `[ ]` and `[x]` at the beginning of items to boxes, and mark the items that need no bullet."""
    for index in range(2, len(tokens)):
        item, inline = tokens[index - 2], tokens[index]
        if inline.type != "inline" or item.type != "list_item_open" or not inline.children:
            continue
        first = inline.children[0]
        task = _TASK.match(first.content) if first.type == "text" else None
        if task:
            first.content = ("☐ " if task[1] == " " else "☑ ") + first.content[task.end() :]
        if first.type == "text" and item.markup not in {".", ")"} and _OWN.match(first.content):
            item.attrSet("class", OWN_MARK)

"""Pictures between the paragraphs of a body, and files that it offers to download. Pure."""

import re
from collections.abc import Sequence
from urllib.parse import unquote

from markdown_it.token import Token

from digest.articles.characters import one_line
from digest.articles.embeds import ArticleImage
from digest.articles.markdown.remarks import Remarks

FIGURE = "figure"
"""Class of a paragraph that holds one picture."""
FILE_TYPES = frozenset(
    "pdf hwp hwpx doc docx xls xlsx ppt pptx odt ods odp csv txt zip ics epub".split()  # noqa: SIM905 - reads best as one line
)
"""Extensions of files that a body may offer to download."""

_PATH = re.compile(r"(?![A-Za-z][A-Za-z0-9+.-]*:|//|#)[^?#]+\.([A-Za-z0-9]+)")


def lift(
    children: Sequence[Token], place: Sequence[int] | None, remarks: Remarks, files: list[ArticleImage]
) -> list[Token]:
    """Return the tokens of a paragraph that ends before each picture and goes on after it; add those to `files`.

    A picture within a link stands behind it, and the link keeps its words.
    """
    kept: list[Token] = []
    waiting: list[Token] = []  # the pictures of a link
    links = 0
    for token in children:
        if token.type == "image" and token.content.strip():
            files.append(_picture(token))
            figure = [_raw(f'</p><p class="{FIGURE}">'), token, _raw("</p><p>")]
            if not links:
                kept += figure
            else:
                waiting += figure
                kept.append(Token("text", "", 0, content=files[-1].alt))
            continue
        if token.type == "image":
            message = f"The picture {token.attrs['src']} has no alternative text."
            remarks.refuse(place, "![](", message, "Describe what it shows: ![A tram on a bridge](tram.jpg).")
            continue
        kept.append(token)
        links += token.nesting if token.type in {"link_open", "link_close"} else 0
        if not links:
            kept, waiting = [*kept, *waiting], []
    return [*kept, *waiting]


def _raw(tags: str) -> Token:
    return Token("html_inline", "", 0, content=tags)


def _picture(image: Token) -> ArticleImage:
    alt = one_line("".join(inner.content for inner in image.children or ()))
    caption = one_line(str(image.attrs.get("title", "")))
    return ArticleImage(unquote(str(image.attrs["src"])), alt=alt, caption=caption, use="body")


def file_named(address: str) -> ArticleImage | None:
    """Return the file to download that a relative address names, or None."""
    found = _PATH.fullmatch(address)
    return ArticleImage(unquote(address), use="file") if found and found[1].lower() in FILE_TYPES else None

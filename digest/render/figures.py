"""Pictures and files to download of a body, which it names by their paths, under the publication's address. Pure."""

import html
import re
from collections.abc import Callable, Mapping
from urllib.parse import unquote

from digest.articles.embeds import ArticleImage, PictureFile
from digest.articles.markdown.figures import file_named
from digest.articles.shown_pictures import COLUMN, is_cut

_PICTURE = re.compile(r'<img src="([^"]*)" alt="([^"]*)"(?: title="([^"]*)")?>')
_LINK = re.compile(r'<a href="([^"]*)"[^>]*>(.*?)</a>', re.DOTALL)


def media_url(file: PictureFile, base_url: str) -> str:
    """Return the address of a stored picture or file."""
    return f"{base_url}/media/{file.hash}.{file.extension}"


def place(body_html: str, files: Mapping[str, ArticleImage], base_url: str, translate: Callable[[str], str]) -> str:
    """Return a body with addresses for its paths; what is not among `files` by its path is left out, its words stay."""

    def figure(found: re.Match[str]) -> str:
        image = files.get(unquote(html.unescape(found[1])))
        return _figure(image, found[2], found[3] or "", base_url, translate) if image and image.file else ""

    def link(found: re.Match[str]) -> str:
        address = html.unescape(found[1])
        if file_named(address) is None:
            return found[0]
        one = files.get(unquote(address))
        if one is None or one.file is None:
            return found[2]
        kind = one.file.extension.upper()
        return f'<a href="{media_url(one.file, base_url)}">{found[2]}</a> ({kind}, {_size(one.size)})'

    return _LINK.sub(link, _PICTURE.sub(figure, body_html))


def _figure(image: ArticleImage, alt: str, caption: str, base_url: str, translate: Callable[[str], str]) -> str:
    """Return the markup of a picture with its caption, which may differ from that of the same file elsewhere."""
    shown = image.shown or image.file
    assert shown is not None  # noqa: S101 - the caller looked
    width = min(COLUMN, shown.width)
    height = max(round(width * shown.height / shown.width), 1)
    words = [caption] if caption else []
    if image.file and is_cut(image.file, image.shown):
        whole = translate("See the full picture")
        label = f"{whole}: {alt}"
        words.append(f'<a href="{media_url(image.file, base_url)}" aria-label="{label}">{whole}</a>')
    picture = (
        f'<img class="img q" src="{media_url(shown, base_url)}" alt="{alt}" width="{width}" '
        f'height="{height}" style="max-width:{width}px">'
    )
    return picture + (f'<span class="cap q">{"<br>".join(words)}</span>' if words else "")


def _size(count: int) -> str:
    """Return a size in words of every language."""
    return f"{count / 1_000_000:.1f} MB" if count >= 1_000_000 else f"{max(round(count / 1_000), 1)} KB"

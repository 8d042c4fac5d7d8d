"""Sign-up form for other sites: plain HTML to copy, which posts to /subscribe.

It needs no token and no cookie: all that it can cause is a confirmation mail.
"""

from collections.abc import Callable, Mapping
from typing import Any

from fastapi import Request
from starlette.responses import Response

from subscribers.pages.page import BasePage, PagePublication

Render = Callable[[str, str, Mapping[str, Any]], str]


class EmbedPage(BasePage):
    """Page with the HTML of the form."""

    def embed(self, request: Request, lang: str = "") -> Response:
        context, language = self.context, self.language(request, lang)
        html = form_html(context.render, context.publication(language), context.signer.base_url, language)
        return self.page("embed", language, path="/subscribe/embed", form=html)


def form_html(render: Render, publication: PagePublication, base_url: str, language: str) -> str:
    """Return the form in one language, with absolute addresses."""
    values = {"language": language, "base_url": base_url, "publication": publication}
    return render("web/embed_form.html.j2", language, values).strip() + "\n"

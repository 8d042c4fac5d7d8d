"""Rendering of public pages with the publication's common values."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from starlette.responses import HTMLResponse, Response

from digest.publish.publisher import Publisher
from digest.render import locales
from digest.settings.publication import pick


@dataclass(frozen=True, slots=True)
class Page:
    """A page in a language. `path` is the address of its other languages, empty without any."""

    publisher: Publisher
    language: str
    path: str

    def render(self, name: str, **values: Any) -> str:
        """Return the page's HTML."""
        publication = self.publisher.settings.publication
        context = {
            "language": self.language,
            "languages": [{"code": code, "name": own_name(code)} for code in self.publisher.settings.languages],
            "path": self.path,
            "base_url": publication.base_url,
            "root": urlsplit(publication.base_url).path,
            "publication": {
                "name": pick(publication.name, self.language),
                "tagline": pick(publication.tagline, self.language),
                "postal_address": pick(publication.postal_address, self.language),
                "privacy_policy": pick(self.publisher.settings.signup.privacy_policy, self.language),
            },
        }
        return self.publisher.templates.render(f"web/{name}.html.j2", self.language, context | values)


def own_name(code: str) -> str:
    """Return a language's name in that language, or the code if it is unknown."""
    return locales.language_name(code, locales.locale_of(code))


def show(
    page: Page, name: str, *, status: int = 200, headers: Mapping[str, str] = MappingProxyType({}), **values: Any
) -> Response:
    """Return the page as a response, whose language depends on Accept-Language."""
    return HTMLResponse(page.render(name, **values), status, {"Vary": "Accept-Language", **headers})


def style(publisher: Publisher, name: str) -> str:
    """Return a style sheet or script of the web templates; the workspace's override the packaged ones."""
    return publisher.templates.file(f"web/{name}").read_text(encoding="utf-8")

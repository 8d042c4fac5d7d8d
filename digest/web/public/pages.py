"""Rendering of public pages with the publication's common values."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from starlette.responses import HTMLResponse, Response

from digest.publish.publisher import Publisher
from digest.render import locales
from digest.render.logo import logo_view
from digest.runtime.errors import ContentError
from digest.settings.publication import pick
from digest.settings.root import Settings
from subscribers.pages import InterestView, LogoImage, PagePublication


@dataclass(frozen=True, slots=True)
class Page:
    """A page in a language. `path` is the address of its other languages, empty without any."""

    publisher: Publisher
    language: str
    path: str

    def render(self, name: str, **values: Any) -> str:
        """Return the page's HTML."""
        base_url = self.publisher.settings.publication.base_url
        context = {
            "language": self.language,
            "languages": [{"code": code, "name": own_name(code)} for code in self.publisher.settings.languages],
            "path": self.path,
            "base_url": base_url,
            "root": urlsplit(base_url).path,
            "publication": publication_in(self.publisher.settings, self.language),
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


def publication_in(settings: Settings, language: str) -> PagePublication:
    """Return what the pages say of the publication, in one of its languages."""
    publication, signup = settings.publication, settings.signup
    name = pick(publication.name, language)
    interests = [
        InterestView(interest.slug, pick(interest.title, language), pick(interest.description, language))
        for interest in settings.interest
    ]
    return PagePublication(
        name=name,
        sender_name=pick(publication.sender_name, language) or name,
        tagline=pick(publication.tagline, language),
        postal_address=pick(publication.postal_address, language),
        reply_to=publication.reply_to or publication.sender_address,
        interests=interests,
        privacy_policy=pick(signup.privacy_policy, language),
        consent_text=pick(signup.consent_text, language).strip(),
        name_field=signup.name,
        logo=_logo(settings, language),
    )


def _logo(settings: Settings, language: str) -> LogoImage | None:
    try:
        found = logo_view(settings, language)
    except ContentError:  # said where the mail is made
        return None
    if found is None:
        return None
    base_url, image = settings.publication.base_url, found.image
    url, dark_url = (
        urlsplit(base_url).path + one.url.removeprefix(base_url) if one else "" for one in (image, found.dark)
    )
    return LogoImage(url, dark_url, image.alt, image.width, image.height)

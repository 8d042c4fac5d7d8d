"""[publication], [[section]] and [[interest]]."""

from collections.abc import Mapping
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from babel import Locale, UnknownLocaleError
from email_validator import EmailNotValidError, validate_email
from pydantic import AfterValidator, BeforeValidator, Field, field_validator

from digest.runtime.catalogues import catalogue_file, catalogue_languages
from digest.settings.part import SettingsTable

ANY = "*"  # the key of a text that is the same in every language
PLACEHOLDER_ADDRESS = "Your postal address"


def _localised(value: object) -> object:
    return {ANY: value} if isinstance(value, str) else value


def _with_catalogue(code: str) -> str:
    try:
        Locale.parse(code, sep="-")
    except (UnknownLocaleError, ValueError) as error:
        message = f"{code!r} is not a language code; use one such as en or ko"
        raise ValueError(message) from error
    if catalogue_file(code) is None:
        message = f"the program's own texts are not translated into {code!r}; use {' or '.join(catalogue_languages())}"
        raise ValueError(message)
    return code


Language = Annotated[str, AfterValidator(_with_catalogue)]


def _keyed(texts: dict[str, str]) -> dict[str, str]:
    for code in texts.keys() - {ANY}:
        _with_catalogue(code)
    return texts


# A text by language code; a plain string in the file counts for every language.
Localised = Annotated[dict[str, str], BeforeValidator(_localised), AfterValidator(_keyed)]


def pick(texts: Mapping[str, str], language: str) -> str:
    """Return the text for `language`, else for its base language, else the one for all, else the first."""
    return next((texts[key] for key in (*_keys(language), *texts) if key in texts), "")


def pick_own(texts: Mapping[str, str], language: str) -> str:
    """Return the text for `language`, its base language or for all, never another language's; empty without one."""
    return next((texts[key] for key in _keys(language) if key in texts), "")


def _keys(language: str) -> tuple[str, str, str]:
    return language, language.split("-", maxsplit=1)[0], ANY


class Logo(SettingsTable):
    """The logo on the masthead of emails and pages."""

    src: str = Field(description="a JPEG, PNG or GIF in the workspace, ideally twice as wide as it is shown")
    alt: Localised = Field(
        default_factory=dict, description="alternative text, by language; default: none, for decoration"
    )
    width: int = Field(default=120, ge=16, le=552, description="in CSS pixels")
    dark: str | None = Field(default=None, description="a variant for dark mode")


class Publication(SettingsTable):
    """Who publishes what, and in whose name the email goes out."""

    name: Localised = Field(description="the publication's name, by language")
    tagline: Localised = Field(default_factory=dict, description="one line under the name")
    sender_name: Localised = Field(
        default_factory=dict, description="display name in From; default: the publication's name"
    )
    sender_address: str = Field(description="address in From")
    reply_to: str | None = Field(default=None, description="address in Reply-To")
    list_id: str | None = Field(
        default=None, description="List-Id, such as news.example.org; default: from the sender's domain"
    )
    postal_address: Localised = Field(default={ANY: PLACEHOLDER_ADDRESS}, description="printed in every email's footer")
    base_url: str = Field(default="http://127.0.0.1:8025", description="public address of `digest serve`")
    timezone: str = Field(default="UTC", description="time zone of periods and schedules")
    logo: Logo | None = None
    language: Language = Field(default="en", description="default language of articles and readers")

    @field_validator("timezone")
    @classmethod
    def _zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            message = f"unknown time zone {value!r}; use a name such as Europe/Berlin or Asia/Seoul"
            raise ValueError(message) from error
        return value

    @field_validator("sender_address", "reply_to")
    @classmethod
    def _address(cls, value: str | None) -> str | None:
        if value is None:
            return None
        try:
            return validate_email(value, check_deliverability=False, test_environment=True).ascii_email or value
        except EmailNotValidError as error:
            raise ValueError(str(error)) from error

    @field_validator("base_url")
    @classmethod
    def _base_url(cls, value: str) -> str:
        if not value.startswith(("https://", "http://")):
            raise ValueError("must start with https:// (http:// only on loopback)")
        return value.rstrip("/")

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)

    @property
    def sender_domain(self) -> str:
        """The domain of From, of Message-IDs, and of the default List-Id."""
        return self.sender_address.rpartition("@")[2]


class Section(SettingsTable):
    """A heading for articles; sections appear in the order of the file."""

    slug: str
    title: Localised
    cap: int | None = Field(default=None, ge=1, description="maximum number of articles in this section of an issue")


class Interest(SettingsTable):
    """Something readers may follow; articles name it among their topics."""

    slug: str
    title: Localised
    description: Localised = Field(default_factory=dict)
    was: tuple[str, ...] = Field(default=(), description="former slugs; readers keep their interests")

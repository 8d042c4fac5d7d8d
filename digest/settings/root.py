"""Configuration: flags over DIGEST_* environment over .env over secrets.toml over digest.toml; secrets also *_FILE."""

import difflib
import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_origin
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from babel import Locale, UnknownLocaleError
from email_validator import EmailNotValidError, validate_email
from pydantic import BaseModel, BeforeValidator, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from digest.runtime.clock import duration_text
from digest.runtime.errors import ConfigError, WorkspaceNotFoundError
from digest.settings.operators import Metrics, Operators
from digest.settings.part import LOOPBACK_HOSTS, Part
from digest.settings.retention import Retention
from digest.settings.schedule import Schedule
from digest.settings.shares import share
from digest.settings.shares import size as canary_size
from digest.settings.web import Limits, Web

CONFIG_NAME = "digest.toml"
SECRETS_NAME = "secrets.toml"
PLACEHOLDER_ADDRESS = "Your postal address"
ANY = "*"  # the key under which a text stands that is the same in every language


def _localised(value: object) -> object:
    return {ANY: value} if isinstance(value, str) else value


# A text by language code; a plain string in the file counts for every language.
Localised = Annotated[dict[str, str], BeforeValidator(_localised)]


def pick(texts: Mapping[str, str], language: str) -> str:
    """Return the text for `language`, else for its base language, else the one for all, else the first."""
    for key in (language, language.split("-", maxsplit=1)[0], ANY):
        if key in texts:
            return texts[key]
    return next(iter(texts.values()), "")


class Publication(Part):
    """Who publishes what, and in whose name the mail goes out."""

    name: Localised = Field(description="the publication's name, by language")
    tagline: Localised = Field(default_factory=dict, description="one line under the name")
    sender_name: Localised = Field(default_factory=dict, description="display name in From; default: the name")
    sender_address: str = Field(description="address in From")
    reply_to: str | None = Field(default=None, description="address in Reply-To")
    list_id: str | None = Field(
        default=None, description="List-Id, such as news.example.org; default: from the sender's domain"
    )
    postal_address: Localised = Field(default={ANY: PLACEHOLDER_ADDRESS}, description="printed in every mail's footer")
    base_url: str = Field(default="http://127.0.0.1:8025", description="where `digest serve` is reached by readers")
    timezone: str = Field(default="UTC", description="zone of periods and schedules")
    language: str = Field(default="en", description="language of articles and readers that name none")
    theme: str = Field(default="default", description="reserved: one theme, templates/theme.toml, is all there is yet")

    @field_validator("timezone")
    @classmethod
    def _zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            message = f"no time zone is named {value!r}; use a name such as Europe/Berlin or Asia/Seoul"
            raise ValueError(message) from error
        return value

    @field_validator("language")
    @classmethod
    def _language(cls, value: str) -> str:
        try:
            Locale.parse(value, sep="-")
        except (UnknownLocaleError, ValueError) as error:
            message = f"{value!r} is not a language code; use one such as en or ko"
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
        """The publisher's time zone."""
        return ZoneInfo(self.timezone)

    @property
    def sender_domain(self) -> str:
        """The domain of From; Message-IDs and the default List-Id are made in it."""
        return self.sender_address.rpartition("@")[2]


class Section(Part):
    """A heading under which articles stand, in the file's order."""

    slug: str
    title: Localised
    cap: int | None = Field(default=None, ge=1, description="most articles of one issue in it")


class Interest(Part):
    """Something readers may follow; articles name it among their topics."""

    slug: str
    title: Localised
    description: Localised = Field(default_factory=dict)
    was: tuple[str, ...] = Field(default=(), description="former slugs; readers keep their choice")


class EditionRules(Part):
    """What becomes of readers without a matching article, and of articles without a translation."""

    empty: Literal["skip", "full", "ask"] = "skip"
    missing_translation: Literal["omit", "original"] = "original"


class Approval(Part):
    """How many people approve."""

    required: int = Field(default=1, ge=0, le=2)


class Desk(Part):
    """The editors' desk on the web."""

    enabled: bool = Field(default=False, description="reserved: `digest preview` is the desk for now")


class Pace(Part):
    """How fast mail may leave: by a relay, or to one family of mailboxes. What is not given is not limited."""

    connections: int | None = Field(default=None, ge=1, le=500, description="most connections at once")
    per_second: float | None = Field(default=None, gt=0, description="most messages a second, on average")
    per_hour: int | None = Field(default=None, ge=1, description="most messages an hour")
    per_day: int | None = Field(default=None, ge=1, description="most messages a day")


class RelayLimits(Pace):
    """What one relay may be asked for."""

    connections: int = Field(default=10, ge=1, le=500, description="most connections at once, of each worker")
    messages_per_connection: int = Field(default=100, ge=1, description="messages after which a connection is renewed")
    warm_up: tuple[int, ...] = Field(
        default=(), description="most messages on the first day, the second, … of this relay; then per_day holds"
    )


class Family(Pace):
    """Mailboxes that one provider keeps under several domains: throttled together, so paced together."""

    domains: tuple[str, ...] = Field(default=(), description="domains beside those that are known")


class DeliveryRules(Part):
    """How mail leaves the house."""

    transport: Literal["maildir", "smtp"] = "maildir"
    maildir: str = Field(default="outbox", description="folder of the maildir transport, within the workspace")
    allow_send: bool = Field(default=False, description="a relay that is not on loopback is refused until this is true")
    window: str | None = Field(default=None, description="spread a send over this long, such as 45m or 3h")
    canary: str = Field(default="0", description="so many readers get an issue first: 1 % or a number; 0: all at once")
    canary_wait: str = Field(default="30m", description="how long the rest waits for how the first ones fare")
    canary_max_rejected: str = Field(default="5 %", description="more of them rejected or uncertain: the rest is held")
    canary_max_deferred: str = Field(
        default="50 %", description="more of them put off after the wait: the rest is held"
    )
    patience: float = Field(default=60, ge=0, description="seconds to wait for a relay or database that is away")
    families: dict[str, Family] = Field(
        default_factory=dict, description="[delivery.families.NAME]: limits by mailbox provider (google, microsoft, …)"
    )

    @field_validator("window", "canary_wait")
    @classmethod
    def _durations(cls, value: str | None) -> str | None:
        return value if value is None else duration_text(value)

    @field_validator("canary")
    @classmethod
    def _canary(cls, value: str) -> str:
        canary_size(value, 1)
        return value

    @field_validator("canary_max_rejected", "canary_max_deferred")
    @classmethod
    def _share(cls, value: str) -> str:
        share(value)
        return value

    @field_validator("families")
    @classmethod
    def _families(cls, value: dict[str, Family]) -> dict[str, Family]:
        for name in value:
            if not re.fullmatch(r"[a-z0-9-]{1,40}", name):
                message = f"{name[:60]!r} is no name of a family: small letters, digits and hyphens, at most 40"
                raise ValueError(message)
        return value


class Relay(Part):
    """A mail server that takes our mail."""

    host: str
    port: int = Field(default=587, ge=1, le=65535)
    tls: Literal["required", "opportunistic", "implicit", "none"] = "required"
    username: str | None = None
    password_file: str | None = None
    helo: str | None = Field(default=None, description="our own full name for EHLO; default: the system's")
    weight: int = Field(default=1, ge=1, description="its share of the mail, beside the other relays' weights")
    limits: RelayLimits = Field(default=RelayLimits(), description="how much this relay may be asked for")

    @property
    def on_loopback(self) -> bool:
        """Whether mail to this relay cannot leave the machine by it directly."""
        return self.host in LOOPBACK_HOSTS


class Dkim(Part):
    """Our own signature, for relays that do not sign. `digest dkim generate` makes the key."""

    selector: str = Field(description="the DNS name is SELECTOR._domainkey.DOMAIN")
    domain: str | None = Field(default=None, description="signing domain; default: the sender's")
    key_file: str = Field(default="dkim.pem", description="private key (RSA, 2048 bits or more), mode 0600")


class Database(Part):
    """Where the store is."""

    url: str = Field(default="", description="sqlite:///FILE or postgresql://…; default: digest.db in the workspace")


class Secrets(Part):
    """Keys made by `digest init`, kept in secrets.toml (mode 0600) or given by the environment."""

    link_keys: tuple[SecretStr, ...] = Field(min_length=1, description="keys of signed links, newest first; all verify")
    suppression_key: SecretStr = Field(description="key of the never-send list; never rotates")
    message_key: SecretStr = Field(description="key of Message-IDs")


class Settings(BaseSettings):
    """Everything that is configured, for one workspace."""

    model_config = SettingsConfigDict(env_prefix="DIGEST_", env_nested_delimiter="__", extra="forbid", frozen=True)

    workspace: Path = Path()
    publication: Publication
    section: tuple[Section, ...] = (Section(slug="news", title={"en": "News", "ko": "소식"}),)
    interest: tuple[Interest, ...] = ()
    editions: EditionRules = EditionRules()
    approval: Approval = Approval()
    desk: Desk = Desk()
    delivery: DeliveryRules = DeliveryRules()
    relay: tuple[Relay, ...] = ()
    dkim: Dkim | None = None
    schedule: Schedule = Schedule()
    operators: Operators = Operators()
    metrics: Metrics = Metrics()
    retention: Retention = Retention()
    database: Database = Database()
    web: Web = Web()
    limits: Limits = Limits()
    secrets: Secrets

    @model_validator(mode="after")
    def _unique_slugs(self) -> "Settings":
        for kind, slugs in (("section", [s.slug for s in self.section]), ("interest", [i.slug for i in self.interest])):
            doubled = sorted({slug for slug in slugs if slugs.count(slug) > 1})
            if doubled:
                message = f"[[{kind}]] slug {doubled[0]!r} stands twice"
                raise ValueError(message)
        return self

    @property
    def database_url(self) -> str:
        """The database's address; SQLite in the workspace unless configured."""
        return self.database.url or f"sqlite:///{self.workspace / 'digest.db'}"

    @property
    def languages(self) -> tuple[str, ...]:
        """The publication's own language first, then every language that some title is given in."""
        seen = {self.publication.language: None}
        for texts in (self.publication.name, *(s.title for s in self.section), *(i.title for i in self.interest)):
            seen.update(dict.fromkeys(key for key in texts if key != ANY))
        return tuple(seen)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Order the sources: flags, environment, .env, secrets.toml, digest.toml."""
        del file_secret_settings
        workspace = init_settings().get("workspace", Path())
        files = [workspace / CONFIG_NAME, workspace / SECRETS_NAME]
        return init_settings, env_settings, dotenv_settings, TomlConfigSettingsSource(settings_cls, toml_file=files)


def find_workspace(start: Path) -> Path:
    """Return the nearest folder at or above `start` that holds a digest.toml, as git finds its repository."""
    start = start.resolve()
    for folder in (start, *start.parents):
        if (folder / CONFIG_NAME).is_file():
            return folder
    raise WorkspaceNotFoundError


def load_settings(workspace: Path, environ: Mapping[str, str] = os.environ, **flags: Any) -> Settings:
    """Read and check the configuration of `workspace`; every problem is named in one ConfigError."""
    _read_toml(workspace / CONFIG_NAME)
    if (workspace / SECRETS_NAME).exists():
        _read_toml(workspace / SECRETS_NAME)
    try:
        # `_env_file` is pydantic-settings' own name for it.
        return Settings(workspace=workspace, _env_file=workspace / ".env", **_from_files(environ), **flags)
    except ValidationError as error:
        raise ConfigError(_problems(error)) from error


def _read_toml(path: Path) -> None:
    try:
        tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError as error:
        raise WorkspaceNotFoundError from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path.name} is not valid TOML: {error}") from error
    except OSError as error:
        raise ConfigError(f"{path.name} cannot be read: {error.strerror}") from error


def _from_files(environ: Mapping[str, str]) -> dict[str, Any]:
    """Return the values of DIGEST_SECRETS__…_FILE variables, which beat nothing but the files of the workspace."""
    secrets: dict[str, Any] = {}
    prefix = "DIGEST_SECRETS__"
    for name in Secrets.model_fields:
        variable = f"{prefix}{name.upper()}_FILE"
        if variable in environ and f"{prefix}{name.upper()}" not in environ:
            try:
                text = Path(environ[variable]).read_text(encoding="utf-8").strip()
            except OSError as error:
                raise ConfigError(f"{variable} names a file that cannot be read: {error.strerror}") from error
            secrets[name] = text.split() if name == "link_keys" else text
    return {"secrets": secrets} if secrets else {}


def _problems(error: ValidationError) -> str:
    return "; ".join(_problem(item) for item in error.errors(include_url=False, include_input=False))


def _problem(item: Any) -> str:
    path = [str(part) for part in item["loc"]]
    where = ".".join(path) or "digest.toml"
    if item["type"] == "extra_forbidden":
        near = difflib.get_close_matches(path[-1], _known_keys(path[:-1]), n=1)
        return f"{where}: unknown key" + (f"; did you mean {near[0]!r}?" if near else "")
    if path[:1] == ["secrets"]:
        return f"{where}: {item['msg']} (secrets.toml, made by `digest init`)"
    return f"{where}: {item['msg']}"


def _known_keys(path: list[str]) -> list[str]:
    model: Any = Settings
    for part in path:
        if get_origin(model) is dict:  # a table of names: this is one of them
            model = model.__args__[-1]
        elif not part.isdigit():
            inner = model.model_fields[part].annotation
            whole = get_origin(inner) is dict or (isinstance(inner, type) and issubclass(inner, BaseModel))
            model = inner if whole else inner.__args__[0]
    return list(model.model_fields)

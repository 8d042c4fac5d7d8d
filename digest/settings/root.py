"""Settings from flags, DIGEST_* environment (secrets also *_FILE), .env, secrets.toml, digest.toml, in this order."""

import difflib
import os
import tomllib
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, get_origin

from pydantic import BaseModel, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from digest.runtime.errors import ConfigError, UsageError, WorkspaceNotFoundError
from digest.runtime.text import ended
from digest.settings.delivery import DeliveryRules, Dkim, Relay
from digest.settings.feedback import Feedback
from digest.settings.operators import MetricsSettings, Operators
from digest.settings.part import SettingsTable
from digest.settings.publication import ANY, Interest, Publication, Section
from digest.settings.retention import Retention
from digest.settings.schedule import Schedule
from digest.settings.web import DeskSettings, FormLimits, SignupForms, Web
from subscribers.interests import Catalogue

CONFIG_NAME = "digest.toml"
SECRETS_NAME = "secrets.toml"


class EditionRules(SettingsTable):
    """What becomes of readers without a matching article, and of articles without a translation."""

    empty: Literal["skip", "full", "ask"] = "skip"
    missing_translation: Literal["omit", "original"] = "original"
    length: Literal["full", "brief"] = Field(
        default="full", description="brief: the first three articles in full, the others as summaries"
    )


class Approval(SettingsTable):
    """How many people approve."""

    required: int = Field(default=1, ge=0, le=2)


class Database(SettingsTable):
    """Where the store is."""

    url: str = Field(default="", description="sqlite:///FILE or postgresql://…; default: digest.db in the workspace")


class Secrets(SettingsTable):
    """Keys made by `digest init`, kept in secrets.toml (mode 0600) or given by the environment."""

    link_keys: tuple[SecretStr, ...] = Field(min_length=1, description="keys of signed links, newest first; all verify")
    suppression_key: SecretStr = Field(description="key of the never-send list; never change it")
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
    desk: DeskSettings = DeskSettings()
    delivery: DeliveryRules = DeliveryRules()
    relay: tuple[Relay, ...] = ()
    dkim: Dkim | None = None
    schedule: Schedule = Schedule()
    operators: Operators = Operators()
    metrics: MetricsSettings = MetricsSettings()
    retention: Retention = Retention()
    feedback: Feedback = Feedback()
    database: Database = Database()
    web: Web = Web()
    signup: SignupForms = SignupForms()
    limits: FormLimits = FormLimits()
    secrets: Secrets

    @model_validator(mode="after")
    def _unique_slugs(self) -> "Settings":
        for kind, slugs in (("section", [s.slug for s in self.section]), ("interest", [i.slug for i in self.interest])):
            doubled = sorted({slug for slug in slugs if slugs.count(slug) > 1})
            if doubled:
                message = f"[[{kind}]] slug {doubled[0]!r} occurs twice"
                raise ValueError(message)
        return self

    @property
    def database_url(self) -> str:
        """The database's address; SQLite in the workspace unless configured."""
        return self.database.url or f"sqlite:///{self.workspace / 'digest.db'}"

    @cached_property
    def catalogue(self) -> Catalogue:
        """The interests with their former slugs."""
        return Catalogue([one.slug for one in self.interest], {one.slug: one.was for one in self.interest})

    @property
    def suppression_key(self) -> bytes:
        return self.secrets.suppression_key.get_secret_value().encode()

    @property
    def message_key(self) -> bytes:
        return self.secrets.message_key.get_secret_value().encode()

    @property
    def languages(self) -> tuple[str, ...]:
        """The publication's own language first, then every language of a title."""
        seen = {self.publication.language: None}
        for texts in (self.publication.name, *(s.title for s in self.section), *(i.title for i in self.interest)):
            seen.update(dict.fromkeys(key for key in texts if key != ANY))
        return tuple(seen)

    def require_language(self, code: str, *, or_all: bool = False) -> str:
        """Return the code if it is one of `languages`, or `*` where that may stand for all. Raises UsageError."""
        if code not in self.languages and not (or_all and code == ANY):
            hint = f"Use one of: {', '.join(self.languages)}."
            raise UsageError(f"The publication does not have the language {code!r}", hint=hint)
        return code

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        del file_secret_settings
        workspace = init_settings().get("workspace", Path())
        files = [workspace / CONFIG_NAME, workspace / SECRETS_NAME]
        return init_settings, env_settings, dotenv_settings, TomlConfigSettingsSource(settings_cls, toml_file=files)


def find_workspace(start: Path) -> Path:
    """Return the nearest folder at or above `start` with a digest.toml. Raises WorkspaceNotFoundError."""
    start = start.resolve()
    for folder in (start, *start.parents):
        if (folder / CONFIG_NAME).is_file():
            return folder
    raise WorkspaceNotFoundError


def load_settings(workspace: Path, environ: Mapping[str, str] = os.environ, **flags: Any) -> Settings:
    """Load and validate the settings of `workspace`. Raises one ConfigError with all problems."""
    _read_toml(workspace / CONFIG_NAME)
    if (workspace / SECRETS_NAME).exists():
        _read_toml(workspace / SECRETS_NAME)
    try:
        # `_env_file` is pydantic-settings' own name for it.
        return Settings(workspace=workspace, _env_file=workspace / ".env", **_from_files(environ), **flags)
    except ValidationError as error:
        *others, last = map(_problem, error.errors(include_url=False, include_input=False))
        raise ConfigError("\n".join([*map(ended, others), last])) from error


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
    """Return the values of DIGEST_SECRETS__…_FILE variables, unless the variable itself is set."""
    secrets: dict[str, str | list[str]] = {}
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


def _problem(item: Any) -> str:
    path = [str(part) for part in item["loc"]]
    where = ".".join(path) or "digest.toml"
    if item["type"] == "extra_forbidden":
        near = difflib.get_close_matches(path[-1], _known_keys(path[:-1]), n=1)
        return f"{where}: unknown key" + (f"; did you mean {near[0]!r}?" if near else "")
    words = item["msg"].removeprefix("Value error, ")
    return f"{where}: {words}" + (" (secrets.toml, created by `digest init`)" if path[:1] == ["secrets"] else "")


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

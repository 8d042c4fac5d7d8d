"""The publication's look: what digest.toml and templates/theme.toml say of it, tried before it is saved.

Values are texts by name: `publication.name:ko` is a key of digest.toml in a language, `light.accent` one of theme.toml.
"""

import io
import re
import tempfile
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import copytree
from typing import Any

from PIL import Image
from sqlalchemy import Engine

from digest.articles.media import read_image
from digest.publish.publisher import Publisher
from digest.render.checks.theme import CONTRAST, PAIRS, contrast
from digest.render.edition import Rendered, render_edition
from digest.render.loader import Templates
from digest.render.logo import logo_pictures
from digest.render.specimen import specimen
from digest.runtime.atomic_file import whole_file
from digest.runtime.containment import leads_out
from digest.runtime.errors import ConfigError, ContentError, EnvironmentFailedError, RefusedError
from digest.runtime.toml_file import TomlFile, alone, read_toml
from digest.settings.publication import pick_own
from digest.settings.root import CONFIG_NAME, SECRETS_NAME, Settings, load_settings

TEXTS = ("publication.name", "publication.tagline", "publication.postal_address", "publication.logo.alt",
         "signup.privacy_policy")  # fmt: skip
"""Settings with a text for each language."""
REQUIRED = ("publication.name", "publication.postal_address")
PLAIN = ("publication.reply_to", "publication.logo.src", "publication.logo.dark", "publication.logo.width")
PALETTES = ("light", "dark")
FONT = "font"
MAX_TEXT = 500
_TEMPLATES = "templates"
_THEME = "theme.toml"
_LOGO = ("publication", "logo")
_COLOUR = re.compile(r"#[0-9a-f]{6}")
_FONTS = re.compile(r"[\w .-]+(?:,[\w .-]+)*")


class LookChangedError(RefusedError):
    """The look was changed elsewhere since this page was opened."""


@dataclass(frozen=True, slots=True)
class UnfitValue:
    """Why a value is refused; `name` is empty where no single value is to blame."""

    name: str
    message: str


@dataclass(frozen=True, slots=True)
class Look:
    """The files as they were read, and the values in them."""

    config: TomlFile
    theme: TomlFile
    languages: tuple[str, ...]
    values: Mapping[str, str]

    @property
    def stamp(self) -> str:
        """What both files were when they were read."""
        return f"{self.config.hash[:32]}{self.theme.hash[:32]}"

    def edited(self, typed: Mapping[str, str]) -> dict[str, str]:
        """Return the values that are known and differ from those in the files."""
        return {name: text for name, text in typed.items() if self.values.get(name, text) != text}


def read_look(workspace: Path) -> Look:
    """Read both files. Raises ConfigError and ContentError for one that is unfit."""
    config = read_toml(workspace / CONFIG_NAME, workspace)
    theme = read_toml(workspace / _TEMPLATES / _THEME, workspace)
    settings = load_settings(workspace)
    return Look(config, theme, settings.languages, _values(settings, Templates(workspace / _TEMPLATES).theme))


def _values(settings: Settings, theme: Mapping[str, Any]) -> dict[str, str]:
    values: dict[str, str] = {}
    for name in TEXTS:
        texts = _setting(settings, name) or {}
        values |= {f"{name}:{code}": pick_own(texts, code) for code in settings.languages}
    values |= {name: str(_setting(settings, name) or "") for name in PLAIN}
    for table in (*PALETTES, FONT):
        values |= {f"{table}.{key}": str(value) for key, value in theme.get(table, {}).items()}
    return values


def _setting(settings: Settings, name: str) -> Any:
    found: Any = settings
    for part in name.split("."):
        found = getattr(found, part, None)
    return found


@contextmanager
def tried(look: Look, typed: Mapping[str, str], workspace: Path, engine: Engine) -> Iterator[Publisher]:
    """Yield a publisher with the typed values, from files of its own. Raises ConfigError and ContentError."""
    with tempfile.TemporaryDirectory(prefix="digest-look-") as made:
        folder = Path(made)
        config, theme = _texts(look, typed)
        (folder / CONFIG_NAME).write_text(config, "utf-8")
        for name in (SECRETS_NAME, ".env"):
            if (workspace / name).exists():
                (folder / name).symlink_to((workspace / name).resolve())
        settings = load_settings(folder).model_copy(update={"workspace": workspace})
        templates = folder / _TEMPLATES
        if (workspace / _TEMPLATES).is_dir():
            copytree(workspace / _TEMPLATES, templates, ignore=_outside(workspace))
        templates.mkdir(exist_ok=True)
        if theme:
            (templates / _THEME).write_text(theme, "utf-8")
        yield Publisher(settings, engine, Templates(templates))


def _outside(workspace: Path) -> Callable[[str, list[str]], list[str]]:
    return lambda folder, names: [name for name in names if leads_out(Path(folder) / name, workspace)]


def shown(publisher: Publisher, language: str) -> Rendered:
    """Return the specimen of a mail in a look. Raises ContentError."""
    context = specimen(publisher.settings, language, publisher.templates.translate(language))
    return render_edition(context, publisher.templates)


def problems(look: Look, typed: Mapping[str, str], workspace: Path, engine: Engine) -> list[UnfitValue]:
    """Return why the typed values cannot be saved."""
    found = [*malformed(look, typed)]
    if found:
        return found
    try:
        with tried(look, typed, workspace, engine) as publisher:
            try:
                logo_pictures(publisher.settings)
            except ContentError as error:
                key = "dark" if error.message.startswith("[publication.logo] dark") else "src"
                return [UnfitValue(f"publication.logo.{key}", error.message)]
            for language in look.languages:
                rendered = shown(publisher, language)
                found += [UnfitValue("", one.message) for one in rendered.findings if one.id == "contrast"]
    except ConfigError as error:
        return [_placed(line, look, typed) for line in error.message.splitlines()]
    except ContentError as error:
        return [UnfitValue("", error.message)]
    return list(dict.fromkeys(found))


def malformed(look: Look, typed: Mapping[str, str]) -> Iterator[UnfitValue]:
    """Yield the problems that a value shows by itself, without a rendering."""
    values = {**look.values, **typed}
    for name, text in look.edited(typed).items():
        table, key = name.split(".")[0], name.partition(":")[0]
        if len(text) > MAX_TEXT or not text.replace("\n", " ").isprintable():
            yield UnfitValue(name, f"This is longer than {MAX_TEXT} characters, or has characters that are not text")
        elif table in PALETTES and not _COLOUR.fullmatch(text):
            yield UnfitValue(name, "A colour has a # and six digits, such as #0b4f83")
        elif table == FONT and not _FONTS.fullmatch(text):
            yield UnfitValue(name, "Names of fonts are separated by commas, without quotation marks")
        elif key in REQUIRED and not text.strip():
            yield UnfitValue(name, "This must not be empty")
        elif name == "publication.logo.width" and text and not (text.isascii() and text.isdecimal() and len(text) < 5):
            yield UnfitValue(name, "The width is a number of pixels")
    edited = look.edited(typed).keys()
    for palette, ink, ground, ratio in contrasts(values):
        if ratio < CONTRAST and {f"{palette}.{ink}", f"{palette}.{ground}"} & edited:
            message = f"{ink} on {ground} has a contrast of {ratio:.1f} : 1; at least {CONTRAST} is needed"
            yield UnfitValue(f"{palette}.{ink}", message)


def contrasts(values: Mapping[str, str]) -> Iterator[tuple[str, str, str, float]]:
    """Yield palette, text, ground and contrast ratio of each pair that stands on the other in mails and pages."""
    for palette in PALETTES:
        for ink, ground in PAIRS:
            colours = [values.get(f"{palette}.{name}", "") for name in (ink, ground)]
            if all(map(_COLOUR.fullmatch, colours)):
                yield palette, ink, ground, contrast(*colours)


def _placed(line: str, look: Look, typed: Mapping[str, str]) -> UnfitValue:
    """Return a problem of the settings under the name of its value, one that was typed before others."""
    where, _, message = line.partition(": ")
    names = sorted(look.values, key=lambda name: name not in look.edited(typed))
    name = next((one for one in names if where in {one.partition(":")[0], one.replace(":", ".")}), "")
    return UnfitValue(name, message if name else line)


def save(workspace: Path, typed: Mapping[str, str], stamp: str, engine: Engine) -> tuple[list[str], list[UnfitValue]]:
    """Write the values that differ; return their names, or the problems for which nothing was written.

    Raises LookChangedError if the files are no longer those of `stamp`.
    """
    with alone(workspace):
        look = read_look(workspace)
        if look.stamp != stamp:
            raise LookChangedError
        edited = look.edited(typed)
        if found := problems(look, edited, workspace, engine):
            return [], found
        config, theme = _texts(look, edited)
        for file, text in ((look.theme, theme), (look.config, config)):
            if text != file.text:
                file.write(text)
        return sorted(edited), []


def _texts(look: Look, typed: Mapping[str, str]) -> tuple[str, str]:
    """Return both files with the typed values."""
    edited = look.edited(typed)
    of_theme = {name: text for name, text in edited.items() if name.split(".")[0] in (*PALETTES, FONT)}
    theme = look.theme.changed({tuple(name.split(".")): text for name, text in of_theme.items()})
    written = tomllib.loads(look.config.text.removeprefix("\ufeff"))
    values: dict[tuple[str, ...], object] = {}
    for name in TEXTS:
        texts = {code: edited[f"{name}:{code}"].strip() for code in look.languages if f"{name}:{code}" in edited}
        if texts:
            every = {code: look.values[f"{name}:{code}"] for code in look.languages} | texts
            values |= _localised(tuple(name.split(".")), texts, every, written)
    for name in PLAIN:
        if name in edited:
            text = edited[name].strip()
            values[tuple(name.split("."))] = int(text) if name.endswith("width") and text.isdecimal() else text or None
    if not {**look.values, **edited}["publication.logo.src"].strip():  # without a picture the rest means nothing
        values = {path: value for path, value in values.items() if path[:2] != _LOGO}
        values |= {_LOGO: None} if look.values["publication.logo.src"] else {}
    return look.config.changed(values), theme


def _localised(
    path: tuple[str, ...], texts: Mapping[str, str], every: Mapping[str, str], written: Any
) -> dict[tuple[str, ...], object]:
    """Return what to write for `texts`: into a table by language that is there, else one text if all are equal."""
    for part in path:
        written = written.get(part, {}) if isinstance(written, Mapping) else {}
    if isinstance(written, Mapping) and written:
        return {(*path, code): text or None for code, text in texts.items()}
    if len(set(every.values())) == 1:
        return {path: next(iter(texts.values())) or None}
    return {path: {code: text for code, text in every.items() if text}}


def keep_logo(workspace: Path, content: bytes, name: str) -> str:
    """Store an uploaded picture in the workspace, under a name by its bytes; return that name. Raises ContentError."""
    picture = read_image(content, name)
    if picture.extension == "gif" and _frames(picture.content) > 1:
        raise ContentError(f"The picture {name} is animated.", hint="Use a still picture as the logo.")
    kept = f"logo-{picture.hash[:12]}.{picture.extension}"
    try:
        if not (workspace / kept).exists():
            with whole_file(workspace / kept) as partial:
                partial.write_bytes(picture.content)
    except OSError as error:
        raise EnvironmentFailedError(f"{workspace / kept} cannot be written: {error.strerror}") from error
    return kept


def _frames(content: bytes) -> int:
    with Image.open(io.BytesIO(content)) as image:
        return int(getattr(image, "n_frames", 1))

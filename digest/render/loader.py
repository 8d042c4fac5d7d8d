"""Loading of Jinja templates and the theme, with overrides, translations and error positions."""

import hashlib
import tomllib
import traceback
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib.metadata import version
from pathlib import Path
from types import CodeType
from typing import Any

import jinja2
from jinja2.bccache import Bucket
from jinja2.sandbox import ImmutableSandboxedEnvironment

from digest import __version__
from digest.render import locales, plaintext
from digest.render.markup import tags
from digest.runtime.containment import leads_out
from digest.runtime.errors import ContentError

_PACKAGE = Path(__file__).resolve().parent.parent
_PLAIN = (".txt.j2", ".css.j2")
_MARKER = "<!--@"
# Errors that a template can cause; a ContentError from a filter has its own message.
_TEMPLATE_FAULTS = (
    *(jinja2.TemplateError, ArithmeticError, AttributeError, LookupError),
    *(RecursionError, TypeError, ValueError),
)


def packaged_directory() -> Path:
    """Return the folder of the packaged templates, in the wheel or in a checkout."""
    shipped = _PACKAGE / "_templates"
    return shipped if shipped.is_dir() else _PACKAGE.parent / "templates"


@cache
def renderer_versions() -> dict[str, str]:
    """Return the versions of all packages that affect a mail's bytes."""
    names = ("babel", "cssutils", "jinja2", "lxml", "mjml-python", "nh3", "markdown-it-py", "premailer")
    return {"digestpress": __version__, **{name: version(name) for name in names}}


class Templates:
    """Templates of a workspace: `override_dir` overrides the packaged ones by file, the theme by key."""

    def __init__(self, override_dir: Path | None = None) -> None:
        self.directories = tuple(d for d in (override_dir, packaged_directory()) if d is not None and d.is_dir())
        self._environments: dict[str, jinja2.Environment] = {}

    def environment(self, language: str) -> jinja2.Environment:
        """Return the sandboxed environment in `language` (BCP 47), or English without a catalogue."""
        if language not in self._environments:
            self._environments[language] = _environment(_Loader(self.directories), language)
        return self._environments[language]

    def translate(self, language: str) -> Callable[[str], str]:
        """Return gettext for a language; placeholders stay in the text."""
        return locales.catalogue(language).gettext

    @property
    def theme(self) -> dict[str, Any]:
        """The packaged theme.toml, overridden by the workspace's."""
        merged: dict[str, Any] = {}
        for directory in reversed(self.directories):
            path = directory / "theme.toml"
            if path.is_file():
                merged = merge(merged, _read_toml(_contained(path, directory)))
        return merged

    def file(self, name: str) -> Path:
        """Return the file in use of this name, which must exist. Raises ContentError if a link leads out."""
        directory = next(directory for directory in self.directories if (directory / name).is_file())
        return _contained(directory / name, directory)

    def render(self, name: str, language: str, context: Mapping[str, Any]) -> str:
        """Render a template. Raises ContentError with template and line."""
        try:
            return self.environment(language).get_template(name).render(context)
        except _TEMPLATE_FAULTS as error:
            raise _fault(name, error, self.directories) from error

    def line_of(self, name: str, language: str, context: Mapping[str, Any], tag_index: int) -> str:
        """Return `template, line N` for the tag with this number in the output of a template."""
        marking = _environment(_MarkingLoader(self.directories), language)
        rendered = marking.get_template(name).render(context)
        starts = [tag.start for tag in tags(rendered)]
        before = rendered[: starts[tag_index]] if tag_index < len(starts) else rendered
        _, found, marker = before.rpartition(_MARKER)
        return marker.partition("-->")[0] if found else name

    def email_files(self) -> Iterator[tuple[str, bytes]]:
        """Yield name and bytes of every file in use that affects mails, sorted by name."""
        names = {p.relative_to(d).as_posix() for d in self.directories for p in (d / "email").rglob("*") if p.is_file()}
        for name in sorted({*names, "theme.toml"}):
            for directory in self.directories:
                if (directory / name).is_file():
                    # The theme is merged, so every directory's counts.
                    yield name, _contained(directory / name, directory).read_bytes()
                    if name != "theme.toml":
                        break

    def templates_hash(self) -> str:
        """Return the SHA-256 over names and bytes of the mail templates, the theme and the catalogues."""
        digest = hashlib.sha256()
        for name, content in (*self.email_files(), *locales.files()):
            digest.update(f"{name}\n{len(content)}\n".encode())
            digest.update(content)
        return digest.hexdigest()


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Return `base` with the values of `over`, table by table."""
    merged = dict(base)
    for key, value in over.items():
        below = merged.get(key)
        merged[key] = merge(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return merged


def _contained(path: Path, directory: Path) -> Path:
    """Return the path, unless a link in a workspace's templates leads out of the workspace."""
    if directory != packaged_directory() and leads_out(path, directory.parent):
        message = f"{path} leads out of the workspace by a link, and was not read"
        raise ContentError(message, hint="Copy the file itself into templates/.")
    return path


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ContentError(f"{path.name} of the templates cannot be read: {error}.", hint=f"Mend {path}.") from error


def _environment(loader: jinja2.BaseLoader, language: str) -> jinja2.Environment:
    environment = ImmutableSandboxedEnvironment(
        loader=loader,
        bytecode_cache=_compiled(language),
        # By the end of the name, and on for every other: jinja's own selection is off for .mjml.j2.
        autoescape=lambda name: name is None or not name.endswith(_PLAIN),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    environment.install_gettext_translations(locales.catalogue(language), newstyle=True)  # type: ignore[attr-defined]
    environment.filters.update(locales.filters(language))
    environment.filters.update(plain_body=plaintext.plain_body, wrap=plaintext.wrap)
    return environment


class _Compiled(jinja2.BytecodeCache):
    """In-memory cache of compiled templates: compiling is most of a build."""

    def __init__(self) -> None:
        self._code: dict[str, tuple[str, CodeType]] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        checksum, code = self._code.get(bucket.key, ("", None))
        if checksum == bucket.checksum:
            bucket.code = code

    def dump_bytecode(self, bucket: Bucket) -> None:
        if bucket.code is not None:
            self._code[bucket.key] = bucket.checksum, bucket.code


@cache
def _compiled(language: str) -> _Compiled:
    """Return the cache of a language: filters of constants are evaluated at compile time."""
    del language
    return _Compiled()


class _Loader(jinja2.FileSystemLoader):
    """Loader of overrides and packaged templates; what `include` and `extends` name comes through it, too."""

    def get_source(self, environment: jinja2.Environment, template: str) -> tuple[str, str, Callable[[], bool]]:
        found = super().get_source(environment, template)
        for directory in map(Path, self.searchpath):
            if Path(found[1]).is_relative_to(directory):
                _contained(Path(found[1]), directory)
        return found


class _MarkingLoader(_Loader):
    """Loader that adds a comment with file and line before each line that begins with a tag, to locate errors."""

    def get_source(self, environment: jinja2.Environment, template: str) -> tuple[str, str, Callable[[], bool]]:
        source, filename, uptodate = super().get_source(environment, template)
        lines = [
            f"{_MARKER}{template}, line {number}-->{line}" if line.lstrip().startswith("<") else line
            for number, line in enumerate(source.split("\n"), start=1)
        ]
        return "\n".join(lines), filename, uptodate


def _fault(name: str, error: Exception, directories: tuple[Path, ...]) -> ContentError:
    if isinstance(error, jinja2.TemplateNotFound):
        hint = "It is named in a template; see templates/README.md."
        return ContentError(f"There is no template {error.name}.", hint=hint)
    place, line = name, 0
    if isinstance(error, jinja2.TemplateSyntaxError):
        place, line = error.name or name, error.lineno
    else:
        for frame in traceback.extract_tb(error.__traceback__):
            for directory in directories:
                if Path(frame.filename).is_relative_to(directory):
                    place, line = Path(frame.filename).relative_to(directory).as_posix(), frame.lineno or 0
    where = f"{place}, line {line}" if line else place
    return ContentError(f"{where}: {error}.", hint="templates/README.md lists what a template may use.")

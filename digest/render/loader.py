"""Loading of Jinja templates and the theme, with overrides, translations and error positions."""

import hashlib
import time
import tomllib
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path
from types import CodeType
from typing import Any

import jinja2
from jinja2 import nodes
from jinja2.bccache import Bucket
from jinja2.compiler import CodeGenerator, Frame
from jinja2.sandbox import ImmutableSandboxedEnvironment

from digest import __version__
from digest.render import locales, plaintext
from digest.render.markup import tags
from digest.render.sandbox import process
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


class OutOfTimeError(Exception):
    """Its rendering takes too long."""


class _TooLongError(Exception):
    pass


LIMITS = (OutOfTimeError, _TooLongError, MemoryError)
_REFUSED_SECONDS = 60.0


def packaged_directory() -> Path:
    """Return the folder of the packaged templates, in the wheel or in a checkout."""
    shipped = _PACKAGE / "_templates"
    return shipped if shipped.is_dir() else _PACKAGE.parent / "templates"


@cache
def renderer_versions() -> dict[str, str]:
    """Return the versions of all packages that affect a mail's bytes."""
    names = (
        "babel",
        "cssutils",
        "jinja2",
        "lxml",
        "mjml-python",
        "nh3",
        "markdown-it-py",
        "mdit-py-plugins",
        "premailer",
    )
    return {"digestpress": __version__, **{name: version(name) for name in names}}


class Templates:
    """Templates of a workspace: `override_dir` overrides the packaged ones by file, the theme by key."""

    def __init__(self, override_dir: Path | None = None, *, room: float = float("inf"), is_child: bool = False) -> None:
        """`is_child` renders the workspace's templates here, too; a rendering has at most `room` characters."""
        self.directories = tuple(d for d in (override_dir, packaged_directory()) if d is not None and d.is_dir())
        self._environments: dict[str, jinja2.Environment] = {}
        self._refused: dict[tuple[str, str, str], tuple[int, float, process.LimitError]] = {}
        self._room = room
        self._is_child = is_child

    def names(self, folder: str) -> list[str]:
        """Return the names of all templates below `email` or `web`."""
        found = (path.relative_to(d).as_posix() for d in self.directories for path in (d / folder).rglob("*.j2"))
        return sorted(set(found))

    def own(self, folder: str) -> list[str]:
        """Return the names of the workspace's templates below a folder."""
        return [
            name for name in self.names(folder) if len(self.directories) > 1 and (self.directories[0] / name).is_file()
        ]

    def _environment(self, language: str) -> jinja2.Environment:
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
        if self.are_apart(name):
            return self.apart("render", name, language, context)
        stream: Iterator[str] = iter(())
        pieces: list[str] = []
        room = self._room
        try:
            stream = self._environment(language).get_template(name).generate(context)
            for piece in stream:
                room -= len(piece)
                if room < 0:
                    raise _TooLongError
                pieces.append(piece)
            return "".join(pieces)
        except (*_TEMPLATE_FAULTS, *LIMITS) as error:
            raise _fault(name, error, self.directories, _at_rest(stream)) from error

    def line_of(self, name: str, language: str, context: Mapping[str, Any], tag_index: int) -> str:
        """Return `template, line N` for the tag with this number in the output of a template."""
        marking = _environment(_MarkingLoader(self.directories), language)
        rendered = marking.get_template(name).render(context)
        starts = [tag.start for tag in tags(rendered)]
        before = rendered[: starts[tag_index]] if tag_index < len(starts) else rendered
        _, found, marker = before.rpartition(_MARKER)
        return marker.partition("-->")[0] if found else name

    def check(self, name: str, language: str) -> None:
        """Compile a template. Raises ContentError with template and line."""
        if self.are_apart(name):
            self.apart("check", name, language, {})
            return
        try:
            self._environment(language).get_template(name)
        except (*_TEMPLATE_FAULTS, *LIMITS, OSError) as error:
            raise _fault(name, error, self.directories) from error

    def are_apart(self, name: str) -> bool:
        """Return whether the workspace has templates that may take part: those below the same top folder.

        Then a child process renders them, within limits of time and memory.
        """
        if self._is_child or len(self.directories) == 1:
            return False
        own = self.directories[0]
        top = own / name.partition("/")[0]
        return (own / name).is_file() or any(top.rglob("*.j2"))

    def apart(self, act: process.Act, name: str, language: str, context: Mapping[str, Any], nonce: str = "") -> str:
        """Have the child do it; what broke the limits is not tried again within a minute, unless a file changes."""
        own, key = self.directories[0], (act, name, language)
        stamp, until, refused = self._refused.get(key, (0, 0.0, None))
        if refused and time.monotonic() < until and stamp == self._stamp():
            raise process.LimitError(refused.message, hint=refused.hint)
        try:
            return process.shared.run(process.Job(act, own, name, language, context, nonce))
        except process.LimitError as error:
            self._refused[key] = self._stamp(), time.monotonic() + _REFUSED_SECONDS, error
            raise

    def _stamp(self) -> int:
        """Return a number that changes with any template of the workspace."""
        with suppress(OSError):  # one was taken away at this moment
            return sum(path.stat().st_mtime_ns for path in self.directories[0].rglob("*.j2"))
        return 0

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
        message = f"{path} is a link that points outside the workspace, and was not read"
        raise ContentError(message, hint="Copy the file itself to templates/.")
    return path


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ContentError(f"The template {path.name} cannot be read: {error}.", hint=f"Correct {path}.") from error


def _environment(loader: jinja2.BaseLoader, language: str) -> jinja2.Environment:
    environment = ImmutableSandboxedEnvironment(
        loader=loader,
        bytecode_cache=_COMPILED,
        optimized=False,
        # By the end of the name, and on for every other: jinja's own selection is off for .mjml.j2.
        autoescape=lambda name: name is None or not name.endswith(_PLAIN),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    environment.code_generator_class = _NothingConstant
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


_COMPILED = _Compiled()


class _NothingConstant(CodeGenerator):
    """Compiler that evaluates nothing: what is evaluated while rendering has a line that an error can name."""

    def _output_child_to_const(self, node: nodes.Expr, frame: Frame, finalize: CodeGenerator._FinalizeInfo) -> str:
        if not isinstance(node, nodes.TemplateData):
            raise nodes.Impossible
        return super()._output_child_to_const(node, frame, finalize)


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


def _fault(
    name: str, error: Exception, directories: tuple[Path, ...], at_rest: tuple[str, int] | None = None
) -> ContentError:
    if isinstance(error, jinja2.TemplateNotFound):
        hint = "A template refers to it; see templates/README.md."
        return ContentError(f"There is no template {error.name}.", hint=hint)
    place, line = at_rest or (name, 0)
    if isinstance(error, jinja2.TemplateSyntaxError):
        place, line = error.name or name, error.lineno
    else:
        for frame in traceback.extract_tb(error.__traceback__):
            for directory in directories:
                if Path(frame.filename).is_relative_to(directory):
                    place, line = Path(frame.filename).relative_to(directory).as_posix(), frame.lineno or 0
    where = f"{place}, line {line}" if line else place
    return ContentError(f"{where}: {limit_text(error)}.", hint=process.HINT)


def limit_text(error: Exception) -> str:
    """Return an error in words."""
    match error:
        case MemoryError():
            return f"it needs more than {process.MEMORY_MEGABYTES} MB of memory"
        case _TooLongError():
            return f"it produces more than {process.MAX_CHARACTERS:,} characters"
    return str(error)


def _at_rest(stream: Iterator[str]) -> tuple[str, int] | None:
    """Return template and line at which a rendering waits for its last piece to be taken."""
    place = None
    inner: Any = stream
    while (frame := getattr(inner, "gi_frame", None)) is not None:
        if template := frame.f_globals.get("__jinja_template__"):
            place = template.name, template.get_corresponding_lineno(frame.f_lineno)
        inner = inner.gi_yieldfrom
    return place

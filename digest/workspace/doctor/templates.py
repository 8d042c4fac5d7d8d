"""Checks of the templates: each one compiles."""

from collections.abc import Iterator

from digest.render.checks import Severity
from digest.runtime.errors import ContentError
from digest.workspace.doctor.diagnosis import Diagnosis, DoctorContext

_REMEDY = (
    "Correct it, or delete the override to use the built-in template. See templates/README.md for what "
    "templates can use."
)


def mails(context: DoctorContext) -> Iterator[Diagnosis]:
    """The theme and the mails' templates."""
    try:
        _ = context.templates.theme
    except ContentError as error:
        yield Diagnosis("theme", Severity.BLOCK, error.message, error.hint)
    yield from _compiled(context, "email")


def pages(context: DoctorContext) -> Iterator[Diagnosis]:
    """The web pages' templates."""
    yield from _compiled(context, "web")


def _compiled(context: DoctorContext, folder: str) -> Iterator[Diagnosis]:
    for name in context.templates.names(folder):
        try:
            context.templates.check(name, context.settings.publication.language)
        except ContentError as error:
            yield Diagnosis("template", Severity.BLOCK, error.message, error.hint or _REMEDY)

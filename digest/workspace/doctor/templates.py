"""Checks of the templates: each one compiles."""

from collections.abc import Iterator

import jinja2

from digest.render.checks import Severity
from digest.runtime.errors import ContentError
from digest.workspace.doctor.diagnosis import Diagnosis, DoctorContext

_REMEDY = "Mend it, or delete the override to get ours back; templates/README.md lists what a template may use."


def mails(context: DoctorContext) -> Iterator[Diagnosis]:
    """The theme and the mails' templates."""
    try:
        _ = context.templates.theme
    except ContentError as error:
        yield Diagnosis("theme", Severity.BLOCK, error.message, error.hint)
    yield from _compiled(context, "email/")


def pages(context: DoctorContext) -> Iterator[Diagnosis]:
    """The web pages' templates."""
    yield from _compiled(context, "web/")


def _compiled(context: DoctorContext, folder: str) -> Iterator[Diagnosis]:
    environment = context.templates.environment(context.settings.publication.language)
    for name in environment.list_templates(filter_func=lambda name: name.startswith(folder) and name.endswith(".j2")):
        try:
            environment.get_template(name)
        except ContentError as error:
            yield Diagnosis("template", Severity.BLOCK, error.message, error.hint)
        except jinja2.TemplateSyntaxError as error:
            message = f"{error.name or name}, line {error.lineno}: {error.message}"
            yield Diagnosis("template", Severity.BLOCK, message, _REMEDY)
        except (jinja2.TemplateError, UnicodeDecodeError, OSError) as error:
            yield Diagnosis("template", Severity.BLOCK, f"{name}: {error}", _REMEDY)

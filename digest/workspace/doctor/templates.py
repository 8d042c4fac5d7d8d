"""The templates: every one compiles, so that a slip of the pen is found before the month's run."""

from collections.abc import Iterator

import jinja2

from digest.render.checks import Severity
from digest.render.loader import Templates
from digest.runtime.errors import ContentError
from digest.workspace.doctor.diagnosis import Diagnosis, DoctorContext

_REMEDY = "Mend it, or delete the override to get ours back; templates/README.md lists what a template may use."


def mails(context: DoctorContext) -> Iterator[Diagnosis]:
    """The mails' templates and the theme can be read."""
    templates = context.templates
    try:
        _ = templates.theme
    except ContentError as error:
        yield Diagnosis("theme", Severity.BLOCK, error.message, error.hint)
    yield from _compiled(templates, "email/", context.settings.publication.language)


def pages(context: DoctorContext) -> Iterator[Diagnosis]:
    """The pages' templates can be read."""
    yield from _compiled(context.templates, "web/", context.settings.publication.language)


def _compiled(templates: Templates, folder: str, language: str) -> Iterator[Diagnosis]:
    environment = templates.environment(language)
    for name in environment.list_templates(filter_func=lambda name: name.startswith(folder) and name.endswith(".j2")):
        try:
            environment.get_template(name)
        except jinja2.TemplateSyntaxError as error:
            message = f"{error.name or name}, line {error.lineno}: {error.message}"
            yield Diagnosis("template", Severity.BLOCK, message, _REMEDY)
        except (jinja2.TemplateError, UnicodeDecodeError, OSError) as error:
            yield Diagnosis("template", Severity.BLOCK, f"{name}: {error}", _REMEDY)

"""Heads of editions: one for all of an issue's in a language, with every rule that MJML writes for what is used. Pure.

MJML writes a class for each width of a column, and the styles of an accordion, only where a mail has one.
"""

import re

from digest.render.checks.fragments import NotComposableError

_COLUMN = r"\.mj-column-\S+ \{[^{}]*\} "
_COMPONENT = r"noinput\.mj-|\.mj-carousel \{"
_RULES = re.compile(
    rf'(?P<media><style type="text/css">@media only screen and \(min-width:\d+px\) \{{ )(?P<columns>(?:{_COLUMN})+)'
    rf'(?P<between> \}}</style><style media="[^"]*">)(?:\.moz-text-html {_COLUMN})+</style>'
    rf'(?:<style type="text/css">(?P<components>(?:{_COMPONENT})(?:(?!</style>).)*)</style>)?',
    re.DOTALL,
)
_EACH_COLUMN = re.compile(_COLUMN)
_EACH_COMPONENT = re.compile(r"(?=noinput\.mj-\w+-checkbox \{|\.mj-carousel \{)")


def head_of(html: str) -> str:
    """Return what stands before the body."""
    return html.partition("<body")[0]


def rules_in(html: str) -> frozenset[str]:
    """Return the rules in a head that depend on what the mail uses."""
    found = _RULES.search(head_of(html))
    if found is None:
        return frozenset()
    components = (one.strip("\n") for one in _EACH_COMPONENT.split(found["components"] or ""))
    return frozenset([*_EACH_COLUMN.findall(found["columns"]), *filter(None, components)])


def without_rules(html: str) -> str:
    """Return a head without them: what all mails of a template have in common."""
    return _RULES.sub("", head_of(html), count=1)


def with_rules(html: str, rules: frozenset[str]) -> str:
    """Return a mail with these rules in its head instead of its own. Raises NotComposableError if one is missing."""
    found = _RULES.search(html, 0, len(head_of(html)))
    if found is None and not rules:
        return html
    if found is None or not rules_in(html) <= rules:
        raise NotComposableError("the head of the mail depends on the articles")
    columns = sorted(one for one in rules if _EACH_COLUMN.fullmatch(one))
    components = "\n".join(sorted(rules.difference(columns)))
    moz = "".join(f".moz-text-html {one}" for one in columns)
    own = f'<style type="text/css">{components}\n</style>' if components else ""
    made = f"{found['media']}{''.join(columns)}{found['between']}{moz}</style>{own}"
    return f"{html[: found.start()]}{made}{html[found.end() :]}"

"""Style sheets of the public pages: the theme as CSS custom properties, before the rules that use them."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from digest.publish.publisher import Publisher
from digest.render.loader import Templates
from digest.settings.publication import pick

_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")
_FONTS = re.compile(r"[\w -]+(?:,[\w -]+)*")
_NAME = re.compile(r"[a-z][a-z_]*")
_BAND = {"band": "accent", "band_ink": "button_ink"}
"""The masthead's band, which keeps its light colours in the dark palette."""
_LARGEST = 10_000  # CSS pixels
_ROOT = 16  # CSS pixels of a rem, unless the visitor has chosen another size of text


def page_style(templates: Templates, name: str) -> str:
    """Return a style sheet of the web templates below the theme's properties; the workspace's files override ours."""
    rules = templates.file(f"web/{name}").read_text(encoding="utf-8")
    return f"{custom_properties(templates.theme, Templates().theme)}{rules}"


def icon(publisher: Publisher) -> str:
    """Return the pages' icon as SVG: the first letter of the publication's name on the band's colours."""
    language, name = (
        publisher.settings.publication.language,
        pick(publisher.settings.publication.name, publisher.settings.publication.language),
    )
    colours = dict(_valid(publisher.templates.theme, Templates().theme, "light"))
    values = {"ground": colours["accent"], "ink": colours["button_ink"], "letter": name.strip()[:1]}
    return publisher.templates.render("web/icon.svg.j2", language, values)


def custom_properties(theme: Mapping[str, Any], packaged: Mapping[str, Any]) -> str:
    """Return the properties of a theme: `--accent`, `--band`, `--font`, `--size-body`, `--width`.

    A value that is none, such as a colour by name, is replaced by the packaged theme's: `issue check` reports it.
    """
    light, dark, fonts = (dict(_valid(theme, packaged, table)) for table in ("light", "dark", "font"))
    light |= {name: light[source] for name, source in _BAND.items() if source in light}
    sizes = {f"size_{name}": value for name, value in _valid(theme, packaged, "size")}
    width = {name: value for name, value in _valid(theme, packaged, "layout") if name == "width"}
    rules = [_rule(":root", {**light, "font": fonts.pop("default", "sans-serif"), **sizes, **width})]
    fonts.pop("outlook", None)
    rules += [_rule(f":root:lang({language})", {"font": stack}) for language, stack in fonts.items()]
    return "".join([*rules, f"@media (prefers-color-scheme: dark) {{\n{_rule(':root', dark)}}}\n"])


def _valid(theme: Mapping[str, Any], packaged: Mapping[str, Any], table: str) -> Iterator[tuple[str, str]]:
    """Yield the values of a table as CSS."""
    own, ours = theme.get(table, {}), packaged.get(table, {})
    for name, value in own.items() if isinstance(own, Mapping) else ():
        written = _css(table, value) or _css(table, ours.get(name))
        if written and _NAME.fullmatch(name):
            yield name, written


def _css(table: str, value: object) -> str:
    if table in {"size", "layout"}:
        is_size = type(value) in {int, float} and 0 < value < _LARGEST  # type: ignore[operator]
        return f"{value / _ROOT:g}rem" if is_size else ""  # type: ignore[operator]
    form = _FONTS if table == "font" else _COLOUR
    return value.strip() if isinstance(value, str) and form.fullmatch(value.strip()) else ""


def _rule(selector: str, properties: Mapping[str, str]) -> str:
    lines = "".join(f"  --{name.replace('_', '-')}: {value};\n" for name, value in properties.items())
    return f"{selector} {{\n{lines}}}\n"

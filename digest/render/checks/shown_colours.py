"""Colours of each text in a rendered mail: the cascade of style elements, style attributes and inheritance."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import cssutils
from lxml.cssselect import CSSSelector, SelectorError
from PIL import ImageColor

from digest.render.selectors import ElementIndex
from digest.runtime.text import cut

_DARK = "prefers-color-scheme:dark"
_OTHER_SCREENS = re.compile(r"print|prefers-color-scheme|data-ogs")
_PROPERTIES = frozenset(
    {"color", "background-color", "background", "font-size", "font-weight", "display", "visibility", "opacity"}
)
_COLOUR = re.compile(r"#[0-9a-f]{3,8}\b|(?:rgb|hsl)a?\([^)]*\)|[a-z]+")
_PIXELS = re.compile(r"([\d.]+)px")
_NUMBER = re.compile(r"0?\.\d+|[01](?:\.0*)?")
_LARGE, _LARGE_BOLD = 24.0, 18.66
_LINK = "#0000ee"  # of browsers, where nothing says otherwise


@dataclass(frozen=True, slots=True)
class ShownText:
    """The first text of an element with these colours, both `#rrggbb`."""

    element: Any
    words: str
    ink: str
    ground: str
    is_large: bool


class _Rule(NamedTuple):
    selector: str
    specificity: tuple[int, ...]
    declarations: Mapping[str, tuple[str, bool]]  # property -> value, whether it is important


class _Inherited(NamedTuple):
    ink: str = "#000000"
    ground: str = "#ffffff"
    size: float = 16.0
    is_bold: bool = False
    opacity: float = 1.0


def index_of(tree: Any) -> ElementIndex:
    """Return what selectors select in a mail, for both palettes."""
    return ElementIndex(tree, _selector)


def shown_texts(
    tree: Any, select: ElementIndex, *, dark: bool, part_of: Callable[[Any], object] = lambda _: None
) -> Iterator[ShownText]:
    """Yield a text for each pair of colours in each part, in the light or the dark palette; hidden text is left out."""
    css = "\n".join(style.text or "" for style in tree.iter("style"))
    styles = _cascade(tree, _rules(css, dark=dark), select)
    seen: set[tuple[object, _Inherited]] = set()
    shown: set[tuple[object, str, str, bool]] = set()
    for element, own in _walk(tree.find("body"), _Inherited(), styles):
        part = part_of(element)
        if (part, own) in seen or not (words := _words(element)):
            continue
        seen.add((part, own))
        is_large = own.size >= (_LARGE_BOLD if own.is_bold else _LARGE)
        text = ShownText(element, cut(words, 60), mixed(own.ink, own.ground, own.opacity), own.ground, is_large)
        if (key := (part, text.ink, text.ground, is_large)) not in shown:
            shown.add(key)
            yield text


def _words(element: Any) -> str:
    return " ".join(" ".join([element.text or "", *(child.tail or "" for child in element)]).split())


def _walk(
    root: Any, inherited: _Inherited, styles: Mapping[Any, Mapping[str, str]]
) -> Iterator[tuple[Any, _Inherited]]:
    """Yield the elements that are shown, with their colours, in the order of the mail."""
    stack, known, plain = [(root, inherited)], dict[tuple[object, ...], _Inherited](), dict[str, str]()
    while stack:
        element, above = stack.pop()
        style = styles.get(element, plain)
        if style.get("display") == "none" or style.get("visibility") == "hidden" or element.tag == "style":
            continue
        own_values = (id(style), element.tag, *map(element.get, ("bgcolor", "href", "color")), above)
        own = known.get(own_values) or known.setdefault(own_values, _applied(element, style, above))
        if own.size > 1:
            yield element, own
        stack += [(child, own) for child in reversed(element) if isinstance(child.tag, str)]


def _applied(element: Any, style: Mapping[str, str], above: _Inherited) -> _Inherited:
    ground = style.get("background-color") or style.get("background") or element.get("bgcolor") or ""
    default = _LINK if element.tag == "a" and element.get("href") else ""
    ink = style.get("color") or (element.get("color") if element.tag == "font" else "") or default
    pixels = _PIXELS.fullmatch(style.get("font-size", "").strip())
    weight = style.get("font-weight", "")
    bold = element.tag in {"b", "strong", "th", "h1", "h2", "h3", "h4", "h5", "h6"} or above.is_bold
    opacity = style.get("opacity", "1")
    painted = _colour(ground, above.ground) or above.ground
    return _Inherited(
        ink=_colour(ink, painted) or above.ink,
        ground=painted,
        size=float(pixels[1]) if pixels else above.size,
        is_bold=weight in {"bold", "bolder"} or (weight.isdigit() and int(weight) >= 700) if weight else bold,
        opacity=above.opacity * float(opacity if _NUMBER.fullmatch(opacity) else 1),
    )


@lru_cache(maxsize=4096)
def _colour(value: str, under: str) -> str:
    """Return the first colour in a value, laid over `under` where it is translucent; empty if there is none."""
    for found in _COLOUR.finditer(re.sub(r"url\([^)]*\)", "", value.lower())):
        try:
            red, green, blue, alpha = _channels(found[0])
        except ValueError:  # a word of another meaning
            continue
        return mixed(f"#{red:02x}{green:02x}{blue:02x}", under, alpha)
    return ""


def _channels(colour: str) -> tuple[int, int, int, float]:
    """Return red, green, blue (0 to 255) and opacity (0 to 1). Raises ValueError if it is no colour."""
    function = re.fullmatch(r"rgba?\(([^)]*)\)", colour)
    if function is None:
        red, green, blue, *rest = ImageColor.getrgb(colour)
        return red, green, blue, (rest[0] if rest else 255) / 255
    parts = re.split(r"[,/\s]+", function[1].strip())
    if len(parts) not in {3, 4}:
        raise ValueError(colour)
    of_255 = [min(255, round(float(p[:-1]) * 2.55) if p.endswith("%") else int(float(p))) for p in parts[:3]]
    opacity = parts[3] if len(parts) == 4 else "1"
    alpha = float(opacity[:-1]) / 100 if opacity.endswith("%") else float(opacity)
    return of_255[0], of_255[1], of_255[2], alpha


@lru_cache(maxsize=4096)
def mixed(colour: str, under: str, alpha: float) -> str:
    """Return a translucent `#rrggbb` as it shows on another one."""
    pairs = zip(ImageColor.getrgb(colour)[:3], ImageColor.getrgb(under)[:3], strict=True)
    return "#" + "".join(f"{round(c * alpha + u * (1 - alpha)):02x}" for c, u in pairs)


def _cascade(tree: Any, rules: tuple[_Rule, ...], select: ElementIndex) -> dict[Any, dict[str, str]]:
    hits: dict[Any, tuple[int, ...]] = {}
    for number, rule in enumerate(rules):
        for element in select(rule.selector):
            hits[element] = (*hits.get(element, ()), number)
    for element in tree.iterfind(".//*[@style]"):
        hits.setdefault(element, ())
    known: dict[tuple[str, tuple[int, ...]], dict[str, str]] = {}  # articles have the same few
    styles: dict[Any, dict[str, str]] = {}
    for element, numbers in hits.items():
        key = (element.get("style") or "", numbers)
        if key not in known:
            known[key] = _won(key[0], [rules[number] for number in numbers])
        styles[element] = known[key]
    return styles


def _won(css: str, rules: Iterable[_Rule]) -> dict[str, str]:
    won: dict[str, tuple[tuple[Any, ...], str]] = {}
    offers = [((1,), _declarations(css)), *(((0, *rule.specificity), rule.declarations) for rule in rules)]
    for rank, declarations in offers:
        for name, (value, important) in declarations.items():
            weight = (important, *rank)
            if name not in won or won[name][0] <= weight:
                won[name] = (weight, value)
    return {name: value for name, (_, value) in won.items()}


@lru_cache(maxsize=512)
def _selector(css: str) -> Any:
    try:
        return CSSSelector(css, translator="html")
    except SelectorError:  # one that only some mail apps know
        return lambda _: ()


@lru_cache(maxsize=4096)
def _declarations(css: str) -> dict[str, tuple[str, bool]]:
    found: dict[str, tuple[str, bool]] = {}
    for piece in css.split(";"):
        name, _, value = piece.partition(":")
        name, value = name.strip().lower(), value.strip().lower()
        if name in _PROPERTIES:
            bare = value.removesuffix("!important").strip()
            name = "background-color" if name == "background" else name
            found[name] = (bare, bare != value)
    return found


@lru_cache(maxsize=32)  # all editions in a language share their style elements
def _rules(css: str, *, dark: bool) -> tuple[_Rule, ...]:
    sheet = cssutils.CSSParser(raiseExceptions=False, validate=False, loglevel=60).parseString(css)
    rules: list[tuple[Any, bool]] = []
    for rule in sheet:
        media = "".join(rule.media.mediaText.split()) if rule.type == rule.MEDIA_RULE else ""
        if not media or (dark and _DARK in media) or not _OTHER_SCREENS.search(media):
            rules += [(inner, "width" in media) for inner in (rule if media else [rule])]
    return tuple(
        # What one width hides, another shows.
        _Rule(one.selectorText, tuple(one.specificity), {k: v for k, v in own.items() if k != "display" or not narrow})
        for rule, narrow in rules
        if rule.type == rule.STYLE_RULE and (own := _declarations(rule.style.cssText.replace("\n", " ")))
        for one in rule.selectorList
        if not re.search(r"::|data-ogs|:(?:hover|focus|active|visited|root)", one.selectorText)
    )

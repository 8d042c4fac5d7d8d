"""Units that editions are joined from: an article in a form, a section's ends, a left-out line; rendered once each."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import suppress
from itertools import cycle
from typing import Any, Generic, NamedTuple

from digest.render.checks.fragments import NotComposableError
from digest.render.context import EditionContext
from digest.render.fragments import as_json
from digest.render.frames import FragmentT, Frame, Region, frame_as_json, frame_from_json, layout_of
from digest.render.marks import Cutting
from digest.render.samples import ArticleForm, Sample, SampleMaker

_AT_ONCE = 40  # articles in a sample: far within the limits of a workspace's own templates
_PARTS = ("section", "article", "end")

Wanted = tuple[str, ArticleForm] | None
"""An article of a sample in its form; None for a stub."""


class UnitKey(NamedTuple):
    """What a unit shows: `article`, `section` or `left_out`. `digits` of an article's number matter in plain text."""

    kind: str
    name: str
    section: str = ""
    form: ArticleForm = ArticleForm("full")
    digits: int = 1


class Placed(NamedTuple):
    """An article of an edition and its number there."""

    key: UnitKey
    number: str


class Cut(NamedTuple, Generic[FragmentT]):
    """A rendered sample in fragments; `head` is what stands before the body of the HTML."""

    cuttings: Sequence[Cutting]
    fragments: Sequence[FragmentT]
    head: str = ""


class Units(Generic[FragmentT]):
    """The units and frames of one part of the mail in one language, from the cache where it has them."""

    def __init__(
        self,
        maker: SampleMaker,
        render: Callable[[Sample], Cut[FragmentT]],
        decode: Callable[[list[Any]], FragmentT],
        cache: MutableMapping[str, Any],
        base: str,
    ) -> None:
        self._maker, self._cache, self._base = maker, cache, base
        self._render: Callable[[Sample], Cut[FragmentT]] = render
        self._decode: Callable[[list[Any]], FragmentT] = decode
        self._known: dict[UnitKey, Mapping[str, FragmentT]] = {}
        self._hashes: dict[str, str] = {}
        self.heads: set[str] = set()
        self._new: set[UnitKey] = set()  # units that no compared edition held

    def __getitem__(self, key: UnitKey) -> Mapping[str, FragmentT]:
        """Return the fragments of a unit that was provided, by kind of mark."""
        return self._known[key]

    def __contains__(self, key: UnitKey) -> bool:
        return key in self._known

    def provide(self, wanted: Iterable[UnitKey]) -> None:
        """Make units ready. Raises NotComposableError, and ContentError of the templates."""
        missing = [key for key in dict.fromkeys(wanted) if key not in self._known and not self._recalled(key)]
        others = [key for key in missing if key.kind != "article"]
        articles = sorted((key for key in missing if key.kind == "article"), key=lambda key: key.digits)
        for digits in sorted({key.digits for key in articles} or ({1} if others else ())):
            same = [key for key in articles if key.digits == digits]
            for at in range(0, max(len(same), 1), _AT_ONCE):
                self._make(same[at : at + _AT_ONCE], others, digits)
                others = []

    def frame(
        self, sample: Sample, findings: Callable[[Cut[FragmentT]], Sequence[Any]], facts: str = ""
    ) -> Frame[FragmentT]:
        """Return the frame of a sample with a stub; `facts` are what else its rendering depends on."""
        name = self._name("frame", repr(sample.context), facts)
        with suppress(KeyError, TypeError, ValueError):  # what somebody changed is made again
            return frame_from_json(self._cache[name], self._decode)
        made = self._render(sample)
        layout = layout_of(made.cuttings, made.fragments, self._maker.tokens.stub)
        frame = Frame(layout, made.head, tuple(findings(made)))
        self._cache[name] = frame_as_json(frame)
        return frame

    def rules(
        self, frames: Iterable[EditionContext], render: Callable[[EditionContext], frozenset[str]]
    ) -> frozenset[str]:
        """Return the rules in the heads of these frames and of all articles of the issue, each in all its forms."""
        found = set[str]()
        for context in (*frames, *(sample.context for sample in self._maker.every())):
            name = self._name("rules", repr(context))
            if not isinstance(self._cache.get(name), list):
                self._cache[name] = sorted(render(context))
            found.update(self._cache[name])
        return frozenset(found)

    def are_compared(self, keys: Iterable[UnitKey]) -> bool:
        """Whether each of these units stood in an edition that was compared."""
        return self._new.isdisjoint(keys)

    def compared(self, keys: Iterable[UnitKey]) -> None:
        """Keep that these units stood in an edition that is what its direct rendering is."""
        for key in self._new.intersection(keys):
            head, fragments, _ = self._cache[self._cache_name(key)]
            self._cache[self._cache_name(key)] = [head, fragments, True]
            self._new.discard(key)

    def _make(self, articles: Sequence[UnitKey], others: Sequence[UnitKey], digits: int) -> None:
        wanted = [(key.name, key.section, key.form) for key in articles]
        sections = [key.name for key in others if key.kind == "section"]
        left_out = [key.name for key in others if key.kind == "left_out"]
        sample = self._maker.sample(wanted, sections, left_out, digits)
        made = self._render(sample)
        keys: dict[Wanted, UnitKey] = {(key.name, key.form): key for key in articles}
        lines = {self._maker.views.left_out(group).url: UnitKey("left_out", group) for group in left_out}
        found: dict[UnitKey, dict[str, FragmentT]] = {key: {} for key in (*articles, *others)}
        for key, kind, fragment in _owners(made, sample.articles, keys, lines):
            # A section that stands around articles only may lack the parts that it has around a lead.
            if key in found and found[key].setdefault(kind, fragment) != fragment:
                raise NotComposableError(f"{kind} of {key.name} is not the same everywhere")
        for key, fragments in found.items():
            if key not in self._known:
                self._known[key] = fragments
                named = {kind: as_json(fragment) for kind, fragment in fragments.items()}
                self._cache[self._cache_name(key)] = [made.head, named, False]
                self._new.add(key)
        self.heads.add(made.head)

    def _recalled(self, key: UnitKey) -> bool:
        with suppress(KeyError, TypeError, ValueError, AttributeError):  # what somebody changed is made again
            head, fragments, compared = self._cache[self._cache_name(key)]
            self._known[key] = {kind: self._decode(values) for kind, values in fragments.items()}
            self.heads.add(head)
            self._new |= set() if compared is True else {key}
            return True
        return False

    def _cache_name(self, key: UnitKey) -> str:
        views = self._maker.views
        content: Any = key.section or key.name, views.section_titles.get(key.section or key.name)
        if key.kind == "left_out":
            content = views.left_out(key.name)
        elif key.kind == "article":
            if key.name not in self._hashes:
                self._hashes[key.name] = self._name(repr(views.article(key.name)))
            content = (*content, self._hashes[key.name])
        return self._name(key.kind, repr(content), repr(key.form), str(key.digits))

    def _name(self, *parts: str) -> str:
        text = "\n".join((self._base, *parts))
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:40]


def _owners(
    made: Cut[FragmentT], articles: Sequence[Wanted], keys: Mapping[Wanted, UnitKey], lines: Mapping[str, UnitKey]
) -> Iterator[tuple[UnitKey, str, FragmentT]]:
    """Yield to which unit each fragment belongs."""
    orders = {region: cycle(order) for region, order in _orders(made.cuttings, articles).items()}
    for cutting, fragment in zip(made.cuttings, made.fragments, strict=True):
        key: UnitKey | None = None
        if cutting.region == "left_out":
            key = lines.get(cutting.key)
        elif cutting.region and cutting.part != "article":
            key = UnitKey("section", cutting.key)
        elif cutting.region:
            key = keys.get(next(orders[cutting.region]))
        if key is not None:
            yield key, cutting.kind, fragment


def _orders(cuttings: Sequence[Cutting], articles: Sequence[Wanted]) -> Mapping[str, Sequence[Wanted]]:
    """Return which articles each region shows: all, the leads, or the others, maybe more than once, in order."""
    leads = [article for article in articles if article and article[1].lead]
    others = [article for article in articles if article not in leads]
    found: dict[str, Sequence[Wanted]] = {}
    for region in ("lead", "contents", "sections"):
        names = [cutting.key for cutting in cuttings if cutting.kind == f"{region}.article"]
        choices = (leads, articles) if region == "lead" else (articles, others)
        fitting = (some for some in choices if some and names == _names(some) * (len(names) // len(some)))
        if names:
            found[region] = next(fitting, ())
            if not found[region]:
                raise NotComposableError("the articles are not in the issue's order, or lack their marks")
    if {*articles}.difference(found.get("lead", ()), found.get("sections", ())):
        raise NotComposableError("not every article has its mark")
    return found


def _names(articles: Iterable[Wanted]) -> list[str]:
    return [article[0] if article else "" for article in articles]


def region_parts(
    region: Region, placed: Sequence[Placed], left_out: Iterable[str]
) -> Iterator[tuple[UnitKey, str, str]]:
    """Yield which fragments a region has: unit, kind of mark, and number of the article."""
    if region.name == "left_out":
        yield from ((UnitKey("left_out", group), "left_out.article", "") for group in left_out)
        return
    head, article, end = (f"{region.name}.{part}" if part in region.parts else "" for part in _PARTS)
    shown = placed[1:] if region.most is None else placed[1 : 1 + region.most]
    section = None
    for key, number in [*placed[:1], *shown] if region.lead else shown:
        if key.section != section:
            if section is not None and end:
                yield UnitKey("section", section), end, ""
            section = key.section
            if head:
                yield UnitKey("section", section), head, ""
        if article:
            yield key, article, number
    if section is not None and end:
        yield UnitKey("section", section), end, ""

"""Editions joined from what was rendered once: frames, and articles in each form that an edition needs."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, MutableMapping, Sequence
from functools import cached_property
from typing import Any

from digest.editions.segment import Selection
from digest.render.checks import HTML_WARNING, CheckedMail, Finding
from digest.render.checks import fragments as checks
from digest.render.checks.accessible import check_language, check_title, outline_faults
from digest.render.checks.fragments import NotComposableError
from digest.render.checks.links import anchor_faults
from digest.render.checks.parts import check_footer, check_subject, lacking_slots, slots_in, title_faults, unnamed_links
from digest.render.checks.size import check_style_size, size_faults
from digest.render.checks.theme import palette_faults
from digest.render.content import EditionViews
from digest.render.context import EditionContext
from digest.render.edition import FOLDER, Rendered, variables_of
from digest.render.fragments import (
    HtmlFragment,
    LocalFinding,
    TextFragment,
    html_from_json,
    joined_text,
    numbered,
    size_of,
    text_from_json,
)
from digest.render.frames import FilledFrame, FragmentT, Frame, Region, filled
from digest.render.heads import head_of, rules_in, with_rules, without_rules
from digest.render.loader import Templates, renderer_versions
from digest.render.mail import render_head, render_html, render_text, theme_of
from digest.render.marks import cut
from digest.render.markup import shown
from digest.render.samples import ArticleForm, FrameKey, Sample, SampleMaker, Tokens, form_of, forms_of
from digest.render.shortening import Length, Shortened, Step, shortened_findings, steps
from digest.render.slots import EDITION_SLOTS, Slot
from digest.render.units import Cut, Placed, UnitKey, Units, region_parts

_GUESS: Mapping[Length, int] = {"summary": 1_500, "title": 400}  # bytes, before it is rendered


class Composer:
    """Joins the editions of an issue in one language. Raises NotComposableError where the templates do not allow it."""

    def __init__(
        self, views: EditionViews, templates: Templates, nonce: str, tokens: Tokens, cache: MutableMapping[str, Any]
    ) -> None:
        self.views, self._templates, self._nonce, self._tokens = views, templates, nonce, tokens
        self._theme = theme_of(templates, {})
        self._forms = forms_of(self._theme)
        self._maker = SampleMaker(views, tokens, self._forms)
        facts = (repr(views.frame), templates.templates_hash(), repr(renderer_versions()), nonce, repr(tokens))
        self.base = base = hashlib.sha256("\n".join(facts).encode("utf-8", "surrogatepass")).hexdigest()
        self._html = Units(self._maker, self._render_html, html_from_json, cache, f"{base} html")
        self._text = Units(self._maker, self._render_text, text_from_json, cache, f"{base} text")
        self._cache = cache
        self._frames: dict[FrameKey, Frame[HtmlFragment]] = {}
        self._filled: dict[tuple[FrameKey, str, str, str], FilledFrame] = {}
        self._named: dict[UnitKey, tuple[LocalFinding, ...]] = {}
        self._shortened: dict[Selection, Shortened] = {}
        self._keys: dict[tuple[str, str, ArticleForm], UnitKey] = {}
        self._wider: dict[tuple[UnitKey, int], UnitKey] = {}
        self._weights: dict[tuple[UnitKey, str], tuple[int, int]] = {}

    @cached_property
    def _palette(self) -> tuple[LocalFinding, ...]:
        return tuple(LocalFinding(checks.CONTRAST, "", found) for found in palette_faults(self._theme))

    @cached_property
    def head_rules(self) -> frozenset[str] | None:
        """What MJML writes into all heads of the issue; None for the packaged templates, whose heads are the same."""
        if not self._templates.are_apart(FOLDER):
            return None
        flags = [FrameKey(one, *[True] * 5) for one in ("every", *self.views.content.earlier)]
        keys = [FrameKey("every", *[False] * 5), *flags]
        frames = (self._maker.frame(key, *self._tokens.head).context for key in keys)
        return self._html.rules(frames, self._rules_of)

    def _rules_of(self, context: EditionContext) -> frozenset[str]:
        variables = variables_of(context, self._theme, self._nonce)
        return rules_in(render_head(FOLDER, self.views.language, variables, self._templates))

    def prepare(self, selections: Sequence[Selection], archived: Sequence[Selection] = ()) -> None:
        """Render what these editions need and the cache does not have."""
        placed = {one: self._placed(one, {}, archive=False) for one in selections}
        whole = [self._placed(one, {}, archive=True) for one in archived]
        every = [*selections, *archived]
        others = self._others(every)
        self._html.provide([*others, *(key for some in (placed.values(), whole) for one in some for key, _ in one)])
        open_ = {one: self._size(one, placed[one]) for one in selections if one not in self._shortened}
        while open_:
            missing = [key for one, size in open_.items() for key in self._settle(one, placed[one], size)]
            self._html.provide(missing)
            open_ = {one: size for one, size in open_.items() if one not in self._shortened}
        final = [self._placed(one, chosen, archive=False) if (chosen := self._shortened[one]) else placed[one]
                 for one in selections]  # fmt: skip
        self._text.provide([*others, *(self._wide(key, number) for one in (*final, *whole) for key, number in one)])
        heads = {self._html_frame(self._frame_key(one)).head for one in every} | self._html.heads
        if len(heads) > 1:
            raise NotComposableError("the head of the mail depends on the articles")

    def shortened(self, selection: Selection) -> Shortened:
        """Return which articles of a prepared edition are shorter by the rule of size."""
        return self._shortened[selection]

    def is_compared(self, selection: Selection, *, archive: bool = False) -> bool:
        """Whether each piece of a prepared edition, and its frame, stood in one that was compared."""
        html, text = self._units_of(selection, archive=archive)
        known = self._html.are_compared(html) and self._text.are_compared(text)
        return known and self._frame_name(selection) in self._cache

    def compared(self, selection: Selection, *, archive: bool = False) -> None:
        """Keep that a prepared edition is what its direct rendering is."""
        html, text = self._units_of(selection, archive=archive)
        self._html.compared(html)
        self._text.compared(text)
        self._cache[self._frame_name(selection)] = True

    def _units_of(self, selection: Selection, *, archive: bool) -> tuple[list[UnitKey], list[UnitKey]]:
        shortened: Shortened = {} if archive else self._shortened[selection]
        placed = self._placed(selection, shortened, archive=archive)
        others = self._others([selection])
        return [*others, *(key for key, _ in placed)], [*others, *(self._wide(*one) for one in placed)]

    def _frame_name(self, selection: Selection) -> str:
        rules = sorted(self.head_rules or ())
        facts = repr((self._frame_key(selection), self.views.subject_and_preheader(_lead(selection)), rules))
        return f"{self.base} compared {hashlib.sha256(facts.encode('utf-8', 'surrogatepass')).hexdigest()}"

    def rendered(self, selection: Selection, *, archive: bool = False) -> Rendered:
        """Return a prepared edition, as `render_edition` would make it."""
        shortened: Shortened = {} if archive else self._shortened[selection]
        placed = self._placed(selection, shortened, archive=archive)
        frame = self._filled_frame(selection)
        html = list(self._expanded(frame.html, selection, placed, self._html))
        text = self._expanded(
            frame.text, selection, [Placed(self._wide(*one), one.number) for one in placed], self._text
        )
        pieces = tuple(piece for fragment, number in html for piece in numbered(fragment.pieces, number))
        text_fragments = list(text)
        text_pieces = tuple(joined_text(text_fragments))
        digits = [(len(fragment.pieces) - 1) * len(number) for fragment, number in html if len(fragment.pieces) > 1]
        more = sum(digits)
        longest = sum(fragment.longest for fragment, _ in html) + more
        sizes = (sum(fragment.size for fragment, _ in html) + more, sum(map(size_of, text_pieces)), longest)
        local = [*self._whole(frame, html, text_fragments, longest)]
        local += [found for one in placed for found in self._unnamed(one.key, one.number, frame)]
        local += [
            found for group in selection.left_out for found in self._unnamed(UnitKey("left_out", group), "", frame)
        ]
        subject, preheader = self.views.subject_and_preheader(_lead(selection))
        titles = ((slug, self.views.article(slug).title) for slug, _ in selection.shown)
        findings = (*shortened_findings(shortened, titles), *dict.fromkeys(checks.in_order(local)))
        pictures = frozenset(picture for fragment, _ in html if fragment.pictures for picture in fragment.pictures)
        return Rendered(subject, preheader, pieces, text_pieces, self._nonce, findings, pictures, sizes)

    def _whole(
        self,
        frame: FilledFrame,
        html: Sequence[tuple[HtmlFragment, str]],
        text: Sequence[tuple[TextFragment, str]],
        longest: int,
    ) -> Iterator[LocalFinding]:
        """Yield the findings of the fragments, and those that only an edition as a whole can have."""
        headings: list[tuple[int, str]] = []
        ids: list[str] = []
        names: list[str] = []
        links: list[tuple[str, str]] = []
        for fragment, _ in html:
            headings += fragment.headings
            ids += fragment.ids
            names += fragment.names
            links += fragment.links
            for found in fragment.findings:
                if found.rank != checks.CONTRAST or not self._palette:
                    yield found
        yield from (found for fragment, _ in text for found in fragment.findings)
        yield from frame.findings
        yield from self._palette
        in_html = frame.slots.union(*(fragment.slots for fragment, _ in html if fragment.slots))
        in_text = frame.text_slots.union(*(fragment.slots for fragment, _ in text if fragment.slots))
        slots = lacking_slots(EDITION_SLOTS, {*map(Slot, in_html)}, {*map(Slot, in_text)})
        for rank, faults in (
            (checks.SIZE, size_faults(longest)),
            (checks.SLOTS, slots),
            (checks.OUTLINE, outline_faults(headings)),
            (checks.ANCHORS, anchor_faults(ids, names, links, str)),
        ):
            yield from (LocalFinding(rank, "", found) for found in faults)

    def _unnamed(self, key: UnitKey, number: str, frame: FilledFrame) -> tuple[LocalFinding, ...]:
        """Return the findings on what the plain text lacks of a unit, which are the same wherever it stands."""
        if key not in self._named:
            text = self._text[self._wide(key, number)].values()
            plain = "\n".join("".join(fragment.pieces) for fragment in text)
            html = self._html[key].values()
            found: list[Finding] = []
            if key.kind == "article":
                headings = [words for fragment in html for rank, words in fragment.headings if rank in {3, 4}]
                found += title_faults([self.views.article(key.name).title], plain, headings)
            links = (link for fragment in html for link in shown("".join(fragment.pieces)).links)
            found += unnamed_links(links, plain, frame.plain)
            self._named[key] = tuple(LocalFinding(checks.TEXT, "", one) for one in found)
        return self._named[key]

    def _placed(self, selection: Selection, shortened: Shortened, *, archive: bool) -> list[Placed]:
        made, before, last = [], None, len(selection.shown) - 1
        uses_first, uses_last, uses_lead = ("first" in self._forms, "last" in self._forms, "lead" in self._forms)
        for index, (slug, section) in enumerate(selection.shown):
            length = "full" if archive else shortened.get(slug) or self.views.display(slug, index + 1) or "full"
            apart = index == 0 and self._lead_apart
            ends = uses_last and (apart or index == last or selection.shown[index + 1][1] != section)
            form = form_of(length, uses_lead and index == 0, uses_first and section != before, ends)
            made.append(Placed(self._key(slug, section, form), str(index + 1)))
            before = None if apart else section
        return made

    def _others(self, selections: Iterable[Selection]) -> list[UnitKey]:
        found: dict[UnitKey, None] = {}
        for one in selections:
            found |= dict.fromkeys(UnitKey("section", section) for _, section in one.shown)
            found |= dict.fromkeys(UnitKey("left_out", group) for group in one.left_out)
        return list(found)

    def _expanded(
        self, frame: Frame[FragmentT], selection: Selection, placed: Sequence[Placed], units: Units[FragmentT]
    ) -> Iterator[tuple[FragmentT, str]]:
        """Yield an edition's fragments in order, each with the number of its article."""
        for one in frame.layout:
            if not isinstance(one, Region):
                yield one, ""
                continue
            for key, kind, number in region_parts(one, placed, selection.left_out):
                yield units[key][kind], number

    def _steps(self, selection: Selection) -> Iterator[Step]:
        """Yield what the rule of size does to an edition, in that order."""
        numbered = enumerate(selection.shown, start=1)
        return steps([(slug, self.views.lengths(slug, number)) for number, (slug, _) in numbered])

    def _size(self, selection: Selection, placed: Sequence[Placed]) -> int:
        """Return the bytes of the HTML with the longest values in its slots, with no article as a summary by rule."""
        frame = self._filled_frame(selection)
        size = frame.longest
        for region in frame.html.regions:
            for key, kind, number in region_parts(region, placed, selection.left_out):
                longest, numbers = self._weight(key, kind)
                size += longest + numbers * len(number)
        return size

    def _weight(self, key: UnitKey, kind: str) -> tuple[int, int]:
        """Return the bytes of a fragment of a unit, and how often its number stands in it."""
        if (key, kind) not in self._weights:
            fragment = self._html[key][kind]
            self._weights[key, kind] = fragment.longest, len(fragment.pieces) - 1
        return self._weights[key, kind]

    def _longest(self, key: UnitKey) -> int:
        """Return the bytes of all fragments of an article, a guess before they are rendered."""
        if key not in self._html:
            return _GUESS[key.form.display]
        return sum(self._weight(key, kind)[0] for kind in self._html[key])

    def _settle(self, selection: Selection, placed: Sequence[Placed], size: int) -> list[UnitKey]:
        """Shorten an edition by sums; return what must be rendered before that is certain."""
        chosen: dict[str, Length] = {}
        missing: dict[UnitKey, None] = {}
        now = {key.name: key for key, _ in placed}
        for slug, length in self._steps(selection) if size > HTML_WARNING else ():
            if size <= HTML_WARNING:
                break
            longer = now[slug]
            shorter = self._key(slug, longer.section, longer.form._replace(display=length))
            missing |= {} if shorter in self._html else {shorter: None}
            size += self._longest(shorter) - self._longest(longer)
            chosen[slug], now[slug] = length, shorter
        if not missing:
            self._shortened[selection] = chosen
        return [*missing]

    def _key(self, slug: str, section: str, form: ArticleForm) -> UnitKey:
        parts = (slug, section, form)
        if parts not in self._keys:
            self._keys[parts] = UnitKey("article", slug, section, form)
        return self._keys[parts]

    def _wide(self, key: UnitKey, number: str) -> UnitKey:
        """Return the key of a unit of the plain text, which depends on the width of the number."""
        if key.kind != "article" or len(number) == 1:
            return key
        if (key, len(number)) not in self._wider:
            self._wider[key, len(number)] = key._replace(digits=len(number))
        return self._wider[key, len(number)]

    def _html_frame(self, key: FrameKey) -> Frame[HtmlFragment]:
        if key not in self._frames:
            sample, facts = self._maker.frame(key, *self._tokens.head), repr(sorted(self.head_rules or ()))
            self._frames[key] = self._html.frame(sample, self._frame_findings, facts)
        return self._frames[key]

    def _frame_key(self, selection: Selection) -> FrameKey:
        _, preheader = self.views.subject_and_preheader(_lead(selection))
        language = self.views.language
        untranslated = any(self.views.article(slug).language != language for slug, _ in selection.shown)
        listed, more = self.views.listed(selection)
        return FrameKey(
            selection.frequency, bool(preheader), bool(selection.left_out), untranslated, bool(listed), bool(more)
        )

    @cached_property
    def _lead_apart(self) -> bool:
        """Whether the templates show the first article apart from the rest of its section."""
        key = FrameKey("every", True, False, False, True, True)
        html = self._html_frame(key)
        text = self._text.frame(self._maker.frame(key, *self._tokens.head), lambda _: ())
        apart = {not region.lead for frame in (html, text) for region in frame.regions if region.name == "sections"}
        if len(apart) > 1 or (apart == {True} and "lead" not in self._forms):
            raise NotComposableError("HTML and plain text, or the theme's [forms], disagree about the first article")
        return apart == {True}

    def _frame_findings(self, made: Cut[HtmlFragment]) -> list[LocalFinding]:
        html = "".join(cutting.content for cutting in made.cuttings)
        mail = self._mail(html, "", self._tokens.subject)
        ranked = ((checks.STYLE, check_style_size), (checks.TITLE, check_title), (checks.LANGUAGE, check_language))
        return [LocalFinding(rank, "", found) for rank, check in ranked for found in check(mail)]

    def _filled_frame(self, selection: Selection) -> FilledFrame:
        key = self._frame_key(selection)
        subject, preheader = self.views.subject_and_preheader(_lead(selection))
        values = subject, preheader, self.views.listed(selection)[1]
        if (key, *values) not in self._filled:
            html = filled(self._html_frame(key), self._tokens, *values)
            text = self._text.frame(self._maker.frame(key, *values), lambda _: ())
            self._filled[key, *values] = self._checked(html, text, subject, preheader)
        return self._filled[key, *values]

    def _checked(
        self, html: Frame[HtmlFragment], text: Frame[TextFragment], subject: str, preheader: str
    ) -> FilledFrame:
        markup = "".join(piece for fragment in html.fragments for piece in fragment.pieces)
        plain = "".join(joined_text((fragment, "") for fragment in text.fragments))
        mail = self._mail(markup, plain, subject, preheader)
        ranked = ((checks.SUBJECT, check_subject(mail)), (checks.FOOTER, check_footer(mail)))
        found = [LocalFinding(rank, "", one) for rank, faults in ranked for one in faults]
        found += [LocalFinding(checks.TEXT, "", one) for one in unnamed_links(shown(markup).links, plain)]
        longest = sum(fragment.longest for fragment in html.fragments)
        slots = frozenset(slot for fragment in html.fragments for slot in fragment.slots)
        in_text = frozenset(slot for fragment in text.fragments for slot in fragment.slots)
        return FilledFrame(html, text, plain, longest, (*html.findings, *found), slots, in_text)

    def _mail(self, html: str, text: str, subject: str, preheader: str = "", source: object = "") -> CheckedMail:
        return CheckedMail(
            subject=subject,
            html=html,
            text=text,
            nonce=self._nonce,
            publication=self.views.frame.publication,
            source=source,
            theme=self._theme,
            declared=slots_in("", self._nonce),
            preheader=preheader,
        )

    def _render_html(self, sample: Sample) -> Cut[HtmlFragment]:
        variables = variables_of(sample.context, self._theme, self._nonce)
        html, declared = render_html(FOLDER, self.views.language, variables, self._templates, self._nonce)
        if slots_in(html, self._nonce) != declared:
            raise NotComposableError("a slot occurs where it is lost or doubled")
        html = html if self.head_rules is None else with_rules(html, self.head_rules)
        cuttings = cut(html, self._nonce)
        mail = self._mail(html, "", self._tokens.subject, source=sample.context)
        fragments = checks.html_fragments(cuttings, html, mail, self._tokens.number)
        same = head_of(html) if self.head_rules is None else without_rules(html)
        head = hashlib.sha256(same.encode()).hexdigest()[:16]
        return Cut(cuttings, fragments, head)

    def _render_text(self, sample: Sample) -> Cut[TextFragment]:
        variables = variables_of(sample.context, self._theme, self._nonce, plain=True)
        text = render_text(FOLDER, self.views.language, variables, self._templates)
        cuttings = cut(text, self._nonce)
        mail = self._mail("", text, self._tokens.subject, source=sample.context)
        token = next((view.number for section in sample.context.sections for view in section.articles), "")
        return Cut(cuttings, checks.text_fragments(cuttings, mail, token))


def _lead(selection: Selection) -> str:
    return selection.shown[0][0] if selection.shown else ""
